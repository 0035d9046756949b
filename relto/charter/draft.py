"""From a charter text to a charter, key by key.

What is not understood is refused with file, line and column: an unknown key, a word that is none of the words, a number
out of its range. Whether the entries fit one another is not judged here.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from functools import partial
from typing import Final, Literal, TypedDict, TypeVar, cast, get_args

import msgspec

from relto.charter.model import (
    ENGINES,
    GRADES,
    JOINT_ACTS,
    Access,
    Approval,
    Area,
    Assent,
    Attribute,
    Background,
    Basis,
    Call,
    Candidate,
    CarriedKey,
    Charter,
    Clause,
    Contribution,
    Criterion,
    Decision,
    Duty,
    Effect,
    Entry,
    Evidence,
    Exit,
    ExitKind,
    Former,
    Fraction,
    Freshness,
    Grade,
    Instrument,
    JointAct,
    Jurisdiction,
    KeptAccess,
    Layer,
    Limit,
    Made,
    Of,
    OfficerAct,
    OnSuspend,
    Party,
    Pillar,
    Project,
    Purpose,
    Receives,
    Releases,
    Rule,
    Share,
    ShareOf,
    Silence,
    Standing,
    Status,
    SuspendedVote,
    Suspends,
    Suspension,
    Test,
    Veto,
    Voters,
    Votes,
    Whom,
    Window,
    Withdrawal,
)
from relto.charter.text import (
    Amount,
    List,
    Map,
    Node,
    Reads,
    Schema,
    Span,
    Text,
    amount,
    choice,
    date,
    flag,
    from_to,
    list_of,
    mapping,
    matching,
    scalar,
    span,
    text,
    word,
)
from relto.errors import Malformed
from relto.label import Clearance, Equivalence, Group, Hold, Level, System

PARTIES_MAX, PILLARS_MAX, AREAS_MAX, PROJECTS_MAX, PURPOSES_MAX = 64, 32, 256, 1024, 64
ENTRIES_MAX = 2048  # of every other section
TESTS_MAX = 32  # of one limit, and of one `any`
PARTS_MAX, VOTES_MAX = 1_000_000, 1000  # of a share, of a party's weight
OFFICERS_MAX = 9
K_MAX = 64
DAYS_MAX = 3660
CARRIED_DAYS_MAX = 366
OPENINGS_MAX = 1000
CALLS_MAX = 8  # later calls of one rule

T = TypeVar("T")

_CLAUSE: Final = matching(r"[A-Za-z0-9]{1,12}(?:[.-][A-Za-z0-9]{1,12}){0,6}", "a clause number such as `4.2`", "4.2")
_CODE: Final = matching(r"[A-Z]{3}", "a three-letter code such as `AUS`", "AUS")
_JURISDICTION: Final = matching(r"[A-Z]{3,4}", "a jurisdiction such as `GBR`", "GBR")
_SYSTEM: Final = matching(r"[A-Z]{3,8}", "a classification system such as `GBR` or `NATO`", "GBR", "USA")
_GROUP: Final = matching(r"[A-Z]{4}", "a four-letter group such as `FVEY`", "FVEY")
_ITEM: Final = matching(r"[a-z0-9-]{1,64}/[a-z0-9-]{1,64}", "an item such as `gbr/notes`", "gbr/notes")
_YEAR_END: Final = matching(
    r"(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8]|3[01])", "a day of the year such as `12-31`", "12-31"
)
_FRACTION: Final = re.compile(r"([1-9][0-9]{0,5})/([1-9][0-9]{0,5})")
_EVIDENCE_DATE: Final = re.compile(r"[0-9]{4}(?:-[0-9]{2}(?:-[0-9]{2})?)?")
_UNITS_MS: Final = {"hours": 3_600_000, "days": 86_400_000}
_PERIOD: Final = amount("days", "months", "years")
SECTIONS: Final = (  # what an amendment may touch
    *("charter", "title", "engine", "confirm", "purpose", "standing", "parties", "pillars", "areas", "projects"),
    *("purposes", "decisions", "suspension", "on_suspend", "releases", "freshness", "approvals", "jurisdictions"),
    *("labels", "groups", "instruments", "admission", "withdrawal", "windows", "candidates", "grades", "attributes"),
    *("suspended_votes", "layers", "limits", "background", "exits", "carried_keys"),
)


class _Common(TypedDict):
    clause: str
    says: str
    source: str
    basis: Basis


def draft(source: Text) -> Charter:
    """The charter that a text says, typed and not yet judged. Raises `errors.Malformed` with `file:line:column`."""
    return Reading(source.root, source.digest).charter()


def faults(source: Text) -> tuple[Malformed, ...]:
    """Everything that is not understood, one error an entry: an entry that is not understood does not hide the next."""
    found: list[Malformed] = []
    try:
        Reading(source.root, source.digest, found).charter()
    except Malformed as error:
        found.append(error)
    return tuple(found)


class Reading:
    """One pass over a text. Clauses are collected in the order in which they are read.

    faults: where errors of single entries are gathered; None: the first one is raised.
    """

    def __init__(self, root: Map, digest: bytes, faults: list[Malformed] | None = None) -> None:
        self.root, self.digest, self.faults = root, digest, faults
        self.clauses: list[Clause] = []
        self.engine = ENGINES[0]

    def charter(self) -> Charter:
        root = self.root
        head = root.take("charter", word)
        title = root.take("title", text)
        self.engine = root.take("engine", _engine)
        charter = Charter(
            id=head,
            title=title,
            engine=self.engine,
            confirm=root.take("confirm", from_to(1, PARTIES_MAX)),
            in_force_from=root.take("in_force_from", date, "") if self.newer(root, "in_force_from", since=3) else "",
            aim=self.one("purpose", self.entry),
            standing=self.one("standing", self.entry),
            grades=self.declared_grades(),
            attributes=self.each("attributes", self.attribute, ENTRIES_MAX) if self.newer(root, "attributes") else (),
            parties=self.each("parties", self.party, PARTIES_MAX, least=1),
            pillars=self.each("pillars", self.pillar, PILLARS_MAX, least=1),
            areas=self.each("areas", self.area, AREAS_MAX),
            projects=self.each("projects", self.project, PROJECTS_MAX),
            purposes=self.each("purposes", self.purpose, PURPOSES_MAX, least=1),
            decisions=self.each("decisions", self.decision, self.decisions_max, least=1),
            suspended_votes=self.each("suspended_votes", self.suspended_vote, ENTRIES_MAX)
            if self.newer(root, "suspended_votes")
            else (),
            suspension=self.one("suspension", self.suspension),
            on_suspend=self.one("on_suspend", self.on_suspend),
            releases=self.one("releases", self.releases),
            layers=self.each("layers", self.layer, ENTRIES_MAX) if self.newer(root, "layers") else (),
            limits=self.each("limits", self.limit, ENTRIES_MAX) if self.newer(root, "limits") else (),
            background=self.background(),
            freshness=self.each("freshness", self.freshness, ENTRIES_MAX, least=1),
            approvals=self.each("approvals", self.approval, ENTRIES_MAX),
            jurisdictions=self.each("jurisdictions", self.jurisdiction, ENTRIES_MAX),
            equivalence=self.one("labels", self.equivalence),
            groups=self.each("groups", self.group, ENTRIES_MAX),
            instruments=self.each("instruments", self.instrument, ENTRIES_MAX),
            admission=self.each("admission", self.criterion, ENTRIES_MAX),
            withdrawal=self.one("withdrawal", self.withdrawal),
            exits=self.each("exits", self.exit, ENTRIES_MAX) if self.newer(root, "exits") else (),
            carried_keys=self.each("carried_keys", self.carried_key, ENTRIES_MAX)
            if self.newer(root, "carried_keys", since=3)
            else (),
            windows=self.each("windows", self.window, ENTRIES_MAX),
            candidates=self.each("candidates", self.candidate, ENTRIES_MAX),
            clauses=(),
            digest=self.digest,
        )
        root.done()
        return msgspec.structs.replace(charter, clauses=tuple(self.clauses))

    @property
    def decisions_max(self) -> int:
        return len(JOINT_ACTS) if self.engine == 1 else ENTRIES_MAX

    def newer(self, entry: Map, *keys: str, since: int = 2) -> bool:
        """Whether this text may use what came with an engine. In an older one such a key is refused by its name."""
        if self.engine >= since:
            return True
        for key in keys:
            if key in entry:
                words, hint = f"`{key}` is a word of engine {since}", f"write `engine: {since}` to use it"
                raise entry.key_at(key).refuse(words, hint=hint)
        return False

    def one(self, key: str, read: Callable[[Map, str], T]) -> T:
        return self.root.take(key, group(lambda entry: read(entry, key)))

    def each(self, key: str, read: Callable[[Map, str], T], limit: int, *, least: int = 0) -> tuple[T, ...]:
        if least:
            return self.root.take(key, self.entries(key, read, limit, least=least))
        return self.root.take(key, self.entries(key, read, limit), ())

    def entries(self, of: str, read: Callable[[Map, str], T], limit: int, *, least: int = 0) -> Reads[tuple[T, ...]]:
        """A list of groups of lines. Where errors are gathered, an entry that has one is left out."""
        item = group(lambda entry: read(entry, of))
        whole = list_of(item, least=least, most=limit, repeats=True)

        def gather(node: Node) -> tuple[T, ...]:
            if self.faults is None or not isinstance(node, List) or not least <= len(node) <= limit:
                return whole(node)
            found = []
            for each in node:
                try:
                    found.append(item(each))
                except Malformed as error:
                    self.faults.append(error)
            return tuple(found)

        return Reads(gather, lambda: whole.schema, *whole.values)

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

    def grade(self, entry: Map, of: str) -> Grade:
        name = entry.take("id", word)
        c = self.common(entry, f"{of}/{name}")
        votes = cast("Votes", entry.take("votes", choice(*get_args(Votes))))
        return Grade(
            id=name,
            votes=votes,
            signs=entry.take("signs", flag, votes != "none"),
            receives=cast("Receives", entry.take("receives", choice(*get_args(Receives)), "by_engagement")),
            **c,
        )

    def attribute(self, entry: Map, of: str) -> Attribute:
        name = entry.take("id", word)
        c = self.common(entry, f"{of}/{name}")
        if not c["says"]:
            raise entry.refuse("an attribute says what it means", hint="add a line `says: …`")
        return Attribute(id=name, **c)

    def party(self, entry: Map, of: str) -> Party:
        name = entry.take("id", word)
        c = self.common(entry, f"{of}/{name}")
        newer = self.newer(entry, "until", "formerly", "votes", "attributes")
        return Party(
            id=name,
            name=entry.take("name", text),
            code=entry.take("code", _CODE),
            # A text of engine 2 may declare its own grades; `check` says which there are.
            grade=entry.take("grade", word if newer else choice(*GRADES)),
            since=entry.take("since", date),
            offices=entry.take("offices", text, ""),
            until=entry.take("until", date, None) if newer else None,
            formerly=entry.take("formerly", list_of(group(_former), most=ENTRIES_MAX), ()) if newer else (),
            votes=entry.take("votes", from_to(1, VOTES_MAX), 1) if newer else 1,
            attributes=entry.take("attributes", list_of(word), ()) if newer else (),
            left_by=cast("ExitKind", entry.take("left_by", choice(*LEAVING), ""))
            if self.newer(entry, "left_by", since=3)
            else "",
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
        newer = self.newer(entry, "within", "shares", "access_lasts")
        return Project(
            id=name,
            name=entry.take("name", text),
            pillar=entry.take("pillar", word),
            areas=entry.take("areas", list_of(word), ()),
            participants=entry.take("participants", list_of(word)),
            lead=entry.take("lead", word, ""),
            instrument=entry.take("instrument", text, ""),
            term=entry.take("term", span, Span()),
            within=entry.take("within", word, "") if newer else "",
            access_lasts=entry.take("access_lasts", _PERIOD, None) if newer else None,
            shares=entry.take("shares", list_of(group(_contribution), least=1), ()) if newer else (),
            **c,
        )

    def purpose(self, entry: Map, of: str) -> Purpose:
        name = entry.take("id", word)
        c = self.common(entry, f"{of}/{name}")
        newer = self.newer(entry, "terms")
        return Purpose(
            id=name,
            name=entry.take("name", text),
            projects=entry.take("projects", list_of(word, least=1), ()),
            terms=entry.take("terms", word, "") if newer else "",
            **c,
        )

    def decision(self, entry: Map, of: str) -> Decision:
        act = cast("JointAct", entry.take("act", choice(*JOINT_ACTS)))
        c = self.common(entry, f"{of}/{act}")
        rules = get_args(Rule) if self.engine > 1 else _RULES_1
        rule = cast("Rule", entry.take("rule", choice(*rules)))
        k = entry.take("k", from_to(1, K_MAX)) if rule == "k_of_n" else 0
        consents = entry.take("party_to_be_bound", choice("consents", "is_told"), "consents")
        voters = cast("Voters", entry.take("voters", choice(*get_args(Voters))))
        base = Decision(act=act, rule=rule, voters=voters, k=k, bound_consents=consents == "consents", **c)
        if not self.newer(entry, *_OF_ENGINE_2):
            return base
        return self.timing(entry, self.counting(entry, self.about(entry, base)))

    def about(self, entry: Map, base: Decision) -> Decision:
        """For which matters of its kind an entry is."""
        act = base.act
        changed: dict[str, object] = {}
        if act in {"project", "engage", "renew", "end"}:
            changed |= {key: entry.take(key, list_of(word, least=1), ()) for key in ("pillars", "projects")}
        if act == "admit":
            changed["grades"] = entry.take("grades", list_of(word, least=1), ())
        if act == "charter":
            changed["sections"] = entry.take("sections", list_of(choice(*SECTIONS), least=1), ())
        if act == "end":
            changed["ends"] = entry.take("ends", choice("project", "engagement"), "")
        changed["save_for"] = entry.take("save_for", list_of(_CLAUSE, least=1), ())
        return msgspec.structs.replace(base, **changed)

    def counting(self, entry: Map, base: Decision) -> Decision:
        """How votes are counted, and what silence says."""
        rule = base.rule
        shared = rule in {"fraction", "double_majority"}
        cast_ = rule in {"majority", "fraction", "double_majority", "unanimity"}
        open_for = entry.take("open_for", amount("days"), Amount(number=0, unit="days"))
        if open_for.number > DAYS_MAX:
            raise entry.at("open_for").refuse(f"a proposal is open for {DAYS_MAX} days at most")
        counted = cast("Of", entry.take("counted", choice(*get_args(Of)), "all")) if cast_ else "all"
        return msgspec.structs.replace(
            base,
            counted=counted,
            share=entry.take("share", _fraction) if shared else None,
            contributions=entry.take("contributions", _fraction) if rule == "double_majority" else None,
            blocked_by=entry.take("blocked_by", from_to(1, PARTS_MAX)) if rule == "weighted" else 0,
            quorum=entry.take("quorum", _fraction, None) if counted == "cast" else None,
            silence=cast("Silence", entry.take("silence", choice(*get_args(Silence)), _silence(counted))),
            open_days=open_for.number,
            assent=entry.take("assent", list_of(group(_assent), least=1), ()),
            veto=entry.take("veto", group(_veto), None),
        )

    def timing(self, entry: Map, base: Decision) -> Decision:
        """What engine 3 adds: calling again when too few voted, and days of effect."""
        if not self.newer(entry, "later_calls", "takes_effect", since=3):
            return base
        calls = list_of(group(self.call), least=1, most=CALLS_MAX, repeats=True)
        again = base.quorum is not None
        if not again and "later_calls" in entry:
            words = "a matter is called again where too few voted, and this rule has no `quorum` that could be missed"
            raise entry.key_at("later_calls").refuse(words, hint="add `counted: cast` and `quorum: 2/3`, or delete it")
        effect = base.act in {"charter", "admit", "expel"}
        return msgspec.structs.replace(
            base,
            later_calls=entry.take("later_calls", calls, ()) if again else (),
            takes_effect=entry.take("takes_effect", group(self.effect), None) if effect else None,
        )

    def call(self, entry: Map) -> Call:
        return Call(within=self.period(entry, "within", "a call"), quorum=entry.take("quorum", _fraction, None))

    def effect(self, entry: Map) -> Effect:
        ends = entry.take("year_ends", _YEAR_END, "")
        now = Amount(number=0, unit="days")  # at the end of the year in which it is decided
        return Effect(
            after=self.period(entry, "after", "a delay") if "after" in entry or not ends else now, year_ends=ends
        )

    def suspended_vote(self, entry: Map, of: str) -> SuspendedVote:
        party = entry.take("party", word)
        c = self.common(entry, f"{of}/{party}")
        return SuspendedVote(party=party, projects=entry.take("projects", list_of(word, least=1), ()), **c)

    def suspension(self, entry: Map, of: str) -> Suspension:
        c = self.common(entry, of)
        by = cast("Suspends", entry.take("by", choice(*get_args(Suspends))))
        return Suspension(by=by, **c)

    def on_suspend(self, entry: Map, of: str) -> OnSuspend:
        c = self.common(entry, of)
        recall = entry.take("recall", flag)
        within = entry.take("answer_within", _DAYS) if recall else Amount(number=0, unit="days")
        if recall and not 1 <= within.number <= DAYS_MAX:
            raise entry.at("answer_within").refuse(f"an answer is due within 1 to {DAYS_MAX} days")
        return OnSuspend(recall=recall, answer_days=within.number, **c)

    def releases(self, entry: Map, of: str) -> Releases:
        c = self.common(entry, of)
        rule = cast("Share", entry.take("rule", choice(*get_args(Share))))
        k = entry.take("k", from_to(1, K_MAX)) if rule == "k_of_n" else 0
        approval = entry.take("approval", choice("none", "each_time"), "none") == "each_time"
        limits = entry.take("limits", list_of(word, least=1), ()) if self.newer(entry, "limits") else ()
        return Releases(rule=rule, k=k, approval=approval, limits=limits, **c)

    def layer(self, entry: Map, of: str) -> Layer:
        name = entry.take("id", word)
        c = self.common(entry, f"{of}/{name}")
        return Layer(id=name, name=entry.take("name", text), under=entry.take("under", word, ""), **c)

    def limit(self, entry: Map, of: str) -> Limit:
        name = entry.take("id", word)
        c = self.common(entry, f"{of}/{name}")
        words = {
            key: entry.take(key, list_of(word, least=1), ())
            for key in ("parties", "grades", "pillars", "projects", "purposes", "owners")
        }
        return Limit(
            id=name,
            layer=entry.take("layer", word, ""),
            to=cast("Whom", entry.take("to", choice(*get_args(Whom)), "all")),
            made=cast("Made", entry.take("made", choice(*get_args(Made)), "all")),
            needs=entry.take("needs", list_of(_TEST, least=1, most=TESTS_MAX)),
            **words,
            **c,
        )

    def declared_grades(self) -> tuple[Grade, ...] | None:
        if not self.newer(self.root, "grades"):
            return None
        return self.root.take("grades", self.entries("grades", self.grade, ENTRIES_MAX, least=1), None)

    def background(self) -> tuple[Background, ...] | None:
        if not self.newer(self.root, "background"):
            return None
        return self.root.take("background", self.entries("background", self.listed, ENTRIES_MAX), None)

    def listed(self, entry: Map, of: str) -> Background:
        item = entry.take("item", _ITEM)
        c = self.common(entry, f"{of}/{item}")
        return Background(item=item, except_for=entry.take("except_for", list_of(word, least=1), ()), **c)

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

    def carried_key(self, entry: Map, of: str) -> CarriedKey:
        c = self.common(entry, of)
        lasts = entry.take("lasts", amount("days"))
        if not 0 < lasts.number <= CARRIED_DAYS_MAX:
            raise entry.at("lasts").refuse(f"a carried key lasts between one day and {CARRIED_DAYS_MAX}")
        return CarriedKey(
            levels=entry.take("levels", list_of(_level, least=1)),
            days=lasts.number,
            openings=entry.take("openings", from_to(1, OPENINGS_MAX)),
            **c,
        )

    def approval(self, entry: Map, of: str) -> Approval:
        act = cast("OfficerAct", entry.take("act", choice(*get_args(OfficerAct))))
        c = self.common(entry, f"{of}/{act}")
        officers = entry.take("officers", from_to(1, OFFICERS_MAX))
        return Approval(act=act, officers=officers, **c)

    def jurisdiction(self, entry: Map, of: str) -> Jurisdiction:
        name = entry.take("id", _JURISDICTION)
        c = self.common(entry, f"{of}/{name}")
        adopter = entry.take("adopter", word)
        return Jurisdiction(id=name, adopter=adopter, **c)

    def equivalence(self, entry: Map, of: str) -> Equivalence:
        c = self.common(entry, of)
        systems = entry.take("systems", self.entries(f"{of}/systems", self.system, ENTRIES_MAX))
        holds = entry.take("holds", self.entries(f"{of}/holds", self.hold, ENTRIES_MAX), ())
        clearances = entry.take("clearances", self.entries(f"{of}/clearances", self.clearance, ENTRIES_MAX), ())
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
        name = entry.take("id", _GROUP)
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
        between = entry.take("between", _PAIR)
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
        kind = entry.take("kind", choice("judged", "all_pairs", *(("attested",) if self.engine > 1 else ())))
        return Criterion(
            id=name,
            name=entry.take("name", text),
            kind=cast("Literal['judged', 'all_pairs', 'attested']", kind),
            instrument=entry.take("instrument", word) if kind == "all_pairs" else "",
            claim=entry.take("claim", word) if kind == "attested" else "",
            **c,
        )

    def withdrawal(self, entry: Map, of: str) -> Withdrawal:
        c = self.common(entry, of)
        notice = self.notice(entry)
        duties = entry.take("duties", self.entries(f"{of}/duties", self.duty, ENTRIES_MAX), ())
        newer = self.newer(entry, "year_ends")
        return Withdrawal(
            notice=notice, duties=duties, year_ends=entry.take("year_ends", _YEAR_END, "") if newer else "", **c
        )

    def notice(self, entry: Map) -> Amount:
        return self.period(entry, "notice", "a notice")

    def period(self, entry: Map, key: str, what: str) -> Amount:
        found = entry.take(key, _PERIOD)
        if not 1 <= found.number <= DAYS_MAX:
            raise entry.at(key).refuse(f"{what} is 1 to {DAYS_MAX} days, months or years long")
        return found

    def duty(self, entry: Map, of: str) -> Duty:
        name = entry.take("id", word)
        c = self.common(entry, f"{of}/{name}")
        if not c["says"]:
            raise entry.refuse("a duty says what is to be done", hint="add a line `says: …`")
        lasts = entry.take("lasts", _PERIOD, None) if self.newer(entry, "lasts") else None
        kept = of.endswith("/keeps") and self.newer(entry, "access", since=3)
        return Duty(id=name, lasts=lasts, access=entry.take("access", group(_access), None) if kept else None, **c)

    def exit(self, entry: Map, of: str) -> Exit:
        kind = cast("ExitKind", entry.take("kind", choice(*get_args(ExitKind))))
        c = self.common(entry, f"{of}/{kind}")
        notice = self.notice(entry) if "notice" in entry else None
        return Exit(
            kind=kind,
            notice=notice,
            year_ends=entry.take("year_ends", _YEAR_END, "") if notice is not None else "",
            decided_by=entry.take("decided_by", choice(*JOINT_ACTS), ""),
            keeps=entry.take("keeps", self.entries(f"{of}/{kind}/keeps", self.duty, ENTRIES_MAX), ()),
            owes=entry.take("owes", self.entries(f"{of}/{kind}/owes", self.duty, ENTRIES_MAX), ()),
            **c,
        )

    def window(self, entry: Map, of: str) -> Window:
        party = entry.take("party", word)
        c = self.common(entry, f"{of}/{party}")
        latest = "no_later_than" in entry
        newer = self.newer(entry, "caretaker")
        return Window(
            party=party,
            what=entry.take("what", text),
            date=entry.take("no_later_than" if latest else "date", date),
            latest=latest,
            caretaker=entry.take("caretaker", span, Span()) if newer else Span(),
            **c,
        )

    def candidate(self, entry: Map, of: str) -> Candidate:
        name = entry.take("id", word)
        c = self.common(entry, f"{of}/{name}")
        return Candidate(
            id=name,
            name=entry.take("name", text),
            code=entry.take("code", _CODE),
            evidence=entry.take("evidence", list_of(group(_evidence), repeats=True), ()),
            **c,
        )


LEAVING: Final = ("own_wish", "default", "excluded", "whole")  # ways by which a party is none any more
_RULES_1: Final = ("unanimity", "owner", "k_of_n", "majority", "all_affected")
_OF_ENGINE_2: Final = (
    *("pillars", "projects", "grades", "sections", "ends", "open_for", "counted", "share", "contributions"),
    *("blocked_by", "quorum", "silence", "assent", "veto", "save_for"),
)
_DAYS: Final = amount("days")


def group(read: Callable[[Map], T]) -> Reads[T]:
    """`key: value` lines that `read` takes, every one of them."""

    def reader(node: Node) -> T:
        entry = mapping(node)
        found = read(entry)
        entry.done()
        return found

    def schema() -> Schema:
        from relto.charter.schema import explored  # which reads by these readers

        return explored(read)

    return Reads(reader, schema)


def _engine_number(node: Node) -> int:
    known = {str(one): one for one in ENGINES}
    value = scalar(node)
    if value not in known:
        hint = f"known: {', '.join(known)}"
        raise node.refuse(f"engine {value[:32]} is not known here", hint=hint)
    return known[value]


_engine: Final = Reads(_engine_number, {"enum": [*ENGINES, *map(str, ENGINES)]}, ENGINES[-1])


def _ledger_names(node: Node) -> tuple[str, ...]:
    """`all`, which is the empty list of the value, or the parties whose ledgers are meant."""
    if isinstance(node, List):
        return list_of(word, least=1)(node)
    choice("all")(node)
    return ()


_ledgers: Final[Reads[tuple[str, ...]]] = Reads(
    _ledger_names, lambda: {"anyOf": [{"const": "all"}, list_of(word, least=1).schema]}, ()
)


def _evidence(entry: Map) -> Evidence:
    return Evidence(
        date=entry.take("date", _evidence_date),
        standing=cast("Standing", entry.take("standing", choice(*get_args(Standing)))),
        status=cast("Status", entry.take("status", choice(*get_args(Status)))),
        what=entry.take("what", text, ""),
        source=entry.take("source", text, ""),
    )


def _former(entry: Map) -> Former:
    return Former(grade=entry.take("grade", word), term=entry.take("term", span))


def _contribution(entry: Map) -> Contribution:
    of = cast("ShareOf", entry.take("of", choice(*get_args(ShareOf))))
    return Contribution(party=entry.take("party", word), of=of, parts=entry.take("parts", from_to(1, PARTS_MAX)))


def _access(entry: Map) -> KeptAccess:
    return KeptAccess(
        made=cast("Made", entry.take("made", choice(*get_args(Made)), "results")),
        projects=entry.take("projects", list_of(word, least=1), ()),
        purposes=entry.take("purposes", list_of(word, least=1), ()),
    )


def _assent(entry: Map) -> Assent:
    silence = cast("Silence", entry.take("silence", choice("refuses", "consents"), "refuses"))
    return Assent(party=entry.take("party", word), silence=silence)


def _veto(entry: Map) -> Veto:
    return Veto(grounds=entry.take("grounds", list_of(word, least=1)))


def _silence(counted: str) -> Silence:
    """Of votes cast, who says nothing is not counted; else silence is no consent."""
    return "abstains" if counted == "cast" else "refuses"


_TESTS: Final = (
    "attested",
    "agreed",
    "instrument",
    "determined",
    "attribute",
    "until",
    "after_project",
    "asked_in",
    "never",
    "any",
)


def _test(node: Node) -> Test:
    """One thing that a limit asks for, by its one key."""
    entry = mapping(node)
    named = [key for key in _TESTS if key in entry]
    if len(named) != 1:
        words = "one thing is asked for at a time" if named else "nothing is asked for that has an evaluator"
        raise entry.refuse(words, hint=f"one of {', '.join(f'`{one}`' for one in _TESTS)}")
    found = _tested(entry, named[0])
    entry.done()
    return found


def _tested(entry: Map, key: str) -> Test:
    match key:
        case "until":
            return Test(until=entry.take(key, date))
        case "after_project":
            return Test(after_project=entry.take(key, _PERIOD))
        case "asked_in":
            return Test(asked_in=entry.take(key, list_of(_CODE, least=1)))
        case "never":
            return Test(never=entry.take(key, choice("true")) == "true")
        case "any":
            return Test(any=entry.take(key, list_of(_TEST, least=2, most=TESTS_MAX)))
        case "determined":
            return Test(determined=entry.take(key, word), by=entry.take("by", _JURISDICTION, ""))
        case _:
            return msgspec.structs.replace(Test(), **{key: entry.take(key, word)})


def test_schema() -> Schema:
    """The schema of a test, which others refer to: tests stand in an `any`, also of an `any`."""
    from relto.charter.schema import explored

    every = [explored(partial(_tested, key=key)) for key in _TESTS if key != "any"]
    some = {"type": "array", "items": _A_TEST, "minItems": 2, "maxItems": TESTS_MAX}
    whole = {"type": "object", "properties": {"any": some}, "required": ["any"], "additionalProperties": False}
    return {"anyOf": [*every, whole]}


_A_TEST: Final[Schema] = {"$ref": "#/$defs/test"}
_TEST: Final[Reads[Test]] = Reads(_test, _A_TEST, Test())


def _dated(node: Node) -> str:
    value = scalar(node)
    whole = value + "-01-01"[len(value) - 4 :] if _EVIDENCE_DATE.fullmatch(value) else ""
    try:
        dt.date.fromisoformat(whole)
    except ValueError:
        raise node.refuse(f"`{value[:32]}` is not a day, a month or a year", hint="for example `2024-09`") from None
    return value


_evidence_date: Final = Reads(
    _dated,
    {"anyOf": [{"type": "string", "pattern": f"^(?:{_EVIDENCE_DATE.pattern})$"}, {"type": "integer"}]},
    "2024",
)


def _part(node: Node) -> Fraction:
    found = _FRACTION.fullmatch(scalar(node))
    part, whole = (int(found[1]), int(found[2])) if found else (1, 0)
    if part > whole:
        raise node.refuse(f"`{scalar(node)[:32]}` is not a part of a whole", hint="write it as `2/3`")
    return Fraction(part=part, whole=whole)


_fraction: Final = Reads(_part, {"type": "string", "pattern": f"^{_FRACTION.pattern}$"}, Fraction(part=2, whole=3))


def _two(node: Node) -> tuple[str, ...]:
    between = list_of(_CODE, least=2)(node)
    if len(between) != 2:
        raise node.refuse("an instrument stands between two states")
    return between


_BETWEEN: Final[tuple[str, ...]] = ("AUS", "GBR")
_PAIR: Final = Reads(_two, lambda: list_of(_CODE, least=2, most=2).schema, _BETWEEN)


def _level_word(system: str) -> Reads[str]:
    def reader(node: Node) -> str:
        return _built(node, lambda: Level(system=system, level=scalar(node))).level

    return Reads(reader, {"type": "string", "minLength": 1}, "SECRET")


def _level_name(node: Node) -> Level:
    """`GBR SECRET`: the system, one blank, the level as the system writes it (`NATO NATO SECRET`)."""
    system, _, level = scalar(node).partition(" ")
    return _built(node, lambda: Level(system=system, level=level))


_level: Final = Reads(
    _level_name, {"type": "string", "pattern": "^[A-Z]{3,8} .+$"}, Level(system="GBR", level="SECRET")
)


def _built(node: Node, make: Callable[[], T]) -> T:
    """What the label room refuses is refused here with its place in the text."""
    try:
        return make()
    except Malformed as error:
        raise node.refuse(error.message, hint=error.hint) from None
