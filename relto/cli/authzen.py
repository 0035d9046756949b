"""`relto authzen`: keys for the party's own software that asks for decisions."""

from __future__ import annotations

import argparse
import hashlib
import secrets
from typing import Any

import msgspec

from relto.cli.main import common, emit, node_dir
from relto.errors import Refused
from relto.node import config as settings
from relto.node.authzen import KEYS_MAX


def add(commands: Any) -> None:
    verbs = commands.add_parser("authzen", help="decisions for the party's own software, over HTTP").add_subparsers(
        dest="verb", metavar="VERB", required=True
    )
    key = common(verbs.add_parser("key", help="a key with which software may ask; the node keeps its digest only"))
    key.set_defaults(call=_key)


def _key(options: argparse.Namespace) -> int:
    directory = node_dir(options)
    held = settings.load(directory)
    if len(held.authzen_keys) >= KEYS_MAX:
        raise Refused(f"a node has at most {KEYS_MAX} keys for AuthZEN", hint=f"remove one from `{settings.FILE}`")
    key = secrets.token_urlsafe(32)
    digest = hashlib.sha256(key.encode()).hexdigest()
    settings.save(msgspec.structs.replace(held, authzen_keys=(*held.authzen_keys, digest)), directory)
    view = {"key": key, "digest": digest, "configuration": f"{held.url}/.well-known/authzen-configuration"}
    emit(
        view,
        as_json=options.json,
        lines=[
            f"key {key} (shown once)",
            f"{view['configuration']}; a serving node takes the key when it starts again",
        ],
    )
    return 0
