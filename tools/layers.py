"""Check that imports point one way (`python -m tools.layers`): the contracts of pyproject.toml, under import-linter.

The contracts name every package of the design. import-linter refuses a name that is not there, so a package that does
not exist yet is left out, and is held to its contracts from the moment it appears.
"""

from __future__ import annotations

import configparser
import sys
import tomllib
from pathlib import Path
from typing import Any

from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

ROOT = Path(__file__).resolve().parent.parent


def present(options: dict[str, Any], missing: set[str]) -> dict[str, str]:
    """Options in the INI form, without the packages that are missing."""
    kept = {
        k: [v for v in value if v.split(".")[0] not in missing] if isinstance(value, list) else value
        for k, value in options.items()
    }
    return {key: "\n".join(["", *value]) if isinstance(value, list) else str(value) for key, value in kept.items()}


def contracts(root: Path) -> configparser.ConfigParser:
    """The import-linter section of a checkout's pyproject.toml, for the packages that the checkout has."""
    section = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    missing = {name for name in section["root_packages"] if not (root / name / "__init__.py").exists()}
    config = configparser.ConfigParser()
    config["importlinter"] = present({k: v for k, v in section.items() if k != "contracts"}, missing)
    for number, contract in enumerate(section["contracts"]):
        options = present(contract, missing)
        if all(options.get(key, "some").strip() for key in ("source_modules", "forbidden_modules", "containers")):
            config[f"importlinter:contract:{number}"] = options
    return config


def main(root: Path = ROOT) -> int:
    """Print the verdict on every contract; 0 when all are kept."""
    state = root / ".state"
    state.mkdir(exist_ok=True)
    path = state / "importlinter.ini"
    with path.open("w", encoding="utf-8") as file:
        contracts(root).write(file)
    sys.path.insert(0, str(root))
    status: int = lint_imports(config_filename=str(path), no_cache=True, no_logo=True)
    return int(status != EXIT_STATUS_SUCCESS)


if __name__ == "__main__":
    sys.exit(main())
