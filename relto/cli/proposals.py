"""Proposals in few words: what the register already knows is filled in, and what it forbids is refused before signing.

    relto act propose renew jpn-maritime to=2028-12-01
    relto act propose end jpn-maritime on=2027-06-01 reason=…
    relto act propose project sea-trials name=… pillar=… areas=… participants=… term=…
    relto act propose admit jpn DIR        the charter's next version, with the party in it
    relto act propose expel jpn DIR

Each takes `by=DATE`: after that day a ledger that has not consented refuses.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any, Final

from msgspec import UNSET

from relto import acts
from relto.acts import Act, Register
from relto.charter.text import is_date
from relto.cli import texts
from relto.errors import Malformed, NotFound, Refused
from relto.node import officer
from relto.node.held import day_of
from relto.node.node import Node


def deadline(words: Sequence[str]) -> tuple[list[str], dict[str, Any]]:
    """The words without `by=DATE`, and the end of that day in ms. Raises: Malformed."""
    kept, found = [], {}
    for word in words:
        name, _, value = word.partition("=")
        if name != "by":
            kept.append(word)
        elif value.isdecimal():
            found["by"] = int(value)
        elif is_date(value):
            end = dt.datetime.fromisoformat(value).replace(tzinfo=dt.UTC) + dt.timedelta(days=1)
            found["by"] = int(end.timestamp() * 1000) - 1
        else:
            raise Malformed(f"`{value[:40]}` is not a day of the calendar", hint="write it as 2027-03-01", where="by")
    return kept, found


def slot(register: Register, subject: str) -> dict[str, Any]:
    """Where the next proposal of a subject stands: its number, and what was in force before it."""
    chain = [one for one in register.slots.values() if one.subject == subject and one.state == "in_force"]
    last = max(chain, key=lambda one: one.n, default=None)
    return {"subject": subject, "n": last.n + 1 if last else 1, "prev": last.id if last else UNSET}


def renew(node: Node, words: list[str]) -> Act:
    """`ENGAGEMENT to=DATE`, or `term=FROM..TO`: the new term takes the place of the one that runs."""
    name, held, rest = _engagement(node, words, "renew")
    rest, extra = deadline(rest)
    rest = [f"term={held.term.since}..{word[3:]}" if word.startswith("to=") else word for word in rest]
    fields = officer.struct_fields(acts.Renewal, [f"of={held.proposal}", *rest])
    since, today = fields["term"].since if "term" in fields else "", day_of(node.clock())
    if since > held.term.since and since > today:
        raise Refused(
            f"the new term takes the place of the old one: until {since} nothing would be in force",
            hint="`to=DATE` keeps the first day of the term",
            where="term",
        )
    return node.draft("propose", **slot(node.register, f"engagement/{name}"), what=acts.Renewal(**fields), **extra)


def end(node: Node, words: list[str]) -> Act:
    """`ENGAGEMENT on=DATE reason=…`, or `project/ID …` for a project that a proposal began."""
    rest, extra = deadline(words[1:])
    if words and words[0].startswith("project/"):
        begun = [
            one
            for one in node.register.slots.values()
            if one.subject == words[0]
            and one.state == "in_force"
            and isinstance(getattr(one.stated.act, "what", None), acts.ProjectTerms)
        ]
        if not begun:
            raise NotFound(
                f"no proposal began `{words[0][:80]}`",
                hint="a project of the charter ends by the charter's next version",
            )
        subject, of = words[0], max(begun, key=lambda one: one.n).id
    else:
        name, held, _ = _engagement(node, words, "end")
        subject, of = f"engagement/{name}", held.proposal
    fields = officer.struct_fields(acts.Ending, [f"of={of}", *rest])
    return node.draft("propose", **slot(node.register, subject), what=acts.Ending(**fields), **extra)


def _engagement(node: Node, words: list[str], form: str) -> tuple[str, acts.EngagementState, list[str]]:
    if not words or "=" in words[0]:
        raise Malformed(f"`relto act propose {form} ENGAGEMENT …`", hint="`relto engagement list` shows them")
    held = node.register.engagements.get(words[0])
    if held is None:
        raise NotFound(f"no engagement `{words[0][:80]}` is agreed", hint="`relto engagement list` shows them")
    return words[0], held, words[1:]


def project(node: Node, words: list[str]) -> Act:
    """`ID name=… pillar=… areas=… participants=… term=FROM..TO [instrument=…]`."""
    if not words or "=" in words[0]:
        raise Malformed("`relto act propose project ID name=… pillar=… areas=… participants=… term=…`")
    charter = node.register.charter
    if charter is None:
        raise NotFound("no partnership is founded here")
    if any(one.id == words[0] for one in charter.projects):
        raise Refused(f"the charter has a project `{words[0]}` already", hint="name another, or amend the charter")
    rest, extra = deadline(words[1:])
    fields = officer.struct_fields(acts.ProjectTerms, [f"project={words[0]}", *rest])
    terms = acts.ProjectTerms(**fields)
    charter.pillar(terms.pillar)
    for area in terms.areas:
        if charter.area(area).pillar != terms.pillar:
            raise Refused(f"area `{area}` is not of pillar `{terms.pillar}`", where="areas")
    for party in terms.participants:
        node.register.party(party)
    return node.draft("propose", **slot(node.register, f"project/{words[0]}"), what=terms, **extra)


def membership(kind: str) -> Callable[[Node, list[str]], Act]:
    """`PARTY DIR`: the charter's next version with, or without, the party among its members."""

    def form(node: Node, words: list[str]) -> Act:
        words, extra = deadline(words)
        if len(words) != 2:
            raise Malformed(f"`relto act propose {kind} PARTY DIR`", hint="a directory with the charter's next version")
        party, where = words
        current = node.register
        if current.charter is None:
            raise NotFound("no partnership is founded here")
        text = texts.charter_version(node, where)
        inside = party in text.signatories
        if kind == "admit" and (party in current.signatories or not inside):
            why = "is a member already" if party in current.signatories else f"is no member in {where}"
            raise Refused(f"`{party[:64]}` {why}", hint="the text given is the charter as it shall be")
        if kind == "expel" and (party not in current.signatories or inside):
            why = "is no member" if party not in current.signatories else f"is still a member in {where}"
            raise Refused(f"`{party[:64]}` {why}", hint="the text given is the charter as it shall be")
        shape = acts.Admission if kind == "admit" else acts.Expulsion
        what = shape(party=party, charter=text.charter, parties=text.parties)
        n, prev = current.charter_slot
        return node.draft("propose", subject="charter", n=n, prev=prev, what=what, **extra)

    return form


FORMS: Final[dict[str, Callable[[Node, list[str]], Act]]] = {
    "renew": renew,
    "end": end,
    "project": project,
    "admit": membership("admit"),
    "expel": membership("expel"),
}
