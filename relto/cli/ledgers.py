"""`relto ledger`: what stands in the ledgers held here, whether it is sound, and proof of it for others."""

from __future__ import annotations

import argparse
import contextlib
import time
from pathlib import Path
from typing import Any

import msgspec

from relto import acts
from relto.cli.main import common, emit, node_dir
from relto.cli.show import table
from relto.errors import EXIT_ERROR, EXIT_UNDETERMINED, Malformed, NotFound, Refused, Unavailable
from relto.ledger import Policy, leaf_hash, parse_leaf, parse_policy
from relto.ledger.policy import POLICY_MAX
from relto.node import checking, officer, views
from relto.node.desk import desk
from relto.node.handover import opening_bytes
from relto.node.home import open_node
from relto.node.node import Node
from relto.node.watch import standings


def add(commands: Any) -> None:
    ledger = commands.add_parser("ledger", help="ledgers and proofs").add_subparsers(
        dest="verb", metavar="VERB", required=True
    )
    verify = common(ledger.add_parser("verify", help="recompute ledgers from the bytes held here"))
    verify.add_argument("party", nargs="?", help="whose; else all that are held here")
    verify.add_argument("--new", action="store_true", help="only what came since the last check")
    verify.add_argument("--tiles", metavar="DIR", help="a directory of tiles instead of this node's database")
    verify.add_argument("--policy", metavar="FILE", help="whose signatures to ask for; else this node's charter says")
    verify.set_defaults(call=_verify)
    show = common(ledger.add_parser("show", help="the entries of a ledger, or one of them"))
    show.add_argument("party", nargs="?", help="whose; else the own")
    show.add_argument("--entry", type=int, metavar="N", help="all that is known of one entry")
    show.add_argument("--last", type=int, metavar="N", help="only the newest N")
    show.set_defaults(call=_show)
    proof = common(ledger.add_parser("proof", help="a tlog-proof that an act stands in its ledger"))
    proof.add_argument("act")
    proof.add_argument("-o", "--out", metavar="FILE")
    proof.add_argument("--closed", action="store_true", help="without the act: proves the leaf alone")
    proof.set_defaults(call=_proof)
    policy = common(ledger.add_parser("policy", help="the charter as a tlog-policy, for programs of others"))
    policy.add_argument("party", nargs="*", help="whose ledgers; else those of all members")
    policy.add_argument("--classical", action="store_true", help="Ed25519 alone, for programs without ML-DSA-44")
    policy.add_argument("-o", "--out", metavar="FILE")
    policy.set_defaults(call=_policy)
    export = common(ledger.add_parser("export", help="a ledger as a directory of tiles (C2SP tlog-tiles)"))
    export.add_argument("party", nargs="?", help="whose; else the own")
    export.add_argument("-o", "--out", metavar="DIR", required=True)
    export.set_defaults(call=_export)


# ---- verify


def _verify(options: argparse.Namespace) -> int:
    if options.tiles is not None:
        return _verify_tiles(options)
    if options.policy is not None:
        raise Malformed("`--policy` goes with `--tiles`", hint="this node's own ledgers are checked by its charter")
    directory = node_dir(options)
    node = open_node(directory)
    held = checking.load_verified(directory)
    reports: list[dict[str, Any]] = []
    lines: list[str] = []
    for party in [options.party] if options.party else sorted(node.register.parties):
        for before in checking.former_ledgers(node, party):
            reports.append(checking.check_former(node, party, before))
            lines += _report_lines(reports[-1], new=False)
        origin = node.register.party(party).origin
        view, verified = checking.check_ledger(node, party, held.get(origin) if options.new else None)
        if verified is not None:
            held[origin] = verified
        reports.append(view)
        lines += _report_lines(view, new=options.new)
    try:
        checking.save_verified(directory, held)
    except OSError as error:
        lines.append(f"not remembered for `--new`: {(error.strerror or str(error)).lower()}")
    emit({"results": reports, "count": len(reports), "complete": True}, as_json=options.json, lines=lines)
    return 0 if all(one["sound"] for one in reports) else 2


def _report_lines(view: dict[str, Any], *, new: bool) -> list[str]:
    if view.get("parts"):
        return [f"{view['party']}: held in parts; each entry was proven when it came"]
    first = f"{view['party']}: {view['origin']}, {view['size']} entries, "
    if not view["sound"]:
        return [first + str(view["problem"])]
    if view.get("over"):
        return [f"{first}{view['openings']} open here: sound; another goes on after it"]
    if view["since"]:
        first += f"{view['size'] - view['since']} new since the last check"
    else:
        first += f"{view['openings']} open here" + (", none verified before" if new else "")
    signed = "both keys of the log" if view["both_signatures"] else "the log's Ed25519 key alone"
    seen = [f"{party} at {_time(at * 1000)}" for party, at in view["cosigned"].items()]
    return [f"{first}: sound", f"  signed by {signed}; cosigned by {', '.join(seen) or 'nobody yet'}"]


def _verify_tiles(options: argparse.Namespace) -> int:
    if options.party or options.new:
        raise Malformed("`--tiles` stands alone", hint="the directory says whose ledger it is")
    if options.policy is not None:
        path = Path(options.policy)
        with path.open("rb") as file:
            policy = parse_policy(file.read(POLICY_MAX + 1))
    else:
        try:
            policy = open_node(node_dir(options)).policy()
        except NotFound as error:
            raise NotFound(
                "nothing says whose signatures to ask for",
                hint="`--policy FILE`, as `relto ledger policy` wrote it at a node that you trust",
            ) from error
        policy = _without_quorum(policy)
    view = checking.check_tiles(Path(options.tiles), policy)
    lines = [
        f"{view['origin']}, {view['size']} entries in {view['resources']} tiles and bundles: sound",
        f"  signed by {', '.join(view['signed_by'])}",
    ]
    emit(view, as_json=options.json, lines=lines)
    return 0


def _without_quorum(policy: Policy) -> Policy:
    """A member asks for the log's own signature: how many partners have seen it, its mirrors say better."""
    return msgspec.structs.replace(policy, quorum="none")


# ---- show


def _show(options: argparse.Namespace) -> int:
    node = open_node(node_dir(options))
    party = options.party or node.me
    if options.entry is not None:
        return _show_entry(node, party, options)
    if options.last is not None and options.last < 1:
        raise Malformed(f"`--last {options.last}` shows nothing", hint="for example --last 20")
    state = node.register.party(party)
    known = {one.index: one for one in node.register.scans[state.origin].stated}
    void = {one.index: one for one in node.register.void if one.origin == state.origin}
    first = max(0, state.size - options.last) if options.last else 0
    rows: list[dict[str, Any]] = []
    for index in range(first, state.size):
        row: dict[str, Any] = {"index": index, "kind": None, "id": None}
        if index in known:
            row |= {"kind": acts.kind_of(known[index].act), "id": known[index].id, "at": known[index].act.at}
        elif index in void:
            row |= {"kind": void[index].kind, "id": void[index].id, "void": void[index].why}
        rows.append(row)
    lines = _head_lines(node, party) + table(
        [
            (
                r["index"],
                _time(r["at"]) if "at" in r else "",
                r["kind"] or "not open here",
                (r["id"] or "")[:16],
                r.get("void", ""),
            )
            for r in rows
        ],
        ("entry", "at", "kind", "id", "void"),
    )
    view = views.listing(node.register, int(time.time() * 1000), rows, complete=not first)
    standing = next((one for one in standings(node) if one.party == party), None)
    if standing is not None:
        view["mirror"] = {"state": standing.state, "words": standing.words, "tells": standing.tells or None}
        lines += [f"{standing.state}: {standing.words}"] if standing.state != "current" else []
    emit(view, as_json=options.json, lines=lines)
    if standing is None or standing.state == "current":
        return 0
    return EXIT_ERROR if standing.bad else EXIT_UNDETERMINED  # what is shown is an old view, or no longer believed


def _head_lines(node: Node, party: str) -> list[str]:
    state = node.register.party(party)
    head = node.store.head(state.origin)
    if head is None:
        return [f"{state.origin}, held in parts: {state.size} entries, of which those that are open here"]
    lines = [f"{state.origin}, {head.size} entries, root {head.root.hex()}"]
    if state.frozen:
        lines.append(f"frozen: {state.frozen}")
    if state.origin != node.origin and head.seen:
        lines.append(f"last had from its node at {_time(head.seen)}")
    problem = node.problems().get(state.origin)
    return lines + ([f"alarm: {problem}"] if problem else [])


def _show_entry(node: Node, party: str, options: argparse.Namespace) -> int:
    origin, index = node.register.party(party).origin, options.entry
    entry = node.entry(origin, index)
    leaf = parse_leaf(entry.leaf)
    view: dict[str, Any] = {
        "party": party,
        "origin": origin,
        "index": index,
        "leaf_hash": leaf_hash(entry.leaf).hex(),
        "commitment": leaf.commitment.hex(),
        "tags": len(leaf.tags),
        "addressed_here": entry.mine or entry.act is not None,
        "open": entry.act is not None,
        "id": entry.id or None,
        "act": None if entry.act is None else msgspec.to_builtins(entry.act),
    }
    void = next((one.why for one in node.register.void if one.origin == origin and one.index == index), "")
    if void:
        view["void"] = void
    lines = [
        f"{origin} #{index}",
        f"leaf hash   {view['leaf_hash']}",
        f"commitment  {view['commitment']}",
        f"readers     {'this party is one' if view['addressed_here'] else 'not this party'}; {len(leaf.tags)} tags hide"
        " how many",
    ]
    if entry.act is None:
        lines.append("not open here")
    else:
        lines += [f"act         {entry.id}", *(f"  {line}" for line in officer.reading(entry.act))]
    emit(view, as_json=options.json, lines=lines + ([f"void: {void}"] if void else []))
    return 0


# ---- proof, policy, export


def _proof(options: argparse.Namespace) -> int:
    node = open_node(node_dir(options))
    stated = node.register.act(options.act)
    if stated.origin == node.origin:
        # A copy without keys has what was published before it was made.
        with contextlib.suppress(Refused, Unavailable):
            desk(node_dir(options)).publish()
    proof = node.proof(stated.index, stated.origin)
    if not options.closed:
        _, salt, envelope = node.store.openings(stated.origin, stated.index, stated.index + 1)[0]
        leaf = node.store.leaves(stated.origin, stated.index, stated.index + 1)[0]
        proof = msgspec.structs.replace(proof, extra=opening_bytes(leaf, salt, envelope))
    data = proof.encode()
    if options.out:
        Path(options.out).write_bytes(data)
    emit(
        {"act": stated.id, "origin": stated.origin, "index": stated.index, "proof": data.decode()},
        as_json=options.json,
        lines=[f"written to {options.out}"] if options.out else [data.decode().rstrip()],
    )
    return 0


def _policy(options: argparse.Namespace) -> int:
    node = open_node(node_dir(options))
    text = node.policy(*options.party, classical=options.classical).encode()
    if options.out:
        Path(options.out).write_bytes(text)
    emit(
        {"policy": text.decode("latin-1"), "out": options.out},
        as_json=options.json,
        lines=[f"written to {options.out}"] if options.out else [text.decode("latin-1").rstrip()],
    )
    return 0


def _export(options: argparse.Namespace) -> int:
    directory = node_dir(options)
    node = open_node(directory)
    party = options.party or node.me
    if party == node.me:
        with contextlib.suppress(Refused, Unavailable):  # as above
            desk(directory).publish()
    size, count = checking.export_tiles(node, party, Path(options.out))
    emit(
        {"party": party, "origin": node.register.party(party).origin, "size": size, "files": count, "out": options.out},
        as_json=options.json,
        lines=[f"{size} entries of {party} in {count} files in {options.out}"],
    )
    return 0


def _time(at: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(at / 1000))
