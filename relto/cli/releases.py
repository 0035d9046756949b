"""`relto release`: releases without a file, and what their records ask for. `relto audit --records` writes through here."""

from __future__ import annotations

import argparse
import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from relto.cli.main import common, emit, node_dir
from relto.cli.show import decision_lines, table
from relto.errors import Malformed, NotFound, Refused
from relto.node import journal, records, views
from relto.node.asking import item_name
from relto.node.desk import desk
from relto.node.granting import limit_of, time_text
from relto.node.home import open_node
from relto.node.node import Node
from relto.node.officer import fields
from relto.node.paper import pdf
from relto.node.releasing import METHODS, telling_of
from relto.release import EXIT, Audited, Question, decide

PRESENTATION_MAX = 16_384  # bytes of a file with a presentation
WRITTEN = ("csv", "pdf")


def add(commands: Any) -> None:
    verbs = commands.add_parser("release", help="releases: without a file, and their records").add_subparsers(
        dest="verb", metavar="VERB", required=True
    )
    told = common(
        verbs.add_parser(
            "record", help="decide a release that is told, shown or handed over, and record it if permitted"
        )
    )
    told.add_argument(
        "who", metavar="WHO", help="one of the own people by alias, or a file with a presentation (`release present`)"
    )
    told.add_argument("item", metavar="ITEM", help="`gbr/NAME`, with `@N` for a version")
    told.add_argument("--method", choices=METHODS, required=True)
    told.add_argument("--purpose", metavar="ID", default="", help="of the charter; a presentation names its own")
    told.add_argument("--place", metavar="CODE", default="", help="where it happens; a presentation names its own")
    told.add_argument("--part", metavar="NAME", help="which part of the item")
    told.add_argument("--value", metavar="'500 GBP'", help="what this transfer is worth, where the item does not say")
    for name, words in records.OF_RELEASE.items():
        told.add_argument(f"--{name}", metavar="TEXT", help=f"for the record: {words}")
    told.add_argument("--dry-run", action="store_true", help="decide and write nothing")
    told.set_defaults(call=_record)
    shown = common(verbs.add_parser("present", help="a presentation of the logged-in person, for an officer elsewhere"))
    shown.add_argument("item", metavar="ITEM")
    shown.add_argument("--to", metavar="PARTY", required=True, help="whose item it is")
    shown.add_argument("--purpose", metavar="ID", required=True)
    shown.add_argument("--place", metavar="CODE", default="", help="where it happens; else where the person usually is")
    shown.add_argument("--as", dest="alias", default="", help="whose session; else the last log-in")
    shown.add_argument("-o", "--out", metavar="FILE", required=True)
    shown.set_defaults(call=_present)
    noted = common(verbs.add_parser("note", help="what records ask for and no act may hold; appended, never changed"))
    noted.add_argument("subject", metavar="RELEASE|ORGANISATION|ITEM")
    known = "; ".join(f"{kind}: {', '.join(names)}" for kind, names in records.FIELDS.items())
    noted.add_argument("notes", metavar="FIELD=VALUE", nargs="+", help=known)
    noted.set_defaults(call=_note)
    common(verbs.add_parser("list", help="releases by this party and to it")).set_defaults(call=_list)
    past = common(verbs.add_parser("refusals", help="keys that this node refused, from its private journal"))
    past.add_argument("--last", metavar="N", type=int, default=50, help="the newest so many; at most 1000")
    past.set_defaults(call=_refusals)
    why = common(verbs.add_parser("refusal", help="why one was refused, and what would change it today"))
    why.add_argument("id", metavar="ID", help="of the row or of its decision, eight characters or more")
    why.set_defaults(call=_refusal)


def _record(options: argparse.Namespace) -> int:
    directory = node_dir(options)
    node = open_node(directory)
    name, version = item_name(options.item)
    item = node.register.item(name, version)
    path = Path(options.who)
    asked: dict[str, Any] = {
        "item": item.id,
        "version": item.version,
        "method": options.method,
        "purpose": options.purpose,
        "place": options.place,
        "dry_run": options.dry_run,
        "notes": {
            name: said for name in records.OF_RELEASE if (said := getattr(options, name.replace("-", "_"))) is not None
        },
    }
    if path.is_file():
        asked["presentation"] = _presentation(path)
    else:
        asked["alias"] = options.who
    if options.part:
        asked["part"] = options.part
    if options.value:
        asked["value"] = msgspec.to_builtins(fields("release", [f"value={options.value}"])["value"])
    telling_of(asked)
    view = desk(directory).record(asked)
    question = msgspec.convert(view["question"], Question)
    lines = _lines(node, question, view)
    emit(view, as_json=options.json, lines=lines)
    return EXIT[view["answer"]]


def _lines(node: Node, question: Question, view: Mapping[str, Any]) -> list[str]:
    lines = decision_lines(node.register, question, decide(node.register, question), full=False)
    if view["release"]:
        return [*lines, f"recorded as release {view['release']}: now it may be {_DONE[question.method]}"]
    if view["answer"] == "permit":
        return [*lines, "nothing is recorded: a dry run"]
    return [*lines, f"nothing is recorded, and nothing may be {_DONE[question.method]}; request {view['request']}"]


_DONE = {"oral": "told", "visual": "shown", "physical": "handed over"}


def _presentation(path: Path) -> str:
    if path.stat().st_size > PRESENTATION_MAX:
        raise Malformed(f"`{path}` is no presentation", hint="`relto release present` writes one")
    return path.read_text("utf-8", "replace").strip()


def _present(options: argparse.Namespace) -> int:
    from relto.node.client import Client, session_of
    from relto.node.people import person
    from relto.store.objects import write_durably

    directory = node_dir(options)
    node = open_node(directory)
    session = session_of(directory, options.alias)
    pinned = node.peers().get(options.to)
    if pinned is None:
        raise NotFound(f"no node of `{options.to[:64]}` is known here", hint="`relto party list` shows them")
    place = options.place or person(node, session.alias).place
    token = Client(session).present(pinned.origin, options.item, options.purpose, place)
    write_durably(Path(options.out), token.encode() + b"\n", 0o600)
    view = {"written": options.out, "audience": pinned.origin, "place": place, "purpose": options.purpose}
    words = f"{options.out}: for {pinned.origin} alone, five minutes, once; {options.purpose} in {place}"
    emit(view, as_json=options.json, lines=[words])
    return 0


def _note(options: argparse.Namespace) -> int:
    notes: dict[str, str] = {}
    for word in options.notes:
        field, found, value = word.partition("=")
        if not found or field in notes:
            raise Malformed(f"`{word[:60]}` is not `field=value`, each field once")
        notes[field] = value
    subject = desk(node_dir(options)).note(options.subject, notes)
    emit(
        {"subject": subject, "noted": sorted(notes)},
        as_json=options.json,
        lines=[f"{subject}: {', '.join(sorted(notes))} noted"],
    )
    return 0


def _list(options: argparse.Namespace) -> int:
    node = open_node(node_dir(options))
    register = node.register
    rows = [views.release_view(register, one) for one in register.releases.values()]
    terms = {row["id"]: register.releases[row["id"]].terms for row in rows}
    limits = {id_: limit_of(one) for id_, one in terms.items()}
    rows = [
        {
            **row,
            "method": terms[row["id"]].method,
            "out_of_reach_until": time_text(limit.until) if (limit := limits[row["id"]]) else None,
        }
        for row in rows
    ]
    lines = table(
        [
            (
                *(row["id"][:16], row["by"], row["item"], row["organisation"], row["method"], row["purpose"]),
                f"out of reach until {row['out_of_reach_until'][:10]}" if row["out_of_reach_until"] else "",
            )
            for row in rows
        ],
        ("release", "by", "item", "to", "method", "purpose", ""),
    )
    emit(views.listing(register, node.clock(), rows), as_json=options.json, lines=lines)
    return 0


def _refusals(options: argparse.Namespace) -> int:
    if not 1 <= options.last <= journal.READ_MAX:
        raise Malformed(f"--last is from 1 to {journal.READ_MAX}", where="--last")
    node = open_node(node_dir(options))
    found = journal.refusals(node, options.last)
    lines = table(
        [(one.id[:8], _time(one.at), one.answer, one.item[:48], one.organisation, one.pseudonym) for one in found],
        ("refusal", "at (UTC)", "answer", "item", "organisation", "person"),
    )
    rows = [{**views.plain(one), "body": None} for one in found]
    emit(
        views.listing(node.register, node.clock(), rows),
        as_json=options.json,
        lines=lines if found else ["nothing was refused here"],
    )
    return 0


def _refusal(options: argparse.Namespace) -> int:
    node = open_node(node_dir(options))
    one = journal.refusal(node, options.id)
    now = journal.today(node, one)
    lines = [
        f"refusal {one.id}, {_time(one.at)} UTC: {one.answer}",
        f"  {one.pseudonym} of {one.organisation} ({one.party}) asked for {one.item[:200]}",
    ]
    if "error" in one.body:
        lines.append(f"  {one.body['error']}")
    for finding in one.body.get("findings", ()):
        if finding["value"] != "yes" and "/" not in finding["rule"]:
            code = f" {finding['code']}" if finding.get("code") else ""
            lines.append(f"  {finding['rule']} is {finding['value']}:{code} [{finding['cite'] or finding['clause']}]")
    if now is not None:
        lines.append(f"today: {now['answer']}")
        lines += [f"  would change it: {change['needs']} ({change['from']})" for change in now["changes"]]
    emit({**views.plain(one), "today": now}, as_json=options.json, lines=lines)
    return 0


def _time(at: int) -> str:
    return dt.datetime.fromtimestamp(at / 1000, dt.UTC).strftime("%Y-%m-%d %H:%M:%S")


# ---- records and notices as files


def write_records(options: argparse.Namespace) -> int:
    """`relto audit --records itar [--out DIR|FILE]`. Says what is missing in the records, and what was not written."""
    if options.bundle or options.export:
        raise Malformed("records are written by the node whose releases they are", hint="leave the bundle away")
    node = open_node(node_dir(options))
    rows = records.records(node)
    now = node.clock()
    written, unwritten = _files(rows, node.me, now, Path(options.out)) if options.out else ([], "")
    gaps = sum(bool(row.missing) for row in rows)
    view = {
        **views.listing(node.register, now, rows),
        "itar": sum(row.itar for row in rows),
        "incomplete": gaps,
        "written": written,
        "unwritten": unwritten or None,
    }
    lines = [f"written: {name}" for name in written] if options.out else records.as_csv(rows).decode().splitlines()
    lines += [f"not written: {unwritten}"] if unwritten else []
    if options.out:
        lines.append(f"{len(rows)} releases, {view['itar']} under US law, {gaps} with fields that nobody has noted")
        lines += [f"  missing: {one}" for one in dict.fromkeys(word for row in rows for word in row.missing)]
    emit(view, as_json=options.json, lines=lines)
    return 0


def _files(rows: Sequence[records.Record], party: str, now: int, target: Path) -> tuple[list[str], str]:
    """The files written, and why one is not."""
    kind = target.suffix.lstrip(".")
    if not target.is_dir() and kind and kind not in WRITTEN:
        raise Malformed(f"`{target.name[:60]}` names no format", hint="FILE.csv, FILE.pdf, or a directory for both")
    if kind in WRITTEN and not target.is_dir():
        data = records.as_csv(rows) if kind == "csv" else _pdf(rows, party, now)
        target.write_bytes(data)
        return [str(target)], ""
    target.mkdir(parents=True, exist_ok=True)
    (target / "itar-records.csv").write_bytes(records.as_csv(rows))
    try:
        data = _pdf(rows, party, now)
    except (NotFound, Refused) as error:
        return [str(target / "itar-records.csv")], f"itar-records.pdf: {error} ({error.hint})"
    (target / "itar-records.pdf").write_bytes(data)
    return [str(target / "itar-records.csv"), str(target / "itar-records.pdf")], ""


def _pdf(rows: Sequence[records.Record], party: str, now: int) -> bytes:
    return pdf(records.as_blocks(rows, party, now), f"Records of releases by {party}", now)


def notices(node: Node, rows: Sequence[Audited], out: str | None) -> dict[str, str]:
    """Release -> draft of the notice of 22 CFR 127.12, for own releases under US law that today's knowledge refuses."""
    mine = [row for row in rows if row.result == "differs" and records.under_us_law(node, row.release)]
    found = {row.release: records.notice(node, row.release, row.why) for row in mine}
    if out:
        Path(out).mkdir(parents=True, exist_ok=True)
        for release, words in found.items():
            (Path(out) / f"notice-{release[:16]}.txt").write_text(words + "\n")
    return found


def notice_lines(drafts: Mapping[str, str], out: str | None) -> list[str]:
    if out:
        return [f"written: {Path(out) / f'notice-{release[:16]}.txt'}" for release in drafts]
    return [line for words in drafts.values() for line in ("", *words.splitlines())]
