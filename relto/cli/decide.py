"""`relto may`, `who`, `what`, `impact`, `audit`: questions to a node's register. They read and never write."""

from __future__ import annotations

import argparse
import datetime as dt
import time
from pathlib import Path
from typing import Any

import msgspec

from relto import acts
from relto.acts import RecipientClass, Register
from relto.cli.main import common, emit, node_dir
from relto.cli.show import audit_lines, decision_lines, impact_lines, rows_lines, withdrawal_lines
from relto.errors import Malformed, NotFound
from relto.node import views
from relto.node.home import open_node
from relto.node.node import Node
from relto.node.people import person_class
from relto.release import (
    EXIT,
    Declared,
    Question,
    audit,
    decide,
    heads,
    impact,
    rehearse_withdrawal,
    rosters,
    usual,
    what,
    who,
)


def add(commands: Any) -> None:
    may = common(commands.add_parser("may", help="may this recipient have this item?"))
    may.add_argument(
        "who",
        metavar="WHO",
        help="person or organisation: an own alias, `aus/p-…`, `jpn/kaiyo-robotics`, `jpn/kaiyo-robotics#CLASS`",
    )
    may.add_argument("item", metavar="ITEM", help="`gbr/NAME`, with `@N` for a version")
    _asked(may)
    may.add_argument("--why", action="store_true", help="every rule and fact, not only what fails")
    may.set_defaults(call=_may)
    reverse = common(commands.add_parser("who", help="everyone who may have an item"))
    reverse.add_argument("item", metavar="ITEM")
    _asked(reverse)
    reverse.set_defaults(call=_who)
    forward = common(commands.add_parser("what", help="everything a recipient may have"))
    forward.add_argument("who", metavar="WHO")
    _asked(forward)
    forward.set_defaults(call=_what)
    change = common(commands.add_parser("impact", help="what drafted acts, or a withdrawal, would change"))
    change.add_argument(
        "acts",
        metavar="ACT|FILE",
        nargs="*",
        help="ids of acts, or files with drafts (`relto act … --dry-run --out FILE`)",
    )
    change.add_argument("--withdraw", metavar="PARTY")
    change.add_argument("--on", metavar="DATE")
    change.set_defaults(call=_impact)
    replay = common(commands.add_parser("audit", help="replay every past release and compare"))
    replay.add_argument(
        "bundle", nargs="?", metavar="BUNDLE", help="a directory written by `--export`; then no node is needed"
    )
    replay.add_argument("--pin", metavar="FOUNDING-ID", help="the founding id that the auditor trusts")
    replay.add_argument("--export", metavar="DIR", help="write what an auditor needs who holds no key and no node")
    replay.add_argument(
        "--known",
        choices=("then", "now"),
        default="then",
        help="`now`: what should have been answered, with today's sight",
    )
    replay.set_defaults(call=_audit)


def _asked(command: argparse.ArgumentParser) -> None:
    command.add_argument("--at", metavar="T", help="day or time; the past with the sight of that day")
    command.add_argument(
        "--known", choices=("then", "now"), default="then", help="with `--at` in the past: `now` uses today's sight"
    )
    command.add_argument("--place", metavar="CODE", help="where it is read; three letters")
    command.add_argument("--purpose", metavar="ID", default="")


def parse_time(text: str) -> int:
    """A day or an instant with its zone, as ms UTC. Raises: Malformed."""
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise Malformed(
            f"`{text[:40]}` is not a date", hint="write it as 2026-11-22 or 2026-11-22T10:00:00Z"
        ) from error
    if len(text) == 10:
        # A day alone means its end for what was known, so that everything of the day counts; as a legal day it is the day.
        found = found.replace(hour=23, minute=59, second=59, tzinfo=dt.UTC)
    if found.tzinfo is None:
        raise Malformed(f"`{text[:40]}` does not say its zone", hint="add Z or +10:00")
    return int(found.timestamp() * 1000)


def _sighted(node: Node, options: argparse.Namespace) -> tuple[Register, int]:
    """Register and day of a question."""
    now = int(time.time() * 1000)
    if options.at is None:
        return node.register, now
    day = parse_time(options.at)
    if day >= now or options.known == "now":
        return node.register, day
    return node.register_at(node.sight_of(day)), day


def item_name(text: str) -> tuple[str, int | None]:
    name, found, version = text.partition("@")
    if found and not version.isdecimal():
        raise Malformed(f"`{text[:80]}` is not an item with a version", hint="for example gbr/array-processing@2")
    return name, int(version) if found else None


def recipient(node: Node, register: Register, who_: str) -> tuple[Declared, str, str]:
    """Whom a word means: (class, usual place, who says the place).

    Raises: NotFound; Malformed when it means several classes.
    """
    known = person_class(node, who_)
    if known is not None:
        return Declared(recipient=known.recipient, heads=1, day="", name=known.alias), known.place, "party"
    name, _, wanted = who_.partition("#")
    found = [
        one
        for one in rosters(register)
        if name in {one.recipient.organisation, one.recipient.party, one.id} and one.id.startswith(wanted)
    ]
    if not found:
        seen = [one for one in register.releases.values() if who_.endswith(one.terms.person)]
        if seen:
            return Declared(recipient=seen[-1].terms.to, heads=1, day=""), seen[-1].terms.place, "party"
        raise NotFound(
            f"nobody here is called `{who_[:80]}`",
            hint="an own alias, a pseudonym, or an organisation with a declared roster (`relto party show`)",
        )
    if len(found) > 1:
        ways = ", ".join(
            f"{one.recipient.organisation}#{one.id[:6]} ({one.heads} people, {'/'.join(one.recipient.nationalities or ('unstated',))})"
            for one in found[:6]
        )
        raise Malformed(f"`{who_[:80]}` means {len(found)} classes of people", hint=f"one of {ways}")
    party = register.parties.get(found[0].recipient.party)
    return found[0], party.code if party else found[0].recipient.party.upper()[:3], "party"


def question(
    node: Node, register: Register, day: int, who_: str, item: str, purpose: str = "", place: str = ""
) -> Question:
    to, usual_place, _ = recipient(node, register, who_)
    name, version = item_name(item)
    return usual(register, register.item(name, version), to.recipient, day, purpose, place or usual_place)


def _may(options: argparse.Namespace) -> int:
    node = open_node(node_dir(options))
    register, day = _sighted(node, options)
    asked = question(node, register, day, options.who, options.item, options.purpose, options.place or "")
    decision = decide(register, asked)
    view = views.decision_view(register, asked, decision)
    emit(view, as_json=options.json, lines=decision_lines(register, asked, decision, full=options.why))
    return EXIT[decision.answer]


def _who(options: argparse.Namespace) -> int:
    node = open_node(node_dir(options))
    register, day = _sighted(node, options)
    name, version = item_name(options.item)
    register.item(name, version)
    rows = who(register, name, day, options.purpose)
    view = views.rows_view(register, day, rows, heads(rows))
    emit(view, as_json=options.json, lines=rows_lines(rows, f"may have {options.item}"))
    return 0


def _what(options: argparse.Namespace) -> int:
    node = open_node(node_dir(options))
    register, day = _sighted(node, options)
    to, _, _ = recipient(node, register, options.who)
    rows = what(register, to, day, options.purpose)
    view = views.rows_view(register, day, rows, heads(rows))
    emit(view, as_json=options.json, lines=rows_lines(rows, f"{options.who} may have"))
    return 0


def _impact(options: argparse.Namespace) -> int:
    node = open_node(node_dir(options))
    register, now = node.register, int(time.time() * 1000)
    if options.withdraw:
        if not options.on or options.acts:
            raise Malformed("a withdrawal is rehearsed with `--withdraw PARTY --on DATE` and nothing else")
        parse_time(options.on)
        found = rehearse_withdrawal(register, options.withdraw, options.on, now)
        emit(views.withdrawal_view(register, now, found), as_json=options.json, lines=withdrawal_lines(found))
        return 0
    if not options.acts:
        raise Malformed("no act to rehearse", hint="ids of proposals, or files with drafts")
    drafts = [_draft(register, one) for one in options.acts]
    result = impact(register, drafts, now)
    emit(views.impact_view(register, now, result), as_json=options.json, lines=impact_lines(result))
    return 0


def _draft(register: Register, word: str) -> acts.Act:
    path = Path(word)
    if not path.exists():
        return register.act(word).act
    if path.is_dir():
        raise Malformed(f"`{word}` is a directory", hint="a file with a draft act")
    from relto.node.officer import parse_request

    data = path.read_bytes()
    if b'"signing-request"' in data[:400]:
        return acts.read(parse_request(data, where=word).payload)
    return acts.read(data.strip())


def _audit(options: argparse.Namespace) -> int:
    from relto.node import bundle

    if options.bundle:
        if not options.pin:
            raise Malformed(
                "an auditor pins what it trusts", hint="`--pin FOUNDING-ID`, the words on the founding statement"
            )
        register, at = bundle.read_audit(Path(options.bundle), options.pin)
    else:
        node = open_node(node_dir(options))
        register, at = node.register, node.register_at
        if options.export:
            count = bundle.write_audit(node, Path(options.export))
            emit(
                {"written": options.export, "entries": count},
                as_json=options.json,
                lines=[f"{count} entries opened to the auditor in {options.export}"],
            )
            return 0
    rows = audit(register, at, options.known)
    counts = {word: sum(row.result == word for row in rows) for word in ("full", "part", "order", "differs")}
    view = {
        **views.listing(register, int(time.time() * 1000), (msgspec.structs.asdict(row) for row in rows)),
        "counts": counts,
    }
    emit(view, as_json=options.json, lines=audit_lines(rows, counts))
    return 1 if counts["differs"] else 0


__all__ = ["RecipientClass", "add", "item_name", "parse_time", "question", "recipient"]
