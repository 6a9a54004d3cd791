"""Commands of this project as a person calls them, in the test's own process."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from unittest import mock

import pytest

from settings.document import ROOT

# Modules whose `main` is elsewhere than in the module that `python -m` names.
_ENTRY_POINTS = {"serving": "serving.cli", "policy": "policy.command"}

# Nobody listens there: what registries and the package index say, and how soon, is no matter of a test.
OFFLINE = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
OFFLINE |= {"PIP_RETRIES": "0", "UV_OFFLINE": "1"}


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """What it printed as JSON."""
        return json.loads(self.out)

    @property
    def text(self) -> str:
        """Everything it wrote."""
        return self.out + self.err


def run(module: str, *arguments: str, variables: Mapping[str, str] | None = None) -> Done:
    """`python -m MODULE ARGUMENTS` in the checkout, with nothing to read and no terminal; an exception is the test's.

    test_commands.py runs one of them as a process and finds the same.
    """
    main = importlib.import_module(_ENTRY_POINTS.get(module, module)).main
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        patch.chdir(ROOT)
        # What `--help` and a wrong call name as the program.
        patch.setattr(sys.modules["__main__"], "__package__", module)
        patch.setattr(sys, "argv", ["__main__.py", *arguments])
        patch.setattr(sys, "stdin", io.StringIO())
        # A terminal that pytest was started in is none of the command's.
        patch.setattr("os.get_terminal_size", mock.Mock(side_effect=OSError))
        patch.delenv("COLUMNS", raising=False)
        for name, value in (variables or {}).items():
            patch.setenv(name, value)
        try:
            code = main()
        except SystemExit as end:
            code = end.code
    return Done(_exit_code(code), out.getvalue(), err.getvalue())


def _exit_code(code: Any) -> int:
    assert code is None or isinstance(code, int), code
    return code or 0
