"""The rehearsal's directory: private, atomic, one command at a time; and the wrapper that ties a child to its parent."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from rehearsal import die_with_parent
from rehearsal.directory import MARK, DirectoryError, ProcessRecord, Record, RehearsalDirectory, write_private


@pytest.fixture
def directory(tmp_path: Path) -> RehearsalDirectory:
    made = RehearsalDirectory(tmp_path / "state" / "dev")
    made.create()
    return made


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_every_folder_is_the_users_only(directory: RehearsalDirectory) -> None:
    folders = [directory.root, *(path for path in directory.root.rglob("*") if path.is_dir())]
    assert len(folders) > 8
    assert {_mode(folder) for folder in folders} == {0o700}


def test_create_keeps_what_is_there_and_closes_what_was_open(directory: RehearsalDirectory) -> None:
    (directory.etcd / "data").write_text("kept")
    directory.etcd.chmod(0o755)
    directory.create()
    assert (directory.etcd / "data").read_text() == "kept"
    assert _mode(directory.etcd) == 0o700


def test_a_directory_that_can_not_be_made_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DirectoryError, match=r"can't be used.*Choose a directory"):
        RehearsalDirectory(tmp_path / "file" / "dev").create()


def test_paths_are_absolute_wherever_it_is_named_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert RehearsalDirectory(Path("dev")) == RehearsalDirectory(tmp_path / "dev")
    assert RehearsalDirectory(Path("dev")).environment == {MARK: str((tmp_path / "dev").resolve())}


def test_the_record_survives_and_is_in_camel_case(directory: RehearsalDirectory) -> None:
    assert directory.load_record() == Record()
    record = Record(network=3, service_cidr="127.70.0.0/16", pids={"etcd": ProcessRecord(pid=7, started=1.5)})
    directory.save_record(record)
    assert directory.load_record() == record
    assert json.loads(directory.record.read_text())["serviceCidr"] == "127.70.0.0/16"
    assert _mode(directory.record) == 0o600


def test_a_damaged_record_is_one_clear_error(directory: RehearsalDirectory) -> None:
    directory.record.write_text("{")
    with pytest.raises(DirectoryError, match="is not a rehearsal's record"):
        directory.load_record()


def test_changes_of_the_record_never_get_lost(directory: RehearsalDirectory) -> None:
    def count() -> None:
        for _ in range(25):
            with directory.change_record() as record:
                record.ports["n"] = record.ports.get("n", 0) + 1

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert directory.load_record().ports == {"n": 100}


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "record"
    write_private(target, "old")
    with pytest.raises(UnicodeEncodeError):
        write_private(target, "\udcff")
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_one_command_at_a_time_and_a_killed_one_frees_the_lock(directory: RehearsalDirectory) -> None:
    script = (
        "import sys, pathlib; from rehearsal.directory import RehearsalDirectory as D\n"
        "with D(pathlib.Path(sys.argv[1])).locked():\n print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", script, str(directory.root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(DirectoryError, match=f"process {holder.pid}"), directory.locked():
            pass
        holder.kill()
        holder.wait()
        with directory.locked():
            pass


def test_remove_takes_everything_and_may_be_repeated(directory: RehearsalDirectory) -> None:
    directory.remove()
    assert not directory.root.exists()
    directory.remove()


@pytest.mark.parametrize("name", ["with a space", "with:colon", "with'quote", "with$dollar", "größe"])
def test_a_name_that_a_shell_would_take_apart_has_a_link_that_goes_with_it(tmp_path: Path, name: str) -> None:
    directory = RehearsalDirectory(tmp_path / name)
    directory.create()
    directory.create()
    assert directory.link is not None
    shown = subprocess.run(
        ["/bin/sh", "-c", f"cd {directory.pods} && pwd -P"], check=True, capture_output=True, text=True
    )
    assert shown.stdout == f"{directory.root / 'pods'}\n"
    directory.remove()
    assert not directory.link.is_symlink()


def test_an_ordinary_name_needs_no_link(directory: RehearsalDirectory) -> None:
    assert directory.link is None
    assert directory.pods == directory.root / "pods"


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
    parent = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        assert child.is_running()
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    gone, _ = psutil.wait_procs([child], timeout=30)
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


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has the check")
def test_a_child_whose_parent_has_gone_does_not_start() -> None:
    command = die_with_parent.wrap([sys.executable, "-c", "print('started')"])
    command[command.index(str(os.getpid()))] = "1"
    done = subprocess.run(command, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (1, b"")
