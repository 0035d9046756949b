"""The partnership that decisions are measured in: ten million items, 5,000 people, the three laws as shipped.

Three members and five engaged or candidate states in fifty projects. A tenth of the items carry a determination of
their own, one in a hundred a licence of its own. Made from a seed with numpy alone, so that every run is of the same.
"""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from types import SimpleNamespace

import msgspec
import numpy as np
from msgspec import UNSET

from relto import acts
from relto.acts import Attestation, Determination, EngagementState, ItemState, LicenceState, PartyState, Register, Term
from relto.acts.register import AdoptedPack, RosterState
from relto.acts.scan import KeySpan
from relto.charter import load, read
from relto.label import Label, Level
from relto.law import load_pack
from relto.release.catalogue import Own, Rows
from relto.release.names import Names

DATA = Path(__file__).parent.parent / "relto" / "data"
DAY = 1_790_035_200_000  # 2026-09-22
MEMBERS, OTHERS = ("aus", "gbr", "usa"), ("can", "fra", "jpn", "kor", "nzl")
LAWS = {"AUS": ("aus", "au-export"), "GBR": ("gbr", "gb-export"), "USA": ("usa", "us-itar")}
PROJECTS, LABELS, HEADS = 50, 4000, 5000
AREAS = ("undersea", "quantum", "ai", "cyber", "hypersonics")
LEVELS = {
    "aus": ("OFFICIAL", "OFFICIAL: Sensitive", "PROTECTED", "SECRET"),
    "gbr": ("OFFICIAL", "OFFICIAL-SENSITIVE", "SECRET", "TOP SECRET"),
    "usa": ("UNCLASSIFIED", "CUI", "CONFIDENTIAL", "SECRET"),
}
CLEARANCES = {"aus": ("AUS", "NV1"), "gbr": ("GBR", "SC"), "usa": ("USA", "Secret"), "can": ("CAN", "Secret"),
              "fra": ("FRA", "SECRET"), "jpn": ("JPN", "Gokuhi"), "kor": ("KOR", "II"), "nzl": ("NZL", "SECRET")}  # fmt: skip
ENTRIES = (  # by what an item is; what no list names may still be judged
    {"AUS": (), "GBR": (), "USA": ()},
    {"AUS": ("ML22",), "GBR": ("ML22",), "USA": ()},
    {"AUS": (), "GBR": ("ML5",), "USA": ("XII(f)",)},
)
JUDGED = {  # the determination that an item of this owner may carry
    "aus": ("AUS", "au-national-exemption", "not-excluded"),
    "gbr": ("GBR", "gb-ogl-aukus", "not-excluded"),
    "usa": ("USA", "us-not-controlled", "judged"),
}
LICENCES = {"aus": ("AUS", "au-permit"), "gbr": ("GBR", "gb-siel"), "usa": ("USA", "us-dsp-5")}
LICENCE_TERMS = 8  # to whom and until when


def hexed(*words):
    return hashlib.sha256("\0".join(map(str, words)).encode()).hexdigest()


def origin(party):
    return f"{party}.example/bench/0"


def code(party):
    return party.upper()


def charter_text():
    """The shipped charter with fifty projects more, each in one area."""
    text = (DATA / "charters" / "aukus" / "charter.yaml").read_text()
    more = "".join(
        f"- {{id: p{n:02}, name: Project {n}, pillar: pillar-2, areas: [{AREAS[n % 5]}], participants: [aus, gbr, usa],"
        f" clause: 3.3.{100 + n}}}\n"
        for n in range(PROJECTS)
    )
    return text.replace("\nprojects:\n", f"\nprojects:\n{more}", 1)


def charter():
    return load(read(charter_text().encode(), "charter"))


def parties():
    keys = SimpleNamespace(officers=())
    return {
        name: PartyState(
            id=name, grade="member" if name in MEMBERS else "introduced", name=name, code=code(name),
            origin=origin(name), address=f"https://{name}.example", inception=hexed("inception", name),
            chain=(KeySpan(keys, 0, hexed("inception", name)),), size=10, seen=DAY, confirmed=10,
        )
        for name in (*MEMBERS, *OTHERS)
    }  # fmt: skip


def organisations(party):
    return tuple(f"{party}/works-{n}" for n in range(4))


def engagement(text, party, project, until="2027-06-01"):
    members = tuple(
        acts.Member(party=one, inception=hexed("inception", one), origin=origin(one), address=f"https://{one}.example")
        for one in MEMBERS
    )
    terms = acts.Engagement(
        party=party, inception=hexed("inception", party), origin=origin(party), address=f"https://{party}.example",
        project=project, role="participant", areas=(AREAS[int(project[1:]) % 5],),
        ceiling=(Level(system="GBR", level="SECRET"), Level(system="USA", level="SECRET")),
        term=Term(since="2026-01-01", until=until), members=members, confirm=3, recall_days=14,
    )  # fmt: skip
    name = f"{party}-{project}"
    votes = tuple(sorted(hexed("consent", name, one) for one in (*MEMBERS, party)))
    proposal = hexed("propose", name)
    return EngagementState(id=name, proposal=proposal, terms=terms, term=terms.term, by=(proposal, *votes))


def attestations():
    term = Term(since="2026-01-01", until="2027-06-01")
    kinds = {
        "aus": ("authorised-user", "eligible", "pre-notification"),
        "gbr": ("authorised-user", "eligible", "ogl-registration"),
        "usa": ("ddtc-registration", "eligible", "not-debarred"),
    }
    for party in (*MEMBERS, *OTHERS):
        for n, about in enumerate(organisations(party)):
            for claim in ("organisation", *(kinds.get(party, ()) if n < 3 else ())):
                terms = acts.Attest(author=party, log=origin(party), at=0, about=about, claim=claim, term=term)
                yield Attestation(act=hexed("attest", about, claim), party=party, terms=terms)


def rosters(rng):
    """Two hundred classes for 5,000 people."""
    found = {}
    for party in (*MEMBERS, *OTHERS):
        classes = {}
        while len(classes) < 25:
            system, level = CLEARANCES[party]
            nations = (code(party),) if rng.random() < 0.85 else tuple(sorted({code(party), code(rng.choice(OTHERS))}))
            held = acts.Clearance(system=system, level=level, until=f"2027-{rng.integers(1, 13):02}-01")
            one = acts.RecipientClass(
                party=party, organisation=str(rng.choice(organisations(party))),
                employment=str(rng.choice(["regular", "contract"])), nationalities=nations,
                clearance=held if rng.random() < 0.8 else UNSET,
                says={"employment": "party", "nationalities": "party", "clearance": "party"},
            )  # fmt: skip
            classes[msgspec.json.encode(one)] = one
        rows = tuple(acts.RosterClass(recipient=one, heads=HEADS // 200) for one in classes.values())
        terms = acts.Roster(author=party, log=origin(party), at=0, day="2026-09-01", classes=rows)
        found[party] = RosterState(act=hexed("roster", party), party=party, terms=terms)
    return found


def register(text, rng):
    """All but the items."""
    packs, objects = {}, {}
    for law, (party, name) in LAWS.items():
        data = (DATA / "law" / name / "pack.yaml").read_bytes()
        pack = load_pack(read(data, name))
        packs[law] = (AdoptedPack(act=hexed("adopt", law), party=party, digest=pack.digest.hex(), pack=pack),)
        objects[pack.digest.hex()] = data
    engaged = {}
    for project in (f"p{n:02}" for n in range(PROJECTS)):
        for party in OTHERS:
            if rng.random() < 0.3 and (party, project) != ("jpn", "p00"):
                until = "2027-06-01" if rng.random() < 0.8 else "2026-09-01"
                one = engagement(text, party, project, until)
                engaged[one.id] = one
    return Register(
        me="gbr", sight={}, partnership=hexed("founding"), charter=text, charter_id=hexed("founding"), directory=None,
        packs=packs, parties=parties(), slots={}, projects={}, engagements=engaged, items={}, licences={},
        attestations=tuple(attestations()), determinations=(), rosters=rosters(rng), releases={}, recalls={},
        denials=frozenset(), evidence=(), owed={}, void=(), alarms=(), acks={}, stated={}, missing=frozenset(),
        scans={}, objects=objects,
    )  # fmt: skip


def labels(rng):
    """(project, owner, states, level): most to the three, some to five, few to one or by chance."""
    every = tuple(map(code, (*MEMBERS, *OTHERS)))
    five = ("AUS", "CAN", "GBR", "NZL", "USA")
    rows = []
    for _ in range(LABELS):
        owner = str(rng.choice(MEMBERS))
        one = rng.random()
        if one < 0.45:
            states = ("AUS", "GBR", "USA")
        elif one < 0.65:
            states = five
        elif one < 0.75:
            states = tuple(sorted({*five, "JPN"}))
        elif one < 0.85:
            states = every
        elif one < 0.9:
            states = (code(owner),)
        else:
            states = tuple(sorted({code(owner), *(state for state in every if rng.random() < 0.5)}))
        rows.append((int(rng.integers(PROJECTS)), owner, states, int(rng.choice(4, p=[0.4, 0.3, 0.2, 0.1]))))
    return rows


def kind(n, row, entries, judged, licence, *, unique=""):
    """(item, determinations, licences) that items of this kind are like."""
    project, owner, states, level = row
    name = f"{owner}/kind-{n}"
    act = hexed("register", n)
    facts = acts.RegisterItem(
        author=owner, log=origin(owner), at=0, item=name, version=1, opaque="0" * 32, title="",
        organisation=f"{owner}/works-0", owners=(owner,), release=acts.ReleaseRule(rule="one"),
        project=f"p{project:02}", areas=(AREAS[project % 5],), nature="technical_data", origins=(code(owner),),
        entries=ENTRIES[entries], flags=(unique,) if unique else (), label=_label(owner, states, level),
    )  # fmt: skip
    item = ItemState(id=name, version=1, act=act, facts=facts, label=facts.label, label_act=act, party=owner, index=0)
    said, granted = [], []
    if judged:
        law, authority, condition = JUDGED[owner]
        terms = acts.Determine(
            author=owner, log=origin(owner), at=0, item=name, version=1, on=act, jurisdiction=law, authority=authority,
            condition=condition, holds=True, reason="seen",
        )  # fmt: skip
        said.append(Determination(act=hexed("determine", n), party=owner, terms=terms))
    if licence >= 0:
        law, authority = LICENCES[owner]
        to = organisations((*MEMBERS, *OTHERS)[licence % 8])[licence % 3]
        terms = acts.Licence(
            author=owner, log=origin(owner), at=0, licence=f"l-{licence}", jurisdiction=law, authority=authority,
            holder=f"{owner}/works-0", recipients=(to,), items=(name,),
            term=Term(since="2026-01-01", until=f"2027-{1 + licence % 12:02}-01"),
        )  # fmt: skip
        granted.append(LicenceState(act=hexed("licence", n), party=owner, terms=terms))
    return item, said, granted


_labels = {}


def _label(owner, states, level):
    key = (owner, states, level)
    if key not in _labels:
        _labels[key] = Label.of([Level(system=code(owner), level=LEVELS[owner][level])], rel=states)
    return _labels[key]


def own(rows, count, tag):
    """An act of its own for each of these rows."""
    ids = np.random.default_rng(tag).integers(0, 256, (count, 32), dtype=np.uint8)
    return Own(rows.astype(np.uint32), ids)


def build(count, seed=20260901, *, unique=False):
    """(register, rows): so many items. unique: every one has a label and a flag of its own, and so is a class."""
    rng = np.random.default_rng(seed)
    text = charter()
    base = register(text, rng)
    table = labels(rng)
    weights = rng.random(LABELS) ** 2
    which = rng.choice(LABELS, count, p=weights / weights.sum()).astype(np.int64)
    owners = np.array([MEMBERS.index(row[1]) for row in table])
    which = which[np.argsort(owners[which], kind="stable")]
    owners = owners[which]
    entries = rng.choice(len(ENTRIES), count, p=[0.75, 0.2, 0.05]).astype(np.int64)
    judged = (rng.random(count) < 0.10).astype(np.int64)
    licence = np.where(rng.random(count) < 0.01, rng.integers(0, LICENCE_TERMS, count), -1).astype(np.int64)
    key = ((which * 3 + entries) * 2 + judged) * (LICENCE_TERMS + 1) + licence + 1
    if unique:
        key = key * count + np.arange(count)
    codes, like = np.unique(key, return_inverse=True)
    like = like.astype(np.int32)
    if unique:
        codes = codes // count
    kinds, said, granted = [], [], []
    for n, one in enumerate(codes.tolist()):
        rest, licensed = divmod(one, LICENCE_TERMS + 1)
        rest, seen = divmod(rest, 2)
        row, entry = divmod(rest, 3)
        item, more, also = kind(n, table[row], entry, seen, licensed - 1, unique=f"u{n}" if unique else "")
        kinds.append(item)
        said += more
        granted += also
    acts_of = {}
    for n, party in enumerate(MEMBERS):
        held = np.flatnonzero((judged == 1) & (owners == n))
        acts_of["judged", *JUDGED[party], "0"] = own(held, len(held), n)
        held = np.flatnonzero((licence >= 0) & (owners == n))
        acts_of["licence", *LICENCES[party], "0"] = own(held, len(held), 10 + n)
    rows = Rows(
        names=Names(names(owners)),
        like=like,
        kinds=kinds,
        tables=tuple((first, hexed("table", first)) for first in range(0, count, 100_000)),
        own=acts_of,
    )
    base = msgspec.structs.replace(base, determinations=tuple(said), licences={one.act: one for one in granted})
    return base, rows


def names(owners):
    """`gbr/s0000000`, in order: items of one owner stand together."""
    width, found = 7, np.empty((len(owners), 12), dtype=np.uint8)
    prefixes = np.array([list(f"{party}/s".encode()) for party in MEMBERS], dtype=np.uint8)
    found[:, :5] = prefixes[owners]
    left = np.arange(len(owners), dtype=np.int32)
    for at in range(width):
        found[:, 11 - at] = left % 10 + 48
        left //= 10
    return found.reshape(-1).view("S12")


def calibration():
    """A fixed loop of Python, in ms: how busy the machine is."""
    begun = time.perf_counter()
    n = 0
    for one in range(30_000):
        n ^= one
    return (time.perf_counter() - begun) * 1000
