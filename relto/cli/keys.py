"""Keys of people: made where they are kept, shown by what may be told of them, changed by the party's own chain.

`relto key new|show`, `relto act rotate|recover|epoch`.
"""

from __future__ import annotations

import argparse
import secrets
from pathlib import Path
from typing import Any

import msgspec

from relto import acts
from relto.acts import Act
from relto.cli.main import common, emit
from relto.errors import Conflict, Malformed, NotFound
from relto.keys import PublicKey, SecretKey
from relto.node import epoch, keyring
from relto.node.home import trusted
from relto.node.node import Node
from relto.node.peers import HttpPeer, http_client
from relto.store import KeyFiles


def add(commands: Any) -> None:
    verbs = commands.add_parser("key", help="keys of people").add_subparsers(dest="verb", metavar="VERB", required=True)
    new = common(verbs.add_parser("new", help="a signing key, in a file of its own"), node=False)
    new.add_argument("name", metavar="PARTY/NAME", help="what signatures and requests call it: gbr/authority-4")
    new.add_argument("--out", metavar="DIR", default=".", help="a directory that is its owner's alone (mode 0700)")
    new.add_argument("--ed25519", action="store_true", help="without the post-quantum half")
    new.set_defaults(call=_new)
    show = common(verbs.add_parser("show", help="name, digest and public part of a key"), node=False)
    show.add_argument("file", metavar="FILE")
    show.add_argument("--out", metavar="FILE", help="write the public part there, to hand it on")
    show.set_defaults(call=_show)


def add_change_options(command: argparse.ArgumentParser) -> None:
    """What `relto act rotate`, `recover` and `epoch` take besides `reason=`."""
    for option, words in (
        ("--root", "a new root key: one that was committed to; else those in keys/offline"),
        ("--next", "a successor that the new set commits to"),
        ("--authority", "an authority key; all of them, when one changes"),
    ):
        command.add_argument(option, action="append", default=[], metavar="FILE", help=words)
    command.add_argument(
        "--threshold", type=_threshold, default=0, metavar="K", help="of the root keys; else as before"
    )
    command.add_argument("--authority-threshold", type=_threshold, default=0, metavar="K")
    command.add_argument(
        "--officer", action="append", default=[], metavar="OFFICE=FILE", help="one more officer: safety=FILE"
    )
    command.add_argument("--drop", action="append", default=[], metavar="NAME", help="an officer's key that goes")


def change(node: Node, directory: Path, options: argparse.Namespace) -> Act:
    """The draft of a rotation, a recovery or a new ledger."""
    keys, scan = node.register.scans[node.origin].keys, node.register.scans[node.origin]
    assert keys is not None
    roots = tuple(map(Path, options.root)) or keyring.committed(directory, keys)
    if not roots:
        raise NotFound("no file with a committed root key is here", hint="name them: --root FILE")
    if not options.next:
        raise Malformed(
            f"`{options.kind}` needs --next", hint=f"`relto key new {node.me}/root-{len(scan.chain) + 2}-1 --out DIR`"
        )
    officers = [one.partition("=") for one in options.officer]
    made = keyring.changed(
        keys,
        keyring.Change(
            roots=roots,
            successors=tuple(map(Path, options.next)),
            threshold=options.threshold,
            authority=tuple(map(Path, options.authority)),
            authority_threshold=options.authority_threshold,
            officers=tuple((office, Path(path)) for office, _, path in officers),
            drop=tuple(options.drop),
        ),
    )
    fields = {word.partition("=")[0]: word.partition("=")[2] for word in options.words}
    unknown = sorted(set(fields) - ({"reason"} if options.kind != "rotate" else set()))
    if unknown:
        raise Malformed(f"`{unknown[0][:80]}` is nothing that `relto act {options.kind}` takes", hint="-h shows it")
    if options.kind == "epoch":
        if not fields.get("reason"):
            raise Malformed("`epoch` needs a reason", hint='relto act epoch reason="the ledger forked" --next FILE')
        with http_client(trusted(node.config, directory)) as client:
            partners = {party: HttpPeer(node, one, client) for party, one in node.peers().items()}
            return epoch.prepare(node, directory, epoch.taken_over(node, partners), made, fields["reason"])
    return node.draft(options.kind, prev=scan.chain[-1].id, keys=made, **fields)


def _threshold(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 16:
        raise argparse.ArgumentTypeError(f"`{text[:20]}` is not a threshold from 1 to 16")
    return int(text)


def _new(options: argparse.Namespace) -> int:
    party, slash, title = options.name.partition("/")
    if not slash or not party:
        raise Malformed(f"`{options.name[:80]}` is not PARTY/NAME", hint="for example gbr/authority-4")
    key = SecretKey.generate(options.name, secrets.token_bytes, hybrid=not options.ed25519)
    out = Path(options.out)
    if out.exists() and not out.is_dir():
        raise Conflict(f"`{out}` is not a directory")
    path = KeyFiles(out).write(title.replace("/", "-"), key.to_text())
    view = _view(key.public)
    emit({"file": str(path), **view}, as_json=options.json, lines=[f"written to {path}", *_lines(view)])
    return 0


def _show(options: argparse.Namespace) -> int:
    public = keyring.read_public(Path(options.file))
    view = _view(public)
    if options.out:
        Path(options.out).write_bytes(msgspec.json.encode(public, order="sorted") + b"\n")
        view["out"] = options.out
    lines = [*_lines(view), *([f"public part written to {options.out}"] if options.out else [])]
    emit(view, as_json=options.json, lines=lines)
    return 0


def _view(public: PublicKey) -> dict[str, Any]:
    return {
        "name": public.name,
        "ids": list(public.key_ids),
        "digest": acts.key_digest(public),
        "public": msgspec.to_builtins(public),
    }


def _lines(view: dict[str, Any]) -> list[str]:
    halves = "Ed25519 and ML-DSA-65, both must sign" if len(view["ids"]) == 2 else "Ed25519"
    return [f"{view['name']}: {halves}", f"ids: {', '.join(view['ids'])}", f"digest, to commit to: {view['digest']}"]
