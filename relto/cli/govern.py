"""`relto act`: acts are drafted, signed, submitted, listed and shown."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from relto import acts, charter, law
from relto.acts import Act
from relto.cli import engagements, keys, proposals, reverse
from relto.cli.main import common, emit, node_dir
from relto.cli.show import table
from relto.cli.texts import charter_version, shipped, text_of
from relto.errors import Malformed, NotFound, Refused
from relto.node import officer, views
from relto.node.desk import desk
from relto.node.home import open_node, read_signer
from relto.node.node import Node


def add(commands: Any) -> None:
    _add_act(commands)


# ---- acts


def _add_act(commands: Any) -> None:
    act = commands.add_parser("act", help="governance").add_subparsers(
        dest="kind", metavar="KIND|sign|submit|list|show", required=True
    )
    listed = common(act.add_parser("list"))
    listed.add_argument("--kind", dest="of", default="")
    listed.add_argument("--last", type=_count, default=50)
    listed.set_defaults(call=_act_list)
    shown = common(act.add_parser("show"))
    shown.add_argument("id")
    shown.set_defaults(call=_act_show)
    engagements.add_act_verbs(act)
    signed = common(act.add_parser("sign"), node=False)
    signed.add_argument("request", metavar="REQUEST")
    signed.add_argument("--key", action="append", required=True, metavar="FILE")
    signed.add_argument("--out", metavar="FILE", help="else over the request itself")
    signed.set_defaults(call=_act_sign)
    given = common(act.add_parser("submit"))
    given.add_argument("request", metavar="REQUEST")
    given.set_defaults(call=_act_submit)
    for kind in sorted(acts.KINDS):
        one = common(act.add_parser(kind))
        one.add_argument("words", nargs="*", metavar="ID|FIELD=VALUE")
        one.add_argument(
            "--key", action="append", default=[], metavar="FILE", help="a key file that signs; then it is submitted"
        )
        one.add_argument("--sign", action="store_true", help="with the keys under this node's keys/offline")
        one.add_argument("--out", metavar="FILE", help="write the signing request there")
        one.add_argument("--dry-run", action="store_true", help="draft and show, write nothing into the ledger")
        if kind == "evidence":
            one.add_argument(
                "--document", metavar="FILE", help="where `quote=` stands; its digest is kept, not its text"
            )
        if kind in {"rotate", "recover", "epoch"}:
            keys.add_change_options(one)
        one.set_defaults(call=_act_make)


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 100_000:
        raise argparse.ArgumentTypeError(f"`{text[:20]}` is not a count from 1 to 100000")
    return int(text)


def draft(node: Node, kind: str, words: list[str]) -> Act:
    """A draft from words: an id first where the kind answers an act, then `field=value`."""
    if kind == "propose":
        return _proposal(node, words)
    target = {
        "consent": "proposal",
        "refuse": "proposal",
        "return": "proposal",
        "suspend": "engagement",
        "lift": "suspend",
        "revoke": "act",
        "recall": "release",
        "receipt": "release",
    }.get(kind)
    if target and words and "=" not in words[0]:
        prefix = words[0]
        if kind == "suspend" and prefix in node.register.engagements:
            prefix = node.register.engagements[prefix].proposal
        words = [f"{target}={node.register.act(prefix).id}", *words[1:]]
    if kind == "adopt" and words and "=" not in words[0]:
        return _adoption(node, words)
    fields = officer.fields(kind, words)
    if kind == "consent" and "sight" not in fields and node.register.partnership and node.me in node.register.acks:
        fields["sight"] = node.register.acks[node.me][0]
    if kind == "relabel" and {"item", "version"} <= set(fields) and "prev" not in fields:
        fields["prev"] = node.register.item(fields["item"], fields["version"]).label_act
    if kind == "determine" and {"item", "version"} <= set(fields) and "on" not in fields:
        fields["on"] = node.register.item(fields["item"], fields["version"]).label_act
    if kind == "introduce":
        pinned = node.peers().get(fields.get("party", ""))
        if pinned is not None:
            fields = {
                "inception": pinned.inception,
                "origin": pinned.origin,
                "address": pinned.address,
                "members": node.members_named(),
                **fields,
            }
    if kind == "register" and "opaque" not in fields:
        fields["opaque"] = node.random(16).hex()
    return node.draft(kind, **fields)


def _adoption(node: Node, words: list[str]) -> Act:
    """A law pack by name, file or directory: its text is kept here, and says of which law it is."""
    if len(words) != 1:
        raise Malformed(
            f"`relto act adopt PACK` takes nothing after the pack, and there is `{words[1][:80]}`",
            hint=f"a file, a directory, or one of {', '.join(shipped('law'))}",
        )
    source, where = text_of("law", words[0], "pack.yaml")
    pack = law.load_pack(charter.read(source, where))
    return node.draft("adopt", jurisdiction=pack.jurisdiction, pack=node.put_text(source), name=pack.id)


def _proposal(node: Node, words: list[str]) -> Act:
    """`charter DIR`, `engage FIELD=VALUE…`, one of `proposals.FORMS`, or any proposal by its fields."""
    if words and words[0] == "charter":
        words, extra = proposals.deadline(words)
        if len(words) != 2:
            raise Malformed(
                "`relto act propose charter DIR [by=DATE]`",
                hint="a directory with charter.yaml, or a shipped charter's name",
            )
        return _charter_proposal(node, words[1], extra)
    if words and words[0] == "engage":
        return engagement_proposal(node, words[1:])
    if words and words[0] in proposals.FORMS:
        return proposals.FORMS[words[0]](node, words[1:])
    return node.draft("propose", **officer.fields("propose", words))


def _charter_proposal(node: Node, where: str, extra: dict[str, Any]) -> Act:
    text, current = charter_version(node, where), node.register
    what = acts.CharterText(charter=text.charter, parties=text.parties)
    if current.charter_id:
        n, prev = current.charter_slot
        return node.draft("propose", subject="charter", n=n, prev=prev, what=what, **extra)
    return node.draft("propose", subject="charter", n=1, what=what, **extra)


def engagement_proposal(node: Node, words: list[str]) -> Act:
    """An engagement with what the charter and the introduction settle filled in. `id=` names it, else party-project."""
    register = node.register
    if register.charter is None:
        raise NotFound("no partnership is founded here")
    words, extra = proposals.deadline(words)
    own = [word for word in words if word.partition("=")[0] != "id"]
    given = {word.partition("=")[0]: word.partition("=")[2] for word in words}
    party = given.get("party", "")
    pinned = node.peers().get(party)
    if pinned is None:
        raise NotFound(f"`{party}` is not known to this node", hint="it is introduced first: `relto act introduce`")
    fields = officer.struct_fields(acts.Engagement, own)
    days = register.charter.on_suspend.answer_days if register.charter.on_suspend.recall else msgspec.UNSET
    what = acts.Engagement(
        inception=pinned.inception,
        origin=pinned.origin,
        address=pinned.address,
        members=node.members_named(),
        confirm=register.charter.confirm,
        recall_days=days,
        **fields,
    )
    name = given.get("id") or f"{party}-{fields.get('project', '')}"[:64].strip("-")
    return node.draft("propose", **proposals.slot(register, f"engagement/{name}"), what=what, **extra)


def _act_make(options: argparse.Namespace) -> int:
    directory = node_dir(options)
    node = open_node(directory)
    words = list(options.words)
    if options.kind == "evidence":
        words += engagements.document_words(words, options.document)
    changes = options.kind in {"rotate", "recover", "epoch"}
    act = keys.change(node, directory, options) if changes else draft(node, options.kind, words)
    held = node.register.scans[node.origin].keys
    assert held is not None
    agreed = node.register.charter
    request = officer.request(act, held, agreed.officers(options.kind) if agreed is not None else 1)
    audience, shown = (
        reverse.sheet(node, act.item, act.version, (act,)) if isinstance(act, acts.Relabel) else (None, [])
    )
    if options.dry_run or not (options.key or options.sign):
        if options.out:
            Path(options.out).write_bytes(officer.format_request(request))
        view = {
            "id": acts.act_id(request.payload),
            "act": msgspec.to_builtins(act),
            "reads": list(request.reads),
            "signer": request.signer,
            "threshold": request.threshold,
            "keys": list(request.keys),
            "out": options.out,
        } | ({"audience": audience} if audience is not None else {})
        asks = f"to be signed by {request.asks}"
        emit(
            view,
            as_json=options.json,
            lines=[*request.reads, *shown, asks, *([f"request written to {options.out}"] if options.out else [])],
        )
        return 0
    signers = (
        [read_signer(Path(one)) for one in options.key] if options.key else officer.offline_signers(directory, request)
    )
    envelope = officer.envelope(officer.sign(request, signers))
    id_ = desk(directory).submit(envelope)
    emit({"id": id_, "act": msgspec.to_builtins(act)}, as_json=options.json, lines=[*shown, f"{options.kind} {id_}"])
    return 0


def _act_sign(options: argparse.Namespace) -> int:
    path = Path(options.request)
    request = officer.parse_request(path.read_bytes(), where=str(path))
    signers = [read_signer(Path(one)) for one in options.key]
    officer.check_signers(request, signers)
    if not options.json:
        for line in request.reads:
            print(line, file=sys.stderr)
        if sys.stdin.isatty() and input("sign this? [y/N] ").strip().lower() not in {"y", "yes"}:
            raise Refused("not signed", hint="nothing was written")
    request = officer.sign(request, signers)
    target = Path(options.out) if options.out else path
    target.write_bytes(officer.format_request(request))
    have = sorted({key.partition("+")[0] for key in request.signatures})
    lacks = [msgspec.to_builtins(one) for one in request.missing()]
    still = "; ".join(f"{one.threshold} of {', '.join(one.keys)}" for one in request.missing())
    emit(
        {"signed": have, "threshold": request.threshold, "missing": lacks, "out": str(target)},
        as_json=options.json,
        lines=[
            f"signed by {', '.join(have)}; " + (f"still needed: {still}" if still else "complete: `relto act submit`")
        ],
    )
    return 0


def _act_submit(options: argparse.Namespace) -> int:
    request = officer.parse_request(Path(options.request).read_bytes(), where=options.request)
    id_ = desk(node_dir(options)).submit(officer.envelope(request))
    emit({"id": id_}, as_json=options.json, lines=[id_])
    return 0


def _act_list(options: argparse.Namespace) -> int:
    register = open_node(node_dir(options)).register
    view = views.acts_view(register, _now(), last=options.last, kind=options.of)
    rows = [(one["id"][:8], one["kind"], one["author"], one["index"], _at(one["at"])) for one in view["results"]]
    lines = table(rows, ("id", "kind", "author", "entry", "at"))
    lines += [f"void: {one['kind']} in {one['origin']} #{one['index']}: {one['why']}" for one in view["void"]]
    emit(view, as_json=options.json, lines=lines)
    return 0


def _act_show(options: argparse.Namespace) -> int:
    register = open_node(node_dir(options)).register
    view = views.act_view(register, options.id)
    lines = [
        f"{view['id']}",
        f"{view['log']} #{view['index']}, {_at(view['at'])}",
        *officer.reading(register.act(options.id).act),
    ]
    proposal = view.get("proposal")
    if proposal:
        lines.append(f"state: {proposal['state']}" + (f" ({proposal['why']})" if proposal["why"] else ""))
        lines += [
            f"  {v['party']}: {v['vote']}{'' if v['confirmed'] else ', not yet confirmed'}"
            f"{', void: ' + v['void'] if v['void'] else ''}{', in doubt by act ' + v['doubt'][:8] if v['doubt'] else ''}"
            for v in proposal["votes"]
        ]
        lines += [f"  missing: {', '.join(proposal['missing'])}"] if proposal["missing"] else []
        lines += engagements.return_lines(proposal)
    if view["void"]:
        lines.append(f"void: {view['void']}")
    emit(view, as_json=options.json, lines=lines)
    return 0


def _now() -> int:
    return int(time.time() * 1000)


def _at(at: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(at / 1000))


# ---- charter and law
