"""The published corpus of what must be refused: each is, with its error, before anybody is asked, and nothing is left."""

import asyncio
import hashlib
import io
import json
import tracemalloc
from base64 import b64decode

import pytest
from hostile_vectors import FOLDER, files, index
from test_package_published import opened

from relto.errors import Conflict, Malformed, ReltoError
from relto.node.keyaccess import BODY_MAX, read_body
from relto.package import access

HELD = json.loads((FOLDER / "cases.json").read_text())


@pytest.mark.parametrize("case", HELD["files"], ids=lambda case: case["file"])
def test_file(case, tmp_path):
    data = (FOLDER / case["file"]).read_bytes()
    assert hashlib.sha256(data).hexdigest() == case["sha256"]
    try:
        result, asked = opened(data, tmp_path / "out")
    except ReltoError as error:
        result, asked = error, False
    assert isinstance(result, ReltoError), "it opened"
    assert (result.code, asked) == (case["error"], False)
    assert list(tmp_path.iterdir()) == []


def test_requests_in_their_order():
    """As a node takes them: body, signature, audience, time, and what was used before."""
    held, seen = HELD["requests"], set()
    for case in held["cases"]:
        body = b64decode(case["body"])
        try:
            if body[:2] == b"\x1f\x8b":
                body = inflated(body)
            request = access.verify_request(
                access.parse_request(body), key=held["client"], audience=held["audience"], now=held["now"]
            )
            if request.once in seen:
                raise Conflict("used before")
            seen.add(request.once)
            taken = True
        except ReltoError:
            taken = False
        assert taken == case["taken"], case["case"]


def inflated(body):
    class Call:
        def __init__(self):
            self.headers = {"content-encoding": "gzip"}

        async def stream(self):
            for start in range(0, len(body), 1000):
                yield body[start : start + 1000]

    return asyncio.run(read_body(Call()))


def test_a_bomb_is_stopped_before_it_has_grown():
    bomb = next(b64decode(one["body"]) for one in HELD["requests"]["cases"] if one["case"] == "bomb")
    tracemalloc.start()
    with pytest.raises(Malformed, match="more than"):
        inflated(bomb)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * BODY_MAX


def test_the_corpus_is_what_it_is_made_from():
    found = list(files())
    assert index(found) == HELD
    for name, data, _, _ in found:
        assert (FOLDER / name).read_bytes() == data
    assert {one.name for one in FOLDER.iterdir()} == {"cases.json", *(name for name, *_ in found)}


def test_a_manifest_of_empty_lists_is_refused_by_its_count():
    from package_vectors import repacked

    from relto.package import read

    with pytest.raises(Malformed, match="more parts"):
        read(io.BytesIO(repacked(b"", b"[" + b"[]," * 400_000 + b"[]]")))
