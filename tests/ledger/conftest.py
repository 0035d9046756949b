"""What the tests of the ledger room share: the published vectors, keys of fixed seeds, entries."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from relto.keys import SecretKey
from relto.ledger import New, Verifier, commit, leaf_hash, make_leaf

VECTORS = Path(__file__).parent.parent / "vectors" / "ledger"
ORIGIN = "relto.example/au/log1"


@pytest.fixture(scope="session")
def vectors():
    return lambda family: json.loads((VECTORS / f"{family}.json").read_text("utf-8"))


@pytest.fixture(scope="session")
def log_key() -> SecretKey:
    return SecretKey(ORIGIN, bytes(range(32)))


@pytest.fixture(scope="session")
def log_verifier(log_key) -> Verifier:
    return Verifier.of_log(log_key.public)


@pytest.fixture(scope="session")
def decimal_hashes():
    """Leaf hashes of the entries `0`, `1`, …"""
    return [leaf_hash(b"%d" % i) for i in range(70_000)]


def stream(seed: str):
    """A source of bytes that gives the same each time."""
    count = 0

    def read(size: int) -> bytes:
        nonlocal count
        count += 1
        return hashlib.shake_256(f"{seed} {count}".encode()).digest(size)

    return read


@pytest.fixture
def new_entries():
    """`new_entries(3)`: entries with their openings, each one different."""
    random = stream("entries")

    def make(count: int) -> list[New]:
        entries = []
        for _ in range(count):
            salt, envelope = random(32), random(60)
            entries.append(New(leaf=make_leaf(commit(salt, envelope), [], 16, random), salt=salt, envelope=envelope))
        return entries

    return make
