"""spec/acts.md and spec/register.md say what the code does: kinds, fields, signers, limits."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path

import msgspec
import pytest
from acts_kit import MEMBERS
from acts_samples import sample
from acts_vectors import FILES, VECTORS
from msgspec import UNSET

from relto import acts
from relto.acts import act as kinds
from relto.acts import envelope, scan

SPEC = Path(__file__).parents[2] / "spec"
ACTS = (SPEC / "acts.md").read_text("utf-8")
REGISTER = (SPEC / "register.md").read_text("utf-8")
COMMON = {"v", "author", "log", "at", "readers", "partnership", "under"}


def section(kind: str) -> str:
    found = re.search(rf"^### {kind}\n(.*?)(?=^##)", ACTS, re.MULTILINE | re.DOTALL)
    assert found, kind
    return found[1]


def named(text: str) -> dict[str, bool]:
    """Fields in the order of the text -> whether they may be absent: names in backticks, first or after a comma."""
    return {name: mark == "?" for name, mark in re.findall(r"(?:^|, |,\n)`([a-z_0-9]+)`(\??)[ \n]", text)}


def fields_of(cls: type) -> dict[str, bool]:
    return {one.encode_name: one.default is UNSET for one in msgspec.structs.fields(cls)}


@pytest.mark.parametrize("kind", acts.KINDS)
def test_every_kind_with_its_fields(kind):
    text = section(kind).partition("Fields: ")[2]
    own = {name: optional for name, optional in fields_of(acts.KINDS[kind]).items() if name not in COMMON}
    assert named(text) == own


def test_there_are_no_other_kinds():
    assert set(re.findall(r"^### ([a-z]+)$", ACTS, re.MULTILINE)) == set(acts.KINDS)


@pytest.mark.parametrize("kind", acts.KINDS)
def test_every_kind_with_its_signer(kind):
    told = re.match(r"Signer: ([a-z ]+?)(?: \([^)]*\))?\. Readers: ", section(kind))
    assert told, kind
    signer = acts.SIGNERS[kind]
    assert set(told[1].split(" or ")) == (set(signer) if isinstance(signer, frozenset) else {signer})


def test_common_fields_and_kinds():
    for name, optional in fields_of(kinds.Act).items():
        assert f"| `{name}`{'?' if optional else ''} |" in ACTS
    listed = re.search(r"are \*\*common\*\*: ([a-z, \n]+)\.", ACTS)
    assert listed
    assert set(re.findall(r"[a-z]+", listed[1])) == acts.COMMON


ABOUT = {cls.__struct_config__.tag: cls for cls in acts.What.__args__}
SHAPES = {
    "term": acts.Term,
    "money": acts.Money,
    "clearance": acts.Clearance,
    "recipient class": acts.RecipientClass,
    "roster class": acts.RosterClass,
    "member": acts.Member,
    "seen": acts.Seen,
    "owed": acts.Owed,
    "release rule": acts.ReleaseRule,
    "restriction": acts.Restriction,
    "item version": acts.ItemRef,
    "authority reference": acts.AuthorityRef,
    "licence use": acts.LicenceUse,
    "key set": acts.KeySet,
    "quorum": acts.Quorum,
    "successors": acts.Successors,
    "officer": acts.Officer,
    "log key": acts.LogKey,
    "shared part": acts.Shared,
    "former ledger": acts.Former,
    "access key": kinds.AccessPublic,
}


@pytest.mark.parametrize(("name", "cls"), [*((f"`{name}`", cls) for name, cls in ABOUT.items()), *SHAPES.items()])
def test_every_shape_with_its_fields(name, cls):
    row = next(line for line in ACTS.splitlines() if line.startswith(f"| {name} | "))
    assert named(row.split(" | ")[-1].removesuffix(" |")) == fields_of(cls)


def test_limits_are_those_of_the_code():
    for value in (
        f"at most {kinds.PAYLOAD_MAX:,} bytes",
        f"1 to {kinds.TEXT_MAX:,} characters",
        f"at most {kinds.MILLIS_MAX:,} (the end of 2999)",
        f"at most {envelope.ENVELOPE_MAX:,} bytes; 1 to {envelope.SIGNATURES_MAX} signatures",
        f"lag by {scan.LAG_MS_MAX // 3_600_000}",
        f"DSSEv1 {len(acts.PAYLOAD_TYPE)} {acts.PAYLOAD_TYPE} ",
    ):
        assert value in ACTS, value
    ignored = {f"U+{ord(mark):04X}" for mark in kinds._IGNORED}
    told = set(re.findall(r"U\+[0-9A-F]{4}", ACTS))
    assert {"U+180C"} | {f"U+FE{n:02X}" for n in range(16)} | told == ignored | {"U+180C"}


def test_every_file_of_vectors_is_named():
    both = ACTS + REGISTER
    for name in FILES:
        assert f"{name}.json`" in both


def test_the_example_is_an_act():
    block = re.search(r"## Example\n.*?```\n(.*?)\n```", ACTS, re.DOTALL)
    assert block
    payload = block[1].replace("\n", "").encode()
    assert payload == acts.write(sample("consent"))
    assert f"{len(payload)} bytes; its id is `{acts.act_id(payload)}`" in ACTS


def test_the_register_says_of_every_kind_what_it_does():
    table = REGISTER[REGISTER.index("| kind | effect | void, besides |") :].partition("\n\n")[0]
    told = [kind for row in table.splitlines()[2:] for kind in row.split(" | ")[0].strip("| ").split(", ")]
    assert sorted(told) == sorted(acts.KINDS)


def test_the_common_digest_from_the_published_ledgers_as_the_text_says():
    held = json.loads((VECTORS / "register.json").read_text("utf-8"))
    opened = [
        (index, json.loads(base64.b64decode(json.loads(row["envelope"])["payload"])))
        for rows in held["ledgers"].values()
        for index, row in enumerate(rows)
        if "envelope" in row
    ]
    named = {
        acts.act_id(msgspec.json.encode(act, order="sorted")): act for _, act in opened if act["author"] in MEMBERS
    }
    expected = held["expected"]
    chain = {
        name: [
            i for i, act in named.items() if act["author"] == name and act["kind"] in {"inception", "rotate", "recover"}
        ]
        for name in MEMBERS
    }
    view = {
        "acks": sorted(
            i for i, act in named.items() if act["kind"] == "acknowledge" and {*MEMBERS} <= {*act["readers"]}
        ),
        "charter": [expected["charter"]],
        "forks": [],
        "packs": {},
        "parties": chain,
        "slots": {
            i: [
                one["state"],
                sorted([v["party"], v["vote"], v["act"]] for v in one["votes"] if v["confirmed"] and not v["void"]),
            ]
            for i, one in expected["slots"].items()
        },
    }
    text = json.dumps(view, sort_keys=True, separators=(",", ":"))
    assert hashlib.sha256(text.encode()).hexdigest() == expected["common"]
