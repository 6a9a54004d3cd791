"""Processes of pods that an earlier kubelet left behind: what left its process group outlives a killed kubelet."""

from __future__ import annotations

import contextlib

import psutil

from rehearsal.directory import MARK, RehearsalDirectory
from rehearsal.kubelet.launch import POD_VARIABLE


def end(directory: RehearsalDirectory) -> None:
    """SIGKILL to every process that is marked as a pod's of this rehearsal."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            environment = process.environ()
            if environment.get(MARK) == str(directory.path) and POD_VARIABLE in environment:
                process.kill()
