"""Put a plugin where the engine looks for it. Imports nothing heavy: the engine's own process uses it."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

DIRECTORY_VARIABLE = "TPU_SERVING_REHEARSAL"
_ROOT = Path(__file__).resolve().parents[2]


def install(home: Path, version: str, directory: Path) -> Path:
    """Write the launcher of the gcp emulator into the plugin cache of `home` (PULUMI_HOME).

    `directory` is the rehearsal the plugin works for. Returns the launcher.
    """
    script = (
        f"export {DIRECTORY_VARIABLE}={shlex.quote(str(directory.resolve()))}\n"
        f"export PYTHONPATH={shlex.quote(str(_ROOT))}\n"
        # -P: the engine starts plugins in the program's folder, whose files must not shadow modules.
        f'exec {shlex.quote(sys.executable)} -P -m rehearsal.plugins.gcp "$@"'
    )
    return launch(home, "gcp", version, script)


def install_language_host(home: Path, version: str) -> Path:
    """Write the launcher of the language host into the plugin cache of `home`, for the CLI brings none here."""
    script = (
        f"export PYTHONPATH={shlex.quote(str(_ROOT))}\n"
        f'exec {shlex.quote(sys.executable)} -P -m rehearsal.engine.language_host "$@"'
    )
    return launch(home, "python", version, script, kind="language")


def launch(home: Path, name: str, version: str, script: str, kind: str = "resource") -> Path:
    """Write a shell script as the plugin `name` of `home` (PULUMI_HOME); returns its path.

    The engine takes the plugin whose folder names exactly the version that the SDK asks for (pulumi/pulumi
    sdk/go/common/workspace/plugins.go).
    """
    folder = home / "plugins" / f"{kind}-{name}-v{version}"
    folder.mkdir(parents=True, exist_ok=True)
    launcher = folder / f"pulumi-{kind}-{name}"
    temporary = launcher.with_suffix(".new")
    temporary.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    temporary.chmod(0o755)
    temporary.replace(launcher)
    return launcher
