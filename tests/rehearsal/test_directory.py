"""The rehearsal's directory: private, atomic, one command at a time; and the wrapper that ties a child to its parent."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from rehearsal import die_with_parent
from rehearsal.directory import DirectoryError, Record, RehearsalDirectory
from tests.rehearsal.plane import HANGS


@pytest.fixture
def directory(tmp_path: Path) -> RehearsalDirectory:
    made = RehearsalDirectory(tmp_path / "state" / "dev")
    made.create()
    return made


def test_every_folder_is_the_users_only_and_what_is_there_stays(directory: RehearsalDirectory) -> None:
    (directory.etcd / "data").write_text("kept")
    directory.etcd.chmod(0o755)
    directory.create()
    assert (directory.etcd / "data").read_text() == "kept"
    folders = [directory.root, *(path for path in directory.root.rglob("*") if path.is_dir())]
    assert len(folders) > 8
    assert (directory.link, directory.pods) == (None, directory.root / "pods")
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in folders} == {0o700}


def test_a_directory_that_can_not_be_made_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DirectoryError, match=r"can't be used.*Choose a directory"):
        RehearsalDirectory(tmp_path / "file" / "dev").create()


def test_the_record_survives_and_one_that_is_none_is_empty(directory: RehearsalDirectory) -> None:
    assert directory.load_record() == Record()
    record = Record(service_cidr="127.70.0.0/16", pids={"etcd": 7})
    directory.save_record(record)
    assert directory.load_record() == record
    assert json.loads(directory.record.read_text())["serviceCidr"] == "127.70.0.0/16"
    assert stat.S_IMODE(directory.record.stat().st_mode) == 0o600
    for text in ("{", '{"pids": {"etcd": {"pid": 7, "started": 1.5}}}'):
        directory.record.write_text(text)
        assert directory.load_record() == Record()


def test_one_command_at_a_time_and_a_killed_one_frees_the_lock(directory: RehearsalDirectory) -> None:
    script = (
        "import sys, pathlib; from rehearsal.directory import RehearsalDirectory as D\n"
        "with D(pathlib.Path(sys.argv[1])).locked():\n print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", script, str(directory.root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(DirectoryError, match=f"process {holder.pid}"), directory.locked():
            pass
        holder.kill()
        holder.wait()
        with directory.locked():
            assert directory.lock.read_text() == str(os.getpid())


def test_clear_leaves_the_lock_alone_and_remove_takes_everything(directory: RehearsalDirectory) -> None:
    with directory.locked():
        directory.clear()
        assert list(directory.root.iterdir()) == [directory.lock]
    directory.remove()
    assert not directory.root.exists()
    directory.remove()


@pytest.mark.parametrize("name", ["with a space", "with:colon", "with'quote", "with$dollar", "größe"])
def test_a_name_that_a_shell_would_take_apart_has_a_link_that_goes_with_it(tmp_path: Path, name: str) -> None:
    directory = RehearsalDirectory(tmp_path / name)
    directory.create()
    directory.create()
    assert directory.link is not None
    command = ["/bin/sh", "-c", f"cd {directory.pods} && pwd -P"]
    shown = subprocess.run(command, check=True, capture_output=True, text=True)
    assert shown.stdout == f"{directory.root / 'pods'}\n"
    directory.remove()
    assert not directory.link.is_symlink()


def test_a_link_of_somebody_else_is_not_used(tmp_path: Path) -> None:
    directory = RehearsalDirectory(tmp_path / "with a space")
    assert directory.link is not None
    directory.link.symlink_to(tmp_path)
    try:
        with pytest.raises(DirectoryError, match=f"{directory.link} is in the way"):
            directory.create()
    finally:
        directory.link.unlink()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux kills a child with its parent")
def test_a_wrapped_child_dies_with_its_killed_parent() -> None:
    script = (
        "import subprocess, sys; from rehearsal.die_with_parent import wrap\n"
        "child = subprocess.Popen(wrap([sys.executable, '-c', "
        "'print(1, flush=True); import time; time.sleep(600)']), stdout=subprocess.PIPE)\n"
        "child.stdout.readline(); print(child.pid, flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        assert child.is_running()
        parent.kill()
    gone, _ = psutil.wait_procs([child], timeout=HANGS)
    assert gone or child.status() == psutil.STATUS_ZOMBIE


def test_the_wrapper_becomes_the_program_with_its_arguments_and_exit_code() -> None:
    command = [sys.executable, "-c", "import os, sys; print(os.getpid(), sys.argv[1:]); sys.exit(7)", "a b", ""]
    with subprocess.Popen(die_with_parent.wrap(command), stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.read().strip() == f"{child.pid} ['a b', '']"
    assert child.returncode == 7


def test_a_program_that_is_not_there_is_named() -> None:
    done = subprocess.run(die_with_parent.wrap(["/nonexistent/program"]), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (127, "/nonexistent/program: No such file or directory\n")
