"""Set the checkout up: uv (a private copy where it is missing or too old) and the pinned packages.

Run by `tools/setup.sh`, which finds the Python. Standard library only. The system's Python is never written to, so an
externally managed one (PEP 668) is fine. Everything lies under the checkout, but for a download cache. A second run
compares a stamp and ends.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STATE = ROOT / ".state"
VENV = ROOT / ".venv"
# Inside the environment: it goes when the environment goes.
STAMP = VENV / "setup.stamp"
LOG = STATE / "setup.log"
UV_VERSION = "0.13.9"
# Only for a Python with neither pip nor ensurepip (Debian without python3-venv): pip runs from its own wheel.
PIP_WHEEL = (
    "https://files.pythonhosted.org/packages/07/25/ee8c38ae72d66b844ce8eb9711ba905dba21ca1a8a0c960057c41cd23337/"
    "pip-26.3-py3-none-any.whl"
)
PIP_SHA256 = "f3b60b20ffaadd4415ed7957212a38ac63fa4c5fa375bd0f4a797777940fad13"
HEARTBEAT_SECONDS = 20
_NO_NETWORK = re.compile(
    r"error sending request|failed to fetch|connection (refused|reset|error|broken)|connect error|dns error|tunnel"
    r"|name resolution|timed? ?out|network|no matching distribution|proxy|urlopen|unreachable",
    re.IGNORECASE,
)


class SetupError(Exception):
    """Set-up can't go on; the message is one line for the user."""


def say(text: str) -> None:
    """One line a step."""
    print(f"setup: {text}", flush=True)


def cache_dir() -> Path:
    """Where downloads are kept between checkouts."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tpu-serving"


def environment() -> dict[str, str]:
    """What the tools run with: their caches in ours, no Python download, no other environment in the way."""
    dropped = {"VIRTUAL_ENV", "PYTHONHOME", "PYTHONPATH", "PIP_REQUIRE_VIRTUALENV", "PIP_TARGET", "PIP_PREFIX"}
    defaults = {"PIP_RETRIES": "2", "UV_CACHE_DIR": str(cache_dir() / "uv"), "PIP_CACHE_DIR": str(cache_dir() / "pip")}
    fixed = {
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_USER": "0",
        "UV_COMPILE_BYTECODE": "1",
        "UV_PROJECT_ENVIRONMENT": str(VENV),
        "UV_PYTHON_DOWNLOADS": "never",
    }
    return defaults | {k: v for k, v in os.environ.items() if k not in dropped} | fixed


def run(command: list[str], what: str) -> None:
    """Run a step, its output in the log, with a line at the start, every so often, and at the end.

    Raises SetupError in one line: what was tried, and where the details are.
    """
    say(f"{what} ...")
    start = time.monotonic()
    with LOG.open("w+") as log:
        log.write(f"$ {' '.join(command)}\n")
        log.flush()
        try:
            process = subprocess.Popen(
                command, cwd=ROOT, env=environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        except OSError as error:
            raise SetupError(f"{what}: {error}.") from None
        while True:
            try:
                code = process.wait(HEARTBEAT_SECONDS)
                break
            except subprocess.TimeoutExpired:
                say(f"{what}: still running after {time.monotonic() - start:.0f} s")
        log.seek(0)
        output = log.read()
    if code:
        raise SetupError(explain(what, command, output))
    say(f"{what}: done in {time.monotonic() - start:.0f} s")


def explain(what: str, command: list[str], output: str) -> str:
    """One line about a failed step: the network where it was the network, else the tool's own words."""
    tried = " ".join(Path(part).name if part.startswith("/") else part for part in command)
    details = f"Tried: {tried}; details: {LOG.relative_to(ROOT)}."
    if _NO_NETWORK.search(output):
        return f"{what}: the package index can't be reached; check the network and the proxy settings. {details}"
    errors = [line.strip() for line in output.splitlines() if re.match(r"\s*(error|fatal)", line, re.IGNORECASE)]
    return f"{what}: {errors[0] if errors else 'ended with an error.'} {details}"


def version_of(uv: str) -> tuple[int, ...]:
    """Version of a uv, () where it does not run."""
    try:
        done = subprocess.run([uv, "--version"], capture_output=True, text=True, check=False)
    except OSError:
        return ()
    found = re.match(r"uv (\d+)\.(\d+)\.(\d+)", done.stdout)
    return tuple(int(part) for part in found.groups()) if found else ()


def find_uv() -> str:
    """The uv on PATH where it is new enough for the project file, else a private one of a pinned version."""
    import tomllib  # only where there is work to do: the second run should cost nothing

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    oldest = tuple(int(part) for part in project["tool"]["uv"]["required-version"].removeprefix(">=").split("."))
    on_path = shutil.which("uv")
    if on_path and version_of(on_path) >= oldest:
        return on_path
    private = STATE / "uv" / "bin" / "uv"
    if version_of(str(private)) != tuple(int(part) for part in UV_VERSION.split(".")):
        install_uv(private.parent.parent)
    return str(private)


def install_uv(home: Path) -> None:
    """Put uv into a directory of its own, with whatever this Python has: venv, pip, or neither."""
    package = f"uv=={UV_VERSION}"
    shutil.rmtree(home, ignore_errors=True)
    if importlib.util.find_spec("ensurepip") and importlib.util.find_spec("venv"):
        run([sys.executable, "-m", "venv", str(home)], "an environment for uv")
        run([str(home / "bin" / "python"), "-m", "pip", "install", package], f"uv {UV_VERSION}")
        return
    # No `-S` here: Debian's pip lies in a directory that the site module adds.
    has_pip = subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True, check=False)
    pip = ["-m", "pip"] if not has_pip.returncode else [str(pip_wheel() / "pip")]
    run([sys.executable, *pip, "install", "--target", str(home), package], f"uv {UV_VERSION}, without venv")


def pip_wheel() -> Path:
    """pip as a wheel, which Python can run as it is; checked against its digest. Raises SetupError."""
    import urllib.request

    wheel = cache_dir() / PIP_WHEEL.rpartition("/")[2]
    if not wheel.exists():
        say("this Python has neither ensurepip nor pip; fetching pip's wheel ...")
        try:
            with urllib.request.urlopen(PIP_WHEEL, timeout=30) as answer:
                content = answer.read()
        except OSError as error:
            raise SetupError(
                f"fetching pip: {PIP_WHEEL.split('/')[2]}: {getattr(error, 'reason', error)}. Check the network, "
                "or install venv (Debian: apt install python3-venv)."
            ) from None
        if hashlib.sha256(content).hexdigest() != PIP_SHA256:
            raise SetupError("fetching pip: what came is not the wheel we know; is a proxy answering instead?")
        wheel.parent.mkdir(parents=True, exist_ok=True)
        partial = wheel.with_name(f"{wheel.name}.{os.getpid()}")
        partial.write_bytes(content)
        partial.replace(wheel)
    return wheel


def fingerprint() -> str:
    """What the environment was made from: lock, project file, place and interpreter (not the name it was called by)."""
    digest = hashlib.sha256(f"{sys.version} {sys.base_prefix} {ROOT}".encode())
    for name in ("uv.lock", "pyproject.toml"):
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def up_to_date() -> bool:
    """Whether the environment is the one that would be made now."""
    try:
        return STAMP.read_text() == fingerprint() and (VENV / "bin" / "python").exists()
    except OSError:
        return False


def sync() -> None:
    """Bring `.venv` to what uv.lock says."""
    uv = find_uv()
    STAMP.unlink(missing_ok=True)
    # The environment's own interpreter can't be what it is made from.
    python = [] if Path(sys.executable).parent.parent == VENV else ["--python", sys.executable]
    run([uv, "sync", "--locked", "--no-progress", *python], "the pinned packages, compiled")
    STAMP.write_text(fingerprint())


def main() -> int:
    """Set up, or find in a moment that nothing is to do. Exit code 1 with one line on failure."""
    if up_to_date():
        return 0
    try:
        STATE.mkdir(exist_ok=True)
        with (STATE / "setup.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say("another set-up of this checkout is running; waiting for it ...")
                fcntl.flock(lock, fcntl.LOCK_EX)
            if not up_to_date():
                sync()
    except (SetupError, OSError) as error:
        sys.stderr.write(f"setup failed: {error} Then run: make setup\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
