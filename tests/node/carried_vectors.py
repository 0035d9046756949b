"""Writes tests/vectors/carried/: one sealed file, what is in it, and what must be refused.

HPKE and ML-DSA draw randomness of their own, so that each run makes another file; what is published was made once.
"""

import hashlib
import json
import sys
from pathlib import Path

from relto.keys import OpeningKey, SecretKey, to_base64
from relto.node import sealed_file

OUT = Path(__file__).parent.parent / "vectors" / "carried"


def stream(seed):
    """Bytes that anybody can make again: SHAKE-256 of the seed."""
    return lambda size: hashlib.shake_256(seed.encode()).digest(size)


def main():
    key = OpeningKey(stream("relto carried mlkem768")(64), stream("relto carried x25519")(32))
    node = SecretKey("gbr/node", stream("relto carried node")(32))
    sections = {
        "empty": b"",
        "objects/one": b"a text\n",
        "long": hashlib.shake_256(b"relto carried long").digest(2 * sealed_file.CHUNK),
    }
    target = OUT / "one.sealed"
    target.unlink(missing_ok=True)
    sealed_file.write(
        target,
        "bundle",
        b'{"by":"gbr.example/aukus/0","to":"usa.example/aukus/0"}',
        sections,
        by="gbr",
        to="usa",
        public=key.public,
        random=stream("relto carried file key"),
        sign=node.sign,
    )
    size = target.stat().st_size
    facts = {
        "note": "mlkem768, x25519: seeds of the opening key; node: seed of the Ed25519 key gbr/node, which signed; base64",
        "mlkem768": to_base64(stream("relto carried mlkem768")(64)),
        "x25519": to_base64(stream("relto carried x25519")(32)),
        "node": to_base64(stream("relto carried node")(32)),
        "file": "one.sealed",
        "key": sealed_file.key_name(key.public),
        "file_key": to_base64(stream("relto carried file key")(32)),
        "says": '{"by":"gbr.example/aukus/0","to":"usa.example/aukus/0"}',
        "sections": [
            {"name": name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for name, data in sections.items()
        ],
        "refused": [
            {"why": "another version", "xor": [14, 3]},
            {"why": "the header altered", "xor": [30, 1]},
            {"why": "the first chunk altered", "xor": [size - 2 * (sealed_file.CHUNK + 16) - 100, 1]},
            {"why": "the last byte altered", "xor": [size - 1, 128]},
            {"why": "the last byte missing", "cut": size - 1},
            {"why": "the last chunk missing", "cut": size - (size - 4096) % (sealed_file.CHUNK + 16)},
            {"why": "nothing but the header", "cut": 1700},
            {"why": "empty", "cut": 0},
            {"why": "a byte too many", "append": to_base64(b"\0")},
        ],
    }
    (OUT / "sealed.json").write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
