"""How each partner's ledger stands from here: current, silent, rewound, forked, damaged. One answer for every surface.

`relto sync`, `relto node doctor`, `relto ledger show`, the overview page with its JSON, the metrics and the log line of a
served node all print what stands here, so that they cannot disagree.
"""

from __future__ import annotations

import datetime as dt
from typing import Any, Final, Literal

from msgspec import Struct

from relto import acts
from relto.ledger import open_checkpoint
from relto.node.held import Held, Pinned

SILENT_MS: Final = 15 * 60 * 1000  # without a word for so long, or three rounds of asking, is silence
DAY_MS: Final = 86_400_000

State = Literal["current", "silent", "unheard", "rewound", "forked", "damaged"]
BAD: Final[frozenset[State]] = frozenset({"rewound", "forked", "damaged"})


class Standing(Struct, frozen=True, kw_only=True):
    """seen: when its ledger was last had from its own node or from a file that it signed (ms); None: never.

    tells: what it says it refused of our ledger. way: how far its ledger has come here that grew by more than one step.
    """

    party: str
    origin: str
    state: State
    words: str
    size: int
    seen: int | None
    tells: str = ""
    way: str = ""

    @property
    def bad(self) -> bool:
        return self.state in BAD


def standings(node: Held) -> list[Standing]:
    """Every pinned party, by id."""
    contacts = {
        row[0]: row[1:] for row in node.store.query("SELECT party, tried, answered, kind, problem FROM contacts")
    }
    refusals = {row[0]: row[1:] for row in node.store.query("SELECT party, size, problem FROM refusals")}
    rows = node.store.query("SELECT origin, size, seen FROM part_heads")
    parts = {str(origin): (int(size), int(seen)) for origin, size, seen in rows}
    forks = {one.act.origin: one.act.author for one in node.register.stated.values() if isinstance(one.act, acts.Fork)}
    found = []
    for party, pinned in node.peers().items():
        head = node.store.head(pinned.origin)
        size, seen = (head.size, head.seen) if head is not None and head.note else parts.get(pinned.origin, (0, 0))
        state, words = _judge(node, party, seen, contacts.get(party), forks.get(pinned.origin, ""))
        told = refusals.get(party)
        tells = f"refuses our ledger after size {told[0]}: {told[1]}" if told else ""
        found.append(
            Standing(
                party=party,
                origin=pinned.origin,
                state=state,
                words=words,
                size=size,
                seen=seen or None,
                tells=tells,
                way=_way(node, pinned),
            )
        )
    return found


def _way(node: Held, pinned: Pinned) -> str:
    staged = node.store.staged(pinned.origin)
    if staged is None:
        return ""
    goal = open_checkpoint(staged.note, node.verifier(pinned)).checkpoint.size
    return f"{staged.size} of {goal} entries have come; nothing counts before all have"


def _judge(node: Held, party: str, seen: int, contact: tuple[Any, ...] | None, accuser: str) -> tuple[State, str]:
    now = node.clock()
    state = node.register.parties.get(party)
    if state is not None and state.frozen:
        return "forked", f"frozen: {state.frozen}"
    if accuser:
        return "forked", f"signed two histories; the proof is in the ledger of {accuser}"
    tried, _, kind, problem = contact or (0, 0, "", "")
    if kind in BAD:
        return kind, f"{problem} (at {_when(tried)})"
    if not seen:
        return "unheard", problem or "its ledger has never been here"
    age, limit = now - seen, max(SILENT_MS, int(node.config.sync_s * 3000))
    late = _limit(node, party)
    past = f"; past the charter's limit of {_span(late)}" if late is not None and age > late else ""
    if kind == "silent" or age > limit:
        return "silent", f"last had {_span(age)} ago{past}" + (f"; {problem}" if problem else "")
    return "current", f"last had {_span(age)} ago"


def _limit(node: Held, party: str) -> int | None:
    """How old the sight of this ledger may be by the charter, whatever the label."""
    charter = node.register.charter
    limits = [
        one.limit_ms
        for one in (charter.freshness if charter is not None else ())
        if not one.levels and (not one.parties or party in one.parties)
    ]
    return min(limits, default=None)


def _when(at: int) -> str:
    return dt.datetime.fromtimestamp(at / 1000, dt.UTC).strftime("%Y-%m-%d %H:%M UTC")


def _span(ms: int) -> str:
    seconds = max(0, ms) // 1000
    for size, word in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds // size} {word}"
    return f"{seconds} seconds"
