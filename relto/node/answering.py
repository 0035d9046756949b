"""Whole answers that the command line, the pages and their JSON give in the same words: one function a question.

`relto may`, `who`, `what`, `outlook`, `engagement pipeline`, `impact --withdraw`. What a caller may write wrong is
refused here, so that it is refused in one way.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

from msgspec import UNSET, UnsetType

from relto import acts
from relto.acts import AuthorityRef, Register
from relto.charter.text import is_date
from relto.errors import Malformed, NotFound
from relto.law import Three
from relto.node import views
from relto.node.paper import Block, Heading, Points, Table
from relto.node.views import View
from relto.release import Decision, Ending, Question, audience, date_of, owed, rehearse_withdrawal
from relto.release.words import law_words, sentence

ROWS_MAX = 10_000  # rows of one page of a list


def day_of(text: str, where: str) -> str:
    """A day, or nothing. Raises: Malformed."""
    if text and not is_date(text):
        raise Malformed(f"`{text[:40]}` is not a day of the calendar", hint="write it as 2028-11-07", where=where)
    return text


def rows_of(text: str, where: str) -> int | None:
    """How many rows a page of a list has; nothing: all. Raises: Malformed."""
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and 1 <= int(text[:9]) <= ROWS_MAX and len(text) < 9):
        raise Malformed(f"`{text[:20]}` is not a count from 1 to {ROWS_MAX}", where=where)
    return int(text)


def answer_view(register: Register, question: Question, decision: Decision, ends: Sequence[Ending]) -> View:
    """A decision with what would change it or, of a permit, what would end it."""
    return {**views.decision_view(register, question, decision), "ends": [views.ending_view(one) for one in ends]}


def answer_blocks(
    register: Register, question: Question, decision: Decision, ends: Sequence[Ending]
) -> tuple[Block, ...]:
    """The same as a document: answer, reasons, next step, and what it was answered from."""
    words = law_words(register, question.date)
    to, named = question.to, f"{question.item}@{question.version}"
    nations = "not stated" if isinstance(to.nationalities, UnsetType) else "/".join(to.nationalities)
    order = {Three.NO: 0, Three.UNKNOWN: 1, Three.YES: 2}
    rules = [one for one in decision.findings if "/" not in one.rule]
    blocks: list[Block] = [
        Heading(f"{decision.answer.capitalize()}: {to.organisation} and {named}"),
        Table(
            ("Asked", ""),
            (
                ("Recipient", f"{to.organisation}, of {_name(register, to.party)}; nationality {nations}"),
                ("Item", named),
                ("Use", f"{question.purpose}, in {question.place}"),
                ("Day", question.date),
                ("Answer", decision.answer),
                *(("On the authority of", _authority(one)) for one in decision.authorities),
                *([("Valid until", str(decision.valid_until))] if decision.valid_until is not UNSET else []),
                ("Decision", decision.id),
            ),
            (1, 3),
        ),
        Heading("Why", 2),
        Table(
            ("Holds", "Rule", "Source"),
            tuple(
                (
                    HOLDS[one.value],
                    sentence(register, question, one) + _parts(decision, one.rule, words),
                    one.cite or (f"charter {one.clause}" if one.clause else ""),
                )
                for one in sorted(rules, key=lambda one: order[one.value])
            ),
            (1, 6, 2),
        ),
    ]
    for number in sorted({one.set for one in decision.changes}):
        steps = tuple(f"{one.of}: {one.needs}" for one in decision.changes if one.set == number)
        blocks += [Heading("What would change it" if number == 1 else "Or", 2), Points(steps)]
    if ends:
        blocks += [Heading("What would end it", 2), Points(tuple(ending_words(one) for one in ends))]
    due = owed(register, question, decision)
    if due:
        blocks += [
            Heading("What comes with it", 2),
            Points(tuple(f"{one.when or 'with it'}: {one.says} ({one.cite})" for one in due)),
        ]
    sight = tuple((origin, f"{size:,}", root) for origin, (size, root) in sorted(register.sight.items()))
    return (*blocks, Heading("Answered from", 2), Table(("Ledger", "Entries", "Root"), sight, (3, 1, 5)))


def _name(register: Register, party: str) -> str:
    known = register.parties.get(party)
    return known.name if known else party


HOLDS = {Three.YES: "yes", Three.NO: "no", Three.UNKNOWN: "not known"}


def _authority(one: AuthorityRef) -> str:
    return f"{one.jurisdiction}: {one.cite}" + ("" if isinstance(one.until, UnsetType) else f", until {one.until}")


def _parts(decision: Decision, rule: str, words: Mapping[str, str]) -> str:
    """Of a rule of law that does not hold: which of its parts do not."""
    if any(one.rule == rule and one.value is Three.YES for one in decision.findings):
        return ""
    failing = [one for one in decision.findings if one.rule.startswith(f"{rule}/") and one.value is not Three.YES]
    said = [words[one.rule] for one in failing if one.rule in words]
    return f" ({'; '.join(said)})" if said else ""


def ending_words(one: Ending) -> str:
    """What would end a permit, by whom, and when by itself."""
    on = "" if isinstance(one.on, UnsetType) else f", after {one.on}"
    return f"{one.needs}{on}" + (f" ({one.of})" if one.of else "")


def sheet(register: Register, item: str, version: int, day: int, drafts: tuple[acts.Act, ...] = ()) -> View:
    """The audience sheet of an item, as it stands or as drafts would leave it."""
    found = audience(register, item, version, drafts, day)
    return {**views.audience_view(found), "day": date_of(day), "sight": views.sight_view(register)}


def coming(register: Register, now: int, until: str = "") -> View:
    return views.listing(register, now, acts.outlook(register, date_of(now), day_of(until, "until")))


def stages(register: Register, now: int, party: str = "", by: str = "") -> View:
    """Where every candidate stands, or one; by: can it be in force by then, and what must happen by when.

    Raises: NotFound where nobody is named, or not this one; Malformed for the day.
    """
    today = date_of(now)
    found = [one for one in acts.pipeline(register, today) if party in {"", one.party}]
    if not found and not party:
        raise NotFound("nobody is named as a candidate here", hint="`relto act evidence` states what is said of one")
    if not found:
        raise NotFound(f"`{party[:64]}` is no candidate here", hint="`relto engagement pipeline` shows who is")
    view = views.listing(register, now, found)
    if day_of(by, "by"):
        view["paths"] = [views.plain(acts.path(register, one, by, today)) for one in found]
    return view


def leaving(register: Register, now: int, party: str, on: str) -> View:
    """A withdrawal, rehearsed. Raises: NotFound, Malformed."""
    if not day_of(on, "on"):
        raise Malformed("a rehearsal needs the day of the notice", hint="write it as 2028-11-07", where="on")
    return views.withdrawal_view(register, now, rehearse_withdrawal(register, party, on, now))


def in_days(day: str, today: str) -> int:
    return (dt.date.fromisoformat(day) - dt.date.fromisoformat(today)).days
