"""`relto seal`, `open`, `verify`: packages and proofs."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import msgspec

from relto import acts
from relto.cli.main import common, emit, node_dir
from relto.errors import Forged, Malformed, NotFound, Refused, ReltoError
from relto.keys import AccessKey, PublicKey
from relto.ledger import Verifier, check_opening, parse_note, parse_proof
from relto.node.desk import desk
from relto.node.home import open_node
from relto.node.node import Node
from relto.node.sealing import item_named, seal_item

PROOF_MAX = 1 << 20


def add(commands: Any) -> None:
    seal = common(commands.add_parser("seal", help="seal a file as a registered item"))
    seal.add_argument("file", metavar="FILE|-")
    seal.add_argument("--item", required=True)
    seal.add_argument("-o", "--out", required=True, metavar="F.tdf")
    seal.add_argument("--name", help="the file's name inside; else that of FILE")
    seal.add_argument("--mime", default="")
    seal.add_argument(
        "--wrap", default="", choices=AccessKey.KINDS, help="by which key of the owners' nodes; else the best"
    )
    seal.add_argument("--dry-run", action="store_true")
    seal.set_defaults(call=_seal)
    opening = common(commands.add_parser("open", help="ask the owner's node for the key and open a package"))
    opening.add_argument("package", metavar="F.tdf")
    opening.add_argument("-o", "--out", required=True, metavar="FILE")
    opening.add_argument("--as", dest="alias", default="", help="whose session; else the last log-in")
    opening.add_argument("--purpose", default="evaluation")
    opening.add_argument("--place", default="", metavar="CODE")
    opening.add_argument("--evidence", metavar="FILE", help="keep the release and its proof there")
    opening.add_argument("--unsigned", action="store_true", help="take what other software sealed and no owner signed")
    opening.set_defaults(call=_open)
    verify = common(
        commands.add_parser("verify", help="what a package, proof, checkpoint or act id proves, and what it does not")
    )
    verify.add_argument("thing", metavar="F.tdf|PROOF|CHECKPOINT|ACT-ID")
    verify.set_defaults(call=_verify)


def _progress(done: int, total: int | None) -> None:
    if total:
        sys.stderr.write(f"\r{done * 100 // max(total, 1):3d} % of {total:,} bytes")
        if done >= total:
            sys.stderr.write("\n")


def _seal(options: argparse.Namespace) -> int:
    directory = node_dir(options)
    node = open_node(directory)
    item = item_named(node, options.item)
    source: Any = sys.stdin.buffer if options.file == "-" else Path(options.file)
    if options.file != "-" and source.is_dir():
        raise Malformed(f"`{options.file}` is a directory", hint="name a file, or - for standard input")
    if options.file != "-" and not source.exists():
        raise NotFound(f"there is no file `{options.file}`")
    name = options.name or ("stdin" if options.file == "-" else source.name)
    if options.dry_run:
        emit(
            {"item": f"{item.id}@{item.version}", "name": name, "written": None},
            as_json=options.json,
            lines=[f"would seal {name} as {item.id}@{item.version}"],
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
    }
    emit(
        view,
        as_json=options.json,
        lines=[f"{options.out}: {item.id}@{item.version}, {sealed.statement.label}, {sealed.size} bytes"],
    )
    return 0


def _open(options: argparse.Namespace) -> int:
    from relto.node.client import open_package

    source = Path(options.package)
    if source.is_dir():
        raise Malformed(f"`{source}` is a directory", hint="name a package")
    progress = _progress if sys.stderr.isatty() and not options.json else None
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


# ---- verify anything


def _verify(options: argparse.Namespace) -> int:
    node = open_node(node_dir(options))
    path = Path(options.thing)
    if path.is_dir():
        raise Malformed(f"`{path}` is a directory", hint="`relto audit DIR --pin ID` replays an audit bundle")
    if not path.exists():
        view = _verify_act(node, options.thing)
    else:
        with path.open("rb") as file:
            head = file.read(64)
        if head.startswith(b"PK"):
            view = _verify_package(node, path)
        elif path.stat().st_size > PROOF_MAX:
            raise Malformed(f"`{path}` is neither a package nor a proof", where=str(path))
        elif head.startswith(b"c2sp.org/tlog-proof@"):
            view = _verify_proof(node, path.read_bytes())
        else:
            view = _verify_checkpoint(node, path.read_bytes())
    emit(
        view,
        as_json=options.json,
        lines=[
            view["is"],
            *(f"proves: {one}" for one in view["proves"]),
            *(f"does not prove: {one}" for one in view["not"]),
        ],
    )
    return 0


def _log_key(node: Node, origin: str) -> Verifier:
    """The key of a ledger as this node's mirror or pin has it, never as the thing that is checked has it."""
    if origin == node.origin:
        keys = node.register.scans[origin].chain[-1].keys
    else:
        keys = node.keys_of(node.peer_by_origin(origin))
    return Verifier.of_log(PublicKey(name=origin, ed25519=keys.log.ed25519))


def _verify_act(node: Node, prefix: str) -> dict[str, Any]:
    stated = node.register.act(prefix)
    kind = acts.kind_of(stated.act)
    return {
        "is": f"{kind} {stated.id} by {stated.act.author}, entry {stated.index} of {stated.origin}",
        "proves": [
            f"its bytes stand at entry {stated.index} of the ledger mirrored here",
            f"it is signed by the keys that this kind of act of {stated.act.author} needs there",
        ],
        "not": [
            "that what it says is true",
            "when it was written, beyond its author's word and the acknowledgements after it",
        ],
    }


def _verify_proof(node: Node, data: bytes) -> dict[str, Any]:
    proof = parse_proof(data)
    origin = parse_note(proof.note).text.split(b"\n", 1)[0].decode("ascii", "replace")
    try:
        held = msgspec.json.decode(proof.extra) if proof.extra else {}
        leaf, salt, envelope = (bytes(msgspec.convert(held[name], bytes)) for name in ("leaf", "salt", "envelope"))
    except (msgspec.MsgspecError, KeyError, TypeError) as error:
        raise Malformed(
            "the proof does not open its leaf",
            hint="`relto ledger proof` and `relto open --evidence` write ones that do",
        ) from error
    opened = proof.verify(leaf, _log_key(node, origin))
    check_opening(leaf, salt, envelope)
    act, id_, signed = acts.open_act(envelope)
    scan = node.register.scans.get(origin)
    keys = scan.chain[-1].keys if scan is not None and scan.chain else node.keys_of(node.peer_by_origin(origin))
    if not acts.satisfied(signed, keys, acts.SIGNERS[acts.kind_of(act)]):
        raise Forged(f"act {id_[:16]} is not signed by the keys that its kind needs")
    known = node.store.head(origin)
    same = known is not None and known.size >= opened.checkpoint.size
    return {
        "is": f"{acts.kind_of(act)} {id_} by {act.author},"
        f" entry {proof.index} of {origin} at size {opened.checkpoint.size}",
        "act": msgspec.to_builtins(act),
        "proves": [
            "the act stands in that ledger under a checkpoint signed by its log key",
            "it is signed by the keys that its kind needs",
        ],
        "not": [
            "that the ledger shows everybody the same history"
            + (": this node's own mirror reaches that size, compare with `relto ledger verify`" if same else ""),
            "that the act still holds: later acts may end it",
        ],
    }


def _verify_checkpoint(node: Node, data: bytes) -> dict[str, Any]:
    from relto.ledger import open_checkpoint

    origin = parse_note(data).text.split(b"\n", 1)[0].decode("ascii", "replace")
    opened = open_checkpoint(data, _log_key(node, origin)).checkpoint
    proves = [f"the ledger {origin} signed {opened.size} entries with root {opened.root.hex()[:16]}…"]
    scan = node.register.scans.get(origin)
    if scan is not None and not scan.sparse and scan.size >= opened.size:
        if scan.root_at(opened.size) != opened.root:
            raise Forged(
                f"`{origin}` signed another history than the one mirrored here at size {opened.size}",
                hint="keep this checkpoint: with the mirror it is a fork proof",
            )
        proves.append("it is a prefix of the mirror held here")
    return {"is": f"checkpoint of {origin}", "proves": proves, "not": ["what the entries say"]}


def _verify_package(node: Node, path: Path) -> dict[str, Any]:
    from relto.node.client import directory_urls
    from relto.package import read

    package = read(path)
    if package.owner is None:
        raise Refused(
            "the package has no statement of its owner", hint="it was not sealed by a node of this partnership"
        )
    party = package.owner.says.party
    state = node.register.party(party)
    owned = package.check(state.keys.seal)
    known = directory_urls(node)
    strange = [url for url in package.urls if url not in known]
    if strange:
        raise Refused(
            f"the package names a node that is not in the signed directory: {strange[0][:120]}", hint="do not open it"
        )
    proves = [
        f"sealed by {party} as {owned.label}",
        "its manifest, label, policy and segment table are the ones that the owner signed",
        f"its key is held by {', '.join(sorted({known[url][0] for url in package.urls}))}",
    ]
    try:
        item = node.register.item_by_opaque(package.policy.item[1])
        proves.append(f"it is {item.id}@{item.version} of the register that this node may read")
    except ReltoError:
        pass
    return {
        "is": f"package {package.digest.hex()}, {package.size} bytes inside",
        "proves": proves,
        "not": [
            "that you may have it: the owner's node decides when a key is asked for",
            "anything about the content, which is sealed",
        ],
    }
