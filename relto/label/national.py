"""The banners of the United Kingdom, Australia, Canada, New Zealand, Japan and NATO.

UK: `<LEVEL> - <caveat>` (classifications of April 2014): UK EYES ONLY, UK / US EYES ONLY, RELEASABLE TO. Australia:
`<LEVEL>//<caveat>` (PSPF policy 8): AUSTEO, AGAO, REL AUS/... Canada and New Zealand: the same form with CANADIAN EYES
ONLY, NZEO, and REL TO with their own code first (general knowledge; published slides are marked so). Japan: the level
alone, in its own script. NATO: the level alone, then special categories.
"""

from __future__ import annotations

from types import MappingProxyType

from msgspec import UnsetType

from relto.errors import Refused
from relto.label.equivalence import Equivalence
from relto.label.label import Label, Level
from relto.label.reading import (
    AU_LEVELS,
    CA_LEVELS,
    JP_DESIGNATED,
    JP_LEVELS,
    LAST_DAY,
    NATO_LEVELS,
    NATO_SPECIAL,
    NZ_LEVELS,
    UK_LEVELS,
    Reading,
    a_to_z,
    cut,
    held_in,
    home_first,
    states_of,
)

_AUS_FIRST = home_first("AUS")
# Of Canada and New Zealand: levels, the caveat for their own eyes, and other spellings of it.
_OWN_EYES = MappingProxyType(
    {
        "CAN": (CA_LEVELS, "CANADIAN EYES ONLY", ("CEO", "CAN EYES ONLY")),
        "NZL": (NZ_LEVELS, "NZEO", ("NEW ZEALAND EYES ONLY", "NZ EYES ONLY")),
    }
)


def _own_level(reading: Reading, system: str, level: str, known: tuple[str, ...]) -> None:
    if level not in known and (system, level) not in LAST_DAY:
        raise reading.stop("relto.token", 1, f"`{level[:48]}` is not a level of `{system}`")
    reading.in_use(system, level, 1)
    reading.levels.append(Level(system=system, level=level))


def read_uk(reading: Reading) -> Label:
    level, dash, caveat = reading.text.partition(" - ")
    column = len(level) + 4
    _own_level(reading, "GBR", level, UK_LEVELS)
    if caveat == "UK EYES ONLY":
        reading.rel = ("GBR",)
    elif caveat == "UK / US EYES ONLY":
        reading.rel = ("GBR", "USA")
        reading.tags.append("EYES ONLY")
    elif caveat.startswith("RELEASABLE TO "):
        column += len("RELEASABLE TO ")
        codes = reading.codes(cut(caveat.removeprefix("RELEASABLE TO "), ", ", column))
        if "GBR" not in codes or len(codes) < 2:
            raise reading.stop("UK.releasable", column, "a UK release names `GBR` and at least one other")
        reading.in_order("UK.order", column, codes, a_to_z, "states stand A-Z, then groups A-Z")
        reading.rel = reading.expanded(codes, column)
    elif dash:
        raise reading.stop("relto.token", column, f"`{caveat[:48]}` is not a national caveat we know")
    return reading.label(lambda label: write_uk(label, None))


def read_au(reading: Reading) -> Label:
    parts = cut(reading.text, "//", 1)
    _own_level(reading, "AUS", parts[0].text, AU_LEVELS)
    if len(parts) > 2:
        raise reading.stop("AU.caveat", parts[2].column, "AUSTEO, AGAO and REL exclude one another")
    for part in parts[1:]:
        if part.text in ("AUSTEO", "AGAO"):
            reading.tags.append(part.text)
        elif part.text.startswith("REL "):
            column = part.column + 4
            codes = reading.codes(cut(part.text[4:], "/", column))
            if "AUS" not in codes or len(codes) < 2:
                raise reading.stop("AU.releasable", column, "an Australian release names `AUS` and at least one other")
            words = "`AUS` stands first, then states A-Z, then groups A-Z"
            reading.in_order("AU.order", column, codes, _AUS_FIRST, words)
            reading.rel = reading.expanded(codes, column)
        else:
            raise reading.stop("relto.token", part.column, f"{part.shown()} is not a caveat we know")
    return reading.label(lambda label: write_au(label, None))


def read_nato(reading: Reading) -> Label:
    parts = cut(reading.text, "//", 1)
    if parts[0].text not in NATO_LEVELS:
        raise reading.stop("relto.token", 1, f"{parts[0].shown()} is not a NATO level")
    reading.levels.append(Level(system="NATO", level=parts[0].text))
    if len(parts) > 2:
        raise reading.stop("relto.order", parts[2].column, "special categories are joined by one `/`")
    for part in parts[1:]:
        tokens = cut(part.text, "/", part.column)
        for token in tokens:
            if token.text not in NATO_SPECIAL:
                raise reading.stop("relto.token", token.column, f"{token.shown()} is not a special category we know")
        tags = [token.text for token in tokens]
        reading.in_order("relto.order", part.column, tags, str, "special categories stand A-Z")
        if len(set(tags)) != len(tags):
            reading.fault("relto.repeated", part.column, "a special category stands twice")
        reading.tags.extend(tags)
    return reading.label(lambda label: write_nato(label, None))


def read_own_eyes(reading: Reading, system: str) -> Label:
    """Canada and New Zealand: `<LEVEL>//<own eyes only>` or `<LEVEL>//REL TO <own code>, …`."""
    levels, eyes, others = _OWN_EYES[system]
    parts = cut(reading.text, "//", 1)
    _own_level(reading, system, parts[0].text, levels)
    if len(parts) > 2:
        raise reading.stop(f"{system}.caveat", parts[2].column, f"`{eyes}` and `REL TO` exclude one another")
    for part in parts[1:]:
        if part.text in (eyes, *others):
            if part.text != eyes:
                reading.fault("relto.spelling", part.column, f"`{part.text}` is written `{eyes}` here")
            reading.rel = (system,)
        elif part.text.startswith("REL TO "):
            column = part.column + 7
            codes = reading.codes(cut(part.text[7:], ", ", column))
            if system not in codes or len(codes) < 2:
                words = f"a release names `{system}` and at least one other"
                raise reading.stop(f"{system}.releasable", column, words)
            words = f"`{system}` stands first, then states A-Z, then groups A-Z"
            reading.in_order(f"{system}.order", column, codes, home_first(system), words)
            reading.rel = reading.expanded(codes, column)
        else:
            raise reading.stop("relto.token", part.column, f"{part.shown()} is not a caveat we know")
    return reading.label(lambda label: write_own_eyes(label, system, None))


def read_jp(reading: Reading) -> Label:
    level = next((word for word, native in JP_LEVELS.items() if reading.text in (word, native)), None)
    if level is None:
        raise reading.stop("relto.token", 1, f"`{reading.text[:48]}` is not a level of `JPN`")
    if reading.text == level:
        reading.fault("relto.spelling", 1, f"`{level}` is written in Japanese script here")
    if level == JP_DESIGNATED[0] and reading.day is not None and reading.day < JP_DESIGNATED[1]:
        raise reading.stop("ISM-ID-00189", 1, f"`{level}` has been used by `JPN` since {JP_DESIGNATED[1]} only")
    reading.levels.append(Level(system="JPN", level=level))
    return reading.label(lambda label: write_jp(label, None))


def _states(label: Label, system: str, sayable: tuple[str, ...]) -> tuple[str, ...] | None:
    states = states_of(label, system)
    # Unmarked means the owners only. In the banner of another state the same silence would mean that state.
    if states is None and any(level.system != system for level in label.levels):
        raise Refused(
            f"the label is unmarked, and a `{system}` banner would not say whose it is", hint="name the states"
        )
    unsaid = [tag for tag in label.tags if tag not in (*sayable, "JOINT")]
    if unsaid:
        raise Refused(f"a `{system}` banner cannot say `{unsaid[0]}`")
    if label.display:
        raise Refused(f"a `{system}` banner cannot say `DISPLAY ONLY`")
    return states


def write_uk(label: Label, equivalence: Equivalence | None) -> str:
    states = _states(label, "GBR", ("EYES ONLY",))
    level = held_in(label, "GBR", ("PROTECT", "RESTRICTED", "CONFIDENTIAL", *UK_LEVELS), equivalence)
    if states is None:
        return level
    if states == ("GBR",):
        return f"{level} - UK EYES ONLY"
    if "EYES ONLY" not in label.tags:
        return f"{level} - RELEASABLE TO {', '.join(states)}"
    if states != ("GBR", "USA"):
        raise Refused("a UK banner says `EYES ONLY` of the United Kingdom, alone or with the United States")
    return f"{level} - UK / US EYES ONLY"


def write_au(label: Label, equivalence: Equivalence | None) -> str:
    states = _states(label, "AUS", ("AUSTEO", "AGAO"))
    level = held_in(label, "AUS", ("RESTRICTED", "CONFIDENTIAL", "HIGHLY PROTECTED", *AU_LEVELS), equivalence)
    if states is None:
        return level
    if states == ("AUS",):
        # AGAO admits seconded staff by agreement, AUSTEO nobody but citizens: the stricter, unless AGAO is all that
        # was said.
        return f"{level}//{'AGAO' if 'AGAO' in label.tags and 'AUSTEO' not in label.tags else 'AUSTEO'}"
    return f"{level}//REL {'/'.join(sorted(states, key=_AUS_FIRST))}"


def write_own_eyes(label: Label, system: str, equivalence: Equivalence | None) -> str:
    states = _states(label, system, ())
    levels, eyes, _ = _OWN_EYES[system]
    held = {one.level for one in label.levels if one.system == system}
    if system == "CAN" and len(held) > 1:
        raise Refused(
            "levels of both Canadian ladders stand side by side, and one banner says one", hint="mark portions"
        )
    level = held_in(label, system, levels, equivalence)
    if states is None:
        return level
    if states == (system,):
        return f"{level}//{eyes}"
    return f"{level}//REL TO {', '.join(sorted(states, key=home_first(system)))}"


def write_jp(label: Label, equivalence: Equivalence | None) -> str:
    if _states(label, "JPN", ()) is not None:
        raise Refused("a Japanese marking names no states", hint="say in words to whom it is released")
    level = held_in(label, "JPN", ("public", *JP_LEVELS), equivalence)
    if level not in JP_LEVELS:
        raise Refused(f"`JPN {level}` carries no marking")
    return JP_LEVELS[level]


def write_nato(label: Label, equivalence: Equivalence | None) -> str:
    if not isinstance(label.rel, UnsetType) or label.display:
        raise Refused("a NATO banner names no states", hint="write the banner of one of them")
    unsaid = [tag for tag in label.tags if tag not in (*NATO_SPECIAL, "JOINT")]
    if unsaid:
        raise Refused(f"a NATO banner cannot say `{unsaid[0]}`")
    if any(level.system != "NATO" for level in label.levels):
        raise Refused("a NATO banner stands on NATO material only", hint="write the banner of one of the owners")
    level = held_in(label, "NATO", tuple(NATO_LEVELS), equivalence)
    special = [tag for tag in label.tags if tag in NATO_SPECIAL]
    return "//".join([level, *(["/".join(special)] if special else [])])
