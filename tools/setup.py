"""Set up the checkout: uv (in an environment of its own where it is missing) and the locked packages.

Standard library only; never touches the system's Python, so an externally managed one is fine. Run twice, the second
run only compares a stamp. Everything lies under the checkout, but for the download cache.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STATE = ROOT / ".state"
STAMP = STATE / "setup.stamp"
MINIMUM = (3, 11)


def cache_dir() -> Path:
    """Where downloads are kept between checkouts."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tpu-serving"


def fingerprint() -> str:
    """What the environment was made from: the lock, the project file and the interpreter."""
    digest = hashlib.sha256(f"{sys.version_info[:3]} {sys.executable} {ROOT}".encode())
    for name in ("uv.lock", "pyproject.toml"):
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def say(text: str) -> None:
    """One line a step."""
    print(f"setup: {text}", flush=True)


def fail(text: str) -> None:
    """End with a message and no traceback."""
    sys.stderr.write(f"setup failed: {text}\n")
    sys.exit(1)


def run(command: list[str], what: str, hint: str) -> None:
    """Run a step; on failure show the end of what it printed, and what would help."""
    start = time.monotonic()
    environment = {
        **os.environ,
        "UV_CACHE_DIR": str(cache_dir() / "uv"),
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_COMPILE_BYTECODE": "1",
        "UV_LINK_MODE": os.environ.get("UV_LINK_MODE", "hardlink"),
    }
    environment.pop("VIRTUAL_ENV", None)
    say(f"{what} ...")
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
    except OSError as error:
        fail(f"{what}: {error}. {hint}")
        return
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-8:])
        fail(f"{what}:\n{tail}\n{hint}")
    say(f"{what}: done in {time.monotonic() - start:.0f} s")


def find_uv() -> str:
    """uv from PATH, or from an environment of its own."""
    found = shutil.which("uv")
    if found:
        return found
    home = STATE / "uv"
    binary = home / "bin" / "uv"
    if binary.exists():
        return str(binary)
    hint = "Is the package index reachable? Then run the same command again. Debian: apt-get install python3-venv."
    run([sys.executable, "-m", "venv", "--clear", str(home)], "an environment for uv", hint)
    run([str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", "uv"], "installing uv", hint)
    return str(binary)


def main() -> None:
    """Set up, or say in a moment that nothing is to do."""
    if sys.version_info < MINIMUM:
        fail(
            f"Python {MINIMUM[0]}.{MINIMUM[1]} or newer is needed; this is {sys.version.split()[0]}. Try make PYTHON=python3.12."
        )
    STATE.mkdir(exist_ok=True)
    with (STATE / "setup.lock").open("w") as lock:
        # Two makes at once: the second waits and then finds the work done.
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = fingerprint()
        python = ROOT / ".venv" / "bin" / "python"
        if STAMP.exists() and STAMP.read_text() == wanted and python.exists():
            return
        uv = find_uv()
        hint = "Is the package index reachable? Then run the same command again; what was downloaded is kept."
        run([uv, "sync", "--locked", "--quiet", "--python", sys.executable], "installing the locked packages", hint)
        STAMP.write_text(wanted)


if __name__ == "__main__":
    main()
