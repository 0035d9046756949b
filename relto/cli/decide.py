"""`relto may`, `who`, `what`, `impact`, `audit`: questions to a node's register. They read and never write."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import msgspec

from relto import acts
from relto.acts import Register
from relto.cli.main import common, emit, node_dir
from relto.cli.show import audit_lines, decision_lines, impact_lines, rows_lines, withdrawal_lines
from relto.errors import Malformed
from relto.node import views
from relto.node.asking import item_name, parse_time, question, recipient, sighted
from relto.node.desk import desk
from relto.node.home import open_node
from relto.release import (
    EXIT,
    audit,
    decide,
    heads,
    impact,
    rehearse_withdrawal,
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
    replay.add_argument("--records", choices=("itar",), help="the records of a law instead: 22 CFR 120.15(e), 122.5")
    replay.add_argument(
        "--out",
        metavar="DIR|FILE",
        help="with `--records`: FILE.csv, FILE.pdf, or both in DIR; with `--known now`: a draft notice a release in DIR",
    )
    replay.set_defaults(call=_audit)


def _asked(command: argparse.ArgumentParser) -> None:
    command.add_argument("--at", metavar="T", help="day or time; the past with the sight of that day")
    command.add_argument(
        "--known", choices=("then", "now"), default="then", help="with `--at` in the past: `now` uses today's sight"
    )
    command.add_argument("--place", metavar="CODE", help="where it is read; three letters")
    command.add_argument("--purpose", metavar="ID", default="")


def _may(options: argparse.Namespace) -> int:
    node = open_node(node_dir(options))
    register, day = sighted(node, options.at, options.known)
    asked = question(node, register, day, options.who, options.item, options.purpose, options.place or "")
    decision = decide(register, asked)
    view = views.decision_view(register, asked, decision)
    emit(view, as_json=options.json, lines=decision_lines(register, asked, decision, full=options.why))
    return EXIT[decision.answer]


def _who(options: argparse.Namespace) -> int:
    node = open_node(node_dir(options))
    register, day = sighted(node, options.at, options.known)
    name, version = item_name(options.item)
    register.item(name, version)
    rows = who(register, name, day, options.purpose, version)
    view = views.rows_view(register, day, rows, heads(rows))
    emit(view, as_json=options.json, lines=rows_lines(rows, f"may have {options.item}"))
    return 0


def _what(options: argparse.Namespace) -> int:
    node = open_node(node_dir(options))
    register, day = sighted(node, options.at, options.known)
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
    from relto.cli import releases
    from relto.node import bundle

    if options.records:
        return releases.write_records(options)
    if options.bundle:
        if not options.pin:
            raise Malformed(
                "an auditor pins what it trusts",
                hint="`--pin FOUNDING-ID`: as `relto act propose charter` printed it and the auditor was given it",
            )
        register, at = bundle.read_audit(Path(options.bundle), options.pin)
    else:
        if options.export:
            desk(node_dir(options)).publish()  # what leaves is a checkpoint that both halves of the log key have signed
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
    lines = audit_lines(rows, counts)
    if options.known == "now" and node is not None:
        view["notices"] = releases.notices(node, rows, options.out)
        lines += releases.notice_lines(view["notices"], options.out)
    emit(view, as_json=options.json, lines=lines)
    return 1 if counts["differs"] else 0
