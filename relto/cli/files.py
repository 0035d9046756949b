"""`relto seal`, `open`, `verify`: packages and proofs."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from relto.acts import ItemState
from relto.cli import reverse
from relto.cli.main import common, emit, node_dir
from relto.errors import Malformed, NotFound, Refused, ReltoError
from relto.keys import AccessKey
from relto.ledger import parse_policy
from relto.ledger.policy import POLICY_MAX
from relto.node.desk import desk
from relto.node.home import open_node
from relto.node.node import Node
from relto.node.sealing import item_named, seal_folder, seal_item
from relto.package.parts import has_parts

BAR = 30  # characters of a progress bar
LOOK_S = 1.0  # between two looks at a watched folder


def add(commands: Any) -> None:
    seal = common(commands.add_parser("seal", help="seal a file as a registered item"))
    seal.add_argument("file", metavar="FILE|-", nargs="?", default="")
    seal.add_argument("--item", required=True)
    seal.add_argument("-o", "--out", required=True, metavar="F.tdf|DIR")
    seal.add_argument("--watch", metavar="DIR", help="seal what is dropped into this folder into the folder --out")
    seal.add_argument("--part", action="append", default=[], metavar="NAME=ITEM",
                      help="with a folder: the item that a file of it is; the others are --item")  # fmt: skip
    seal.add_argument("--remove", action="store_true", help="with --watch: remove a file when its package is written")
    seal.add_argument("--once", action="store_true", help="with --watch: take what is there now, then stop")
    seal.add_argument("--name", help="the file's name inside; else that of FILE")
    seal.add_argument("--mime", default="")
    seal.add_argument(
        "--wrap", default="", choices=AccessKey.KINDS, help="by which key of the owners' nodes; else the best"
    )
    seal.add_argument("--dry-run", action="store_true")
    seal.set_defaults(call=_seal)
    opening = common(commands.add_parser("open", help="ask the owner's node for the key and open a package"))
    opening.add_argument("package", metavar="F.tdf|URL")
    opening.add_argument("-o", "--out", required=True, metavar="FILE")
    opening.add_argument("--as", dest="alias", default="", help="whose session; else the last log-in")
    opening.add_argument("--purpose", default="evaluation")
    opening.add_argument("--place", default="", metavar="CODE")
    opening.add_argument("--evidence", metavar="FILE", help="keep the release and its proof there")
    opening.add_argument("--grant", action="append", default=[], metavar="KEY",
                         help="a carried key, of each owner that is needed; no network")  # fmt: skip
    opening.add_argument("--unsigned", action="store_true", help="take what other software sealed and no owner signed")
    opening.set_defaults(call=_open)
    verify = common(
        commands.add_parser("verify", help="whatever somebody hands over: what it proves, and what it does not")
    )
    verify.add_argument("thing", metavar="FILE|DIR|ID|HASH")
    verify.add_argument("--policy", metavar="FILE", help="whose signatures to ask for; needs no node")
    verify.add_argument("--pin", default="", metavar="FOUNDING-ID", help="of an audit bundle; needs no node")
    verify.set_defaults(call=_verify)


def _progress(done: int, total: int | None) -> None:
    """A bar on one line; without a total, how far it has come."""
    if not total:
        sys.stderr.write(f"\r{done:,} bytes")
        return
    filled = done * BAR // total
    sys.stderr.write(f"\r[{'#' * filled}{'.' * (BAR - filled)}] {done * 100 // total:3d} % of {total:,} bytes")
    if done >= total:
        sys.stderr.write("\n")


def _seal(options: argparse.Namespace) -> int:
    directory = node_dir(options)
    node = open_node(directory)
    item = item_named(node, options.item)
    if options.watch:
        return _watch(options, item.id, item.version)
    if not options.file:
        raise Malformed("what is to be sealed?", hint="name a file, - for standard input, or a folder with --watch")
    source: Any = sys.stdin.buffer if options.file == "-" else Path(options.file)
    if options.file != "-" and source.is_dir():
        return _seal_folder(options, node, item, source)
    if options.part:
        raise Malformed("`--part` says what the files of a folder are", hint="name a folder")
    if options.file != "-" and not source.exists():
        raise NotFound(f"there is no file `{options.file}`")
    name = options.name or ("stdin" if options.file == "-" else source.name)
    audience, shown = reverse.sheet(node, item.id, item.version)
    if options.dry_run:
        emit(
            {"item": f"{item.id}@{item.version}", "name": name, "written": None, "audience": audience},
            as_json=options.json,
            lines=[f"would seal {name} as {item.id}@{item.version}", *shown],
        )
        return 0
    progress = _progress if sys.stderr.isatty() and not options.json else None
    sealed = seal_item(
        node, item, source, Path(options.out), name=name, mime=options.mime, wrap=options.wrap, progress=progress
    )
    desk(directory).packed(sealed.digest.hex(), item.facts.opaque, item.id, item.version, sealed)
    view = {
        "package": options.out,
        "digest": sealed.digest.hex(),
        "item": f"{item.id}@{item.version}",
        "label": sealed.statement.label,
        "size": sealed.size,
        "sealed": sealed.sealed_size,
        "audience": audience,
    }
    emit(
        view,
        as_json=options.json,
        lines=[f"{options.out}: {item.id}@{item.version}, {sealed.statement.label}, {sealed.size} bytes", *shown],
    )
    return 0


def _seal_folder(options: argparse.Namespace, node: Node, whole: ItemState, folder: Path) -> int:
    named = dict(word.partition("=")[::2] for word in options.part)
    paths = sorted(folder.iterdir())
    strange = [one.name for one in paths if one.is_symlink() or not one.is_file()]
    missing = sorted(set(named) - {one.name for one in paths})
    if strange or missing or not paths:
        words = (
            f"`{strange[0]}` is no file"
            if strange
            else f"there is no `{missing[0]}`"
            if missing
            else "there is nothing"
        )
        raise Malformed(f"{words} in `{folder}`", hint="a folder of files is sealed, without folders in it")
    files = [(one, item_named(node, named[one.name]) if one.name in named else whole) for one in paths]
    view: dict[str, Any] = {
        "package": None if options.dry_run else options.out,
        "item": f"{whole.id}@{whole.version}",
        "parts": [{"name": path.name, "item": f"{item.id}@{item.version}"} for path, item in files],
    }
    if not options.dry_run:
        made = seal_folder(node, whole, files, Path(options.out), wrap=options.wrap)
        for sealed, (_, item) in zip(made, files, strict=True):
            desk(node_dir(options)).packed(sealed.digest.hex(), item.facts.opaque, item.id, item.version, sealed)
        view["label"] = made[0].statement.label
    verb = "would seal" if options.dry_run else "sealed"
    emit(view, as_json=options.json, lines=[f"{verb} {one['name']} as {one['item']}" for one in view["parts"]])
    return 0


def _open_parts(options: argparse.Namespace, source: Path) -> int:
    """Exit 1 when nothing of it was released, as for a package of one."""
    from relto.node.client import open_parts

    parts = open_parts(
        node_dir(options), source, Path(options.out), alias=options.alias, purpose=options.purpose, place=options.place
    )
    opened = [one for one in parts if one.path]
    emit(
        {"results": msgspec.to_builtins(parts), "opened": len(opened), "count": len(parts)},
        as_json=options.json,
        lines=[
            f"part {one.number}: {one.path}, {one.title}, {one.size} bytes, {one.label}"
            if one.path
            else f"part {one.number}: {one.size} bytes, not opened: {one.why}"
            for one in parts
        ],
    )
    if not opened:
        raise Refused("none of the parts was released", hint="the owner's own people can ask why")
    return 0


def _watch(options: argparse.Namespace, item_id: str, version: int) -> int:
    from relto.node.watching import Watch

    directory = node_dir(options)

    def seal(path: Path, target: Path) -> None:
        # The register is read anew each time: a retired or relabelled item stops or changes what is sealed.
        node = open_node(directory)
        item = node.register.item(item_id, version)
        sealed = seal_item(node, item, path, target, name=path.name, mime=options.mime, wrap=options.wrap)
        desk(directory).packed(sealed.digest.hex(), item.facts.opaque, item.id, item.version, sealed)

    def tell(path: Path, target: Path | None, error: ReltoError | None) -> None:
        view = {
            "file": str(path),
            "package": str(target) if target else None,
            "error": error.as_dict() if error else None,
        }
        words = f"{path}: {error}" if error else f"{target}: {item_id}@{version}"
        emit(view, as_json=options.json, lines=[words])
        sys.stdout.flush()

    watch = Watch(Path(options.watch), Path(options.out), seal, tell, remove=options.remove)
    watch.look()
    while True:
        time.sleep(0 if options.once else LOOK_S)
        watch.look()
        if options.once:
            return 0


def _open(options: argparse.Namespace) -> int:
    from relto.node.client import open_package

    source = Path(options.package)
    if "://" in options.package:
        source = _fetched(options)
    if source.is_dir():
        raise Malformed(f"`{source}` is a directory", hint="name a package")
    if source.is_file() and has_parts(source):
        return _open_parts(options, source)
    progress = _progress if sys.stderr.isatty() and not options.json else None
    if options.grant:
        from relto.cli.grants import opened as opened_by_hand

        return opened_by_hand(options, source, progress)
    opened, answer, package = open_package(
        node_dir(options),
        source,
        Path(options.out),
        alias=options.alias,
        purpose=options.purpose,
        place=options.place,
        progress=progress,
        unsigned=options.unsigned,
    )
    if options.evidence and answer.proof:
        Path(options.evidence).write_text(answer.proof)
    view = {
        "out": options.out,
        "name": opened.name,
        "title": opened.title,
        "mime": opened.mime,
        "size": opened.size,
        "label": opened.label,
        "release": answer.release,
        "package": package.digest.hex(),
    }
    emit(
        view,
        as_json=options.json,
        lines=[
            f"{options.out}: {opened.title or opened.name}, {opened.size} bytes, {opened.label}",
            f"release {answer.release}",
        ],
    )
    return 0


def _fetched(options: argparse.Namespace) -> Path:
    """The package from an address, beside where it is opened to; what a break-off leaves is gone on with."""
    from relto.node.peers import http_client
    from relto.node.shelf import fetch

    target = Path(options.out + ".tdf")
    if not target.exists():
        progress = _progress if sys.stderr.isatty() and not options.json else None
        with http_client() as client:
            fetch(client, options.package, target, progress)
    return target


# ---- verify anything


def _verify(options: argparse.Namespace) -> int:
    from relto.node.anything import Trust, verify

    node, policy = None, None
    try:
        node = open_node(node_dir(options))
    except NotFound:
        if options.node != "." and not Path(options.node).is_dir():
            raise  # a node was named, and is not there
    if options.policy:
        with Path(options.policy).open("rb") as file:
            policy = parse_policy(file.read(POLICY_MAX + 1))
    found = verify(options.thing, Trust(node=node, policy=policy, pin=options.pin))
    view = msgspec.to_builtins(found)
    emit(
        {key: value for key, value in view.items() if value is not None},
        as_json=options.json,
        lines=[
            found.is_,
            *(f"proves: {one}" for one in found.proves),
            *(f"does not prove: {one}" for one in found.not_),
        ],
    )
    return 0
