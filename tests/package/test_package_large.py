"""Files beyond 4 GiB: the arithmetic of ZIP64 on sparse files, where holes stand for what nobody wants to write."""

import io
import struct

import pytest

from relto.errors import Malformed, Refused
from relto.package.container import FILE_MAX, SIZE_MAX, Writer, locate, scan

GIB = 1024**3
MANIFEST = b'{"a":1}'


class Sparse(io.RawIOBase):
    """A file of any size of which only what was written is kept; the rest reads as zeros."""

    def __init__(self):
        super().__init__()
        self.pieces, self.position, self.size = {}, 0, 0

    def seekable(self):
        return True

    def seek(self, offset, whence=io.SEEK_SET):
        self.position = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self.position, io.SEEK_END: self.size}[whence]
        return self.position

    def tell(self):
        return self.position

    def write(self, data):
        self.pieces[self.position] = bytes(data)
        self.position += len(data)
        self.size = max(self.size, self.position)
        return len(data)

    def read(self, size=-1):
        size = max(0, min(size if size >= 0 else self.size, self.size - self.position))
        made = bytearray(size)
        for at, data in self.pieces.items():
            start, stop = max(at, self.position), min(at + len(data), self.position + size)
            if start < stop:
                made[start - self.position : stop - self.position] = data[start - at : stop - at]
        self.position += size
        return bytes(made)


def written(size, *, announced=True):
    file = Sparse()
    writer = Writer(file, size if announced else None)
    writer.write(b"first")
    hole = size - 10
    writer._size += hole
    file.seek(hole, io.SEEK_CUR)
    writer.write(b" last")
    writer.finish(MANIFEST)
    writer.close()
    return file


@pytest.mark.parametrize("size", [100, 4 * GIB - 2, 4 * GIB - 1, 4 * GIB, 4 * GIB + 1, 5 * GIB, SIZE_MAX + 28 * 32768])
@pytest.mark.parametrize("announced", [True, False])
def test_sizes_around_the_limits_of_the_short_fields(size, announced):
    file = written(size, announced=announced)
    found = scan(file)
    assert (found.payload_size, found.manifest) == (size, MANIFEST)
    file.seek(found.payload_at)
    assert file.read(5) == b"first"
    file.seek(found.payload_at + size - 5)
    assert file.read(5) == b" last"
    members = locate(file, members_max=2, size_max=FILE_MAX)
    assert [(one.name, one.size) for one in members] == [("0.payload", size), ("0.manifest.json", len(MANIFEST))]
    wide = size >= 4 * GIB - 2 or not announced  # the last two behind the payload may lie beyond
    assert (struct.unpack_from("<I", file.pieces[0], 18)[0] == 0xFFFFFFFF) == wide, (
        "ZIP64 where it is needed, or unknown"
    )


def test_a_file_beyond_the_limit_is_refused_and_so_is_a_comment_in_the_place_of_a_size():
    with pytest.raises(Malformed, match="at most"):
        scan(written(FILE_MAX))
    file = written(5 * GIB)
    file.pieces = {at: data for at, data in file.pieces.items() if not data.startswith(b"PK\x03\x04") or at}
    with pytest.raises((Malformed, Refused)):
        scan(file)
