"""`relto charter`: the agreed text checked, shown, tested, compared; its schema."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import msgspec

from relto import charter
from relto.charter.compare import HEAD, Change, Sentence, amendment, sentences
from relto.charter.schema import schema
from relto.charter.text import is_date
from relto.cli import exporting
from relto.cli.main import common, emit, node_dir
from relto.cli.texts import charter_in_force, charter_text, text_of
from relto.errors import Malformed, NotFound
from relto.node.home import open_node

TEXT = "a directory, a file, a shipped charter's name; without it, or with `-`, the one in force"
SCHEMA_HELP = "a JSON Schema of charter texts, for editors"


def add(commands: Any) -> None:
    nouns = commands.add_parser("charter", help="the agreed text").add_subparsers(
        dest="verb", metavar="VERB", required=True
    )
    exporting.add(nouns)
    check = common(nouns.add_parser("check", help="what is wrong or odd, by file, line and column"))
    check.add_argument("text", nargs="?", metavar="DIR|FILE|NAME", help=TEXT)
    check.add_argument("--on", metavar="DAY", default="", help="warn of what is over on that day; else today")
    check.set_defaults(call=_check)
    show = common(nouns.add_parser("show", help="every clause in plain words"))
    show.add_argument("text", nargs="?", metavar="DIR|FILE|NAME", help=TEXT)
    show.add_argument(
        "clauses", nargs="*", metavar="CLAUSE|ENTRY", help="only these: `4.2`, `decisions`, `parties/aus`"
    )
    show.set_defaults(call=_show)
    test = common(nouns.add_parser("test", help="the cases beside a charter, and which clauses they cover"))
    test.add_argument("text", nargs="?", metavar="DIR|NAME", help="a directory or a shipped charter's name; else aukus")
    test.add_argument("names", nargs="*", metavar="CASE", help="only these cases; `*` stands for anything")
    test.add_argument("--verbose", action="store_true", help="every case, also where it came out as expected")
    test.set_defaults(call=_test)
    diff = common(nouns.add_parser("diff", help="what an amendment changes, clause by clause"))
    diff.add_argument(
        "old", metavar="OLD", help="a directory, a file, a shipped charter's name, or `-`: the one in force"
    )
    diff.add_argument("new", metavar="NEW", help="the same")
    diff.add_argument("--impact", action="store_true", help="who gains and loses what, at this node")
    diff.set_defaults(call=_diff)
    made = common(nouns.add_parser("schema", help=SCHEMA_HELP), node=False)
    made.set_defaults(call=_schema)


def _bytes(options: argparse.Namespace) -> tuple[bytes, str]:
    return charter_text(options.text) if options.text not in {None, "-"} else charter_in_force(options)


def _today() -> str:
    return time.strftime("%Y-%m-%d", time.gmtime())


def _check(options: argparse.Namespace) -> int:
    if options.on and not is_date(options.on):
        raise Malformed(f"`{options.on[:32]}` is not a day of the calendar", hint="write it as `2026-09-22`")
    source, where = _bytes(options)
    text = charter.read(source, where)
    problems = charter.check(text, options.on or _today())
    errors = [one for one in problems if one.severity == "error"]
    view = {"file": where, "digest": text.digest.hex(), "problems": [msgspec.to_builtins(one) for one in problems]}
    lines = [f"{one.where}: {one.severity}: {one.message}" + (f" ({one.hint})" if one.hint else "") for one in problems]
    total = f"{len(errors)} errors, {len(problems) - len(errors)} warnings, digest {text.digest.hex()[:16]}"
    emit(view, as_json=options.json, lines=[*lines, f"{where}: {total}"])
    return 2 if errors else 0


def _load(source: bytes, where: str) -> charter.Charter:
    return charter.load(charter.read(source, where))


def _show(options: argparse.Namespace) -> int:
    agreed = _load(*_bytes(options))
    every = sentences(agreed)
    wanted = [one for one in every if not options.clauses or any(_named(one, name) for name in options.clauses)]
    if not wanted:
        raise NotFound(
            f"the charter has no clause or entry `{options.clauses[0][:64]}`", hint="`relto charter show` shows all"
        )
    view = {
        "title": agreed.title,
        "digest": agreed.digest.hex(),
        "engine": agreed.engine,
        "confirm": agreed.confirm,
        "clauses": [msgspec.to_builtins(one) for one in agreed.clauses if any(one.id == w.clause for w in wanted)],
        "words": {one.clause: one.words for one in wanted if one.clause != HEAD},
    }
    lines = [
        (
            f"{agreed.title} ({agreed.id}), engine {agreed.engine},"
            f" votes count when {agreed.confirm} ledgers acknowledge them"
        )
    ]
    for one in wanted:
        if one.clause != HEAD:
            told = " ".join(filter(None, (one.words, f"“{one.says}”" if one.says else "")))
            lines.append(f"{one.clause:>6}  {one.of}: {told}" + (" [assumption]" if one.basis == "assumption" else ""))
    emit(view, as_json=options.json, lines=lines)
    return 0


def _named(one: Sentence, name: str) -> bool:
    return name in {one.clause, one.of} or one.of.startswith(f"{name}/")


def _test(options: argparse.Namespace) -> int:
    from relto.release.cases import coverage, run_charter_cases

    name = options.text or "aukus"
    agreed = _load(*charter_text(name))
    cases = charter.read(*text_of("charters", str(Path(name).parent) if Path(name).is_file() else name, "cases.yaml"))
    rows = run_charter_cases(agreed, cases, options.names)
    if options.names and not rows:
        raise NotFound(f"no case is called `{options.names[0][:64]}`", hint="`relto charter test --verbose` lists all")
    failed = [one for one in rows if one.problems]
    lines = [
        f"{one.id}: expected {one.expected}, got {one.got}: {'; '.join(one.problems)} ({one.where})" for one in failed
    ]
    if options.verbose:
        lines = [f"{one.id}: {one.got}" for one in rows if not one.problems] + lines
    view: dict[str, Any] = {
        "results": [msgspec.to_builtins(one) for one in rows],
        "count": len(rows),
        "failed": len(failed),
    }
    lines.append(f"{len(rows)} case{'' if len(rows) == 1 else 's'}, {len(failed)} failed")
    if not options.names:
        left = coverage(agreed, cases)
        bare = [one for one in left if not one.why]
        view["clauses"], view["uncovered"] = len(agreed.clauses), [msgspec.to_builtins(one) for one in left]
        lines += [f"no case tells whether clause {one.clause} ({one.of}) is there" for one in bare]
        lines += [f"not covered, for a reason: clause {one.clause} ({one.of}): {one.why}" for one in left if one.why]
        covered = len(agreed.clauses) - len(left)
        lines.append(
            f"{covered} of {len(agreed.clauses)} clauses are covered: some answer changes when one is struck out"
        )
    emit(view, as_json=options.json, lines=lines)
    return 1 if failed else 0


def _diff(options: argparse.Namespace) -> int:
    texts = [charter_in_force(options) if name == "-" else charter_text(name) for name in (options.old, options.new)]
    old, new = (_load(*one) for one in texts)
    changes = amendment(old, new)
    view: dict[str, Any] = {
        "old": old.digest.hex(),
        "new": new.digest.hex(),
        "changes": [msgspec.to_builtins(one) for one in changes],
    }
    lines = [line for one in changes for line in _lines(one)]
    lines.append(_total(changes) if changes else "no clause says anything else")
    if options.impact:
        view["impact"], more = _impact(options, new)
        lines += more
    emit(view, as_json=options.json, lines=lines)
    return 0


def _lines(one: Change) -> list[str]:
    number = f"{one.clause} (was {one.formerly})" if one.formerly else one.clause
    lines = [f"{one.kind} {number}, {one.of}"]
    lines += [f"  - {one.was}"] if one.was else []
    return [*lines, f"  + {one.now}"] if one.now else lines


def _total(changes: tuple[Change, ...]) -> str:
    counts = {kind: sum(one.kind == kind for one in changes) for kind in ("added", "removed", "changed", "moved")}
    return f"{len(changes)} clauses: " + ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)


def _impact(options: argparse.Namespace, new: charter.Charter) -> tuple[dict[str, Any], list[str]]:
    """At this node: what the text in force permits and the new one does not, and the other way round."""
    from relto.release.amending import amended

    register = open_node(node_dir(options)).register
    found = amended(register, new, int(time.time() * 1000))
    pairs: dict[str, list[dict[str, Any]]] = {
        kind: [
            {"item": f"{one.item}@{one.version}", "to": one.to.recipient.party, "class": one.to.id, "heads": one.to.heads,
             "before": one.before, "after": one.after}
            for one in rows
        ]
        for kind, rows in (("gained", found.pairs.gained), ("lost", found.pairs.lost))
    }  # fmt: skip
    view = {
        **pairs,
        "count": found.pairs.count,
        "complete": found.pairs.complete,
        "engagements": list(found.engagements),
    }
    lines = []
    for kind, rows in pairs.items():
        people = sum({str(one["class"]): int(one["heads"]) for one in rows}.values())
        items = len({one["item"] for one in rows})
        lines.append(f"{kind}: {people} people, {items} items")
        lines += [
            f"  {one['item']} to {one['to']}, {one['heads']} people: {one['before']} → {one['after']}" for one in rows
        ]
    lines += [f"engagement lost: {name}: {why}" for name, why in found.engagements]
    return view, lines


def _schema(_: argparse.Namespace) -> int:
    print(json.dumps(schema(), indent=1, sort_keys=True))
    return 0
