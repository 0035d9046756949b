"""`relto bundle export`, `import`: what partners exchange by hand."""

from __future__ import annotations

import argparse
import datetime as dt
from pathlib import Path
from typing import Any

import msgspec

from relto.cli.main import common, emit, node_dir
from relto.errors import EXIT_ERROR
from relto.node.desk import desk


def add(commands: Any) -> None:
    bundle = commands.add_parser("bundle", help="what partners exchange by hand, in one file").add_subparsers(
        dest="verb", metavar="VERB", required=True
    )
    out = common(bundle.add_parser("export", help="what a party may have, sealed to its opening key"))
    out.add_argument("--to", required=True, metavar="PARTY")
    out.add_argument("-o", "--out", required=True, metavar="FILE")
    out.add_argument(
        "--since", default="", metavar="SIZE|DATE", help="of the own ledger; else what that party last acknowledged"
    )
    out.add_argument("--package", action="append", default=[], metavar="F.tdf", help="a sealed package to take along")
    out.add_argument("--own-only", action="store_true", help="leave out what is mirrored of the other members")
    out.add_argument(
        "--recovery", action="store_true", help="also what is held here of its own ledger, for `relto node recover`"
    )
    out.set_defaults(call=_export)
    take = common(bundle.add_parser("import", help="verify and store what a partner's bundle brings"))
    take.add_argument("file", metavar="FILE")
    take.add_argument("--packages", metavar="DIR", help="where sealed packages are written")
    take.set_defaults(call=_import)


def _export(options: argparse.Namespace) -> int:
    out = Path(options.out).absolute()
    says = desk(node_dir(options)).bundle_export(
        options.to,
        out,
        options.since,
        [Path(one).absolute() for one in options.package],
        own_only=options.own_only,
        recovery=options.recovery,
    )
    lines = [f"{options.out}: for {options.to}, which alone can open it"]
    lines += [
        f"  {one.party}: entries {one.since} to {one.size}{'' if one.whole else ', as far as they are open to it'}"
        for one in says.ledgers
    ]
    lines += [
        f"  package of {one.item}@{one.version}: {'included' if one.included else 'named, not included'}"
        for one in says.packages
    ]
    emit({"bundle": options.out, **msgspec.to_builtins(says)}, as_json=options.json, lines=lines)
    return 0


def _import(options: argparse.Namespace) -> int:
    taken = desk(node_dir(options)).bundle_import(
        Path(options.file).absolute(), Path(options.packages).absolute() if options.packages else None
    )
    made = dt.datetime.fromtimestamp(taken.at / 1000, dt.UTC).strftime("%Y-%m-%d %H:%M UTC")
    lines = [f"made by {taken.by} on {made}"]
    for one in taken.ledgers:
        lines.append(f"  {one.party}: " + (one.error or one.note or f"{one.new} new, up to size {one.size}"))
    lines += [f"  package written to {path}" for path in taken.packages]
    lines += [
        f"  {one.item}@{one.version}: its package {one.digest[:16]} is not in this bundle"
        for one in taken.named
        if not one.included
    ]
    if taken.refused is not None:
        lines.append(f"  {taken.by} refused our ledger after size {taken.refused.size}: {taken.refused.problem}")
    lines.append(f"{taken.written} acts written; `relto bundle export --to {taken.by}` carries them back")
    emit(msgspec.to_builtins(taken), as_json=options.json, lines=lines)
    return EXIT_ERROR if any(one.error for one in taken.ledgers) else 0
