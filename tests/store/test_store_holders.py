"""Key files: for their owner alone, written once."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys

import pytest

from relto.errors import Conflict, Malformed, NotFound, Refused, Unavailable
from relto.keys import SecretKey
from relto.store import KeyFiles


@pytest.fixture
def keys(tmp_path):
    return KeyFiles(tmp_path / "keys")


def test_a_key_is_kept(keys):
    key = SecretKey.generate("gbr/node-1", os.urandom)
    place = keys.write("node-1", key.to_text())
    assert SecretKey.from_text(keys.read("node-1")).public == key.public
    assert keys.names() == ["node-1"]
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert stat.S_IMODE(keys.directory.stat().st_mode) == 0o700
    assert [file.name for file in keys.directory.iterdir()] == ["node-1.key"]


def test_a_umask_widens_nothing(keys):
    before = os.umask(0)
    try:
        place = keys.write("node-1", "secret\n")
    finally:
        os.umask(before)
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert stat.S_IMODE(keys.directory.stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o644, 0o666])
def test_a_key_file_that_others_may_touch_is_refused(keys, mode):
    place = keys.write("node-1", "secret\n")
    place.chmod(mode)
    with pytest.raises(Refused, match=f"mode {mode:04o}") as caught:
        keys.read("node-1")
    assert f"chmod 0600 {place}" in caught.value.hint
    assert stat.S_IMODE(place.stat().st_mode) == mode


@pytest.mark.parametrize("mode", [0o750, 0o705, 0o777, 0o710])
def test_a_key_directory_that_others_may_enter_is_refused(keys, mode):
    keys.write("node-1", "secret\n")
    keys.directory.chmod(mode)
    for use in (lambda: keys.read("node-1"), lambda: keys.write("node-2", "x"), keys.names):
        with pytest.raises(Refused, match="mode"):
            use()
    keys.directory.chmod(0o700)
    assert keys.names() == ["node-1"]


def test_a_key_of_somebody_else_is_refused(keys, monkeypatch):
    keys.write("node-1", "secret\n")
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(Refused, match="somebody else"):
        keys.read("node-1")


def test_a_key_is_never_replaced(keys):
    keys.write("node-1", "first\n")
    with pytest.raises(Conflict):
        keys.write("node-1", "second\n")
    assert keys.read("node-1") == "first\n"
    assert len(list(keys.directory.iterdir())) == 1


def test_links_and_other_files_are_refused(keys, tmp_path):
    keys.write("node-1", "secret\n")
    (keys.directory / "link.key").symlink_to(keys.directory / "node-1.key")
    (keys.directory / "folder.key").mkdir()
    os.mkfifo(keys.directory / "pipe.key", 0o600)
    for name in ("link", "folder", "pipe"):
        with pytest.raises(Refused):
            keys.read(name)
    (tmp_path / "other").symlink_to(keys.directory)
    with pytest.raises(Refused, match="plain directory"):
        KeyFiles(tmp_path / "other").read("node-1")


def test_what_is_not_there(keys):
    assert keys.names() == []
    with pytest.raises(NotFound, match="no key directory"):
        keys.read("node-1")
    keys.write("node-1", "secret\n")
    with pytest.raises(NotFound) as caught:
        keys.read("node-2")
    assert "node-1" in caught.value.hint


@pytest.mark.parametrize("name", ["", "A", "a/b", "../a", ".a", "a.key", "a" * 65, "a\n"])
def test_names(keys, name):
    with pytest.raises(Malformed):
        keys.write(name, "secret\n")
    with pytest.raises(Malformed):
        keys.read(name)


def test_bounds(keys):
    for text in ("", "x" * (64 * 1024 + 1)):
        with pytest.raises(Malformed):
            keys.write("node-1", text)
    keys.write("node-1", "x" * 64 * 1024)
    (keys.directory / "node-1.key").write_bytes(b"x" * (64 * 1024 + 1))
    with pytest.raises(Malformed, match="larger"):
        keys.read("node-1")
    (keys.directory / "node-1.key").write_bytes(b"\xff")
    with pytest.raises(Malformed, match="not text"):
        keys.read("node-1")


def test_a_directory_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(Unavailable):
        KeyFiles(tmp_path / "file" / "keys").write("node-1", "secret\n")


def test_a_process_that_holds_keys_leaves_no_core_and_shows_no_memory():
    """A crash by SIGABRT right after: the kernel says that no core was written, and nobody may look inside before."""
    code = (
        "import ctypes, os, resource\n"
        "from relto.store.holders import forbid_dumps\n"
        "forbid_dumps()\n"
        "print(resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), flush=True)\n"
        "os.abort()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "(0, 0) 0\n"
    assert done.returncode == -signal.SIGABRT


def test_a_removed_key_file_is_gone(tmp_path):
    keys = KeyFiles(tmp_path / "keys")
    place = keys.write("access-1", "secret")
    keys.remove("access-1")
    assert not place.exists()
    assert keys.names() == []
    with pytest.raises(NotFound):
        keys.remove("access-1")
