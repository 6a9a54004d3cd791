#!/bin/sh
# Finds a Python that tools/setup.py can run on: the one found first may be too old even to parse it.
# PYTHON names one; else the environment's own, then PATH, then what uv knows.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)

fits() { "$1" -I -S -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

stop() {
    echo "setup failed: $1 Then run: make setup" >&2
    exit 1
}

if [ -n "${PYTHON:-}" ]; then
    fits "$PYTHON" || stop "PYTHON=$PYTHON is no Python 3.11 or newer. Name one that is, or leave PYTHON out."
    exec "$PYTHON" -I -S "$root/tools/setup.py" "$@"
fi
for python in "$root/.venv/bin/python" python3 python3.14 python3.13 python3.12 python3.11 python; do
    if fits "$python"; then
        exec "$python" -I -S "$root/tools/setup.py" "$@"
    fi
done
if command -v uv >/dev/null 2>&1; then
    # The last resort, and the only time that uv may fetch a Python.
    cache=${XDG_CACHE_HOME:-$HOME/.cache}/tpu-serving
    UV_CACHE_DIR=$cache/uv UV_PYTHON_INSTALL_DIR=$cache/python
    export UV_CACHE_DIR UV_PYTHON_INSTALL_DIR
    echo "setup: no Python 3.11 or newer on PATH; uv brings one (about 30 MB) ..."
    if uv python install --quiet --no-bin 3.13 2>/dev/null && python=$(uv python find 3.13 2>/dev/null); then
        exec "$python" -I -S "$root/tools/setup.py" "$@"
    fi
    stop "no Python 3.11 or newer on PATH, and uv could not download one. Install Python 3.11 or newer."
fi
found=$(python3 -V 2>&1) || found="no python3 at all"
stop "Python 3.11 or newer is needed; found $found. Install one (Debian: apt install python3 python3-venv)."
