"""From a charter text to a charter, key by key.

What is not understood is refused with file, line and column: an unknown key, a word that is none of the words, a number
out of its range. Whether the entries fit one another is not judged here.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from typing import Final, TypedDict, TypeVar, cast, get_args

import msgspec

from relto.charter.model import (
    ENGINES,
    JOINT_ACTS,
    Access,
    Approval,
    Area,
    Basis,
    Candidate,
    Charter,
    Clause,
    Criterion,
    Decision,
    Duty,
    Entry,
    Evidence,
    Freshness,
    Grade,
    Instrument,
    JointAct,
    Jurisdiction,
    OfficerAct,
    OnSuspend,
    Party,
    Pillar,
    Project,
    Purpose,
    Releases,
    Rule,
    Share,
    Standing,
    Status,
    Suspends,
    Suspension,
    Voters,
    Window,
    Withdrawal,
)
from relto.charter.text import (
    Amount,
    List,
    Map,
    Node,
    Reader,
    Span,
    Text,
    amount,
    choice,
    date,
    flag,
    list_of,
    listing,
    mapping,
    matching,
    number,
    scalar,
    span,
    text,
    word,
)
from relto.errors import Malformed
from relto.label import Clearance, Equivalence, Group, Hold, Level, System

PARTIES_MAX, PILLARS_MAX, AREAS_MAX, PROJECTS_MAX, PURPOSES_MAX = 64, 32, 256, 1024, 64
ENTRIES_MAX = 2048  # of every other section
OFFICERS_MAX = 9
K_MAX = 64
DAYS_MAX = 3660

T = TypeVar("T")

_CLAUSE: Final = matching(r"[A-Za-z0-9]{1,12}(?:[.-][A-Za-z0-9]{1,12}){0,6}", "a clause number such as `4.2`")
_CODE: Final = matching(r"[A-Z]{3}", "a three-letter code such as `AUS`")
_JURISDICTION: Final = matching(r"[A-Z]{3,4}", "a jurisdiction such as `GBR`")
_SYSTEM: Final = matching(r"[A-Z]{3,8}", "a classification system such as `GBR` or `NATO`")
_EVIDENCE_DATE: Final = re.compile(r"[0-9]{4}(?:-[0-9]{2}(?:-[0-9]{2})?)?")
_UNITS_MS: Final = {"hours": 3_600_000, "days": 86_400_000}


class _Common(TypedDict):
    clause: str
    says: str
    source: str
    basis: Basis


def draft(source: Text) -> Charter:
    """The charter that a text says, typed and not yet judged. Raises `errors.Malformed` with `file:line:column`."""
    return _Reading(source).charter()


class _Reading:
    """One pass over a text. Clauses are collected in the order in which they are read."""

    def __init__(self, source: Text) -> None:
        self.source, self.root = source, source.root
        self.clauses: list[Clause] = []

    def charter(self) -> Charter:
        root = self.root
        head = root.take("charter", word)
        title = root.take("title", text)
        engine = root.take("engine", number)
        if engine not in ENGINES:
            known = ", ".join(map(str, ENGINES))
            raise root.at("engine").refuse(f"engine {engine} is not known here", hint=f"known: {known}")
        charter = Charter(
            id=head,
            title=title,
            engine=engine,
            confirm=root.take("confirm", _from_to(1, PARTIES_MAX)),
            aim=self.one("purpose", self.entry),
            standing=self.one("standing", self.entry),
            parties=self.each("parties", self.party, PARTIES_MAX, least=1),
            pillars=self.each("pillars", self.pillar, PILLARS_MAX, least=1),
            areas=self.each("areas", self.area, AREAS_MAX),
            projects=self.each("projects", self.project, PROJECTS_MAX),
            purposes=self.each("purposes", self.purpose, PURPOSES_MAX, least=1),
            decisions=self.each("decisions", self.decision, len(JOINT_ACTS), least=1),
            suspension=self.one("suspension", self.suspension),
            on_suspend=self.one("on_suspend", self.on_suspend),
            releases=self.one("releases", self.releases),
            freshness=self.each("freshness", self.freshness, ENTRIES_MAX, least=1),
            approvals=self.each("approvals", self.approval, ENTRIES_MAX),
            jurisdictions=self.each("jurisdictions", self.jurisdiction, ENTRIES_MAX),
            equivalence=self.one("labels", self.equivalence),
            groups=self.each("groups", self.group, ENTRIES_MAX),
            instruments=self.each("instruments", self.instrument, ENTRIES_MAX),
            admission=self.each("admission", self.criterion, ENTRIES_MAX),
            withdrawal=self.one("withdrawal", self.withdrawal),
            windows=self.each("windows", self.window, ENTRIES_MAX),
            candidates=self.each("candidates", self.candidate, ENTRIES_MAX),
            clauses=(),
            digest=self.source.digest,
        )
        root.done()
        return msgspec.structs.replace(charter, clauses=tuple(self.clauses))

    def one(self, key: str, read: Callable[[Map, str], T]) -> T:
        entry = self.root.take(key, mapping)
        found = read(entry, key)
        entry.done()
        return found

    def each(self, key: str, read: Callable[[Map, str], T], limit: int, *, least: int = 0) -> tuple[T, ...]:
        if least:
            return self.all_of(self.root.take(key, listing), key, read, limit, least=least)
        return self.all_of(self.root.take(key, listing, None), key, read, limit)

    def all_of(
        self, entries: List | None, of: str, read: Callable[[Map, str], T], limit: int, *, least: int = 0
    ) -> tuple[T, ...]:
        if entries is None:
            return ()
        if not least <= len(entries) <= limit:
            raise entries.refuse(f"this list has {len(entries)} entries; from {least} to {limit} can stand here")
        found: list[T] = []
        for node in entries:
            entry = mapping(node)
            found.append(read(entry, of))
            entry.done()
        return tuple(found)

    def common(self, entry: Map, of: str) -> _Common:
        """The four keys that every entry may have."""
        clause = Clause(
            id=entry.take("clause", _CLAUSE),
            of=of,
            says=entry.take("says", text, ""),
            source=entry.take("source", text, ""),
            basis=cast("Basis", entry.take("basis", choice(*get_args(Basis)[1:]), "")),
        )
        self.clauses.append(clause)
        return _Common(clause=clause.id, says=clause.says, source=clause.source, basis=clause.basis)

    def entry(self, entry: Map, of: str) -> Entry:
        c = self.common(entry, of)
        return Entry(**c)

    def party(self, entry: Map, of: str) -> Party:
        name = entry.take("id", word)
        c = self.common(entry, f"{of}/{name}")
        return Party(
            id=name,
            name=entry.take("name", text),
            code=entry.take("code", _CODE),
            grade=cast("Grade", entry.take("grade", choice(*get_args(Grade)))),
            since=entry.take("since", date),
            offices=entry.take("offices", text, ""),
            **c,
        )

    def pillar(self, entry: Map, of: str) -> Pillar:
        name = entry.take("id", word)
        c = self.common(entry, f"{of}/{name}")
        return Pillar(
            id=name,
            name=entry.take("name", text),
            access=cast("Access", entry.take("access", choice(*get_args(Access)))),
            members=entry.take("members", list_of(word), ()),
            **c,
        )

    def area(self, entry: Map, of: str) -> Area:
        name = entry.take("id", word)
        c = self.common(entry, f"{of}/{name}")
        return Area(id=name, name=entry.take("name", text), pillar=entry.take("pillar", word), **c)

    def project(self, entry: Map, of: str) -> Project:
        name = entry.take("id", word)
        c = self.common(entry, f"{of}/{name}")
        return Project(
            id=name,
            name=entry.take("name", text),
            pillar=entry.take("pillar", word),
            areas=entry.take("areas", list_of(word), ()),
            participants=entry.take("participants", list_of(word)),
            lead=entry.take("lead", word, ""),
            instrument=entry.take("instrument", text, ""),
            term=entry.take("term", span, Span()),
            **c,
        )

    def purpose(self, entry: Map, of: str) -> Purpose:
        name = entry.take("id", word)
        c = self.common(entry, f"{of}/{name}")
        return Purpose(
            id=name, name=entry.take("name", text), projects=entry.take("projects", list_of(word, least=1), ()), **c
        )

    def decision(self, entry: Map, of: str) -> Decision:
        act = cast("JointAct", entry.take("act", choice(*JOINT_ACTS)))
        c = self.common(entry, f"{of}/{act}")
        rule = cast("Rule", entry.take("rule", choice(*get_args(Rule))))
        k = entry.take("k", _from_to(1, K_MAX)) if rule == "k_of_n" else 0
        consents = entry.take("party_to_be_bound", choice("consents", "is_told"), "consents")
        return Decision(
            act=act,
            rule=rule,
            voters=cast("Voters", entry.take("voters", choice(*get_args(Voters)))),
            k=k,
            bound_consents=consents == "consents",
            **c,
        )

    def suspension(self, entry: Map, of: str) -> Suspension:
        c = self.common(entry, of)
        by = cast("Suspends", entry.take("by", choice(*get_args(Suspends))))
        return Suspension(by=by, **c)

    def on_suspend(self, entry: Map, of: str) -> OnSuspend:
        c = self.common(entry, of)
        recall = entry.take("recall", flag)
        within = entry.take("answer_within", amount("days")) if recall else Amount(number=0, unit="days")
        if recall and not 1 <= within.number <= DAYS_MAX:
            raise entry.at("answer_within").refuse(f"an answer is due within 1 to {DAYS_MAX} days")
        return OnSuspend(recall=recall, answer_days=within.number, **c)

    def releases(self, entry: Map, of: str) -> Releases:
        c = self.common(entry, of)
        rule = cast("Share", entry.take("rule", choice(*get_args(Share))))
        k = entry.take("k", _from_to(1, K_MAX)) if rule == "k_of_n" else 0
        approval = entry.take("approval", choice("none", "each_time"), "none") == "each_time"
        return Releases(rule=rule, k=k, approval=approval, **c)

    def freshness(self, entry: Map, of: str) -> Freshness:
        c = self.common(entry, of)
        limit = entry.take("limit", amount(*_UNITS_MS))
        limit_ms = limit.number * _UNITS_MS[limit.unit]
        if not 0 < limit_ms <= DAYS_MAX * _UNITS_MS["days"]:
            raise entry.at("limit").refuse(f"a limit lies between one hour and {DAYS_MAX} days")
        return Freshness(
            parties=entry.take("ledgers", _ledgers, ()),
            levels=entry.take("levels", list_of(_level, least=1), ()),
            limit_ms=limit_ms,
            ask_first=entry.take("ask_first", flag, default=False),
            **c,
        )

    def approval(self, entry: Map, of: str) -> Approval:
        act = cast("OfficerAct", entry.take("act", choice(*get_args(OfficerAct))))
        c = self.common(entry, f"{of}/{act}")
        officers = entry.take("officers", _from_to(1, OFFICERS_MAX))
        return Approval(act=act, officers=officers, **c)

    def jurisdiction(self, entry: Map, of: str) -> Jurisdiction:
        name = entry.take("id", _JURISDICTION)
        c = self.common(entry, f"{of}/{name}")
        adopter = entry.take("adopter", word)
        return Jurisdiction(id=name, adopter=adopter, **c)

    def equivalence(self, entry: Map, of: str) -> Equivalence:
        c = self.common(entry, of)
        systems = self.all_of(entry.take("systems", listing), f"{of}/systems", self.system, ENTRIES_MAX)
        holds = self.all_of(entry.take("holds", listing, None), f"{of}/holds", self.hold, ENTRIES_MAX)
        clearances = self.all_of(
            entry.take("clearances", listing, None), f"{of}/clearances", self.clearance, ENTRIES_MAX
        )
        return _built(
            entry, lambda: Equivalence(systems=systems, holds=holds, clearances=clearances, clause=c["clause"])
        )

    def system(self, entry: Map, of: str) -> System:
        name = entry.take("id", _SYSTEM)
        c = self.common(entry, f"{of}/{name}")
        ladder = list_of(_level_word(name), least=1)
        if "levels" in entry:
            ladders: tuple[tuple[str, ...], ...] = (entry.take("levels", ladder),)
        else:
            ladders = entry.take("ladders", list_of(ladder, least=1))
        return System(
            name=name,
            ladders=ladders,
            classified_from=entry.take("classified_from", _level_word(name), ""),
            legacy=entry.take("legacy", list_of(_level_word(name)), ()),
            clause=c["clause"],
        )

    def hold(self, entry: Map, of: str) -> Hold:
        system = entry.take("from", _SYSTEM)
        level = entry.take("level", _level_word(system))
        into = entry.take("in", _SYSTEM)
        c = self.common(entry, f"{of}/{system} {level} in {into}")
        if "as" in entry:
            held = entry.take("as", _level_word(into))
            exact = entry.take("exact", flag, default=True)
            return _built(
                entry,
                lambda: Hold(
                    level=Level(system=system, level=level), system=into, hold_as=held, exact=exact, clause=c["clause"]
                ),
            )
        action = entry.take("action", choice("refuse", "refer"))
        return _built(
            entry,
            lambda: Hold(
                level=Level(system=system, level=level),
                system=into,
                action="refuse" if action == "refuse" else "refer",
                exact=False,
                clause=c["clause"],
            ),
        )

    def clearance(self, entry: Map, of: str) -> Clearance:
        system = entry.take("system", _SYSTEM)
        name = entry.take("name", _level_word(system))
        c = self.common(entry, f"{of}/{system} {name}")
        covers = entry.take("covers", _level_word(system))
        return Clearance(system=system, name=name, covers=covers, clause=c["clause"])

    def group(self, entry: Map, of: str) -> Group:
        name = entry.take("id", matching(r"[A-Z]{4}", "a four-letter group such as `FVEY`"))
        c = self.common(entry, f"{of}/{name}")
        members = entry.take("members", list_of(_CODE, least=1))
        valid = entry.take("valid", span, Span())
        return Group(
            id=name,
            members=tuple(sorted(members)),
            first=valid.first or "",
            last=valid.last or "",
            clause=c["clause"],
        )

    def instrument(self, entry: Map, of: str) -> Instrument:
        name = entry.take("id", word)
        c = self.common(entry, f"{of}/{name}")
        between = entry.take("between", list_of(_CODE, least=2))
        if len(between) != 2:
            raise entry.at("between").refuse("an instrument stands between two states")
        return Instrument(
            id=name,
            kind=entry.take("kind", word),
            between=tuple(sorted(between)),
            name=entry.take("name", text),
            signed=entry.take("signed", date),
            term=entry.take("term", span, Span()),
            **c,
        )

    def criterion(self, entry: Map, of: str) -> Criterion:
        name = entry.take("id", word)
        c = self.common(entry, f"{of}/{name}")
        kind = entry.take("kind", choice("judged", "all_pairs"))
        return Criterion(
            id=name,
            name=entry.take("name", text),
            kind="all_pairs" if kind == "all_pairs" else "judged",
            instrument=entry.take("instrument", word) if kind == "all_pairs" else "",
            **c,
        )

    def withdrawal(self, entry: Map, of: str) -> Withdrawal:
        c = self.common(entry, of)
        notice = entry.take("notice", amount("days", "months", "years"))
        if not 1 <= notice.number <= DAYS_MAX:
            raise entry.at("notice").refuse(f"a notice is 1 to {DAYS_MAX} days, months or years long")
        duties = self.all_of(entry.take("duties", listing, None), f"{of}/duties", self.duty, ENTRIES_MAX)
        return Withdrawal(notice=notice, duties=duties, **c)

    def duty(self, entry: Map, of: str) -> Duty:
        name = entry.take("id", word)
        c = self.common(entry, f"{of}/{name}")
        if not c["says"]:
            raise entry.refuse("a duty says what is to be done", hint="add a line `says: …`")
        return Duty(id=name, **c)

    def window(self, entry: Map, of: str) -> Window:
        party = entry.take("party", word)
        c = self.common(entry, f"{of}/{party}")
        latest = "no_later_than" in entry
        return Window(
            party=party,
            what=entry.take("what", text),
            date=entry.take("no_later_than" if latest else "date", date),
            latest=latest,
            **c,
        )

    def candidate(self, entry: Map, of: str) -> Candidate:
        name = entry.take("id", word)
        c = self.common(entry, f"{of}/{name}")
        return Candidate(
            id=name,
            name=entry.take("name", text),
            code=entry.take("code", _CODE),
            evidence=entry.take("evidence", list_of(_evidence, repeats=True), ()),
            **c,
        )


def _ledgers(node: Node) -> tuple[str, ...]:
    """`all`, which is the empty list of the value, or the parties whose ledgers are meant."""
    if isinstance(node, List):
        return list_of(word, least=1)(node)
    choice("all")(node)
    return ()


def _evidence(node: Node) -> Evidence:
    entry = mapping(node)
    found = Evidence(
        date=entry.take("date", _evidence_date),
        standing=cast("Standing", entry.take("standing", choice(*get_args(Standing)))),
        status=cast("Status", entry.take("status", choice(*get_args(Status)))),
        what=entry.take("what", text, ""),
        source=entry.take("source", text, ""),
    )
    entry.done()
    return found


def _evidence_date(node: Node) -> str:
    value = scalar(node)
    whole = value + "-01-01"[len(value) - 4 :] if _EVIDENCE_DATE.fullmatch(value) else ""
    try:
        dt.date.fromisoformat(whole)
    except ValueError:
        raise node.refuse(f"`{value[:32]}` is not a day, a month or a year", hint="for example `2024-09`") from None
    return value


def _from_to(low: int, high: int) -> Reader[int]:
    def reader(node: Node) -> int:
        found = number(node)
        if not low <= found <= high:
            raise node.refuse(f"{found} is not between {low} and {high}")
        return found

    return reader


def _level_word(system: str) -> Reader[str]:
    def reader(node: Node) -> str:
        return _built(node, lambda: Level(system=system, level=scalar(node))).level

    return reader


def _level(node: Node) -> Level:
    """`GBR SECRET`: the system, one blank, the level as the system writes it (`NATO NATO SECRET`)."""
    system, _, level = scalar(node).partition(" ")
    return _built(node, lambda: Level(system=system, level=level))


def _built(node: Node, make: Callable[[], T]) -> T:
    """What the label room refuses is refused here with its place in the text."""
    try:
        return make()
    except Malformed as error:
        raise node.refuse(error.message, hint=error.hint) from None
