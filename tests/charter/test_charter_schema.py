"""The published schema accepts what the reader accepts, and refuses what it refuses by its shape."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from relto.charter import draft, read
from relto.charter.schema import schema
from relto.charter.text import List, Map, Node, Scalar
from relto.errors import Malformed

SHIPPED = sorted(Path(__file__).parents[2].glob("relto/data/charters/*/charter.yaml"))
TINY = Path(__file__).with_name("tiny.yaml")
WHOLE = schema()


def plain(node: Node) -> object:
    if isinstance(node, Map):
        return {key: plain(node.at(key)) for key in node.keys}
    if isinstance(node, List):
        return [plain(one) for one in node]
    assert isinstance(node, Scalar)
    return node.value


def wrong(value: object, rule: dict, where: str = "") -> list[str]:
    """What a validator of JSON Schema would say, for the words that the schema uses; every text is a string here."""
    found: list[str] = []
    if "$ref" in rule:
        rule = WHOLE["$defs"][rule["$ref"].removeprefix("#/$defs/")]
    if "anyOf" in rule:
        each = [wrong(value, one, where) for one in rule["anyOf"]]
        return [] if any(not one for one in each) else each[0]
    if "enum" in rule and value not in rule["enum"]:
        found.append(f"{where}: {value} is none of the words")
    if "const" in rule and value != rule["const"]:
        found.append(f"{where}: {value} is not {rule['const']}")
    kinds = {"object": dict, "array": list, "string": str, "integer": int}
    if "type" in rule and not isinstance(value, kinds[rule["type"]]):
        return [*found, f"{where}: not {rule['type']}"]
    if isinstance(value, str) and "pattern" in rule and not re.search(rule["pattern"], value):
        found.append(f"{where}: {value} does not fit")
    if isinstance(value, dict) and "properties" in rule:
        found += [f"{where}: {key} is missing" for key in rule["required"] if key not in value]
        found += [f"{where}: {key} is not known" for key in value if key not in rule["properties"]]
        for key, inner in value.items():
            found += wrong(inner, rule["properties"].get(key, {}), f"{where}/{key}")
    if isinstance(value, list):
        found += [f"{where}: too few"] if len(value) < rule.get("minItems", 0) else []
        found += [f"{where}: too many"] if len(value) > rule.get("maxItems", 1 << 30) else []
        for n, inner in enumerate(value):
            found += wrong(inner, rule.get("items", {}), f"{where}/{n}")
    return found


@pytest.mark.parametrize("path", [*SHIPPED, TINY], ids=lambda path: f"{path.parent.name}/{path.name}")
def test_it_accepts_every_charter_that_ships(path):
    assert wrong(plain(read(path.read_bytes(), "c").root), WHOLE) == []


MUTANTS = [
    ("title: Lantern\n", ""),
    ("title: Lantern\n", "title: Lantern\ncolour: blue\n"),
    ("engine: 1", "engine: 7"),
    ("confirm: 2", "confirm: two"),
    ("grade: member, since: 2020-01-01", "grade: member, since: soon"),
    ("access: open_per_project", "access: ajar"),
    ("code: ARD", "code: Arda"),
    ("act: charter, rule: unanimity", "act: charter, rule: loudest"),
    ("act: charter, rule: unanimity", "act: charter"),
    ("limit: 7 days", "limit: 7 fortnights"),
    ("notice: 1 month", "notice: soon"),
    ('clause: "12.2", says: Give the lamp back.', 'clause: "12 2", says: Give the lamp back.'),
    ("between: [COR, ARD]", "between: [COR]"),
    ("term: 2020-02-01..2029-12-31", "term: 2020 to 2029"),
    ("{date: 2023, standing: press", "{date: 2023, standing: gossip"),
    ("participants: [arda, bree]\n  lead", "participants: arda\n  lead"),
    ("recall: true", "recall: perhaps"),
    ("officers: 2", "officers: some"),
]


@pytest.mark.parametrize(("old", "new"), MUTANTS)
def test_it_refuses_what_the_reader_refuses(old, new):
    text = TINY.read_text()
    assert text.count(old) == 1
    source = read(text.replace(old, new).encode(), "c")
    with pytest.raises(Malformed):
        draft(source)
    assert wrong(plain(source.root), WHOLE)


def test_every_key_of_the_language_stands_in_it():
    """The reader's own words, so that neither can forget one."""
    decision = WHOLE["properties"]["decisions"]["items"]
    assert {"act", "rule", "voters", "clause"} == set(decision["required"])
    assert {
        "k",
        "share",
        "contributions",
        "blocked_by",
        "quorum",
        "silence",
        "assent",
        "veto",
        "save_for",
        "ends",
    } <= set(decision["properties"])
    assert "fraction" in decision["properties"]["rule"]["enum"]
    labels = WHOLE["properties"]["labels"]["properties"]
    assert {"ladders", "levels"} <= set(labels["systems"]["items"]["properties"])
    assert {"as", "action", "exact"} <= set(labels["holds"]["items"]["properties"])
    assert {"date", "no_later_than", "caretaker"} <= set(WHOLE["properties"]["windows"]["items"]["properties"])
