"""Sealing at the owner's node: a registered item becomes a package.

Its policy names the item, its shares are held by the owners, its label is the register's.

Source: spec/package.md; contracts of the design, sections 13 and 20.
"""

from __future__ import annotations

import datetime as dt
import mimetypes
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from msgspec import UnsetType

from relto.acts import ItemState
from relto.acts.act import AccessPublic
from relto.errors import NotFound, Refused, ReltoError
from relto.keys import HYBRID
from relto.label import Label, banner, combine, in_words, label_of, parse, read_json, said, write_json
from relto.node.node import Keys, Node
from relto.package import Package, Policy, Sealed, ShareFor, seal, spread
from relto.package.parts import seal_parts


def seal_item(
    node: Node,
    item: ItemState,
    source: Any,
    target: Any,
    *,
    name: str,
    mime: str = "",
    wrap: str = "",
    shown: Label | None = None,
    progress: Any = None,
) -> Sealed:
    """Seals a file (a path or an open stream) for the owners of an item.

    wrap: the algorithm of the key that shares are wrapped to; else the best that each owner has. shown: the label that
    every bearer sees, where it is not the item's own: that of a whole of which this is a part.

    Raises: Refused for an item of another party, a retired one, or one whose label releases it to nobody; what
    `package.seal` raises.
    """
    keys = _sealable(node, item)
    return seal(
        source,
        target,
        policy=Policy.for_item(node.origin.partition("/")[0], item.facts.opaque, node.random),
        recipients=_shares(node, item, wrap),
        name=name,
        title=item.facts.title,
        mime=mime or mimetypes.guess_type(name)[0] or "application/octet-stream",
        label_banner=label_banner(shown or item.label),
        label_statement=label_statement(shown or item.label, _codes(node, item), node.clock()),
        label_inside=label_banner(item.label) if shown else "",
        signer=keys.seal,
        party=node.me,
        origin=node.origin,
        now=node.clock(),
        random=node.random,
        progress=progress,
    )


def seal_folder(
    node: Node, whole: ItemState, files: Sequence[tuple[Path, ItemState]], target: Any, *, wrap: str = ""
) -> tuple[Sealed, ...]:
    """Seals each file as its own item into one package, whose parts open apart.

    Every bearer sees the label of the whole: the most restrictive of all its parts, and of the item that it is.
    Raises: as `seal_item`; Refused for no file or too many.
    """
    keys = _sealable(node, whole)
    charter = node.register.charter
    systems = {one.name: one for one in charter.equivalence.systems} if charter is not None else {}
    owners = frozenset(_codes(node, whole))
    shown = combine(whole.label, *(item.label for _, item in files), owners=owners, systems=systems)

    def sealing(path: Path, item: ItemState) -> Callable[[BinaryIO], Sealed]:
        return lambda out: seal_item(
            node, item, path, out, name=path.name, mime="application/octet-stream", wrap=wrap, shown=shown
        )

    for _, item in files:
        _sealable(node, item)
    return seal_parts(
        target,
        [sealing(path, item) for path, item in files],
        item=whole.facts.opaque,
        label=label_banner(shown),
        signer=keys.seal,
        party=node.me,
        origin=node.origin,
        now=node.clock(),
    )


def _sealable(node: Node, item: ItemState) -> Keys:
    """The keys, where the item may be sealed here. Raises: Refused."""
    if node.keys is None:
        raise Refused("this node's keys are not readable here")
    if item.party != node.me:
        raise Refused(f"`{item.id}` is an item of `{item.party}`", hint="its owner seals it")
    if item.retired:
        raise Refused(f"`{item.id}@{item.version}` is retired")
    if item.label.rel == ():
        raise Refused(f"the label of `{item.id}` releases it to nobody", hint="relabel it first, or keep it unsealed")
    return node.keys


def _codes(node: Node, item: ItemState) -> tuple[str, ...]:
    """The country codes of an item's owners, as far as the charter gives them some."""
    found = (node.register.parties.get(party) for party in item.facts.owners)
    return tuple(one.code for one in found if one is not None and one.code)


def _access_key(keys: Sequence[AccessPublic], wrap: str) -> AccessPublic | None:
    """The newest key of the algorithm asked for; else of the best one that the party has: a file can travel for years,
    and what a quantum computer will open must not be in it."""
    for algorithm in (wrap,) if wrap else (HYBRID, "ec:secp256r1", "rsa:2048"):
        found = [one for one in keys if one.algorithm == algorithm]
        if found:
            return found[-1]
    return None


def _shares(node: Node, item: ItemState, wrap: str) -> tuple[ShareFor, ...]:
    """Each owner's node holds what the item's rule gives it: the whole key, a share each for all, or any k of n."""
    nodes = []
    for party in item.facts.owners:
        state = node.register.party(party)
        key = _access_key(state.keys.access, wrap)
        if key is None:
            raise NotFound(
                f"`{party}` has no key that a share can be wrapped to" + (f" by `{wrap}`" if wrap else ""),
                hint=f"one of {', '.join(sorted({one.algorithm for one in state.keys.access})) or 'none'}",
            )
        nodes.append(ShareFor(url=state.address + "/kas", kid=key.kid, public_pem=key.pem))
    rule = item.facts.release
    need = {"one": 1, "all": len(nodes)}.get(rule.rule) or (rule.k if isinstance(rule.k, int) else len(nodes))
    return spread(nodes, need)


def label_banner(label: Label) -> str:
    """The marking in the first system that can write it; the levels and states in words where none can."""
    for level in label.levels:
        try:
            return banner(label, level.system)
        except ReltoError:
            continue
    return in_words(label)


def label_statement(label: Label, owners: Iterable[str], created: int) -> str:
    """The label in the JSON of a label assertion, as other readers of sealed files expect it.

    owners: their country codes; to other readers a label that names nobody would be one without restrictions.
    """
    when = dt.datetime.fromtimestamp(created / 1000, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return write_json(said(label, owners=owners, created=when))


def check_label(package: Package) -> None:
    """The label in a package says the same twice: as a banner, and in the form that other software reads.

    Both are signed by the owner, so that a difference is a slip or a trick of the owner's own: whoever goes by the one
    must not be shown another. A banner in words, and a level of another system beside the banner's, are not compared.
    Raises: Refused, Malformed.
    """
    assert package.owner is not None
    banner_line, said_ = package.owner.says.label, label_of(read_json(package.label_statement.encode()))
    for system in dict.fromkeys(level.system for level in said_.levels):
        try:
            shown = parse(banner_line, system=system)
        except ReltoError:
            continue
        levels = [level for level in said_.levels if level.system == system]
        same = list(shown.levels) == levels and sorted(shown.tags) == sorted(said_.tags)
        if not same or not (isinstance(shown.rel, UnsetType) or shown.rel == said_.rel):
            raise Refused(
                f"the package is marked `{banner_line}` and says something else to other software",
                hint="its owner must seal it anew",
            )
        return


def item_named(node: Node, text: str) -> ItemState:
    name, _, version = text.partition("@")
    return node.register.item(name, int(version) if version.isdecimal() else None)


def file_name(path: Path) -> str:
    return path.name or "stdin"
