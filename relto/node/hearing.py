"""Members are asked before a label leaves that the charter names for it; who does not answer leaves it undetermined.

A suspension that a member has signed and this node has not fetched yet would come too late for the highest labels. So
before such a share, and before such a release without a file, each member's ledger is fetched once more. Nobody waits
for the network while holding the node's lock: what is needed is found first, asked for, and looked at again.

Contracts of the design, section 14; `ask_first` of a charter's freshness clauses.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx2 as httpx

from relto.acts import ItemState
from relto.errors import Fatal, ReltoError
from relto.node.node import Node
from relto.node.peers import fetch

Hear = Callable[[tuple[str, ...]], frozenset[str]]  # asks these parties now; those whose ledger was fetched


def unheard(node: Node, item: ItemState, heard: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """Members that must still be asked before this item leaves; none for a label that the charter does not name."""
    charter = node.register.charter
    if charter is None or not charter.asks_first(item.label.levels):
        return ()
    return tuple(party for party in charter.members if party != node.me and party not in heard)


def why_unheard(node: Node, item: ItemState, parties: tuple[str, ...]) -> str:
    charter = node.register.charter
    assert charter is not None
    clause = charter.asking_clause(item.label.levels)
    levels = ", ".join(map(str, item.label.levels))
    return f"the charter (clause {clause}) asks the members before {levels} leaves, and {', '.join(parties)} did not answer"


def nobody(_parties: tuple[str, ...]) -> frozenset[str]:
    """For a node that nobody serves: no network, so nobody answers."""
    return frozenset()


def by(node: Node, client: httpx.Client) -> Hear:
    """Over HTTP, all at once; a party that is frozen, silent or refused is not heard."""

    def one(party: str) -> str:
        pinned = node.peers().get(party)
        if pinned is None:
            return ""
        try:
            fetch(node, pinned, client)
        except Fatal:
            raise
        except ReltoError:
            return ""
        return party

    def hear(parties: tuple[str, ...]) -> frozenset[str]:
        if not parties:
            return frozenset()
        with ThreadPoolExecutor(max_workers=min(8, len(parties))) as pool:
            return frozenset(filter(None, pool.map(one, parties)))

    return hear
