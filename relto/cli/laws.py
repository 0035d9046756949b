"""`relto law`: packs read aloud, linted, run against their cases."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import msgspec

from relto import charter, law
from relto.charter.check import Problem
from relto.charter.text import is_date
from relto.cli.main import common, emit
from relto.cli.texts import case_report, shipped, text_of
from relto.errors import Malformed, NotFound, ReltoError


def add(commands: Any) -> None:
    packs = commands.add_parser("law", help="law packs").add_subparsers(dest="verb", metavar="VERB", required=True)
    for verb, call, words in (
        ("show", _show, "a pack or an authority, read as it stands on a day"),
        (
            "check",
            _check,
            "lint: days without law, tests that nothing meets, words never used, paragraphs without cases",
        ),
        ("test", _test, "run the cases beside a pack"),
    ):
        one = common(packs.add_parser(verb, help=words))
        one.add_argument(
            "pack",
            metavar="PACK|AUTHORITY" if verb == "show" else "PACK",
            nargs="?",
            help="a shipped pack's name, a file, or a directory; else all that are shipped",
        )
        if verb == "show":
            one.add_argument(
                "--at", metavar="DAY", default="", help="the text as it is the law on that day; else today"
            )
        one.set_defaults(call=call)


def _packs(options: argparse.Namespace) -> list[tuple[law.Pack, str, str]]:
    names = [options.pack] if options.pack else shipped("law")
    found = []
    for name in names:
        source, where = text_of("law", name, "pack.yaml")
        found.append((law.load_pack(charter.read(source, where)), name, where))
    return found


def _show(options: argparse.Namespace) -> int:
    name = options.pack or ""
    day = options.at or time.strftime("%Y-%m-%d", time.gmtime())
    if not is_date(day):
        raise Malformed(f"`{day[:40]}` is not a day of the calendar", hint="write it as 2026-11-22")
    if name and name not in shipped("law") and not Path(name).exists():
        options.pack = None  # an authority's id: look for it in the shipped packs
    shown: list[dict[str, Any]] = []
    lines: list[str] = []
    for pack, _, _ in _packs(options):
        authority = None if options.pack or not name else law.named(pack, name)
        if name and not options.pack and authority is None:
            continue
        under = f"law.{pack.jurisdiction}/{authority.id}" if authority is not None else ""
        rules = {
            rule: says for rule, says in pack.words(day).items() if f"{rule}/".startswith(f"{under}/" if under else "")
        }
        words = (
            law.read_pack(pack, day)
            if authority is None
            else (*law.read_head(pack, day), "", *law.read_authority(pack, authority, day))
        )
        lines += [*([""] if lines else []), *words]
        shown.append(
            {
                "pack": pack.id,
                "jurisdiction": pack.jurisdiction,
                "digest": pack.digest.hex(),
                "rules": rules,
                "reads": list(words),
            }
        )
    if not shown:
        raise NotFound(f"no pack or authority `{name[:80]}`", hint=f"packs: {', '.join(shipped('law'))}")
    emit({"results": shown, "count": len(shown), "complete": True, "day": day}, as_json=options.json, lines=lines)
    return 0


def _check(options: argparse.Namespace) -> int:
    packs = _packs(options)
    together = law.lint_together((pack, where) for pack, _, where in packs)
    rows, lines, wrong = [], [], 0
    for pack, name, where in packs:
        found = [*law.lint(pack, where), *(one for one in together if one.where == where), *_untested(pack, name)]
        errors = sum(one.severity == "error" for one in found)
        digest = pack.digest.hex()
        row: dict[str, Any] = {"pack": pack.id, "jurisdiction": pack.jurisdiction, "digest": digest, "file": where}
        rows.append({**row, "problems": msgspec.to_builtins(found)} if found else row)
        for one in found:
            lines.append(f"{one.where}: {one.severity}: {one.message}" + (f" ({one.hint})" if one.hint else ""))
        verdict = f"{errors} errors, {len(found) - errors} warnings" if found else "sound"
        lines.append(f"{where}: {verdict}, digest {digest[:16]}")
        wrong += errors
    emit({"results": rows, "count": len(rows)}, as_json=options.json, lines=lines)
    return 2 if wrong else 0


def _untested(pack: law.Pack, name: str) -> list[Problem]:
    """Paragraphs that no case shows; and, where there are no cases at all, just that."""
    try:
        cases, where = text_of("law", name, "cases.yaml") if not Path(name).is_file() else _beside(Path(name))
    except ReltoError:
        hint = "write `cases.yaml` beside it"
        return [Problem(where=name, severity="warning", message="no cases stand beside this text", hint=hint)]
    outcome = law.run_cases(pack, charter.read(cases, where))
    return [
        Problem(where=where, severity="warning", message=f"no case shows `{rule}`", hint="one fact changed alone")
        for rule in law.uncovered(pack, outcome)
    ]


def _beside(path: Path) -> tuple[bytes, str]:
    cases = path.with_name("cases.yaml")
    if not cases.is_file():
        raise NotFound(f"no cases beside `{path}`")
    return cases.read_bytes(), str(cases)


def _test(options: argparse.Namespace) -> int:
    rows = []
    for pack, name, _ in _packs(options):
        cases, where = text_of("law", name, "cases.yaml")
        for one in law.run_cases(pack, charter.read(cases, where)):
            rows.append((f"{pack.id}/{one.id}", one.where, one.expected.value, one.judgement.value.value, one.problems))
    return case_report(options, rows)
