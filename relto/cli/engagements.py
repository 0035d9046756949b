"""How far engagements have come, what comes next, and what is said of it in public.

`relto engagement pipeline`, `relto outlook`, `relto statement`.
"""

from __future__ import annotations

import argparse
import datetime as dt
import hashlib
import time
from pathlib import Path
from typing import Any

from relto import acts
from relto.charter import check_quote
from relto.cli.main import common, emit, node_dir
from relto.cli.show import table
from relto.errors import Malformed, Refused
from relto.node import views
from relto.node.answering import day_of, stages
from relto.node.home import open_node
from relto.node.paper import markdown, pdf
from relto.node.statement import PUBLIC, statement

SIGN = {"yes": "+", "no": "-", "unknown": "?"}


def add(commands: Any) -> None:
    coming = common(commands.add_parser("outlook", help="what lapses or falls due, whose answer is awaited"))
    coming.add_argument("--until", metavar="DATE", default="", help="the last day asked for")
    coming.set_defaults(call=_outlook)
    said = common(commands.add_parser("statement", help="a joint act for publication, with proofs"))
    said.add_argument("proposal", metavar="PROPOSAL", help="id of a proposal that is in force")
    said.add_argument(
        "--for",
        dest="audience",
        metavar="PARTY",
        default=PUBLIC,
        help="a party that may read the acts; default `public`",
    )
    said.add_argument("--open-acts", action="store_true", help="open the acts themselves to everybody, for good")
    said.add_argument("--out", metavar="DIR", help="write the text and the proofs there; else the text is shown")
    said.add_argument("--pdf", action="store_true", help="with `--out`: the text as PDF too")
    said.set_defaults(call=_statement)


def add_act_verbs(verbs: Any) -> None:
    """Verbs of `relto act` beside the kinds."""
    one = common(verbs.add_parser("kinds", help="which acts count when this party says them, and why others do not"))
    one.set_defaults(call=_kinds)


def add_verbs(verbs: Any) -> None:
    """Verbs of `relto engagement`."""
    one = common(verbs.add_parser("pipeline", help="where every candidate stands, and what is missing"))
    one.add_argument("party", nargs="?", metavar="PARTY", help="one candidate, with its evidence and criteria")
    one.add_argument(
        "--by", metavar="DATE", default="", help="can it be in force by then, and what must happen by when"
    )
    one.set_defaults(call=_pipeline)


def _today() -> str:
    return dt.datetime.now(dt.UTC).date().isoformat()


def _outlook(options: argparse.Namespace) -> int:
    until = day_of(options.until, "--until")
    register, today = open_node(node_dir(options)).register, _today()
    found = acts.outlook(register, today, until)
    lines = table(
        [(one.day or "-", _in_days(one.day, today), one.kind, one.subject, one.what) for one in found],
        ("day", "in days", "", "subject", "what"),
    )
    shown = [lines[0]]
    for line, one in zip(lines[1:], found, strict=True):
        shown += [line, *(f"    at risk: {risk}" for risk in one.at_risk)]
    if not found:
        shown = ["nothing lapses, nothing is due, nobody is waited for"]
    emit(views.listing(register, _now(), found), as_json=options.json, lines=shown)
    return 0


def _in_days(day: str, today: str) -> str:
    return str((dt.date.fromisoformat(day) - dt.date.fromisoformat(today)).days) if day else ""


def _now() -> int:
    return int(time.time() * 1000)


def _pipeline(options: argparse.Namespace) -> int:
    register, now = open_node(node_dir(options)).register, _now()
    view = stages(register, now, options.party or "", day_of(options.by, "--by"))
    today = view["day"]
    found = [one for one in acts.pipeline(register, today) if options.party in {None, one.party}]
    paths = [acts.path(register, one, options.by, today) for one in found] if options.by else []
    lines = _stages(found) if options.party is None else [line for one in found for line in stage_lines(one, today)]
    for one in paths:
        lines += path_lines(one)
    emit(view, as_json=options.json, lines=lines)
    return 0


def _statement(options: argparse.Namespace) -> int:
    if options.pdf and not options.out:
        raise Malformed("`--pdf` writes a file", hint="say where: `--out DIR`", where="--pdf")
    node = open_node(node_dir(options))
    made = statement(node, options.proposal, options.audience, open_acts=options.open_acts)
    files = {"statement.md": markdown(made.blocks).encode(), **made.proofs}
    if options.pdf:
        files["statement.pdf"] = pdf(made.blocks, made.title, made.at)
    if options.out:
        target = Path(options.out)
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise Refused(f"`{target}` is there and not empty", hint="name a directory that is new or empty")
        target.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            (target / name).write_bytes(data)
    view = {
        "title": made.title,
        "for": made.audience,
        "opened": made.opened,
        "text": markdown(made.blocks),
        "proofs": sorted(made.proofs),
        "unproved": list(made.unproved),
        "out": options.out,
    }
    lines = [f"{len(files)} files written to {options.out}"] if options.out else [markdown(made.blocks).rstrip()]
    lines += [f"no proof from here for {party}: its ledger is held in parts" for party in made.unproved]
    emit(view, as_json=options.json, lines=lines)
    return 0


def _kinds(options: argparse.Namespace) -> int:
    register = open_node(node_dir(options)).register
    role, state = acts.role_of(register, register.me), acts.state_of(register, register.me, _today())
    rows = []
    for kind in sorted(acts.KINDS):
        signer = acts.SIGNERS[kind]
        why = acts.why_not(kind, role, state)
        word = signer if isinstance(signer, str) else " or ".join(sorted(signer))
        rows.append({"kind": kind, "signer": word, "counts": not why, "why": why or None})
    view = {**views.listing(register, _now(), rows), "role": role, "state": state}
    lines = table(
        [(r["kind"], r["signer"], "counts" if r["counts"] else r["why"]) for r in rows], ("act", "signed by", "")
    )
    emit(view, as_json=options.json, lines=[f"{register.me}: {role}, {state}", *lines])
    return 0


def _stages(found: list[acts.Stage]) -> list[str]:
    rows = [
        (one.party, one.engagement or "-", one.stage.replace("_", " "), one.since, one.until, one.why) for one in found
    ]
    return table(rows, ("party", "engagement", "stage", "from", "to", "why"))


def stage_lines(one: acts.Stage, today: str) -> list[str]:
    """One candidate as a page of text."""
    lines = [f"{one.name} ({one.party}): {one.stage.replace('_', ' ')}", f"  {one.why}"]
    if one.engagement:
        lines.append(f"  engagement {one.engagement} in {one.project}, {one.since}..{one.until}")
    if one.stage == "proposed" or one.missing:
        lines.append(f"  consents: {', '.join(one.consents) or 'none'}; missing: {', '.join(one.missing) or 'none'}")
    if one.criteria:
        lines.append("criteria")
    for criterion in one.criteria:
        lines.append(f"  {SIGN[criterion.holds]} {criterion.name} [charter {criterion.clause}]")
        lines += [
            f"      {SIGN[pair.holds]} {pair.member}: {pair.why}"
            for pair in criterion.pairs
            if criterion.kind == "all_pairs" or pair.holds != "unknown"
        ]
    if one.deadlines:
        lines.append("windows of those who are asked")
    for window in one.deadlines:
        latest = ", at the latest" if window.latest else ""
        lines.append(
            f"  {window.date}  in {_in_days(window.date, today)} days{latest}: {window.party}, {window.what} [charter {window.clause}]"
        )
    for title, said in (("evidence", one.evidence), ("remarks, which move no stage", one.remarks)):
        if said:
            lines.append(title)
        for told in said:
            words = f": {told.says}" if told.says else ""
            source = f" ({told.source})" if told.source else ""
            lines.append(
                f"  {told.date}  {told.standing.replace('_', ' ')}, {told.status.replace('_', ' ')}{words}{source}"
            )
    return lines


def path_lines(one: acts.Path) -> list[str]:
    """The critical path of one candidate."""
    name = one.engagement or one.party
    if one.reachable and not one.steps:
        return [f"{name}: in force on {one.day} as it stands"]
    lines = [
        f"{name}: {'can' if one.reachable else 'cannot'} be in force by {one.day}"
        + (", if each of these happens in time" if one.reachable else "")
    ]
    lines += [f"  because {why}" for why in one.blocked]
    for step in one.steps:
        late = "  LATE" if step.late else ""
        lines.append(
            f"  by {step.by}  {step.what}{'' if step.of in step.what else f' ({step.of})'}; {step.because}{late}"
        )
    return lines


def document_words(words: list[str], document: str | None) -> list[str]:
    """The digest of the document of an evidence act, once the quoted passage is found in it.

    Raises: Refused when it does not stand there; Malformed for a quotation without its document.
    """
    quote = next((word.partition("=")[2] for word in words if word.startswith("quote=")), "")
    if document is None:
        if quote:
            raise Malformed(
                "a quotation is checked against its document",
                hint="add `--document FILE`, a text or HTML file",
                where="quote",
            )
        return []
    data = Path(document).read_bytes()
    if quote:
        check_quote(quote, data, where=document)
    return [f"document={hashlib.sha256(data).hexdigest()}"]


def return_lines(proposal: dict[str, Any]) -> list[str]:
    """What was sent back with a comment, and how a counter-proposal differs from the one that it answers."""
    lines = []
    for one in proposal["returns"]:
        counter = f", counter-proposal {one['counter'][:8]}" if one["counter"] else ""
        lines.append(f"  returned by {one['party']}{counter}: {one['comment']}")
    for one in proposal["answers"]:
        lines.append(f"counter-proposal to {one['proposal'][:8]}, by {one['party']}: {one['comment']}")
        lines += [f"  {d['field']}: {d['before']} becomes {d['after']}" for d in one["differs"]] or ["  the same terms"]
    return lines


__all__ = ["add", "add_act_verbs", "add_verbs", "document_words", "path_lines", "return_lines", "stage_lines"]
