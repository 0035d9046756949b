"""A party leaves: what its notice has made of things, what is asked back, and the certificate at the end.

`relto withdrawal list`, `show`, `recall`. Rehearsed before by `relto impact --withdraw`, given by `relto act withdraw`.
"""

from __future__ import annotations

import argparse
import datetime as dt
import time
from pathlib import Path
from typing import Any

from relto import acts
from relto.charter.text import is_date
from relto.cli.main import common, emit, node_dir
from relto.cli.show import table
from relto.errors import Malformed, NotFound
from relto.node import officer, paper, views
from relto.node.desk import desk
from relto.node.home import open_node, read_signer
from relto.node.paper import Block, Heading, Paragraph, Points, Table


def add(commands: Any) -> None:
    verbs = commands.add_parser("withdrawal", help="a party that leaves").add_subparsers(
        dest="verb", metavar="VERB", required=True
    )
    common(verbs.add_parser("list", help="who has given notice")).set_defaults(call=_list)
    shown = common(verbs.add_parser("show", help="what has ended, what is asked back, what is overdue"))
    shown.add_argument("party", metavar="PARTY")
    shown.add_argument("--out", metavar="FILE", help="write it as a document: FILE.md or FILE.pdf")
    shown.set_defaults(call=_show)
    asked = common(
        verbs.add_parser("recall", help="ask back every copy of this party's items that nobody asked for yet")
    )
    asked.add_argument("party", metavar="PARTY")
    asked.add_argument("--order", choices=("return", "destroy"), default="return")
    asked.add_argument("--by", metavar="DATE", required=True, help="day on which the answers are due")
    asked.add_argument("--reason", default="withdrawal")
    asked.add_argument("--key", action="append", default=[], metavar="FILE", help="a key file that signs")
    asked.add_argument("--sign", action="store_true", help="with the keys under this node's keys/offline")
    asked.add_argument("--dry-run", action="store_true", help="show what would be asked, write nothing")
    asked.set_defaults(call=_recall)


def _today() -> str:
    return dt.datetime.now(dt.UTC).date().isoformat()


def _now() -> int:
    return int(time.time() * 1000)


def _view(one: acts.Departure) -> dict[str, Any]:
    return {**views.plain(one), "overdue": [views.plain(copy) for copy in one.overdue]}


def _list(options: argparse.Namespace) -> int:
    register, today = open_node(node_dir(options)).register, _today()
    found = [acts.departure(register, name, today) for name, one in sorted(register.parties.items()) if one.withdraws]
    lines = table(
        [
            (one.party, one.given, one.effective, "out" if one.out else "leaving", len(one.overdue), _certified(one))
            for one in found
        ],
        ("party", "notice", "effective", "", "overdue", "certified"),
    )
    emit(
        views.listing(register, _now(), [_view(one) for one in found]),
        as_json=options.json,
        lines=lines if found else ["nobody has given notice"],
    )
    return 0


def _certified(one: acts.Departure) -> str:
    return "yes" if one.certified else "no"


def _show(options: argparse.Namespace) -> int:
    register = open_node(node_dir(options)).register
    one = acts.departure(register, options.party, _today())
    blocks = tuple(certificate(register, one, _today()))
    if options.out:
        paper.write(Path(options.out), blocks, f"Withdrawal of {one.party}", register.stated[one.act].time)
    emit({**_view(one), "out_file": options.out}, as_json=options.json, lines=departure_lines(one, _today()))
    return 0


def departure_lines(one: acts.Departure, today: str) -> list[str]:
    days = (dt.date.fromisoformat(one.effective) - dt.date.fromisoformat(today)).days
    lines = [
        f"{one.party} gave notice on {one.given} (act {one.act[:8]}): {one.reason}",
        f"  out since {one.effective}" if one.out else f"  out from {one.effective}, in {days} days",
        f"engagements it is part of: {', '.join(one.engagements) or 'none'}",
        f"its items: {', '.join(one.items) or 'none'}",
        f"its attestations: {len(one.attestations)}; its licences: {len(one.licences)}",
        "copies across the border",
    ]
    rows = [(c.owner, c.holder, c.item, c.state.replace("_", " "), c.by, c.release[:8], c.reason) for c in one.copies]
    lines += [f"  {line}" for line in table(rows, ("owner", "holder", "item", "state", "due", "release", "reason"))]
    lines.append("survives")
    lines += [f"  {says} [charter {clause}]" for clause, says in one.duties] or ["  nothing that the charter names"]
    if one.certified:
        lines.append("certified: it is out, and every copy that was asked back is answered")
    else:
        waits = [] if one.out else ["the notice has not run"]
        open_ = one.count("outstanding") + one.count("overdue")
        waits += [f"{open_} orders are not answered, {len(one.overdue)} of them overdue"] if open_ else []
        lines.append(f"not certified: {'; '.join(waits)}")
    return lines


def certificate(register: acts.Register, one: acts.Departure, today: str) -> list[Block]:
    """The same as a document, with the acts that it rests on."""
    name = register.party(one.party).name
    state = "is out of the partnership" if one.out else f"will be out from {one.effective}"
    blocks: list[Block] = [
        Heading(f"Withdrawal of {name}"),
        Paragraph(f"{name} gave notice on {one.given} (act {one.act}) and {state}. As of {today}."),
        Heading("Copies to return or destroy", 2),
        Table(
            ("owner", "holder", "item", "state", "due", "asked by act", "answered by act"),
            tuple(
                (
                    c.owner,
                    c.holder,
                    c.item,
                    c.state.replace("_", " "),
                    c.by or "-",
                    c.asked[:16] or "-",
                    c.answered[:16] or "-",
                )
                for c in one.copies
            ),
            (8, 8, 26, 12, 12, 17, 17),
        )
        if one.copies
        else Paragraph("Nothing was handed over between this party and the others."),
        Heading("What survives", 2),
        Points(
            tuple(f"{says} (charter {clause})" for clause, says in one.duties) or ("Nothing that the charter names.",)
        ),
        Heading("Result", 2),
    ]
    if one.certified:
        blocks.append(Paragraph("It is out, and every copy that was asked back is answered."))
    elif one.overdue:
        blocks.append(Paragraph(f"{len(one.overdue)} orders are overdue. This is no certificate of completion."))
    else:
        blocks.append(Paragraph("It is not complete. This is no certificate of completion."))
    if one.count("not_asked"):
        blocks.append(Paragraph(f"{one.count('not_asked')} copies were not asked back by their owners."))
    return blocks


def _recall(options: argparse.Namespace) -> int:
    if not is_date(options.by):
        raise Malformed(
            f"`{options.by[:40]}` is not a day of the calendar", hint="write it as 2028-11-07", where="--by"
        )
    if options.by < _today():
        raise Malformed(f"{options.by} is past", hint="nobody can answer by then", where="--by")
    directory = node_dir(options)
    node = open_node(directory)
    one = acts.departure(node.register, options.party, _today())
    mine = [copy for copy in one.copies if copy.owner == node.me and copy.state == "not_asked"]
    if not mine:
        raise NotFound(
            f"no copy of an item of {node.me} is left to ask back", hint=f"`relto withdrawal show {options.party}`"
        )
    if not (options.dry_run or options.sign or options.key):
        raise Malformed("nothing signs these orders", hint="`--sign`, `--key FILE`, or `--dry-run` to look first")
    made = []
    signers = [read_signer(Path(key)) for key in options.key]
    for copy in mine:
        act = node.draft("recall", release=copy.release, order=options.order, by=options.by, reason=options.reason)
        keys = node.register.scans[node.origin].keys
        assert keys is not None
        request = officer.request(act, keys)
        if options.dry_run:
            made.append({"release": copy.release, "item": copy.item, "holder": copy.holder, "act": None})
            continue
        signed = officer.sign(request, signers or officer.offline_signers(directory, request))
        id_ = desk(directory).submit(officer.envelope(signed))
        node = open_node(directory)
        made.append({"release": copy.release, "item": copy.item, "holder": copy.holder, "act": id_})
    verb = "would be asked" if options.dry_run else "asked"
    emit(
        {"results": made, "count": len(made), "order": options.order, "by": options.by},
        as_json=options.json,
        lines=[f"{one['holder']} {verb} to {options.order} {one['item']} by {options.by}" for one in made],
    )
    return 0
