"""`relto node`, `person`, `login`, `sync`, `ledger`, `demo`: one party's node, its people, its ledger."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from relto import acts
from relto.cli import keeping
from relto.cli.main import common, emit, node_dir
from relto.cli.show import table
from relto.errors import Conflict, Malformed
from relto.keys import from_base64, to_base64
from relto.node import config as settings
from relto.node import home, views
from relto.node.desk import desk
from relto.node.home import open_node
from relto.node.people import people
from relto.node.watch import BAD
from relto.node.words import words

INVITATION_MAX = 262_144


def add(commands: Any) -> None:
    node = commands.add_parser("node", help="one party's node").add_subparsers(
        dest="verb", metavar="VERB", required=True
    )
    init = common(node.add_parser("init"))
    init.add_argument("--party", required=True)
    init.add_argument("--partnership", required=True)
    init.add_argument("--name", required=True, help="in words: Australia")
    init.add_argument(
        "--url", required=True, help="where this node will answer, for example https://relto.defence.example"
    )
    init.add_argument("--host", help="the ledger's name; else the host of the url")
    init.add_argument("--root", default="2/3", metavar="T/N")
    init.add_argument("--authority", default="2/3", metavar="T/N")
    init.add_argument("--demo", action="store_true", help="built-in log-in and signing by button; loopback only")
    init.add_argument("--backup-key", metavar="FILE", help="seal backups to this key instead of a new one")
    init.add_argument("--sync-every", type=float, default=30.0, metavar="S")
    init.set_defaults(call=_init)
    invite = common(node.add_parser("invite"))
    invite.set_defaults(call=_invite)
    join = common(node.add_parser("join"))
    join.add_argument("invitation", metavar="TEXT|FILE", help="what `relto node invite` printed at the other node")
    join.set_defaults(call=_join)
    rotate = common(node.add_parser("rotate-access", help="new key access keys; packages sealed before open as ever"))
    rotate.add_argument("--keys", metavar="DIR", help="where the root keys and the next ones are; else keys/offline")
    rotate.add_argument(
        "--destroy", action="store_true", help="remove the old keys when every known share is wrapped anew"
    )
    rotate.set_defaults(call=_rotate_access)
    serve = common(node.add_parser("serve"))
    serve.add_argument("--quiet", action="store_true")
    serve.set_defaults(call=_serve)
    keeping.add(node)
    person = commands.add_parser("person", help="the party's own people").add_subparsers(
        dest="verb", metavar="VERB", required=True
    )
    new = common(person.add_parser("add"))
    new.add_argument("alias")
    new.add_argument("--name", required=True)
    new.add_argument("--contact", default="")
    new.add_argument("--organisation", required=True)
    new.add_argument("--employment", choices=("regular", "contract", "none"), default="regular")
    new.add_argument("--nationality", action="append", required=True, metavar="CODE")
    new.add_argument("--clearance", metavar="'SYSTEM LEVEL'")
    new.add_argument("--until", metavar="DATE", help="of the clearance")
    new.add_argument("--place", required=True, metavar="CODE")
    new.set_defaults(call=_person_add)
    common(person.add_parser("list")).set_defaults(call=_person_list)
    common(person.add_parser("declare", help="publish the roster: classes with head counts, no names")).set_defaults(
        call=_person_declare
    )
    login = common(commands.add_parser("login", help="log in at the own party's node"))
    login.add_argument("--as", dest="alias", required=True, help="the built-in issuer of a demo node; loopback only")
    login.set_defaults(call=_login)
    sync = common(commands.add_parser("sync", help="fetch, verify and store the others' ledgers now"))
    sync.set_defaults(call=_sync)
    demo = common(commands.add_parser("demo", help="the whole story on this machine"), node=False)
    demo.add_argument("--dir", metavar="D", help="keep the directories there")
    demo.add_argument("--file", metavar="PATH", help="a file of your own for item A")
    demo.add_argument("--serve", action="store_true", help="stay up and print the addresses")
    demo.add_argument(
        "--break", dest="break_step", type=int, metavar="N", help="make step N fail; exit status 1 names it"
    )
    demo.set_defaults(call=_demo)


def _rotate_access(options: argparse.Namespace) -> int:
    from relto.node.rotation import rotate_access

    directory = node_dir(options)
    offline = Path(options.keys) if options.keys else directory / "keys" / "offline"
    with home.locked(directory):
        made = rotate_access(directory, open_node(directory, write=True), offline, destroy=options.destroy)
    lines = [
        f"rotation {made.act[:16]}: {len(made.kids)} new access keys, {made.shares} shares wrapped anew",
        f"destroyed {', '.join(made.destroyed)}" if made.destroyed else "the old keys are kept",
    ]
    emit(msgspec.to_builtins(made), as_json=options.json, lines=lines)
    return 0


def _quorum(text: str) -> tuple[int, int]:
    threshold, found, count = text.partition("/")
    if not (found and threshold.isdecimal() and count.isdecimal()):
        raise Malformed(f"`{text[:20]}` is not a quorum", hint="for example 2/3")
    return int(threshold), int(count)


def _init(options: argparse.Namespace) -> int:
    host = options.host or options.url.partition("://")[2].partition(":")[0].strip("[]")
    if host in {"127.0.0.1", "localhost", "::1", ""}:
        host = f"{options.party}.localhost"  # a ledger's name outlives the address at which it is served
    try:
        config = msgspec.convert(
            {
                "party": options.party,
                "partnership": options.partnership,
                "name": options.name,
                "url": options.url.rstrip("/"),
                "origin": f"{host}/{options.partnership}/0",
                "demo": options.demo,
                "sync_s": options.sync_every,
            },
            settings.Config,
        )
        msgspec.convert(config.origin, acts.act.Origin)
    except msgspec.ValidationError as error:
        raise Malformed(f"{str(error)[:1].lower()}{str(error)[1:]}") from error
    directory = node_dir(options)
    backup_key = keeping.public_of(Path(options.backup_key)) if options.backup_key else None
    node = home.init(
        directory, config, root=_quorum(options.root), authority=_quorum(options.authority), backup=backup_key
    )
    inception = node.register.scans[node.origin].inception_id
    view = {
        "party": config.party,
        "origin": config.origin,
        "inception": inception,
        "words": words(inception),
        "offline_keys": str(directory / "keys" / "offline"),
    }
    emit(
        view,
        as_json=options.json,
        lines=[
            f"ledger {config.origin} begun, inception {inception}",
            f"words: {words(inception)}",
            f"carry {directory / 'keys' / 'offline'} away: root, authority and officer keys do not belong on a node",
        ],
    )
    return 0


def _invite(options: argparse.Namespace) -> int:
    node = open_node(node_dir(options))
    view = {
        "relto": "invitation",
        "v": 1,
        "party": node.me,
        "url": node.config.url,
        "partnership": node.register.partnership,
        "inception": to_base64(node.inception()),
    }
    text = to_base64(json.dumps(view).encode())
    mine, founding = words(node.register.scans[node.origin].inception_id), node.register.partnership
    emit(
        {"invitation": text, "words": mine, "founding_words": words(founding) if founding else None},
        as_json=options.json,
        lines=[text],
    )
    if not options.json:  # beside the text, which is often written into a file
        print(f"read aloud: {node.me}: {mine}", file=sys.stderr)
        if founding:
            print(f"read aloud: the partnership: {words(founding)}", file=sys.stderr)
    return 0


def _join(options: argparse.Namespace) -> int:
    directory = node_dir(options)
    node = open_node(directory)
    source = options.invitation
    if Path(source).is_file() if len(source) < 4096 else False:
        source = Path(source).read_text().strip()
    if len(source) > INVITATION_MAX:
        raise Malformed("this is longer than any invitation")
    try:
        held = json.loads(from_base64(source.strip()))
        envelope, founding = from_base64(held["inception"]), str(held["partnership"])
        good = (held["relto"], held["v"]) == ("invitation", 1)
    except (Malformed, ValueError, KeyError, TypeError) as error:
        raise Malformed(
            "this is no invitation", hint="paste the whole text that `relto node invite` printed at the other node"
        ) from error
    if not good:
        raise Malformed("an invitation of another version")
    known = node.register.partnership or node.config.pin
    if founding and known and founding != known:
        raise Conflict(
            f"`{held.get('party')}` invites into another partnership than the one trusted here",
            hint=f"it says {founding[:16]}, this node has {known[:16]}",
        )
    open_desk = desk(directory)
    party = open_desk.join(envelope, "words")
    if founding and not node.register.partnership and not node.config.pin:
        open_desk.pin(founding)
    mine, theirs = node.register.scans[node.origin].inception_id, acts.open_act(envelope)[1]
    trusted = node.register.partnership or node.config.pin or founding
    emit(
        {
            "party": party,
            "words": words(theirs),
            "own": words(mine),
            "partnership": founding or None,
            "founding_words": words(trusted) if trusted else None,
        },
        as_json=options.json,
        lines=[
            f"{party} is pinned; trust it once its officer has read you these words, and you yours to them:",
            f"  {party}: {words(theirs)}",
            f"  {node.me}: {words(mine)}",
            *([f"  the partnership: {words(trusted)}"] if trusted else []),
        ],
    )
    return 0


def _serve(options: argparse.Namespace) -> int:
    from relto.node.serve import serve
    from relto.pages.web import routes

    return serve(node_dir(options), quiet=options.quiet, web=routes)


def _person_add(options: argparse.Namespace) -> int:
    directory = node_dir(options)
    party = settings.load(directory).party
    recipient: dict[str, Any] = {
        "party": party,
        "organisation": options.organisation,
        "employment": options.employment,
        "nationalities": sorted(set(options.nationality)),
        "says": {"employment": "party", "nationalities": "party"},
    }
    if options.clearance:
        system, _, level = options.clearance.partition(" ")
        recipient["clearance"] = {
            "system": system,
            "level": level,
            **({"until": options.until} if options.until else {}),
        }
        recipient["says"]["clearance"] = "party"
    pseudonym = desk(directory).person(options.alias, options.name, options.contact, recipient, options.place)
    emit(
        {"alias": options.alias, "pseudonym": pseudonym},
        as_json=options.json,
        lines=[f"{options.alias} is {party}/{pseudonym} to others"],
    )
    return 0


def _person_list(options: argparse.Namespace) -> int:
    node = open_node(node_dir(options))
    rows = [msgspec.to_builtins(one) for one in people(node)]
    lines = table(
        [
            (
                r["alias"],
                r["pseudonym"],
                r["recipient"]["organisation"],
                "/".join(r["recipient"].get("nationalities", ())),
                r["place"],
            )
            for r in rows
        ],
        ("alias", "pseudonym", "organisation", "nationalities", "place"),
    )
    emit(views.listing(node.register, int(time.time() * 1000), rows), as_json=options.json, lines=lines)
    return 0


def _person_declare(options: argparse.Namespace) -> int:
    id_ = desk(node_dir(options)).roster()
    emit({"id": id_}, as_json=options.json, lines=[f"roster {id_}"])
    return 0


def _login(options: argparse.Namespace) -> int:
    from relto.node.client import login

    session = login(node_dir(options), options.alias)
    emit(
        session,
        as_json=options.json,
        lines=[f"logged in at {session['party']} as {session['pseudonym']}, until {session['until']}"],
    )
    return 0


def _sync(options: argparse.Namespace) -> int:
    found = desk(node_dir(options)).sync()
    lines = []
    for party, row in found["parties"].items():
        lines.append(f"{party}: {row.get('error') or str(row['new']) + ' new'}")
        lines += [f"  {row['state']}: {row['standing']}"] if row["state"] != "current" else []
        lines += [f"  it {row['tells']}"] if row["tells"] else []
        lines += [f"  {row['way']}: `relto sync` goes on"] if row["way"] else []
    lines += [f"recovering: {found['recovering']}"] if found["recovering"] else []
    emit(found, as_json=options.json, lines=[*lines, f"{found['written']} acts written"])
    wrong = any("error" in row or row["state"] in BAD or row["tells"] for row in found["parties"].values())
    return 2 if wrong or found["recovering"] else 0


def _demo(options: argparse.Namespace) -> int:
    from relto.demo import demo

    return demo(
        directory=Path(options.dir) if options.dir else None,
        file=Path(options.file) if options.file else None,
        serve=options.serve,
        as_json=options.json,
        break_step=options.break_step,
    )
