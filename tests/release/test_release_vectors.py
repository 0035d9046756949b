"""Golden worlds of engine 1: answers and ids that must never change, and the worked id of the specification."""

import hashlib
import json
import pathlib
import re

import pytest
from decision_vectors import FOLDER, build, decided, question, smallest_bytes, worlds, written

from relto.release import ENGINE, decide

FILES = sorted(FOLDER.glob("*.json"))
SPEC = pathlib.Path(__file__).parents[2] / "spec" / "decision.md"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_golden_decision_comes_out_to_the_id(file):
    world = json.loads(file.read_text())
    assert world["engine"] == ENGINE
    register = build(world)
    for one in world["decisions"]:
        asked = question(one["question"])
        assert {"question": one["question"], **decided(register, asked)} == one
        assert decide(register, asked).id == one["id"]  # what would change an answer is no part of it


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_another_node_with_the_same_acts_gives_the_same_ids(file):
    world = json.loads(file.read_text())
    for me in ("bree", "cora"):
        elsewhere = build({**world, "me": me})
        same = [decided(elsewhere, question(one["question"]))["id"] == one["id"] for one in world["decisions"]]
        # Whether a ledger was seen lately, and what is owed to whom, is each node's own affair.
        own = [{"fresh", "denied"} & set(one["failing"]) for one in world["decisions"]]
        assert all(yes or mine for yes, mine in zip(same, own, strict=True))


def test_the_files_are_those_that_the_fixed_inputs_make():
    assert {file.stem: file.read_text() for file in FILES} == {name: written(one) for name, one in worlds().items()}


def test_the_three_answers_and_most_codes_are_among_them():
    every = [one for file in FILES for one in json.loads(file.read_text())["decisions"]]
    assert {one["answer"] for one in every} == {"permit", "deny", "undetermined"}
    codes = {code.split()[1] for one in every for code in one["failing"].values()}
    assert len(codes) >= 12


def test_the_worked_id_of_the_specification_is_the_one_of_the_smallest_world():
    data, text = smallest_bytes(), SPEC.read_text()
    block = re.search(r"```relto-decision\n(.*?)```", text, re.DOTALL)[1]
    shown = b"relto decision v1\0" + "".join(line.strip() for line in block.splitlines()[1:]).encode()
    assert shown == data
    id_ = hashlib.sha256(data).hexdigest()
    assert id_ in text
    assert id_ == json.loads((FOLDER / "smallest.json").read_text())["decisions"][0]["id"]
