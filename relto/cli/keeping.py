"""`relto node doctor`, `backup`, `restore`, `recover`: a node's directory looked after, kept, and brought back."""

from __future__ import annotations

import argparse
import secrets
from pathlib import Path
from typing import Any

import msgspec

from relto.cli.main import common, emit, node_dir
from relto.errors import EXIT_ERROR, EXIT_UNDETERMINED, Conflict, Malformed, NotFound
from relto.keys import OpeningKey, OpeningPublic
from relto.node import backup, sealed_file
from relto.node.desk import desk
from relto.node.doctor import examine
from relto.node.home import system_clock
from relto.node.recovery import Step
from relto.store import KeyFiles


def add(node: Any) -> None:
    """node: the verbs of `relto node`."""
    look = common(node.add_parser("doctor", help="what is wrong with this node, or soon will be"))
    look.set_defaults(call=_doctor)
    save = common(node.add_parser("backup", help="one file, sealed to the party's backup key"))
    save.add_argument("out", metavar="OUT")
    save.add_argument("--to", metavar="FILE", help="from now on seal to this key: its public part, or the key file")
    save.set_defaults(call=_backup)
    load = common(node.add_parser("restore", help="a node from a backup, in a new directory; it then recovers"))
    load.add_argument("file", metavar="FILE")
    load.add_argument("--key", required=True, metavar="K", help="the backup key")
    load.set_defaults(call=_restore)
    back = common(node.add_parser("recover", help="ask the partners what they hold of this ledger, and catch up"))
    back.add_argument(
        "--without",
        action="append",
        default=[],
        metavar="PARTY",
        help="record that it cannot be reached; kept for ever",
    )
    back.add_argument(
        "--bundle", action="append", default=[], metavar="FILE", help="the word of a partner that no network reaches"
    )
    back.add_argument(
        "--proof", action="append", default=[], metavar="FILE", help="a recipient's proof of an entry of this ledger"
    )
    back.add_argument("--reason", default="", metavar="TEXT", help="why, as it will be read later")
    back.set_defaults(call=_recover)


def _doctor(options: argparse.Namespace) -> int:
    found = examine(node_dir(options))
    worst = next((level for level in ("bad", "warn") if any(one.level == level for one in found)), "ok")
    lines = []
    for one in found:
        lines.append(f"{one.level:<5}{one.check}: {one.words}")
        lines += [f"     do: {one.fix}"] if one.fix else []
    emit({"state": worst, "findings": msgspec.to_builtins(found)}, as_json=options.json, lines=lines)
    return EXIT_ERROR if worst == "bad" else 0


def read_key(path: Path) -> OpeningKey:
    """An opening key from its file. Raises: NotFound, Refused, Malformed."""
    if not path.is_file():
        raise NotFound(f"there is no key file `{path}`")
    return OpeningKey.from_text(KeyFiles(path.parent).read(path.name.removesuffix(".key")))


def public_of(path: Path) -> OpeningPublic:
    """The public part of an opening key, from either file."""
    if path.name.endswith(".key"):
        return read_key(path).public
    try:
        return sealed_file.read_public(path.read_bytes(), str(path))
    except FileNotFoundError:
        raise NotFound(f"there is no file `{path}`") from None


def _backup(options: argparse.Namespace) -> int:
    directory, out = node_dir(options), Path(options.out)
    if out.exists():
        raise Conflict(f"there is a file `{out}` already", hint="a backup never replaces another")
    if options.to:
        backup.keep_public(directory, public_of(Path(options.to)))
    made = backup.write(directory, out, clock=system_clock, random=secrets.token_bytes)
    desk(directory).note_backup(made.says.at, made.says.size, made.key)
    view = {"backup": str(out), **msgspec.to_builtins(made.says), "key": made.key, "bytes": made.bytes}
    emit(
        view,
        as_json=options.json,
        lines=[
            f"{out}: {made.says.party} with {made.says.size} entries, {made.bytes} bytes, sealed to the key {made.key}",
            "it does not hold root, authority and officer keys, nor TLS files",
        ],
    )
    return 0


def _restore(options: argparse.Namespace) -> int:
    directory = node_dir(options)
    if options.node == ".":
        raise Malformed("a node is restored into a directory that is named", hint="--node DIR")
    says = backup.restore(Path(options.file), directory, read_key(Path(options.key)), clock=system_clock)
    emit(
        {"node": str(directory), **msgspec.to_builtins(says), "state": "recovering"},
        as_json=options.json,
        lines=[
            f"{says.party} as it stood with {says.size} entries is in {directory}, recovering",
            "it signs nothing until its partners have said what they hold of its ledger:",
            f"  `relto node recover --node {directory}` asks them, and so does `relto node serve`",
        ],
    )
    return 0


def _recover(options: argparse.Namespace) -> int:
    step = desk(node_dir(options)).recover(
        dict.fromkeys(options.without, options.reason),
        [Path(one).absolute() for one in (*options.bundle, *options.proof)],
    )
    emit(msgspec.to_builtins(step), as_json=options.json, lines=_lines(step))
    return 0 if step.done else EXIT_UNDETERMINED


def _lines(step: Step) -> list[str]:
    found = [f"{party}: answered" for party in step.answered]
    found += [f"{party}: {why}" for party, why in sorted(step.silent.items())]
    found += [f"{party}: recorded as unreachable" for party in step.without]
    if step.refilled:
        found.append(f"{step.refilled} entries came back from partners")
    for one in step.lost:
        found += [one.words, f"  do: {one.next}"]
    return [*found, f"{step.size} entries; " + ("not recovering" if step.done else f"recovering: {step.problem}")]
