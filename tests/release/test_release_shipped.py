"""The kernel and the slow rules over the worlds of the shipped charters: of every engine."""

from __future__ import annotations

import datetime as dt
import itertools
from pathlib import Path

import msgspec
import pytest

from relto.charter import load, read
from relto.charter.cases import load_cases
from relto.release.cases import _recipient, _Stage
from relto.release.decide import judge
from relto.release.kernel import Asking, kernel_of
from relto.release.search import usual

SHIPPED = Path(__file__).parents[2] / "relto" / "data" / "charters"
FOLDERS = sorted(one for one in SHIPPED.iterdir() if one.is_dir())
ASKED = 5  # purposes and days a charter


def world(folder):
    """A charter whose law is left out, and its cases with every item once more, not listed anywhere."""
    charter = load(read((folder / "charter.yaml").read_bytes(), "charter"))
    cases = load_cases(read((folder / "cases.yaml").read_bytes(), "cases"), charter)
    twins = tuple(msgspec.structs.replace(one, id=f"{one.id}-2") for one in cases.items)
    items = (*cases.items, *twins)
    limits = tuple(msgspec.structs.replace(one, needs=tuple(map(lawless, one.needs))) for one in charter.limits)
    free = msgspec.structs.replace(charter, jurisdictions=(), limits=limits)
    return free, msgspec.structs.replace(cases, items=items)


def lawless(test):
    """What an officer determines, by no law."""
    return msgspec.structs.replace(test, by="", any=tuple(map(lawless, test.any)))


def asked(charter, cases):
    """Days and purposes of the cases, spread over them."""
    every = sorted({(one.day, one.purpose) for one in cases.cases if one.asked is None})
    return every[:: -(-len(every) // ASKED)]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda one: one.name)
def test_the_kernel_decides_as_the_slow_rules_do(folder):
    charter, cases = world(folder)
    people = [_recipient(one) for one in cases.people]
    answers = set()
    for date, purpose in asked(charter, cases):
        day = int(dt.datetime.fromisoformat(date).replace(tzinfo=dt.UTC).timestamp() * 1000)
        register = _Stage(charter, cases, day).register()
        kernel = kernel_of(register, day, Asking(purpose=purpose))
        for to, item in itertools.product(people, cases.items):
            slow = judge(register, usual(register, register.item(item.id), to, day, purpose)).decision
            fast = kernel.explain(item.id, 1, to)
            assert (fast.answer, fast.findings, fast.id) == (slow.answer, slow.findings, slow.id), (item.id, to)
            answers.add(fast.answer)
    assert answers >= {"permit", "deny"}
