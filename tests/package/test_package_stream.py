"""What is under way has no name: whoever is killed in the middle leaves nothing, whatever fails is said in our words."""

import errno
import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from package_forge import PLAIN, arguments, open_bytes, sealed

from relto import package
from relto.errors import Forged, Unavailable
from relto.package import stream
from relto.package.parts import Window

HERE = Path(__file__).parent
# Opens or seals slowly, and says when some segments are written.
SLOW = """
import sys, time
sys.path[:0] = [{here!r}]
from package_forge import KEYS, OWNER, URL, arguments
from relto import package
from relto.package import access

def slowly(done, whole):
    if done >= 2048:
        print("under way", flush=True)
        time.sleep(60)

if {opening}:
    package.seal("plain", "sealed.tdf", **arguments())
    found = package.read("sealed.tdf")
    ask = lambda asked: [access.unwrap(KEYS, one, found.policy) for one in asked]
    package.open_sealed(found, "sealed.tdf", "out/plain", ask, OWNER.public, {{URL}}, slowly)
else:
    package.seal("plain", "out/made.tdf", progress=slowly, **arguments())
"""


@pytest.fixture(params=["unnamed", "hidden"])
def way(request, monkeypatch):
    """Both ways of writing: files without a name, and hidden ones where the file system has no such thing."""
    if request.param == "hidden":
        monkeypatch.setattr(stream, "_UNNAMED", 0)
    return request.param


@pytest.mark.parametrize("opening", [True, False])
def test_killed_in_the_middle_nothing_is_left(opening, tmp_path):
    if not _knows_unnamed(tmp_path):
        pytest.skip("the file system here knows no files without a name")
    (tmp_path / "out").mkdir()
    (tmp_path / "plain").write_bytes(os.urandom(4096))
    code = SLOW.format(here=str(HERE), opening=opening)
    with subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.PIPE) as child:
        assert child.stdout.readline() == b"under way\n"
        assert list((tmp_path / "out").iterdir()) == []
        child.send_signal(signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
    assert list((tmp_path / "out").iterdir()) == []


def _knows_unnamed(folder):
    try:
        os.close(os.open(folder, os.O_TMPFILE | os.O_RDWR))
    except OSError:
        return False
    return True


def _names(folder):
    return [path.name for path in folder.iterdir()]


def test_what_stands_there_is_replaced_only_by_the_whole(way, tmp_path):
    target = tmp_path / "out"
    target.write_bytes(b"before")
    broken = bytearray(sealed(PLAIN))
    broken[600] ^= 1
    with pytest.raises(Forged):
        open_bytes(bytes(broken), target)
    assert (target.read_bytes(), _names(tmp_path)) == (b"before", ["out"])
    assert open_bytes(sealed(PLAIN), target)[1] == PLAIN
    assert _names(tmp_path) == ["out"]
    assert target.stat().st_mode & 0o777 == 0o600


def test_a_name_that_a_killed_process_left_is_passed_by(tmp_path):
    (tmp_path / "out").write_bytes(b"before")
    stray = tmp_path / f".out.{os.getpid():x}-1.part"
    stray.write_bytes(b"stray")
    with stream.writing(tmp_path / "out") as file:
        file.write(b"after")
    assert ((tmp_path / "out").read_bytes(), stray.read_bytes()) == (b"after", b"stray")


@pytest.mark.parametrize("call", ["fsync", "write"])
def test_a_full_disk_leaves_nothing(call, way, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if call == "fsync":
        monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Unavailable, match="No space left"), stream.writing(tmp_path / "out") as file:
        if call == "write":
            with stream.writes(tmp_path / "out"):
                full()
        file.write(b"x")
    assert _names(tmp_path) == []


@pytest.mark.parametrize("folder", ["missing", "file"])
def test_a_folder_that_is_none(folder, way, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Unavailable, match="cannot be written"), stream.writing(tmp_path / folder / "out"):
        pass


class Raw(io.RawIOBase):
    """Reads and writes few bytes at a time, as a pipe does; with or without `readinto`."""

    def __init__(self, data, *, direct):
        super().__init__()
        self._file, self.seekable = io.BytesIO(data), lambda: False
        if not direct:
            self.readinto = None

    def read(self, size=-1):
        return self._file.read(min(size, 7))

    def readinto(self, into):
        return self._file.readinto(into[:7])


@pytest.mark.parametrize("direct", [True, False])
def test_short_reads_make_whole_segments(direct, tmp_path):
    out = io.BytesIO()
    package.seal(Raw(PLAIN * 30, direct=direct), out, **arguments(segment_size=100))
    assert open_bytes(out.getvalue(), tmp_path / "out")[1] == PLAIN * 30
    assert len(package.read(out).manifest.segments) == -(-len(PLAIN) * 30 // 100)


def test_a_window_is_filled_to_its_end_and_no_further():
    window = Window(io.BytesIO(b"before|inside|after"), 7, 6)
    room = memoryview(bytearray(10))
    assert (stream.fill(window, room), bytes(room[:6])) == (6, b"inside")
    assert stream.fill(window, room) == 0


def test_the_disk_is_told_to_begin(tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr(os, "posix_fadvise", lambda _fd, start, size, _advice: told.append((start, size)))
    monkeypatch.setattr(stream, "AHEAD", 1000)
    with stream.writing(tmp_path / "out") as file:
        file.write(b"head")
        ahead = stream.Ahead(file)
        for size in (600, 600, 999, 1):
            ahead.passed(size)
    assert told == [(4, 1200), (1204, 1000)]
    ahead = stream.Ahead(io.BytesIO())  # nothing to tell
    ahead.passed(5000)
    assert len(told) == 2
