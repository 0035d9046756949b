"""A pack: one jurisdiction's law as a text, read and checked.

* The text names each condition's paragraph and says in words what it asks; the test beside it is what is run.
* A condition may be the law for some days only (`valid:`). Two conditions may share an id when no day has both: so a
  text that changed on a day stands in one pack, old and new side by side, and a determination outlives the change.
* A text of format 2 says so (`format: 2`) and may name lists of paragraphs, approvals beside a licence, what an
  obligation is met with, and facts that format 1 has not. A reader of format 1 refuses it as a whole.
* Refused at loading, with file, line and column: a fact that no pack may name, a comparison that does not fit it, an
  attestation or obligation that is not declared, a rule that rests on the absence of an act, a licence without a
  licence test, a pointer with conditions.
"""

from __future__ import annotations

import datetime as dt
import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Final, TypeVar

import msgspec

from relto.charter import text as grammar
from relto.charter.text import Date, List, Map, Node, Scalar, Span, Text
from relto.law.condition import AllOf, AnyOf, ClearOf, Not, OfAct, OfFact, Owes, Row, Test
from relto.law.facts import ROLES, SPEAKERS, has_form, is_closed, name_of, nearest_name

KINDS: Final = ("exemption", "open_licence", "licence", "agreement", "not_controlled", "pointer")
SUBJECTS: Final = ("transferor", "recipient")
RESERVED: Final = ("general", "reach")
YEARS_MAX: Final = 100
FORMATS: Final = ("1", "2")  # docs/decisions/0050-law-packs-format-2.md
WHEN: Final = ("before", "with", "after")
# What a text that goes with a release may have filled in.
BLANKS: Final = ("authority", "cite", "date", "destination", "end_user", "item", "purpose", "release", "title")
_BLANK: Final = re.compile(r"\{([^{}]*)\}")
ALWAYS: Final = Span()

deny_code: Final = grammar.matching(r"[A-Z][A-Z0-9_]{0,39}", "a deny code: capitals, digits and `_`")
jurisdiction_code: Final = grammar.matching(r"[A-Z]{3}", "a jurisdiction: three capitals")
field_name: Final = grammar.matching(r"[a-z][a-z0-9_]{0,63}", "a field: a-z, 0-9 and `_`")
a_role: Final = grammar.choice(*ROLES, "own_party")


class Obligation(msgspec.Struct, frozen=True, kw_only=True):
    """What a yes under an authority brings with it.

    fields, years: of the record to be kept. when: before the release, with it, or after it. text: what goes with the
    release, with blanks. mark: what is put on the thing.
    """

    id: str
    cite: str
    says: str
    fields: tuple[str, ...] = ()
    years: int | None = None
    when: str = ""
    text: str = ""
    mark: str = ""

    def filled(self, blanks: Mapping[str, str]) -> str:
        """`text` with its blanks filled in; a blank of which nothing is known stays one."""
        return _BLANK.sub(lambda found: blanks.get(found[1]) or f"[{found[1].replace('_', ' ')}]", self.text)


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    """A grant of the state that a condition asks for and that permits nothing by itself. Made by a `licence` act."""

    id: str
    cite: str
    says: str


class Paragraphs(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers of one control list, by name: those that exist, or those that carry a mark."""

    id: str
    cite: str
    says: str
    of: str  # the fact whose values these are: `item.entries.USA`
    numbers: tuple[str, ...]


class Attestation(msgspec.Struct, frozen=True, kw_only=True):
    """What a party states when it attests this kind: the meaning stands in the law that reads it."""

    id: str
    says: str


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """One paragraph: a test of its own, or parts of which all or any must hold."""

    id: str
    cite: str
    rule: str
    deny_code: str = ""
    valid: Span = ALWAYS
    test: Test | None = None
    join: str = "all"
    each: bool = False  # the parts are the two sides of the transfer
    parts: tuple[Condition, ...] = ()

    def on(self, day: Date) -> Test:
        if self.test is not None:
            return self.test
        parts = tuple(part.on(day) for part in self.parts if part.valid.holds(day))
        return AllOf(parts=parts) if self.join == "all" else AnyOf(parts=parts)

    def tests(self) -> Iterator[Test]:
        """Every test of every day."""
        if self.test is not None:
            yield self.test
        for part in self.parts:
            yield from part.tests()


class Authority(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    kind: str
    title: str
    cite: str
    valid: Span
    notes: tuple[str, ...] = ()
    conditions: tuple[Condition, ...] = ()
    obligations: tuple[str, ...] = ()
    also: tuple[str, ...] = ()  # other names by which people look for it


class Pack(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    jurisdiction: str
    title: str
    source: str
    valid: Span
    digest: bytes
    notes: tuple[str, ...]
    reaches: Test
    attestations: tuple[Attestation, ...]
    general: tuple[Condition, ...]
    authorities: tuple[Authority, ...]
    obligations: tuple[Obligation, ...]
    approvals: tuple[Approval, ...] = ()
    paragraphs: tuple[Paragraphs, ...] = ()
    format: int = 1

    @property
    def facts(self) -> tuple[str, ...]:
        """Every fact that some rule of some day reads, in the order of the text."""
        conditions = (*self.general, *(c for authority in self.authorities for c in authority.conditions))
        tests = (self.reaches, *(test for condition in conditions for test in condition.tests()))
        return tuple(dict.fromkeys(name for test in tests for name in test.names()))

    def speakers(self, day: Date) -> dict[str, frozenset[str]]:
        """Who may say each fact that an act creates, by the rules in force on the day."""
        found: dict[str, frozenset[str]] = {}
        in_force = [authority for authority in self.authorities if authority.valid.holds(day)]
        for condition in (*self.general, *(c for authority in in_force for c in authority.conditions)):
            if condition.valid.holds(day):
                for test in _act_tests(condition.on(day)):
                    found[test.fact] = found.get(test.fact, frozenset()) | frozenset(test.said_by)
        return found

    def obligation(self, obligation_id: str) -> Obligation:
        return next(found for found in self.obligations if found.id == obligation_id)

    def words(self, day: Date) -> dict[str, str]:
        """What each rule of the day says, by rule id: for pages and for people."""
        root = f"law.{self.jurisdiction}"
        found = {root: self.title, f"{root}/reach": f"{self.title} reaches this transfer"}
        if self.format > 1:
            found[f"{root}/contradiction"] = "What a licence covers is not called uncontrolled as well"
        found |= _words(f"{root}/general", self.general, day)
        for authority in self.authorities:
            if authority.valid.holds(day):
                found[f"{root}/{authority.id}"] = authority.title
                found |= _words(f"{root}/{authority.id}", authority.conditions, day)
        return found


def _words(path: str, conditions: tuple[Condition, ...], day: Date) -> dict[str, str]:
    found: dict[str, str] = {}
    for condition in conditions:
        if condition.valid.holds(day):
            here = f"{path}/{condition.id}"
            found[here] = condition.rule
            found |= _words(here, condition.parts, day)
            for row in rows_of(condition.test):
                found[f"{here}/{row.id}"] = row.says
    return found


def _act_tests(test: Test) -> Iterator[OfAct]:
    match test:
        case OfAct():
            yield test
        case ClearOf(whole=inner) | Not(part=inner):
            yield from _act_tests(inner)
        case AllOf(parts=parts) | AnyOf(parts=parts):
            for part in parts:
                yield from _act_tests(part)


def rows_of(test: Test | None) -> Iterator[Row]:
    """The rows of the lists that a test reads."""
    match test:
        case ClearOf(rows=rows):
            yield from rows
        case AllOf(parts=parts) | AnyOf(parts=parts):
            for part in parts:
                yield from rows_of(part)


# --- loading ----------------------------------------------------------------------------------------------------------


def load_pack(text: Text) -> Pack:
    """The pack that `text` holds. Raises `errors.Malformed` with file, line and column."""
    root = text.root
    loader = _Loader(root)
    pack = Pack(
        id=loader.pack_id,
        jurisdiction=root.take("jurisdiction", jurisdiction_code),
        title=root.take("title", grammar.text),
        source=root.take("source", grammar.text),
        valid=root.take("valid", grammar.span),
        digest=text.digest,
        notes=root.take("notes", grammar.list_of(grammar.text), ()),
        attestations=loader.attestations,
        obligations=loader.obligations,
        reaches=root.take("reaches", loader.reach),
        general=root.take("general", loader.conditions_of(loader.pack_id), ()),
        authorities=root.take("authorities", loader.authorities),
        approvals=loader.approvals,
        paragraphs=tuple(loader.paragraphs.values()),
        format=loader.format,
    )
    loader.check_names(pack, root)
    root.done()
    return pack


class _Scope(msgspec.Struct, frozen=True, kw_only=True):
    """Where in the text a test stands."""

    authority: str
    condition: str
    said_by: tuple[str, ...]
    subject: str = ""  # transferor or recipient, inside `for: each`
    negated: bool = False


class _Loader:
    """Reads in the order of dependence: what tests refer to comes before the tests, wherever it stands in the text."""

    def __init__(self, root: Map) -> None:
        self.pack_id = root.take("pack", grammar.word)
        self.format = int(root.take("format", grammar.choice(*FORMATS), "1"))
        self.attestations = _unique(
            root.take("attestations", grammar.list_of(_attestation), ()), root.at("attestations")
        )
        self.obligations = _unique(
            root.take("obligations", grammar.list_of(self._obligation), ()), root.at("obligations")
        )
        self.approvals = self._newer(root, "approvals", _approval)
        self.approved = {one.id for one in self.approvals}
        self.paragraphs = {one.id: one for one in self._newer(root, "paragraphs", _paragraphs)}
        self.attested = {kind.id for kind in self.attestations}
        self.owed = {obligation.id for obligation in self.obligations}
        self.lists: dict[str, tuple[Row, ...]] = dict(root.take("lists", grammar.list_of(self._list), ()))

    # what format 2 has and format 1 has not

    def _newer(self, found: Map, key: str, reader: grammar.Reader[T_Named]) -> tuple[T_Named, ...]:
        return _unique(self._in_format_2(found, key, grammar.list_of(reader, least=1), ()), found.at(key))

    def _in_format_2(self, found: Map, key: str, reader: grammar.Reader[T_Any], absent: T_Any) -> T_Any:
        if key in found and self.format < 2:
            raise found.at(key).refuse(f"`{key}` belongs to packs of format 2", hint="write `format: 2` below `pack:`")
        return found.take(key, reader, absent)

    def _obligation(self, node: Node) -> Obligation:
        found = grammar.mapping(node)
        obligation = Obligation(
            id=found.take("id", grammar.word),
            cite=found.take("cite", grammar.text),
            says=found.take("says", grammar.text),
            fields=found.take("fields", grammar.list_of(field_name), ()),
            years=found.take("years", _years, None),
            when=self._in_format_2(found, "when", grammar.choice(*WHEN), ""),
            text=self._in_format_2(found, "text", _with_blanks, ""),
            mark=self._in_format_2(found, "mark", grammar.text, ""),
        )
        found.done()
        return obligation

    def check_names(self, pack: Pack, root: Map) -> None:
        """An approval and an authority of one name would be one fact."""
        for index, one in enumerate(self.approvals):
            if one.id in {pack.id, *RESERVED, *(authority.id for authority in pack.authorities)}:
                where = grammar.listing(root.at("approvals")).items[index]
                raise where.refuse(f"`{one.id}` has another meaning and cannot name an approval")

    # what an authority is made of

    def authorities(self, node: Node) -> tuple[Authority, ...]:
        return _unique(grammar.list_of(self._authority, least=1)(node), node)

    def _authority(self, node: Node) -> Authority:
        found = grammar.mapping(node)
        authority_id = found.take("id", grammar.word)
        if authority_id in (*RESERVED, self.pack_id):
            raise found.at("id").refuse(f"`{authority_id}` has another meaning and cannot name an authority")
        authority = Authority(
            id=authority_id,
            kind=found.take("kind", grammar.choice(*KINDS)),
            title=found.take("title", grammar.text),
            cite=found.take("cite", grammar.text),
            valid=found.take("valid", grammar.span, ALWAYS),
            notes=found.take("notes", grammar.list_of(grammar.text), ()),
            conditions=found.take("conditions", self.conditions_of(authority_id), ()),
            obligations=found.take("obligations", grammar.list_of(self._obligation_id), ()),
            also=self._in_format_2(found, "also", grammar.list_of(grammar.text, least=1), ()),
        )
        found.done()
        _check_kind(authority, found)
        return authority

    def _obligation_id(self, node: Node) -> str:
        return _declared(grammar.word(node), self.owed, "obligation", node)

    def conditions_of(self, authority: str) -> grammar.Reader[tuple[Condition, ...]]:
        def reader(node: Node) -> tuple[Condition, ...]:
            scope = _Scope(authority=authority, condition="", said_by=())
            found = tuple(self._condition(each, scope) for each in grammar.listing(node))
            _apart(found, node)
            return found

        return reader

    def _condition(self, node: Node, outer: _Scope) -> Condition:
        found = grammar.mapping(node)
        condition_id = found.take("id", grammar.word)
        said_by = found.take("said_by", _roles, outer.said_by)
        scope = msgspec.structs.replace(outer, condition=condition_id, said_by=said_by)
        shared = Condition(
            id=condition_id,
            cite=found.take("cite", grammar.text),
            rule=found.take("rule", grammar.text),
            deny_code=found.take("deny_code", deny_code, ""),
            valid=found.take("valid", grammar.span, ALWAYS),
        )
        each = found.take("for", grammar.choice("each"), "")
        if each and scope.subject:
            raise found.at("for").refuse("`for: each` stands inside another `for: each`")
        if "test" in found and "any_of" in found:
            raise found.at("any_of").refuse("a condition has a `test` or alternatives in `any_of`, not both")
        if not shared.deny_code and "any_of" not in found:
            raise found.refuse("`deny_code` is missing here", hint="one word in capitals for why this condition fails")
        if each:
            sides = tuple(self._side(found, shared, scope, subject) for subject in SUBJECTS)
            result = msgspec.structs.replace(shared, parts=sides, each=True)
        else:
            result = self._body(found, shared, scope)
        found.done()
        return result

    def _side(self, found: Map, shared: Condition, scope: _Scope, subject: str) -> Condition:
        """The condition as it stands, read once with `party` meaning this side of the transfer."""
        side = self._body(found, shared, msgspec.structs.replace(scope, subject=subject))
        return msgspec.structs.replace(side, id=subject, rule=f"{subject}: {shared.rule}", valid=ALWAYS)

    def _body(self, found: Map, shared: Condition, scope: _Scope) -> Condition:
        if "any_of" not in found:
            return msgspec.structs.replace(shared, test=found.take("test", lambda node: self.test(node, scope)))
        parts = tuple(self._condition(each, scope) for each in found.take("any_of", grammar.listing))
        if not parts:
            raise found.at("any_of").refuse("the list is empty")
        return msgspec.structs.replace(shared, parts=parts, join="any")

    # lists of excluded things

    def _list(self, node: Node) -> tuple[str, tuple[Row, ...]]:
        found = grammar.mapping(node)
        list_id = found.take("id", grammar.word)
        cite = found.take("cite", grammar.text)
        rows = found.take("rows", grammar.list_of(lambda row: self._row(row, cite), least=1))
        found.done()
        return list_id, _unique(rows, found.at("rows"))

    def _row(self, node: Node, cite: str) -> Row:
        found = grammar.mapping(node)
        scope = _Scope(authority="", condition="", said_by=(), negated=True)
        row = Row(
            id=found.take("id", grammar.word),
            says=found.take("says", grammar.text),
            cite=f"{cite}, {found.take('cite', grammar.text)}",
            certain=found.take("certain", lambda test: self.test(test, scope), AnyOf(parts=())),
            possible=found.take("possible", lambda test: self.test(test, scope)),
        )
        found.done()
        return row

    # tests

    def reach(self, node: Node) -> Test:
        return self.test(node, _Scope(authority=self.pack_id, condition="reach", said_by=(), negated=True))

    def test(self, node: Node, scope: _Scope) -> Test:
        found = grammar.mapping(node)
        kinds = ("all", "any", "not", "fact", "attested", "determined", "licensed", "approved", "clear_of", "owes")
        kind = next((kind for kind in kinds if kind in found), "")
        if not kind:
            raise found.refuse("this is not a test", hint=f"a test begins with one of {', '.join(kinds)}")
        result: Test
        match kind:
            case "all":
                result = AllOf(parts=found.take("all", lambda parts: self._parts(parts, scope)))
            case "any":
                result = AnyOf(parts=found.take("any", lambda parts: self._parts(parts, scope)))
            case "not":
                inside = msgspec.structs.replace(scope, negated=True)
                result = Not(part=found.take("not", lambda part: self.test(part, inside)))
            case "fact":
                result = self._fact_test(found, scope)
            case "owes":
                result = Owes(obligation=found.take("owes", self._obligation_id))
            case _:
                result = self._act_test(kind, found, scope)
        found.done()
        return result

    def _parts(self, node: Node, scope: _Scope) -> tuple[Test, ...]:
        # An empty `all` would be a yes that nobody wrote.
        return grammar.list_of(lambda part: self.test(part, scope), least=1, repeats=True)(node)

    def _act_test(self, kind: str, found: Map, scope: _Scope) -> Test:
        if scope.negated:
            # Closed world: without the act the inner test is no, so its negation would be a yes that nobody gave.
            hint = "turn the rule round: say which act permits"
            raise found.at(kind).refuse("a rule cannot rest on the absence of an act", hint=hint)
        said_by = found.take("said_by", _roles, scope.said_by)
        if kind == "attested":
            return self._attested(found, scope, said_by)
        if not said_by and kind not in {"licensed", "approved"}:
            raise found.refuse("`said_by` is missing", hint=f"name who may say it: {', '.join(ROLES)}")
        if kind == "clear_of":
            name = found.take("clear_of", grammar.word)
            rows = self.lists[_declared(name, set(self.lists), "list", found.at("clear_of"))]
            return ClearOf.of(rows, _determined(found, scope, said_by))
        if kind == "approved":
            name = self._in_format_2(found, "approved", grammar.word, "")
            _declared(name, self.approved, "approval", found.at("approved"))
            return _act(found, f"licensed.{name}", said_by or ("state",))
        found.take(kind, _true)
        if kind == "licensed":
            return _act(found, f"licensed.{scope.authority}", said_by or ("state",))
        return _determined(found, scope, said_by)

    def _attested(self, found: Map, scope: _Scope, said_by: tuple[str, ...]) -> Test:
        kind = _declared(found.take("attested", grammar.word), self.attested, "attestation", found.at("attested"))
        of = found.take("of", grammar.choice(*SUBJECTS, "each", "party"))
        if (of == "party") != bool(scope.subject):
            raise found.at("of").refuse("`of: party` is for conditions with `for: each`, and these know no other")
        sides = SUBJECTS if of == "each" else (scope.subject or of,)
        acts = tuple(_act(found, f"{side}.attested.{kind}", said_by) for side in sides)
        return acts[0] if len(acts) == 1 else AllOf(parts=acts)

    def _fact_test(self, found: Map, scope: _Scope) -> OfFact:
        name = found.take("fact", grammar.scalar)
        if scope.subject and name.startswith("party."):
            name = f"{scope.subject}.{name.removeprefix('party.')}"
        known = name_of(name)
        if known is None:
            near = nearest_name(name)
            hint = f"did you mean `{near}`?" if near else "the list of facts stands in the manual of the law room"
            raise found.at("fact").refuse(f"`{grammar.shown(name)}` is not a fact that a pack may name", hint=hint)
        if known.since > self.format:
            raise found.at("fact").refuse(
                f"`{name}` is a fact of packs of format {known.since}",
                hint=f"write `format: {known.since}` below `pack:`",
            )
        if is_closed(name) or name.startswith("determined."):
            hint = "write `attested:`, `determined:` or `licensed:`"
            raise found.at("fact").refuse(f"`{name}` is made by an act, and an act has its own test", hint=hint)
        ops = {
            bool: ("is",),
            str: ("is", "in"),
            tuple: ("has", "within", "none"),
            grammar.Money: ("at_most",),
        }[known.type]
        ops = (
            (*ops, "under", "only_under", *(("among",) if self.format > 1 else ()))
            if name.startswith("item.entries.")
            else ops
        )
        op = next((key for key in found.keys if key in ops), "")
        if not op:
            raise found.refuse(
                f"`{name}` is not compared with anything", hint=f"it can be compared by {', '.join(ops)}"
            )

        def a_word(node: Node) -> str:
            value = grammar.scalar(node)
            if not has_form(known, value):
                raise node.refuse(f"`{grammar.shown(value)}` cannot be a value of `{name}`")
            return value

        said_by = found.take("said_by", grammar.list_of(grammar.choice(*SPEAKERS), least=1), ())
        result = OfFact(fact=name, op=op, said_by=said_by)
        match op:
            case "is" if known.type is bool:
                return msgspec.structs.replace(result, truth=found.take(op, grammar.flag))
            case "is" | "has":
                return msgspec.structs.replace(result, words=(found.take(op, a_word),))
            case "none":
                found.take(op, _true)
                return result
            case "at_most":
                return msgspec.structs.replace(result, limit=found.take(op, grammar.money))
        value = found.at(op)
        if op == "among" or (op in {"under", "only_under"} and self.format > 1 and isinstance(value, Scalar)):
            named = found.take(op, grammar.word)
            numbers = self.paragraphs[_declared(named, set(self.paragraphs), "list of paragraphs", value)]
            if numbers.of != name:
                raise value.refuse(f"`{named}` lists numbers of `{numbers.of}`, and `{name}` is asked about")
            return msgspec.structs.replace(result, words=numbers.numbers, listed=named)
        return msgspec.structs.replace(result, words=found.take(op, grammar.list_of(a_word, least=1)))


def _determined(found: Map, scope: _Scope, said_by: tuple[str, ...]) -> OfAct:
    if scope.subject:
        raise found.refuse("a determination is about the item, and `for: each` asks about the parties")
    return _act(found, f"determined.{scope.authority}.{scope.condition}", said_by)


def _act(found: Map, name: str, said_by: tuple[str, ...]) -> OfAct:
    side = name.partition(".")[0]
    if "own_party" in said_by and side not in SUBJECTS:
        raise found.refuse("`own_party` speaks about a party, and this is not about one")
    roles = tuple(f"{side}_party" if role == "own_party" else role for role in said_by)
    if not roles:
        raise found.refuse("`said_by` is missing", hint=f"name who may say it: own_party, {', '.join(ROLES)}")
    return OfAct(fact=name, said_by=tuple(dict.fromkeys(roles)))


def _check_kind(authority: Authority, found: Map) -> None:
    """An authority must contain what makes it one of its kind."""
    acts = [leaf.fact for c in authority.conditions if isinstance(leaf := c.test, OfAct) and c.valid == ALWAYS]
    match authority.kind:
        case "pointer":
            if authority.conditions or authority.obligations:
                raise found.refuse("a pointer only names an authority; it has no conditions and no obligations")
        case "licence" | "agreement":
            if f"licensed.{authority.id}" not in acts:
                hint = "add a condition with `test: {licensed: true}`"
                raise found.refuse(f"an authority of kind `{authority.kind}` asks for the licence itself", hint=hint)
        case "not_controlled":
            if not any(name.startswith("determined.") for name in acts):
                hint = "add a condition with `test: {determined: true}`"
                raise found.refuse("that nothing controls an item is a determination with its reason", hint=hint)
        case _:
            if not authority.conditions:
                raise found.refuse(
                    f"an authority of kind `{authority.kind}` without conditions would permit everything"
                )


def _roles(node: Node) -> tuple[str, ...]:
    return grammar.list_of(a_role, least=1)(node) if isinstance(node, List) else (a_role(node),)


def _true(node: Node) -> None:
    if not grammar.flag(node):
        raise node.refuse("only `true` has a meaning here", hint="write `not:` around the test for the opposite")


def _attestation(node: Node) -> Attestation:
    found = grammar.mapping(node)
    attestation = Attestation(id=found.take("id", grammar.word), says=found.take("says", grammar.text))
    found.done()
    return attestation


def _approval(node: Node) -> Approval:
    found = grammar.mapping(node)
    approval = Approval(
        id=found.take("id", grammar.word),
        cite=found.take("cite", grammar.text),
        says=found.take("says", grammar.text),
    )
    found.done()
    return approval


def _paragraphs(node: Node) -> Paragraphs:
    found = grammar.mapping(node)
    of = found.take("of", grammar.matching(r"item\.entries\.[A-Z]{3}", "control entries: `item.entries.USA`"))
    known = name_of(of)
    assert known is not None
    number = grammar.matching(known.form, "the number of a paragraph: `XI(a)(1)`")
    paragraphs = Paragraphs(
        id=found.take("id", grammar.word),
        cite=found.take("cite", grammar.text),
        says=found.take("says", grammar.text),
        of=of,
        numbers=found.take("numbers", grammar.list_of(number, least=1)),
    )
    found.done()
    return paragraphs


def _with_blanks(node: Node) -> str:
    text = grammar.text(node)
    for blank in _BLANK.findall(text):
        if blank not in BLANKS:
            raise node.refuse(f"`{grammar.shown(blank)}` is not a blank", hint=f"blanks: {', '.join(BLANKS)}")
    return text


def _years(node: Node) -> int:
    years = grammar.amount("years")(node).number
    if not 1 <= years <= YEARS_MAX:
        raise node.refuse(f"records are kept for 1 to {YEARS_MAX} years")
    return years


def _declared(name: str, known: set[str], what: str, node: Node) -> str:
    if name not in known:
        hint = (
            f"declared in this text: {', '.join(f'`{k}`' for k in sorted(known))}" if known else f"declare the {what}"
        )
        raise node.refuse(
            f"`{name}` is not {'an' if what[0] in 'ao' else 'a'} {what} that this text declares", hint=hint
        )
    return name


T_Any = TypeVar("T_Any")
T_Named = TypeVar("T_Named", Obligation, Attestation, Authority, Row, Approval, Paragraphs)


def _unique(found: tuple[T_Named, ...], node: Node) -> tuple[T_Named, ...]:
    seen: set[str] = set()
    for index, each in enumerate(found):
        if each.id in seen:
            raise grammar.listing(node).items[index].refuse(f"`{each.id}` stands in this list a second time")
        seen.add(each.id)
    return found


def _apart(conditions: tuple[Condition, ...], node: Node) -> None:
    """No day has two conditions of one id in one authority, and the versions of a condition leave no day between them.

    A determination names a condition by its id alone; a day between two versions would be a day without the condition.
    """
    by_id: dict[str, list[Span]] = {}
    for condition_id, valid in _spans(conditions, ALWAYS):
        by_id.setdefault(condition_id, []).append(valid)
    for condition_id, spans in by_id.items():
        spans.sort(key=lambda span: span.first or "")
        for one, other in itertools.pairwise(spans):
            if one.overlaps(other):
                raise node.refuse(
                    f"`{condition_id}` stands here twice for the same day", hint="give each its days in `valid`"
                )
            assert one.last is not None  # or they would overlap
            if str(dt.date.fromisoformat(one.last) + dt.timedelta(days=1)) != other.first:
                raise node.refuse(f"after {one.last} there are days without the condition `{condition_id}`")


def _spans(conditions: tuple[Condition, ...], within: Span) -> Iterator[tuple[str, Span]]:
    for condition in conditions:
        first = max(filter(None, (condition.valid.first, within.first)), default=None)
        last = min(filter(None, (condition.valid.last, within.last)), default=None)
        valid = Span(first=first, last=last)
        yield condition.id, valid
        # The two sides of `for: each` are one condition read twice.
        parts = condition.parts[0].parts if condition.each else condition.parts
        yield from _spans(parts, valid)
