"""`relto client`: software of others that the own people run, and what it may ask for."""

from __future__ import annotations

import argparse
from typing import Any

from relto.cli.main import common, emit, node_dir
from relto.cli.show import table
from relto.node.clients import clients
from relto.node.desk import desk
from relto.node.home import open_node


def add(commands: Any) -> None:
    client = commands.add_parser("client", help="others' software that the own people open packages with")
    verbs = client.add_subparsers(dest="verb", metavar="VERB", required=True)
    new = common(verbs.add_parser("add", help="a name and a secret for one person and one node"))
    new.add_argument("id", metavar="NAME")
    new.add_argument("--as", dest="alias", required=True, help="the person, by alias")
    new.add_argument("--audience", required=True, metavar="PARTY", help="whose node its tokens are for")
    new.add_argument("--purpose", default="evaluation")
    new.add_argument("--place", default="", metavar="CODE", help="where it is read; else the person's usual place")
    new.add_argument(
        "--bearer",
        action="store_true",
        help="its tokens are bound to no key: for software that can prove none, if the owner's node takes it",
    )
    new.set_defaults(call=_add)
    common(verbs.add_parser("list")).set_defaults(call=_list)
    gone = common(verbs.add_parser("remove"))
    gone.add_argument("id", metavar="NAME")
    gone.set_defaults(call=_remove)


def _add(options: argparse.Namespace) -> int:
    directory = node_dir(options)
    made = desk(directory).client(
        options.id, options.alias, options.audience, options.purpose, options.place, bearer=options.bearer
    )
    url = open_node(directory).config.url
    view = {"client": options.id, "token_endpoint": url + "/oauth2/token", **made, "bearer": options.bearer}
    emit(
        view,
        as_json=options.json,
        lines=[
            f"client {options.id} for {made['audience']}, read in {made['place']}",
            f"secret {made['secret']} (shown once)",
            f"token endpoint {url}/oauth2/token",
        ],
    )
    return 0


def _list(options: argparse.Namespace) -> int:
    rows = clients(open_node(node_dir(options)))
    view = [
        {
            "client": one.id,
            "person": one.alias,
            "audience": one.audience,
            "purpose": one.purpose,
            "place": one.place,
            "bearer": one.bearer,
        }
        for one in rows
    ]
    lines = table(
        [(one.id, one.alias, one.audience, one.purpose, one.place, "bearer" if one.bearer else "key") for one in rows],
        ("client", "person", "audience", "purpose", "place", "bound to"),
    )
    emit(
        {"results": view, "count": len(view), "complete": True}, as_json=options.json, lines=lines if rows else ["none"]
    )
    return 0


def _remove(options: argparse.Namespace) -> int:
    desk(node_dir(options)).client_gone(options.id)
    emit({"removed": options.id}, as_json=options.json, lines=[f"removed {options.id}: no further tokens"])
    return 0
