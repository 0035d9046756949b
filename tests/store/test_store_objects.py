"""Objects: named by digest, written durably, read back checked."""

from __future__ import annotations

import errno
import hashlib
import os
import stat

import pytest

from relto.errors import Forged, Malformed, NotFound, Unavailable
from relto.store import Directory, Memory
from relto.store import objects as objects_module


@pytest.fixture(params=["directory", "memory"])
def objects(request, tmp_path):
    return Directory(tmp_path / "objects") if request.param == "directory" else Memory()


@pytest.mark.parametrize("data", [b"", b"text", bytes(100_000)])
def test_what_is_put_is_got(objects, data):
    digest = hashlib.sha256(data).digest()
    assert not objects.has(digest)
    assert objects.put(data) == digest
    assert objects.put(data) == digest
    assert objects.has(digest)
    assert objects.get(digest) == data


def test_what_is_not_there(objects):
    with pytest.raises(NotFound):
        objects.get(bytes(32))
    assert not objects.has(bytes(32))
    for digest in (b"", bytes(31), b"../../etc/passwd"):
        with pytest.raises(Malformed):
            objects.get(digest)
        with pytest.raises(Malformed):
            objects.has(digest)


def test_objects_are_bounded(objects, monkeypatch):
    digest = objects.put(b"12345")
    monkeypatch.setattr(objects_module, "OBJECT_MAX", 4)
    with pytest.raises(Malformed):
        objects.put(b"12345")
    if isinstance(objects, Directory):
        with pytest.raises(Forged):
            objects.get(digest)


def test_files_are_read_only_and_leave_nothing_beside(tmp_path):
    objects = Directory(tmp_path / "objects")
    name = objects.put(b"text").hex()
    files = [file for file in (tmp_path / "objects").rglob("*") if file.is_file()]
    assert [file.relative_to(tmp_path / "objects").as_posix() for file in files] == [f"{name[:2]}/{name}"]
    assert stat.S_IMODE(files[0].stat().st_mode) == 0o400


def test_an_altered_object_is_refused_and_mended_by_putting_it_again(tmp_path):
    objects = Directory(tmp_path)
    digest = objects.put(b"text")
    place = tmp_path / digest.hex()[:2] / digest.hex()
    place.chmod(0o600)
    place.write_bytes(b"texT")
    with pytest.raises(Forged, match="altered"):
        objects.get(digest)
    objects.put(b"text")
    assert objects.get(digest) == b"text"


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_failing_disk_leaves_no_object_and_no_rest(tmp_path, monkeypatch, call):
    objects = Directory(tmp_path)

    def fail(*_):
        raise OSError(errno.EIO, "Input/output error")

    if call == "fsync":
        monkeypatch.setattr(objects_module.os, "fsync", fail)
    else:
        monkeypatch.setattr(objects_module.Path, "replace", fail)
    with pytest.raises(Unavailable, match="Input/output"):
        objects.put(b"text")
    monkeypatch.undo()
    assert not objects.has(hashlib.sha256(b"text").digest())
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == []
    objects.put(b"text")


def test_content_is_durable_before_its_name_and_the_name_before_the_answer(tmp_path, monkeypatch):
    steps = []
    real_fsync, real_replace = os.fsync, objects_module.Path.replace

    def fsync(handle):
        steps.append("directory" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file")
        real_fsync(handle)

    def replace(self, target):
        steps.append("rename")
        return real_replace(self, target)

    monkeypatch.setattr(objects_module.os, "fsync", fsync)
    monkeypatch.setattr(objects_module.Path, "replace", replace)
    Directory(tmp_path).put(b"text")
    assert steps[-3:] == ["file", "rename", "directory"]
