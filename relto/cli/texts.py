"""The agreed text and the law as files: by name, by file, in a directory, or as they stand in a node."""

from __future__ import annotations

import argparse
from importlib import resources
from pathlib import Path

from msgspec import Struct

from relto import charter
from relto.cli.main import emit, node_dir
from relto.errors import NotFound
from relto.node.home import open_node
from relto.node.node import Node


def shipped(kind: str) -> list[str]:
    root = resources.files("relto") / "data" / kind
    return sorted(one.name for one in root.iterdir() if one.is_dir())


def text_of(kind: str, name: str, file: str) -> tuple[bytes, str]:
    """A shipped text by name, a file, or a file in a directory."""
    path = Path(name)
    if path.is_dir() and (path / file).is_file():
        return (path / file).read_bytes(), str(path / file)
    if path.is_file():
        return path.read_bytes(), str(path)
    if name in shipped(kind):
        return (resources.files("relto") / "data" / kind / name / file).read_bytes(), f"{name}/{file}"
    if path.is_dir():
        raise NotFound(f"`{name}` is a directory without {file}")
    raise NotFound(
        f"no {kind.removesuffix('s')} `{name[:80]}`", hint=f"a file, a directory, or one of {', '.join(shipped(kind))}"
    )


def charter_text(name: str) -> tuple[bytes, str]:
    return text_of("charters", name, "charter.yaml")


def charter_in_force(options: argparse.Namespace) -> tuple[bytes, str]:
    register = open_node(node_dir(options)).register
    if register.charter is None:
        raise NotFound(
            "no charter is in force at this node", hint="name a file, or one of " + ", ".join(shipped("charters"))
        )
    return register.objects[register.charter.digest.hex()], "charter in force"


def case_report(options: argparse.Namespace, rows: list[tuple[str, str, str, str, tuple[str, ...]]]) -> int:
    failed = [row for row in rows if row[4]]
    lines = [f"{row[0]}: expected {row[2]}, got {row[3]}: {'; '.join(row[4])} ({row[1]})" for row in failed]
    view = {
        "results": [{"id": i, "where": w, "expected": e, "got": g, "problems": list(p)} for i, w, e, g, p in rows],
        "count": len(rows),
        "failed": len(failed),
    }
    emit(view, as_json=options.json, lines=[*lines, f"{len(rows)} cases, {len(failed)} failed"])
    return 1 if failed else 0


class CharterVersion(Struct, frozen=True, kw_only=True):
    """A charter that may be proposed: its texts are held here, and every party in it is pinned."""

    signatories: tuple[str, ...]
    charter: str
    parties: str


def charter_version(node: Node, where: str) -> CharterVersion:
    """Reads the text and keeps it with its party list. Raises: NotFound for a signatory that is not pinned."""
    source, name = charter_text(where)
    agreed = charter.load(charter.read(source, name))
    missing = [party for party in agreed.signatories if party != node.me and party not in node.peers()]
    if missing:
        raise NotFound(
            f"the inception of {', '.join(missing)} is not pinned here", hint="`relto node join` pins a party"
        )
    names = parties_text(node, agreed.signatories)
    return CharterVersion(signatories=agreed.signatories, charter=node.put_text(source), parties=node.put_text(names))


def parties_text(node: Node, members: tuple[str, ...]) -> bytes:
    pins = []
    for party in sorted(members):
        if party == node.me:
            pins.append((node.me, node.register.scans[node.origin].inception_id, node.origin, node.config.url))
        else:
            one = node.peers()[party]
            pins.append((party, one.inception, one.origin, one.address))
    return charter.format_parties(
        node.config.partnership, [charter.Pin(id=i, inception=n, origin=o, address=u) for i, n, o, u in pins]
    )
