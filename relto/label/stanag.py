"""STANAG 4774 confidentiality labels: the XML, and the two JSON forms seen in sealed files.

A `Confidentiality` is what such a label says, field by field; `label_of` and `said` map it from and to a `Label`.

* XML: one root, `originatorConfidentialityLabel` (or `alternativeConfidentialityLabel`) of the namespace of 4774.
  DOCTYPE, entities, processing instructions, foreign namespaces and unknown elements are refused: what a label means
  must not depend on what else a document can be made to say.
* JSON (a): `{"ocl": {"pol", "cls", "catl": [{"type", "name", "vals"}], "dcr"}}`, schema
  `urn:nato:stanag:5636:A:1:elements:json`; JSON (b): the fields of 4774 by their names. Both are read, (a) is written.
* PERMISSIVE: one of the values suffices (releasable to). RESTRICTIVE: every value is needed (compartments).
  INFORMATIVE: no effect on access.
* A label without `Releasable To` looks unrestricted to other readers. So the owners of an unmarked one are written out,
  and *nobody* is a RESTRICTIVE value that no holder has: others fail closed, we read it back as nobody.
* Nothing is mapped: levels of further systems stand in a RESTRICTIVE category of their own.

Source: ADatP-4774 as its public implementations show it; spec/label.md, "STANAG 4774".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Literal
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

import msgspec
from msgspec import UnsetType

from relto.errors import Malformed, Refused
from relto.label.equivalence import Group, expand
from relto.label.label import Label, Level, must_hold

NAMESPACE = "urn:nato:stanag:4774:confidentialitymetadatalabel:1:0"
SCHEMA_JSON = "urn:nato:stanag:5636:A:1:elements:json"
POLICY_URI = "urn:relto:system:"
TEXT_BYTES_MAX, ELEMENTS_MAX, XML_DEPTH_MAX, VALUES_MAX, VALUE_CHARS_MAX = 65_536, 1_024, 8, 512, 256

Kind = Literal["PERMISSIVE", "RESTRICTIVE", "INFORMATIVE"]
RELEASABLE, COMPARTMENTS, HANDLING = "Releasable To", "Special Category", "Handling"
OTHER_LEVELS, DISPLAY, NOBODY = "Also Classified", "Display Only", "NOBODY"
_SHORT: Mapping[str, Kind] = MappingProxyType({"P": "PERMISSIVE", "R": "RESTRICTIVE", "I": "INFORMATIVE"})
_ROOTS = ("originatorConfidentialityLabel", "alternativeConfidentialityLabel")
_WHEN = re.compile(
    r"[12][0-9]{3}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
    r"(?:T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2})?)?",
    re.ASCII,
)
_POLICY = re.compile(r"[A-Z]{3,8}", re.ASCII)


class Category(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    kind: Kind
    values: tuple[str, ...] = ()
    uri: str = ""

    def __post_init__(self) -> None:
        if len(self.values) > VALUES_MAX:
            raise Malformed(f"a category holds at most {VALUES_MAX} values", where=self.name[:64])
        for text in (self.name, *self.values):
            _text(text, "Category")
        if len(set(self.values)) != len(self.values):
            raise Malformed("a category names a value twice", where=self.name[:64])


class Confidentiality(msgspec.Struct, frozen=True, kw_only=True):
    """What a 4774 label says. created, review: date and time as xs:dateTime writes them."""

    policy: str
    classification: str
    categories: tuple[Category, ...] = ()
    created: str = ""
    review: str = ""
    policy_uri: str = ""
    mark: str = ""  # PrivacyMark
    originator: str = ""
    root: Literal["originatorConfidentialityLabel", "alternativeConfidentialityLabel"] = (
        "originatorConfidentialityLabel"
    )

    def __post_init__(self) -> None:
        for name, text in (("PolicyIdentifier", self.policy), ("Classification", self.classification)):
            _text(text, name)
        for name, text in (("PrivacyMark", self.mark), ("OriginatorID", self.originator)):
            if text:
                _text(text, name)
        for name, text in (("CreationDateTime", self.created), ("ReviewDateTime", self.review)):
            if text and not _WHEN.fullmatch(text):
                raise Malformed(f"`{text[:40]}` is not a date and time", hint="2026-11-24T10:00:00Z", where=name)
        if len(self.categories) > VALUES_MAX:
            raise Malformed(f"a label holds at most {VALUES_MAX} categories")


def _text(text: str, where: str) -> None:
    if not text or text != text.strip() or len(text) > VALUE_CHARS_MAX or not text.isprintable():
        raise Malformed("a text is empty, too long, or holds what people cannot read", where=where)


# ---- from and to a label


def said(
    label: Label, *, owners: Iterable[str] = (), system: str = "", created: str = "", review: str = ""
) -> Confidentiality:
    """A label as 4774 says it. system: whose level stands as the classification; else the first.

    Raises: Refused for an unmarked label without owners: a reader would take it for one without restrictions.
    """
    first = next((level for level in label.levels if level.system == system), None) if system else label.levels[0]
    if first is None:
        raise Refused(f"the label has no level of `{system[:16]}`", hint=f"one of {_systems(label)}")
    rel = label.released_to(frozenset(owners))
    if isinstance(label.rel, UnsetType) and not rel:
        raise Refused(
            "an unmarked label is released to its owners only, and nothing here says who they are",
            hint="name the owners",
        )
    others = tuple(str(level) for level in label.levels if level != first)
    categories = [
        Category(name=RELEASABLE, kind="PERMISSIVE", values=tuple(sorted(rel)))
        if rel
        else Category(name=RELEASABLE, kind="RESTRICTIVE", values=(NOBODY,))
    ]
    for name, kind, values in (
        (OTHER_LEVELS, "RESTRICTIVE", others),
        (COMPARTMENTS, "RESTRICTIVE", tuple(tag for tag in label.tags if must_hold(tag))),
        (HANDLING, "INFORMATIVE", tuple(tag for tag in label.tags if not must_hold(tag))),
        (DISPLAY, "INFORMATIVE", label.display),
    ):
        if values:
            categories.append(Category(name=name, kind=_kind(kind), values=values))
    return Confidentiality(
        policy=first.system,
        policy_uri=POLICY_URI + first.system,
        classification=first.level,
        categories=tuple(categories),
        created=created,
        review=review,
    )


def label_of(
    one: Confidentiality,
    *,
    policies: Mapping[str, str] = MappingProxyType({}),
    groups: Iterable[Group] = (),
    day: str | None = None,
) -> Label:
    """The label that a 4774 label says. policies: whose levels a policy's words are, where it is no system's code.

    Categories of kind INFORMATIVE that we do not know have no effect on access and are left out; any other is refused.

    Raises: Malformed, Refused.
    """
    system = policies.get(one.policy, one.policy)
    if not _POLICY.fullmatch(system):
        raise Refused(
            f"the policy `{one.policy[:64]}` is not known", hint="say whose levels it has, for example `UK=GBR`"
        )
    levels = [Level(system=system, level=one.classification)]
    tags: list[str] = []
    display: list[str] = []
    rel: set[str] | UnsetType = msgspec.UNSET
    seen: set[tuple[str, str]] = set()
    for category in one.categories:
        if (category.name, category.kind) in seen:
            raise Malformed("a category stands twice", where=category.name[:64])
        seen.add((category.name, category.kind))
        match category.name, category.kind:
            case ("Releasable To", "PERMISSIVE"):
                # An empty one says that nobody is on the list; it is never taken for no list.
                codes = set(expand((value.upper() for value in category.values), groups, day))
                rel = codes if isinstance(rel, UnsetType) else rel & codes
            case ("Releasable To", "RESTRICTIVE") if category.values == (NOBODY,):
                rel = set()
            case ("Also Classified", "RESTRICTIVE"):
                pairs = (value.partition(" ") for value in category.values)
                levels += [Level(system=name, level=level) for name, _, level in pairs]
            case ("Special Category", "RESTRICTIVE"):
                tags += category.values
            case ("Handling", "INFORMATIVE"):
                tags += [value for value in category.values if not must_hold(value)]
            case ("Display Only", "INFORMATIVE"):
                display += category.values
            case (_, "INFORMATIVE"):
                continue
            case _:
                raise Refused(
                    f"the category `{category.name[:64]}` ({category.kind}) is not known",
                    hint="what restricts and is not understood is refused",
                )
    return Label.of(levels, rel=rel, tags=tags, display=display)


def _systems(label: Label) -> str:
    return ", ".join(dict.fromkeys(level.system for level in label.levels))


def _kind(text: object) -> Kind:
    for short, kind in _SHORT.items():
        if text in (short, kind):
            return kind
    raise Malformed(f"`{str(text)[:32]}` is not a kind of category", hint="PERMISSIVE, RESTRICTIVE or INFORMATIVE")


# ---- XML


def write_xml(one: Confidentiality) -> str:
    """One spelling: no white space between elements, double quotes, elements in the order of the schema.

    Raises: Refused without a creation time, which the format asks for.
    """
    if not one.created:
        raise Refused("a 4774 label says when it was made", where="CreationDateTime")
    review = f" ReviewDateTime={quoteattr(one.review)}" if one.review else ""
    uri = f" URI={quoteattr(one.policy_uri)}" if one.policy_uri else ""
    parts = [f"<{one.root} xmlns={quoteattr(NAMESPACE)}{review}><ConfidentialityInformation>"]
    parts.append(f"<PolicyIdentifier{uri}>{escape(one.policy)}</PolicyIdentifier>")
    parts.append(f"<Classification>{escape(one.classification)}</Classification>")
    parts += [f"<PrivacyMark>{escape(one.mark)}</PrivacyMark>"] if one.mark else []
    for category in one.categories:
        there = f" URI={quoteattr(category.uri)}" if category.uri else ""
        parts.append(f"<Category TagName={quoteattr(category.name)} Type={quoteattr(category.kind)}{there}>")
        parts += [f"<GenericValue>{escape(value)}</GenericValue>" for value in category.values]
        parts.append("</Category>")
    parts.append("</ConfidentialityInformation>")
    parts += [f"<OriginatorID>{escape(one.originator)}</OriginatorID>"] if one.originator else []
    parts.append(f"<CreationDateTime>{escape(one.created)}</CreationDateTime></{one.root}>")
    return "".join(parts)


class _Element:
    __slots__ = ("attributes", "children", "name", "text")

    def __init__(self, name: str, attributes: dict[str, str]) -> None:
        self.name, self.attributes, self.children, self.text = name, attributes, list[_Element](), ""

    def take(self, attributes: Iterable[str], children: Iterable[str]) -> None:
        """Refuses what this element does not have."""
        for extra in set(self.attributes) - set(attributes):
            raise Malformed(f"`{self.name}` has no attribute `{extra[-64:]}`", where=self.name)
        allowed = tuple(children)
        places = [allowed.index(child.name) if child.name in allowed else -1 for child in self.children]
        if -1 in places:
            raise Malformed(f"`{self.name}` holds no `{self.children[places.index(-1)].name[-64:]}`", where=self.name)
        if places != sorted(places):
            raise Malformed("elements stand in the order of the schema", where=self.name)
        if allowed and self.text.strip():
            raise Malformed("text stands between elements", where=self.name)

    def all(self, name: str) -> Iterator[_Element]:
        return (child for child in self.children if child.name == name)

    def one(self, name: str, *, needed: bool = False) -> str:
        found = list(self.all(name))
        if len(found) > 1 or (needed and not found):
            raise Malformed(f"`{self.name}` holds `{name}` once", where=self.name)
        return found[0].text.strip() if found else ""


def read_xml(data: bytes) -> Confidentiality:
    """Raises: Malformed with the element or line where it went wrong."""
    root = _tree(data)
    info_parts = ("PolicyIdentifier", "Classification", "PrivacyMark", "Category")
    root.take(
        ("ReviewDateTime", "ConfidentialityLabelVersion"),
        ("ConfidentialityInformation", "OriginatorID", "CreationDateTime"),
    )
    infos = list(root.all("ConfidentialityInformation"))
    if len(infos) != 1:
        raise Malformed("a label holds `ConfidentialityInformation` once", where=root.name)
    info = infos[0]
    info.take((), info_parts)
    for child in (*info.children, *root.children):
        if child.name in ("PolicyIdentifier", "Classification", "PrivacyMark", "OriginatorID", "CreationDateTime"):
            child.take(("URI", "IDType") if child.name in ("PolicyIdentifier", "OriginatorID") else (), ())
    policy = next(info.all("PolicyIdentifier"), None)
    return Confidentiality(
        policy=info.one("PolicyIdentifier", needed=True),
        policy_uri="" if policy is None else policy.attributes.get("URI", ""),
        classification=info.one("Classification", needed=True),
        mark=info.one("PrivacyMark"),
        categories=tuple(_category(one) for one in info.all("Category")),
        created=root.one("CreationDateTime", needed=True),
        review=root.attributes.get("ReviewDateTime", ""),
        originator=root.one("OriginatorID"),
        root="alternativeConfidentialityLabel" if root.name == _ROOTS[1] else "originatorConfidentialityLabel",
    )


def _category(one: _Element) -> Category:
    one.take(("TagName", "Type", "URI"), ("GenericValue",))
    for value in one.children:
        value.take((), ())
    return Category(
        name=one.attributes.get("TagName", ""),
        kind=_kind(one.attributes.get("Type", "")),
        values=tuple(value.text.strip() for value in one.children),
        uri=one.attributes.get("URI", ""),
    )


def _tree(data: bytes) -> _Element:
    """Elements and attributes alone. The parser never sees a document type, so it has no entities to expand."""
    if len(data) > TEXT_BYTES_MAX:
        raise Malformed(f"a label has at most {TEXT_BYTES_MAX} bytes")
    try:
        data.decode()  # expat follows a byte order mark into other encodings
    except UnicodeDecodeError as error:
        raise Malformed("not XML in UTF-8") from error
    parser = expat.ParserCreate("UTF-8", namespace_separator="\n")
    parser.buffer_text = True
    stack: list[_Element] = []
    roots: list[_Element] = []
    count = 0

    def refuse(what: str) -> Malformed:
        return Malformed(f"{what} is refused in a label", where=f"line {parser.CurrentLineNumber}")

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal count
        count += 1
        space, _, local = name.rpartition("\n")
        if space != NAMESPACE:
            raise Malformed(
                f"`{local[:64]}` is of the namespace `{space[:80]}`",
                hint=f"a label is of `{NAMESPACE}`",
                where=f"line {parser.CurrentLineNumber}",
            )
        if count > ELEMENTS_MAX or len(stack) >= XML_DEPTH_MAX:
            raise refuse("so much")
        element = _Element(local, attributes)
        (stack[-1].children if stack else roots).append(element)
        stack.append(element)

    def end(_: str) -> None:
        stack.pop()

    def text(part: str) -> None:
        stack[-1].text += part

    def doctype(*_: object) -> None:
        raise refuse("a document type")

    def entity(*_: object) -> None:
        raise refuse("an entity")

    def instruction(*_: object) -> None:
        raise refuse("a processing instruction")

    def external(*_: object) -> int:
        raise refuse("an external entity")

    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, text
    parser.StartDoctypeDeclHandler, parser.EntityDeclHandler = doctype, entity
    parser.ProcessingInstructionHandler, parser.ExternalEntityRefHandler = instruction, external
    parser.SkippedEntityHandler = entity
    try:
        parser.Parse(data, True)  # noqa: FBT003  (expat's own signature: this is all of it)
    except expat.ExpatError as error:
        words = expat.ErrorString(error.code) or "not well formed"
        raise Malformed(f"not XML: {words}", where=f"line {error.lineno}") from error
    root = roots[0]
    if root.name not in _ROOTS:
        raise Malformed(f"`{root.name[:64]}` is not a label", hint=f"`{_ROOTS[0]}`")
    return root


# ---- JSON


def write_json(one: Confidentiality) -> str:
    """Form (a), sorted keys: the value of a label assertion in a sealed file. It has no place for a review date."""
    short = {kind: letter for letter, kind in _SHORT.items()}
    listed = [{"type": short[c.kind], "name": c.name, "vals": list(c.values)} for c in one.categories]
    label: dict[str, Any] = {"pol": one.policy_uri or one.policy, "cls": one.classification, "catl": listed}
    if one.created:
        label["dcr"] = one.created
    return msgspec.json.encode({"ocl": label}, order="sorted").decode()


def read_json(data: bytes) -> Confidentiality:
    """Form (a) or (b). Raises: Malformed."""
    if len(data) > TEXT_BYTES_MAX:
        raise Malformed(f"a label has at most {TEXT_BYTES_MAX} bytes")
    try:
        held = json.loads(data.decode(), object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise Malformed("a label is a JSON object") from error
    if isinstance(held, dict) and isinstance(held.get("ocl"), dict):
        _keys(held, {"ocl", "context"}, "label")
        return _ocl(held["ocl"])
    if isinstance(held, dict) and isinstance(held.get("ConfidentialityInformation"), dict):
        _keys(held, {"ConfidentialityInformation", "CreationTime", "CreationDateTime", "ReviewDateTime"}, "label")
        return _named(held)
    raise Malformed("a label has `ocl` or `ConfidentialityInformation`", hint="the JSON of a label assertion")


def _ocl(ocl: dict[str, Any]) -> Confidentiality:
    _keys(ocl, {"pol", "cls", "catl", "dcr"}, "ocl")
    categories = []
    for one in _list(ocl.get("catl", []), "catl"):
        _keys(one, {"type", "name", "vals"}, "catl")
        values = tuple(_string(value, "vals") for value in _list(one.get("vals", []), "vals"))
        categories.append(Category(name=_string(one.get("name"), "name"), kind=_kind(one.get("type")), values=values))
    policy = _string(ocl.get("pol"), "pol")
    return Confidentiality(
        policy=policy.removeprefix(POLICY_URI),
        policy_uri=policy if policy.startswith("urn:") else "",
        classification=_string(ocl.get("cls"), "cls"),
        categories=tuple(categories),
        created=_string(ocl["dcr"], "dcr") if "dcr" in ocl else "",
    )


def _named(held: dict[str, Any]) -> Confidentiality:
    info = held["ConfidentialityInformation"]
    _keys(info, {"PolicyIdentifier", "Classification", "PrivacyMark", "Category"}, "ConfidentialityInformation")
    categories = []
    for one in _list(info.get("Category", []), "Category"):
        _keys(one, {"Type", "TagName", "GenericValues", "URI"}, "Category")
        values = tuple(
            _string(value, "GenericValues") for value in _list(one.get("GenericValues", []), "GenericValues")
        )
        kind, name = _kind(one.get("Type")), _string(one.get("TagName"), "TagName")
        categories.append(Category(name=name, kind=kind, values=values, uri=str(one.get("URI", ""))))
    created = held.get("CreationTime", held.get("CreationDateTime", ""))
    return Confidentiality(
        policy=_string(info.get("PolicyIdentifier"), "PolicyIdentifier").removeprefix(POLICY_URI),
        classification=_string(info.get("Classification"), "Classification"),
        mark=_string(info["PrivacyMark"], "PrivacyMark") if "PrivacyMark" in info else "",
        categories=tuple(categories),
        created=_string(created, "CreationTime") if created else "",
        review=_string(held["ReviewDateTime"], "ReviewDateTime") if "ReviewDateTime" in held else "",
    )


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    held = dict(pairs)
    if len(held) != len(pairs):
        raise Malformed("an object names a key twice")
    return held


def _keys(value: object, known: set[str], where: str) -> None:
    if not isinstance(value, dict):
        raise Malformed("an object is due here", where=where)
    for extra in set(value) - known:
        raise Malformed(f"there is no `{extra[:64]}` here", where=where)


def _list(value: object, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise Malformed("a list is due here", where=where)
    return value


def _string(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise Malformed("a text is due here", where=where)
    return value
