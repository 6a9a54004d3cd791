"""Undoing one fix on purpose: fault injection: a known field failure, on the real program under the real engine.

`catalogue.yaml` says what each undo takes away and what is to be seen then, `edits.py` does it to a registration of the
program, `monitor.py` stands between program and engine. The program and its checks know nothing of it: they have
approved their objects before.
"""

from rehearsal.undo.catalogue import Undo, UndoError, find_undos, load_undos
from rehearsal.undo.monitor import undone

__all__ = ["Undo", "UndoError", "find_undos", "load_undos", "undone"]
