"""`relto package` and `relto recall`: what a sealed file says, where its shares went, and how they are asked back."""

from __future__ import annotations

import argparse
import datetime as dt
import time
from pathlib import Path
from typing import Any

from relto.acts import Act, RecallState
from relto.charter.text import is_date
from relto.cli.main import common, emit, node_dir
from relto.cli.show import table
from relto.errors import Malformed, NotFound, ReltoError
from relto.node import officer
from relto.node.client import directory_urls
from relto.node.custody import custody
from relto.node.desk import desk
from relto.node.home import open_node, read_signer
from relto.node.node import Node
from relto.node.sealing import item_named
from relto.node.shelf import shelve
from relto.package import Package, read
from relto.package.parts import has_parts, read_parts

ANSWERS = ("acknowledged", "destroyed", "returned", "kept")


def add(commands: Any) -> None:
    verbs = commands.add_parser("package", help="sealed files").add_subparsers(
        dest="verb", metavar="VERB", required=True
    )
    shown = common(verbs.add_parser("show", help="label, policy, owner and nodes, without opening"))
    shown.add_argument("package", metavar="F.tdf")
    shown.set_defaults(call=_show)
    shelf = common(verbs.add_parser("shelve", help="let this node hand the file to whoever knows its address"))
    shelf.add_argument("package", metavar="F.tdf")
    shelf.set_defaults(call=_shelve)
    chain = common(verbs.add_parser("custody", help="to whom shares were released, and what became of each"))
    chain.add_argument("what", metavar="F.tdf|ITEM")
    chain.set_defaults(call=_custody)

    recall = commands.add_parser("recall", help="ask back what was released").add_subparsers(
        dest="verb", metavar="VERB", required=True
    )
    order = common(recall.add_parser("order", help="stop further keys and order return or destruction"))
    order.add_argument("what", metavar="F.tdf|ITEM|RELEASE")
    order.add_argument("--order", choices=("return", "destroy"), default="destroy")
    order.add_argument("--by", metavar="DATE", required=True, help="day on which the answers are due")
    order.add_argument("--reason", required=True)
    _signing(order)
    order.set_defaults(call=_order)
    listed = common(recall.add_parser("list", help="orders, with who has answered"))
    listed.add_argument("--overdue", action="store_true", help="only those whose day has passed without an answer")
    listed.set_defaults(call=_list)
    answer = common(recall.add_parser("answer", help="say what has become of it: the holder's certificate"))
    answer.add_argument("id", metavar="RELEASE[:BECAUSE]")
    answer.add_argument("answer", choices=ANSWERS)
    answer.add_argument("--reason", default="", help="needed where something is kept")
    _signing(answer)
    answer.set_defaults(call=_answer)


def _signing(command: argparse.ArgumentParser) -> None:
    command.add_argument("--key", action="append", default=[], metavar="FILE", help="a key file that signs")
    command.add_argument("--sign", action="store_true", help="with the keys under this node's keys/offline")
    command.add_argument("--dry-run", action="store_true", help="show what would be written")


# ── packages ──


def _show(options: argparse.Namespace) -> int:
    path = Path(options.package)
    if path.is_file() and has_parts(path):
        return _show_parts(options, path)
    package = read(path)
    view = package_view(package, path, _node_or_none(options))
    lines = [f"{name.replace('_', ' ')}: {_words(value)}" for name, value in view.items() if name != "shares"]
    lines += [f"share {one['sid'] or '(the whole key)'}: {one['node']} ({one['kind']})" for one in view["shares"]]
    emit(view, as_json=options.json, lines=lines)
    return 0


def _show_parts(options: argparse.Namespace, path: Path) -> int:
    parted, node = read_parts(path), _node_or_none(options)
    verified = "no: there is no node here that knows the owner's key"
    if node is not None:
        try:
            parted.check(node.register.party(parted.says.party).keys.seal)
            verified = f"by the seal key of {parted.says.party}"
        except ReltoError as error:
            verified = f"no: {error.message}"
    rows = [package_view(one, path, node) for one in parted.packages]
    view: dict[str, Any] = {
        "owner": parted.says.party,
        "label": parted.says.label,
        "sealed_at": _time(parted.says.sealed_at),
        "verified": verified,
        "parts": [
            {name: row[name] for name in ("package", "item", "size", "shares")} | {"number": number}
            for number, row in enumerate(rows, 1)
        ],
    }
    lines = [f"{name.replace('_', ' ')}: {value}" for name, value in view.items() if name != "parts"]
    for row in view["parts"]:
        nodes = ", ".join(dict.fromkeys(one["node"] for one in row["shares"]))
        lines.append(
            f"part {row['number']}: {row['size']} bytes, {row['item'] or 'an item not known here'}, key at {nodes}"
        )
    emit(view, as_json=options.json, lines=lines)
    return 0


def _words(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "-" if value is None else str(value)


def _node_or_none(options: argparse.Namespace) -> Node | None:
    """Without a node the package's own words are shown, and that nothing of them was verified."""
    try:
        return open_node(node_dir(options))
    except NotFound:
        return None


def package_view(package: Package, path: Path, node: Node | None) -> dict[str, Any]:
    """Everything about a package that can be known without its key. `verified` says by what, or why not."""
    says = package.owner.says if package.owner is not None else None
    known = directory_urls(node) if node is not None else {}
    verified, item = "no", None
    if says is None:
        verified = "no: no owner signed it"
    elif node is None:
        verified = "no: there is no node here that knows the owner's key"
    else:
        try:
            state = node.register.party(says.party)
            package.check(state.keys.seal)
            verified = f"by the seal key of {says.party}"
            found = node.register.item_by_opaque(says.item, says.party)
            item = f"{found.id}@{found.version}"
        except ReltoError as error:
            verified = verified if verified.startswith("by") else f"no: {error.message}"
    return {
        "package": package.digest.hex(),
        "format": "4.2.2" if package.manifest.legacy else "4.3.0",
        "label": package.label or None,
        "owner": says.party if says else None,
        "item": item,
        "policy": list(package.policy.attributes),
        "sealed_at": _time(says.sealed_at) if says else None,
        "mime": package.manifest.mime,
        "size": package.size,
        "file_size": path.stat().st_size,
        "segments": len(package.manifest.segments),
        "assertions": [one.id for one in package.manifest.assertions],
        "verified": verified,
        "shares": [
            {"sid": one.sid, "node": known[one.url][0] if one.url in known else one.url, "url": one.url,
             "in_directory": one.url in known, "kind": one.kind, "kid": one.kid}
            for one in package.key_access
        ],
    }  # fmt: skip


def _time(millis: int) -> str:
    return dt.datetime.fromtimestamp(millis / 1000, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _shelve(options: argparse.Namespace) -> int:
    directory = node_dir(options)
    url = open_node(directory).config.url
    digest = shelve(directory, Path(options.package))
    address = f"{url}/packages/{digest}.tdf"
    emit({"package": digest, "url": address}, as_json=options.json, lines=[address])
    return 0


def _named(node: Node, what: str) -> tuple[str, str]:
    """Item and, for a file, the policy's digest."""
    path = Path(what)
    if path.is_file():
        package = read(path)
        return node.register.item_by_opaque(package.policy.item[1]).id, package.policy.digest
    return item_named(node, what).id, ""


def _custody(options: argparse.Namespace) -> int:
    node = open_node(node_dir(options))
    rows = custody(node, *_named(node, options.what))
    lines = table(
        [
            (
                _time(one["at"]),
                one["by"],
                one["to"],
                one["person"],
                one["part"] or "",
                one["stage"],
                "; ".join(
                    f"{order['order']} by {order['by']}: {', '.join(order['answers']) or 'no answer'}"
                    for order in one["orders"]
                ),
            )
            for one in rows
        ],
        ("released", "by", "to", "person", "share", "stage", "orders"),
    )
    emit(
        {"results": rows, "count": len(rows), "complete": True},
        as_json=options.json,
        lines=lines if rows else ["no release that this party may see"],
    )
    return 0


# ── recalls ──


def _order(options: argparse.Namespace) -> int:
    today = dt.datetime.now(dt.UTC).date().isoformat()
    if not is_date(options.by) or options.by < today:
        raise Malformed(f"`{options.by[:40]}` is no day on which anybody could answer", hint="2028-11-07", where="--by")
    node = open_node(node_dir(options))
    releases = _releases(node, options.what)
    if not releases:
        raise NotFound(f"{node.me} has released nothing of it that is not asked back already")
    drafts = [
        node.draft("recall", release=one, order=options.order, by=options.by, reason=options.reason) for one in releases
    ]
    ids = _submit(options, node, drafts)
    rows = []
    for release, id_ in zip(releases, ids, strict=True):
        terms = node.register.releases[release].terms
        rows.append(
            {"release": release, "act": id_, "to": terms.to.organisation, "item": f"{terms.item}@{terms.version}"}
        )
    verb = "would be asked" if options.dry_run else "asked"
    emit(
        {"results": rows, "count": len(rows), "order": options.order, "by": options.by},
        as_json=options.json,
        lines=[f"{one['to']} {verb} to {options.order} {one['item']} by {options.by}" for one in rows],
    )
    return 0


def _releases(node: Node, what: str) -> list[str]:
    """Own releases of a package, item or id that no own order asks back yet."""
    register = node.register
    asked = {one.release for one in register.recalls.values() if one.because in register.stated}
    if not Path(what).is_file() and "/" not in what:
        found = [id_ for id_ in register.releases if id_.startswith(what) and len(what) >= 8]
        if len(found) != 1:
            raise NotFound(f"`{what[:80]}` is no release of {node.me}", hint="`relto package custody ITEM` lists them")
        return [one for one in found if register.releases[one].party == node.me and one not in asked]
    item, package = _named(node, what)
    return [one["release"] for one in custody(node, item, package)
            if one["by"] == node.me and one["release"] not in asked]  # fmt: skip


def _list(options: argparse.Namespace) -> int:
    node = open_node(node_dir(options))
    today = dt.datetime.fromtimestamp(time.time(), dt.UTC).date().isoformat()
    rows = [_recall_row(node, one, today) for one in node.register.recalls.values()]
    rows = [one for one in rows if not options.overdue or one["state"] == "overdue"]
    lines = table(
        [
            (one["id"][:8], one["owner"], one["holder"], one["item"], one["order"], one["by"], one["state"])
            for one in rows
        ],
        ("release", "owner", "holder", "item", "order", "by", "state"),
    )
    emit(
        {"results": rows, "count": len(rows), "complete": True}, as_json=options.json, lines=lines if rows else ["none"]
    )
    return 0


def _recall_row(node: Node, one: RecallState, today: str) -> dict[str, Any]:
    terms = node.register.releases[one.release].terms
    return {
        "id": one.id,
        "release": one.release,
        "because": one.because,
        "owner": one.party,
        "holder": one.holder,
        "item": f"{terms.item}@{terms.version}",
        "order": one.order,
        "by": one.by,
        "state": one.state(today),
        "answers": [{"party": party, "act": act, "answer": answer} for party, act, answer, _ in one.answers],
    }


def _answer(options: argparse.Namespace) -> int:
    node = open_node(node_dir(options))
    release, _, because = options.id.partition(":")
    found = [
        one
        for one in node.register.recalls.values()
        if one.release.startswith(release) and one.because.startswith(because) and len(release) >= 8
    ]
    mine = [one for one in found if one.holder == node.me]
    if len(mine) != 1:
        raise NotFound(
            f"`{options.id[:80]}` is no order to {node.me}, or more than one", hint="`relto recall list` shows them"
        )
    if options.answer == "kept" and not options.reason:
        raise Malformed("what is kept needs a reason", where="--reason")
    reason = {"reason": options.reason} if options.reason else {}
    draft = node.draft("answer", release=mine[0].release, because=mine[0].because, answer=options.answer, **reason)
    (id_,) = _submit(options, node, [draft])
    emit(
        {"act": id_, "release": mine[0].release, "answer": options.answer},
        as_json=options.json,
        lines=[f"{options.answer}: {mine[0].release[:16]}" + (f", act {id_[:16]}" if id_ else " (nothing written)")],
    )
    return 0


def _submit(options: argparse.Namespace, node: Node, drafts: list[Act]) -> list[str | None]:
    """Signs and submits each; with --dry-run nothing."""
    if options.dry_run:
        return [None] * len(drafts)
    if not (options.sign or options.key):
        raise Malformed("nothing signs this", hint="`--sign`, `--key FILE`, or `--dry-run` to look first")
    directory, signers = node_dir(options), [read_signer(Path(key)) for key in options.key]
    keys = node.register.scans[node.origin].keys
    assert keys is not None
    way, made = desk(directory), []
    for draft in drafts:
        request = officer.request(draft, keys)
        signed = officer.sign(request, signers or officer.offline_signers(directory, request))
        made.append(way.submit(officer.envelope(signed)))
    return list(made)
