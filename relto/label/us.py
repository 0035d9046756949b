"""US banner lines and portion marks: classified, CUI, and the `//` forms for foreign, joint and NATO material.

IC-ISM DES V10: `classification//SCI//SAR//AEA//FGI//dissemination//non-IC`, one `/` inside a kind, `, ` inside REL TO
and DISPLAY ONLY. CUI: the registry of archives.gov. One table of controls serves reading and writing, banner and
portion.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import Any, NamedTuple

from relto.errors import Refused
from relto.label.equivalence import Equivalence
from relto.label.label import ONLY, Label, Level
from relto.label.reading import (
    AU_LEVELS,
    CA_LEVELS,
    LAST_DAY,
    NATO_LEVELS,
    NATO_SPECIAL,
    NZ_LEVELS,
    UK_LEVELS,
    Part,
    Reading,
    a_to_z,
    cut,
    held_in,
    home_first,
    states_of,
)

_US_LEVELS = MappingProxyType({"UNCLASSIFIED": "U", "CONFIDENTIAL": "C", "SECRET": "S", "TOP SECRET": "TS"})
_US_ORDER = ("UNCLASSIFIED", "CUI", "CONFIDENTIAL", "SECRET", "TOP SECRET")
_FOREIGN_LEVELS = MappingProxyType({**_US_LEVELS, "RESTRICTED": "R"})
_CLASSIFIED = frozenset(
    ("CONFIDENTIAL", "SECRET", "TOP SECRET", "NATO CONFIDENTIAL", "NATO SECRET", "COSMIC TOP SECRET", "PROTECTED")
)
_OWN_LEVELS = MappingProxyType({"GBR": UK_LEVELS, "AUS": AU_LEVELS, "CAN": CA_LEVELS, "NZL": NZ_LEVELS})


class _Control(NamedTuple):
    tag: str  # the banner form, and the tag of the label
    portion: str
    others: tuple[str, ...] = ()  # spellings that can mean nothing else


# ISM-ID-00026: this order.
_DISSEMINATION = (
    _Control("RSEN", "RS", ("RISK SENSITIVE",)),
    _Control("FOUO", "FOUO", ("FOR OFFICIAL USE ONLY",)),
    _Control("ORCON", "OC", ("ORIGINATOR CONTROLLED",)),
    _Control("IMCON", "IMC", ("CONTROLLED IMAGERY",)),
    _Control("NOFORN", "NF", ("NOT RELEASABLE TO FOREIGN NATIONALS",)),
    _Control("PROPIN", "PR"),
    _Control("REL TO", "REL TO"),
    _Control("RELIDO", "RELIDO"),
    _Control("EYES ONLY", "EYES"),
    _Control("DEA SENSITIVE", "DSEN"),
    _Control("FISA", "FISA"),
    _Control("DISPLAY ONLY", "DISPLAY ONLY"),
)
_NON_IC = (
    _Control("LIMDIS", "DS"),
    _Control("EXDIS", "XD"),
    _Control("NODIS", "ND"),
    _Control("SBU", "SBU"),
    _Control("SBU NOFORN", "SBU-NF"),
    _Control("LES", "LES"),
    _Control("LES NOFORN", "LES-NF"),
    _Control("SSI", "SSI"),
    _Control("NNPI", "NNPI", ("NAVAL NUCLEAR PROPULSION INFORMATION",)),
)
_DISSEMINATION_PLACE = MappingProxyType({control.tag: place for place, control in enumerate(_DISSEMINATION)})
_NON_IC_PLACE = MappingProxyType({control.tag: place for place, control in enumerate(_NON_IC)})
_AEA = ("RD", "RD-CNWDI", "FRD")
_SCI = re.compile(r"(?:HCS|KDK|RSV|SI|TK)(?:-[A-Z0-9]{1,8})*", re.ASCII)
# CAPCO H.5: `SAR-` stands once, before the first programme; compartments after `-`, theirs after a blank.
_SAR_LONG = "SPECIAL ACCESS REQUIRED-"
_SAR = re.compile(
    r"SAR-[A-Z0-9]{2,16}(?: [A-Z0-9]{2,16}){0,3}(?:-[A-Z0-9]{1,16}(?: [A-Z0-9]{1,16}){0,7}){0,7}", re.ASCII
)
_KINDS = ("NATO", "SCI", "SAR", "AEA", "FGI", "dissemination", "non-IC")

# 22 CFR 126.17(j), and 126.16(j) for Australia: what goes under a defence trade treaty. Unclassified articles are
# marked RESTRICTED while they are there and are unclassified again when they come back.
_TREATY = re.compile(
    r"//(RESTRICTED|CONFIDENTIAL|SECRET|TOP SECRET) USML//REL USA and (AUS|GBR) Treaty Community//", re.ASCII
)
_TREATY_TAG = "USML TREATY "

_EXCLUDE = (
    ("ISM-ID-00033", frozenset(("NOFORN", "REL TO", "EYES ONLY"))),
    ("ISM-ID-00169", frozenset(("NOFORN", "RELIDO", "DISPLAY ONLY"))),
)

# CUI registry: these two are Specified wherever the sources show them; EXPT exists in both kinds.
_CUI_SPECIFIED = frozenset(("CTI", "NNPI"))
_CUI_CATEGORY = re.compile(r"(?:SP-)?[A-Z]{2,12}", re.ASCII)
_CUI_CONTROLS = ("DL ONLY", "FED ONLY", "FEDCON", "NOCON", "NOFORN", "RELIDO")

_COUNTRY = re.compile(r"[A-Z]{3}", re.ASCII)
_LISTED = re.compile(r"[A-Z]{3}(?:, ?[A-Z]{3})*", re.ASCII)
_EYES = re.compile(r"[A-Z]{3,4} EYES(?: ONLY)?", re.ASCII)
_USA_FIRST = home_first("USA")


def read(reading: Reading) -> Label:
    inner = reading.text[1:-1] if reading.portion else reading.text
    if " USML//" in inner and not reading.portion:
        return _read_treaty(reading)
    parts = cut(inner, "//", 2 if reading.portion else 1)

    def write_again(label: Label) -> str:
        return write(label, None, portion=reading.portion)

    if parts[0].text in ("CUI", "CONTROLLED"):
        _read_cui(reading, parts)
        return reading.label(write_again)
    if parts[0].text == "" and len(parts) > 1:
        _read_foreign(reading, parts[1])
        parts = parts[1:]
    else:
        reading.levels.append(Level(system="USA", level=_level(reading, parts[0], _US_LEVELS)))
    _read_kinds(reading, parts[1:], reading.levels[0].level)
    return reading.label(write_again)


def _read_treaty(reading: Reading) -> Label:
    found = _TREATY.fullmatch(reading.text)
    if found is None:
        words = "a treaty marking is `//LEVEL USML//REL USA and GBR Treaty Community//`"
        raise reading.stop("USML.form", 1, f"{words}, or with AUS")
    level, state = found.groups()
    reading.levels.append(Level(system="USA", level="UNCLASSIFIED" if level == "RESTRICTED" else level))
    reading.rel = tuple(sorted((state, "USA")))
    reading.tags.append(_TREATY_TAG + state)
    return reading.label(lambda label: write(label, None))


def _level(reading: Reading, part: Part, words: Mapping[str, str]) -> str:
    for word, short in words.items():
        here, there = (short, word) if reading.portion else (word, short)
        if part.text == here:
            return word
        if part.text == there:
            form = "abbreviated in a portion mark" if reading.portion else "written out in a banner"
            reading.fault("relto.spelling", part.column, f"`{part.text}` is {form}")
            return word
    raise reading.stop("relto.token", part.column, f"{part.shown()} is not a classification level")


def _read_foreign(reading: Reading, part: Part) -> None:
    if part.text in NATO_LEVELS or part.text in NATO_LEVELS.values():
        reading.levels.append(Level(system="NATO", level=_level(reading, part, NATO_LEVELS)))
        return
    owner, _, level = part.text.partition(" ")
    at = Part(level, part.column + len(owner) + 1)
    if owner == "JOINT":
        _read_joint(reading, at)
    elif not _COUNTRY.fullmatch(owner):
        raise reading.stop("relto.owner", part.column, f"`{owner[:16]}` is not the code of the state that owns it")
    elif owner == "USA":
        reading.fault("relto.owner", part.column, "US material does not begin with `//`")
        reading.levels.append(Level(system="USA", level=_level(reading, at, _US_LEVELS)))
    else:
        known = level in _OWN_LEVELS.get(owner, ()) or (owner, level) in LAST_DAY
        word = level if known and level not in _FOREIGN_LEVELS else _level(reading, at, _FOREIGN_LEVELS)
        reading.in_use(owner, word, at.column)
        reading.levels.append(Level(system=owner, level=word))


def _read_joint(reading: Reading, part: Part) -> None:
    forms = [form for pair in _FOREIGN_LEVELS.items() for form in pair]
    spelling = next((form for form in forms if part.text.startswith(f"{form} ")), None)
    if spelling is None:
        raise reading.stop("relto.owner", part.column, "`JOINT` is followed by a level and its owners")
    level = _level(reading, Part(spelling, part.column), _FOREIGN_LEVELS)
    column = part.column + len(spelling) + 1
    owners = reading.codes(cut(part.text[len(spelling) + 1 :], " ", column))
    if len(owners) < 2 or any(len(owner) != 3 for owner in owners):
        raise reading.stop("relto.owner", column, "`JOINT` names two or more states")
    reading.in_order("relto.owner", column, owners, a_to_z, "owners stand A-Z")
    reading.levels.extend(Level(system=owner, level=level) for owner in owners)
    reading.tags.append("JOINT")


def _read_kinds(reading: Reading, parts: Sequence[Part], level: str) -> None:
    last = -1
    seen: list[tuple[str, int]] = []  # dissemination controls so far, with their columns
    for part in parts:
        tokens = _tokens(part)
        kind = _kind(reading, tokens[0])
        here = _KINDS.index(kind)
        if here == last:
            reading.fault("relto.order", part.column, f"{kind} markings are joined by one `/`")
        elif here < last:
            reading.fault("relto.order", part.column, f"{kind} markings stand before {_KINDS[last]} markings")
        last = max(last, here)
        for token in tokens:
            # A programme may have any name but that of another marking: one slash too few must not hide a NOFORN.
            if ((_kind_of(token.text) or kind) if kind == "SAR" else _kind(reading, token)) != kind:
                words = f"{token.shown()} is not a {kind} marking, and kinds are set apart by `//`"
                raise reading.stop("relto.order", token.column, words)
        if kind == "dissemination":
            for token in tokens:
                seen.append((_read_control(reading, token, level, [tag for tag, _ in seen]), token.column))
        elif kind == "non-IC":
            _read_non_ic(reading, tokens, [tag for tag, _ in seen])
        elif kind == "FGI":
            _read_fgi(reading, part)
        elif kind == "SAR":
            _read_programmes(reading, tokens, level)
        else:
            _read_compartments(reading, kind, tokens, level)
    for (before, _), (after, column) in pairwise(seen):
        if _DISSEMINATION_PLACE[before] > _DISSEMINATION_PLACE[after]:
            reading.fault("ISM-ID-00026", column, f"`{after}` stands before `{before}`")


def _tokens(part: Part) -> list[Part]:
    """The markings of one kind. `USA/GBR EYES ONLY` is one marking although it has a `/` in it."""
    tokens: list[Part] = []
    held: list[Part] = []
    for piece in cut(part.text, "/", part.column):
        if _COUNTRY.fullmatch(piece.text):
            held.append(piece)
        elif held and _EYES.fullmatch(piece.text):
            tokens.append(Part("/".join([*(h.text for h in held), piece.text]), held[0].column))
            held = []
        else:
            tokens += [*held, piece]
            held = []
    return tokens + held


def _kind(reading: Reading, token: Part) -> str:
    kind = _kind_of(token.text)
    if kind is not None:
        return kind
    if _LISTED.fullmatch(token.text):
        words = f"{token.shown()} names states without a control such as `REL TO` or `DISPLAY ONLY`"
        raise reading.stop("ISM-ID-00168", token.column, words)
    raise reading.stop("relto.token", token.column, f"{token.shown()} is not a marking we know")


def _kind_of(text: str) -> str | None:
    if text in NATO_SPECIAL:
        return "NATO"
    if _SCI.fullmatch(text):
        return "SCI"
    if text.startswith(("SAR-", _SAR_LONG)):
        return "SAR"
    if text in _AEA:
        return "AEA"
    if text == "FGI" or text.startswith("FGI "):
        return "FGI"
    if any(text in (c.tag, c.portion, *c.others) for c in _NON_IC):
        return "non-IC"
    if any(text in (c.tag, c.portion, *c.others) for c in _DISSEMINATION):
        return "dissemination"
    if text == "REL" or text.startswith(("REL TO ", "DISPLAY ")) or text.endswith((" EYES ONLY", " EYES")):
        return "dissemination"
    return None


def _control(reading: Reading, token: Part, controls: Sequence[_Control]) -> str:
    for control in controls:
        form = control.portion if reading.portion else control.tag
        if token.text == form:
            return control.tag
        if token.text in (control.tag, control.portion, *control.others):
            reading.fault("relto.spelling", token.column, f"{token.shown()} is written `{form}` here")
            return control.tag
    raise reading.stop("relto.token", token.column, f"{token.shown()} is not a marking we know")


def _exclude(reading: Reading, column: int, tag: str, seen: Sequence[str]) -> None:
    for rule, among in _EXCLUDE:
        for other in seen:
            if tag != other and tag in among and other in among:
                raise reading.stop(rule, column, f"`{tag}` and `{other}` exclude one another")


def _read_control(reading: Reading, token: Part, level: str, seen: Sequence[str]) -> str:
    text, column = token.text, token.column
    if text == "REL" or text.startswith("REL TO"):
        tag = "REL TO"
    elif text.endswith((" EYES ONLY", " EYES")):
        tag = "EYES ONLY"
    elif text == "DISPLAY" or text.startswith("DISPLAY "):
        tag = "DISPLAY ONLY"
    else:
        tag = _control(reading, token, _DISSEMINATION)
    _exclude(reading, column, tag, seen)
    if tag == "REL TO":
        if len(text) <= len("REL TO "):
            raise reading.stop("ISM-ID-00031", column, "`REL TO` names the states it releases to")
        reading.rel = _releasable(reading, cut(text[7:], ", ", column + 7), column + 7)
    elif tag == "EYES ONLY":
        listed = text.removesuffix("ONLY").removesuffix(" ").removesuffix("EYES").removesuffix(" ")
        if not listed:
            raise reading.stop("ISM-ID-00031", column, "`EYES ONLY` names the states it releases to")
        if text.endswith("ONLY") == reading.portion:
            form = "EYES" if reading.portion else "EYES ONLY"
            reading.fault("relto.spelling", column, f"the control is written `{form}` here")
        reading.rel = _releasable(reading, cut(listed, "/", column), column)
        reading.tags.append(tag)
    elif tag == "DISPLAY ONLY":
        reading.display = _displayable(reading, token)
    else:
        reading.in_use("USA", tag, column)
        reading.tags.append(tag)
    if tag in seen:
        if tag in ("REL TO", "EYES ONLY", "DISPLAY ONLY"):
            raise reading.stop("relto.repeated", column, f"`{tag}` stands twice")
        reading.fault("relto.repeated", column, f"`{tag}` stands twice")
    if tag in ("ORCON", "EYES ONLY") and level not in _CLASSIFIED:
        raise reading.stop("ISM-ID-00028", column, f"`{tag}` stands only on CONFIDENTIAL, SECRET or TOP SECRET")
    if tag == "FOUO" and level != "UNCLASSIFIED":
        raise reading.stop("ISM-ID-00030", column, "`FOUO` stands only on UNCLASSIFIED")
    systems = {held.system for held in reading.levels}
    if tag == "NOFORN" and "USA" not in systems:
        raise reading.stop("relto.owner", column, "`NOFORN` stands only on material of the United States")
    foreign = systems != {"USA"} or any(held == "FGI" or held.startswith("FGI ") for held in reading.tags)
    if reading.portion and foreign and tag in ("DISPLAY ONLY", "RELIDO"):
        raise reading.stop("ISM-ID-00233", column, f"a portion with foreign information is not `{tag}`")
    return tag


def _releasable(reading: Reading, listed: Sequence[Part], column: int) -> tuple[str, ...]:
    codes = reading.codes(listed)
    if "USA" not in codes:
        raise reading.stop("ISM-ID-00214", column, "the list of states begins with `USA`, and `USA` is not in it")
    if codes[0] != "USA":
        reading.fault("ISM-ID-00214", column, "the list of states begins with `USA`")
    words = "states stand in the order USA, trigraphs A-Z, tetragraphs A-Z"
    reading.in_order("ISM-ID-00041", column, codes, _USA_FIRST, words)
    if len(codes) < 2:
        raise reading.stop("ISM-ID-00319", column, "`USA` alone is not a release")
    return reading.expanded(codes, column)


def _displayable(reading: Reading, token: Part) -> tuple[str, ...]:
    listed = token.text.removeprefix("DISPLAY").removeprefix(" ONLY").removeprefix(" ")
    if not listed:
        raise reading.stop("ISM-ID-00213", token.column, "`DISPLAY ONLY` names the states it may be shown to")
    if not token.text.startswith("DISPLAY ONLY"):
        words = "the states something may be shown to stand after `DISPLAY ONLY`"
        reading.fault("ISM-ID-00168", token.column, words)
    column = token.column + len(token.text) - len(listed)
    codes = reading.codes(cut(listed, ", ", column))
    reading.in_order("relto.order", column, codes, a_to_z, "states stand trigraphs A-Z, then tetragraphs A-Z")
    return reading.expanded(codes, column)


def _read_non_ic(reading: Reading, tokens: Sequence[Part], seen: Sequence[str]) -> None:
    tags = [_control(reading, token, _NON_IC) for token in tokens]
    for tag, token in zip(tags, tokens, strict=True):
        if tag in ONLY:
            _exclude(reading, token.column, "NOFORN", seen)
            if "USA" not in {level.system for level in reading.levels}:
                raise reading.stop("relto.owner", token.column, f"`{tag}` stands only on material of the United States")
        if tags.count(tag) > 1:
            reading.fault("relto.repeated", token.column, f"`{tag}` stands twice")
    words = "non-IC markings stand in the order of the list"
    reading.in_order("relto.order", tokens[0].column, tags, _NON_IC_PLACE.__getitem__, words)
    reading.tags.extend(tags)


def _read_fgi(reading: Reading, part: Part) -> None:
    if part.text == "FGI":
        reading.tags.append("FGI")
        return
    codes = reading.codes(cut(part.text[4:], " ", part.column + 4))
    if "USA" in codes:
        raise reading.stop("relto.owner", part.column, "`USA` is not foreign in a US banner")
    reading.in_order("relto.order", part.column, codes, a_to_z, "owners stand trigraphs A-Z, then tetragraphs A-Z")
    reading.tags.extend(f"FGI {code}" for code in codes)


def _read_programmes(reading: Reading, tokens: Sequence[Part], level: str) -> None:
    """Special access programmes. One is a compartment: who is not read in does not get it."""
    tags: list[str] = []
    for place, token in enumerate(tokens):
        name = token.text
        if name.startswith(_SAR_LONG):
            reading.fault("relto.spelling", token.column, f"`{_SAR_LONG}` is written `SAR-` here")
            name = "SAR-" + name.removeprefix(_SAR_LONG)
        elif name.startswith("SAR-") and place:
            reading.fault("relto.spelling", token.column, "`SAR-` stands once, before the first programme")
        elif place:
            name = "SAR-" + name
        if not _SAR.fullmatch(name):
            raise reading.stop("relto.token", token.column, f"{token.shown()} is not a special access programme")
        tags.append(name)
    _read_compartments(
        reading, "SAR", [Part(tag, token.column) for tag, token in zip(tags, tokens, strict=True)], level
    )


def _read_compartments(reading: Reading, kind: str, tokens: Sequence[Part], level: str) -> None:
    tags, column = [token.text for token in tokens], tokens[0].column
    if kind == "NATO" and reading.levels[0].system != "NATO":
        raise reading.stop("relto.owner", column, f"`{tags[0]}` stands only on NATO material")
    if level not in _CLASSIFIED:
        words = f"`{tags[0]}` stands only on CONFIDENTIAL, SECRET or TOP SECRET"
        raise reading.stop("relto.classified", column, words)
    reading.in_order("relto.order", column, tags, _AEA.index if kind == "AEA" else str, f"{kind} markings out of order")
    if len(set(tags)) != len(tags):
        reading.fault("relto.repeated", column, "a marking stands twice")
    reading.tags.extend(tags)


# ----------------------------------------------------------------------------------------------------------- CUI


def _read_cui(reading: Reading, parts: Sequence[Part]) -> None:
    # 32 CFR 2002.20: CUI//SP-<category>/<category>//<limited dissemination controls>
    reading.levels.append(Level(system="USA", level="CUI"))
    rest = list(parts[1:])
    if rest and not _is_ldc(rest[0].text):
        _read_cui_categories(reading, cut(rest[0].text, "/", rest[0].column))
        rest = rest[1:]
    if not rest:
        return
    if len(rest) > 1:
        words = "categories stand once, then limited dissemination controls once, each joined by `/`"
        raise reading.stop("CUI.form", rest[1].column, words)
    tokens = cut(rest[0].text, "/", rest[0].column)
    seen: list[str] = []
    for token in tokens:
        if token.text.startswith(("REL TO", "DISPLAY")) or token.text == "REL":
            tag = _read_control(reading, token, "CUI", seen)
        else:
            tag = _cui_control(reading, token)
            _exclude(reading, token.column, tag, seen)
            if tag in seen:
                reading.fault("relto.repeated", token.column, f"`{tag}` stands twice")
            reading.tags.append(tag)
        seen.append(tag)
    reading.in_order("CUI.order", tokens[0].column, seen, str, "limited dissemination controls stand A-Z")


def _is_ldc(text: str) -> bool:
    first = text.partition("/")[0]
    return first in (*_CUI_CONTROLS, "NF", "REL") or first.startswith(("REL TO", "DISPLAY"))


def _cui_control(reading: Reading, token: Part) -> str:
    if token.text in ("NF", "NOFORN"):
        form = "NF" if reading.portion else "NOFORN"
        if token.text != form:
            reading.fault("relto.spelling", token.column, f"`{token.text}` is written `{form}` here")
        return "NOFORN"
    if token.text not in _CUI_CONTROLS:
        raise reading.stop("relto.token", token.column, f"{token.shown()} is not a limited dissemination control")
    return token.text


def _read_cui_categories(reading: Reading, tokens: Sequence[Part]) -> None:
    names: list[str] = []
    for token in tokens:
        name = token.text
        if not _CUI_CATEGORY.fullmatch(name):
            raise reading.stop("relto.token", token.column, f"{token.shown()} is not a CUI category")
        if name in _CUI_SPECIFIED:
            reading.fault("CUI.specified", token.column, f"`{name}` is a Specified category: `SP-{name}`")
            name = f"SP-{name}"
        if name in names:
            reading.fault("relto.repeated", token.column, f"`{name}` stands twice")
            continue
        names.append(name)
    reading.in_order("CUI.order", tokens[0].column, names, _cui_order, "Specified stands before Basic, each A-Z")
    reading.tags.extend(f"CUI/{name}" for name in names)


def _cui_order(name: str) -> tuple[bool, str]:
    return (not name.startswith("SP-"), name)


# ------------------------------------------------------------------------------------------------------- writing


def write(label: Label, equivalence: Equivalence | None, *, portion: bool = False) -> str:
    if any(tag.startswith(_TREATY_TAG) for tag in label.tags):
        return _write_treaty(label, portion=portion)
    states = states_of(label, "USA")
    owners = {level.system for level in label.levels}
    words = {level.level for level in label.levels}
    tags = set(label.tags) - {"JOINT"}
    if len(label.levels) == 1 and owners != {"USA"}:
        level = label.levels[0].level
        head = _foreign_head(label.levels[0], portion=portion)
    elif (
        "JOINT" in label.tags
        and len(owners) == len(label.levels) > 1
        and len(words) == 1
        and words <= {*_FOREIGN_LEVELS}
    ):
        level = min(words)
        head = f"//JOINT {_FOREIGN_LEVELS[level] if portion else level} {' '.join(sorted(owners))}"
    else:
        level = held_in(label, "USA", _US_ORDER, equivalence)
        tags |= {f"FGI {owner}" for owner in owners - {"USA"}}
        if level == "CUI":
            return _write_cui(tags, states, label.display, portion=portion)
        head = _US_LEVELS[level] if portion else level
    # What a stronger marking says already: categories of CUI and FOUO on what is classified, names beside a concealed
    # source.
    tags = {tag for tag in tags if not tag.startswith("CUI/")}
    if level != "UNCLASSIFIED":
        tags -= {"FOUO", "SBU"}
    if "FGI" in tags:
        tags = {tag for tag in tags if not tag.startswith("FGI ")}
    controls, tags = _controls(tags, states, label.display, us=owners == {"USA"} or "USA" in owners, portion=portion)
    named = sorted((tag[4:] for tag in tags if tag.startswith("FGI ")), key=a_to_z)
    forms = {control.tag: control.portion if portion else control.tag for control in _NON_IC}
    kinds = (
        _sorted(tags, NATO_SPECIAL.__contains__, str),
        _sorted(tags, lambda tag: _SCI.fullmatch(tag) is not None, str),
        _sorted(tags, lambda tag: _SAR.fullmatch(tag) is not None, str),
        _sorted(tags, _AEA.__contains__, _AEA.index),
        [f"FGI {' '.join(named)}"] if named else _sorted(tags, "FGI".__eq__, str),
        controls,
        [forms[tag] for tag in _sorted(tags, forms.__contains__, _NON_IC_PLACE.__getitem__)],
    )
    said = {*(tag for kind in kinds[:5] for tag in kind), *forms, *(f"FGI {name}" for name in named)}
    if tags - said:
        raise Refused(f"a US banner cannot say `{min(tags - said)}`")
    programmes = "SAR-" + "/".join(tag.removeprefix("SAR-") for tag in kinds[2])
    lines = [programmes if place == 2 else "/".join(kind) for place, kind in enumerate(kinds) if kind]
    line = "//".join([head, *lines])
    return f"({line})" if portion else line


def _write_treaty(label: Label, *, portion: bool) -> str:
    state = next(tag.removeprefix(_TREATY_TAG) for tag in label.tags if tag.startswith(_TREATY_TAG))
    level = label.levels[0].level
    plain = len(label.levels) == len(label.tags) == 1 and label.levels[0].system == "USA" and level != "CUI"
    if portion or not plain or label.display or label.rel != tuple(sorted((state, "USA"))):
        raise Refused("a treaty marking says a level, the United States and one other state, and nothing else")
    word = "RESTRICTED" if level == "UNCLASSIFIED" else level
    return f"//{word} USML//REL USA and {state} Treaty Community//"


def _sorted(tags: set[str], among: Callable[[str], bool], key: Callable[[str], Any]) -> list[str]:
    return sorted((tag for tag in tags if among(tag)), key=key)


def _foreign_head(level: Level, *, portion: bool) -> str:
    if level.system == "NATO":
        if level.level not in NATO_LEVELS:
            raise Refused(f"`{level.level}` is not a NATO level")
        return f"//{NATO_LEVELS[level.level] if portion else level.level}"
    return f"//{level.system} {_FOREIGN_LEVELS.get(level.level, level.level) if portion else level.level}"


def _controls(
    tags: set[str], states: tuple[str, ...] | None, display: tuple[str, ...], *, us: bool, portion: bool
) -> tuple[list[str], set[str]]:
    """The dissemination controls in order, and the tags that are none."""
    said = {c.tag: c.portion if portion else c.tag for c in _DISSEMINATION if c.tag in tags}
    rest = tags - set(said)
    if states is not None:
        listed = sorted(states, key=_USA_FIRST)
        if len(listed) == 1:
            # A set of one is what NOFORN says; for material of others there is no such marking.
            if not us:
                raise Refused("the label is released to `USA` alone, and no banner for foreign material says that")
            if rest.isdisjoint(ONLY):
                said["NOFORN"] = "NF" if portion else "NOFORN"
            said.pop("EYES ONLY", None)
        elif "EYES ONLY" in said:
            said["EYES ONLY"] = "/".join(listed) + (" EYES" if portion else " EYES ONLY")
        else:
            said["REL TO"] = f"REL TO {', '.join(listed)}"
    if display and "NOFORN" not in said:
        said["DISPLAY ONLY"] = f"DISPLAY ONLY {', '.join(display)}"
    if not said.keys().isdisjoint(("NOFORN", "DISPLAY ONLY")):
        said.pop("RELIDO", None)
    return [said[tag] for tag in sorted(said, key=_DISSEMINATION_PLACE.__getitem__)], rest


def _write_cui(tags: set[str], states: tuple[str, ...] | None, display: tuple[str, ...], *, portion: bool) -> str:
    categories = sorted((tag[4:] for tag in tags if tag.startswith("CUI/")), key=_cui_order)
    plain = {tag for tag in tags if not tag.startswith("CUI/")} - {"FOUO"}
    controls, rest = _controls(plain, states, display, us=True, portion=portion)
    if rest - set(_CUI_CONTROLS):
        raise Refused(f"a CUI banner cannot say `{min(rest - set(_CUI_CONTROLS))}`")
    every = sorted([*controls, *rest], key=lambda control: "NOFORN" if control == "NF" else control)
    line = "//".join(["CUI", *("/".join(kind) for kind in (categories, every) if kind)])
    return f"({line})" if portion else line
