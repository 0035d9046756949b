"""Who asks for a key: the presentation of the own party, the proof of possession, and that neither is used twice.

What was verified of a presentation is remembered: that this very text carries a signature of this very key, and what it
says. That is all, so that it can answer no other question: whose key it must be, whether that party is frozen, audience,
time and possession are looked at in each call, and again inside the commit that the call's release becomes part of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec import Struct, UnsetType

from relto.acts import ItemState
from relto.errors import Conflict, Malformed, Refused, ReltoError
from relto.keys import PublicKey
from relto.node.tokens import (
    Presentation,
    check_presentation,
    issuer_of_presentation,
    verify_presentation,
    verify_proof,
)
from relto.node.tokens import Proof as Possession

if TYPE_CHECKING:
    from relto.node.node import Node

REMEMBERED_MAX: Final = 4096  # presentations; beyond that all are verified anew
SWEEP_S: Final = 10  # between two sweeps of used tokens that have expired


class Speaker(NamedTuple):
    """Whose word a presentation is: the party behind an origin, its vouch key now, and why its ledger is frozen."""

    party: str
    vouch: PublicKey
    frozen: str


class Asker(Struct, frozen=True, kw_only=True):
    """Who asks: the party that vouches, what it says, and the key that was proven.

    speaker: as it was when the presentation was verified. possession: None for a bearer. lenient: the switch for older
    clients is on for this person. legacy: it was needed.
    """

    speaker: Speaker
    presentation: Presentation
    token: str
    possession: Possession | None
    lenient: bool
    legacy: bool

    @property
    def party(self) -> str:
        return self.speaker.party

    @property
    def jkt(self) -> str:
        return self.possession.jkt if self.possession else ""


class _Verified(NamedTuple):
    key: PublicKey
    issuer: str
    presentation: Presentation


class Presented:
    """The memory of one node. Threads may share it: each entry is put in whole, and is checked when it is used."""

    def __init__(self) -> None:
        self.verified: dict[str, _Verified] = {}
        self.speakers: dict[str, Speaker] = {}
        self.items: dict[tuple[str, str], ItemState] = {}  # by what a policy names, in a register of this basis
        self.basis: object = None
        self.swept = 0


def speaker(node: Node, issuer: str) -> Speaker:
    """Who speaks by this origin at this node's sight of now. The caller holds the lock. Raises: NotFound."""
    register = node.register
    pinned = node.peer_by_origin(issuer) if issuer != node.origin else None
    keys = node.keys_of(pinned) if pinned is not None else register.scans[node.origin].chain[-1].keys
    party = pinned.party if pinned is not None else node.me
    state = register.parties.get(party)
    return Speaker(party, keys.vouch, state.frozen if state is not None else "")


def authenticate(node: Node, memory: Presented, authorization: str, dpop: str, method: str, url: str) -> Asker:
    """The presentation and the proof of one call, without the node's lock where its party is known already.

    Nothing is used up, and what the register says may be of a moment ago: `again` looks at it inside the commit.
    Raises: Malformed, Refused, Forged, NotFound; the edge answers 401 to all.
    """
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() not in {"dpop", "bearer"} or not token:
        raise Malformed("no presentation")
    known = memory.verified.get(token)
    issuer = known.issuer if known is not None else issuer_of_presentation(token)
    who = memory.speakers.get(issuer)
    if who is None:
        with node.lock:
            who = memory.speakers[issuer] = speaker(node, issuer)
    now = node.clock() // 1000
    presentation = _vouched(node, memory, token, issuer, who, now)
    lenient = node.config.takes_legacy(who.party, presentation.sub)
    possession = None
    if not isinstance(presentation.cnf, UnsetType):
        # RS256 and a proof that does not say for which token it is are what clients in use have; whether the release
        # says `legacy_client` follows from their request token, which is theirs too.
        allowed = ("EdDSA", "ES256", "RS256") if lenient else ("EdDSA", "ES256")
        possession = verify_proof(
            dpop,
            method=method,
            url=url,
            token=token,
            jkt=presentation.cnf.jkt,
            now=now,
            allowed=allowed,
            legacy=lenient,
        )
    elif not lenient:
        raise Refused("the presentation is not bound to a key", hint="the client must prove possession of one")
    return Asker(
        speaker=who,
        presentation=presentation,
        token=token,
        possession=possession,
        lenient=lenient,
        legacy=possession is None,
    )


def _vouched(node: Node, memory: Presented, token: str, issuer: str, who: Speaker, now: int) -> Presentation:
    """What the party vouches for, in time and for this node."""
    if who.frozen:
        raise Refused("the ledger of this party is frozen")
    known = memory.verified.get(token)
    if known is None or known.key != who.vouch or known.issuer != issuer:
        held = verify_presentation(token, who.vouch, issuer=issuer, audience=node.origin, now=now, legacy=True)
        if len(memory.verified) >= REMEMBERED_MAX:
            memory.verified.clear()
        memory.verified[token] = _Verified(who.vouch, issuer, held)
        return held
    check_presentation(known.presentation, issuer=issuer, audience=node.origin, now=now)
    return known.presentation


def again(node: Node, memory: Presented, asker: Asker, now: int) -> Asker:
    """The same asker by what holds in this commit. The caller holds the lock.

    Raises: Refused, Forged: the key was rotated, the ledger is frozen, the time is over, or nobody has pinned it.
    """
    issuer = asker.presentation.iss
    try:
        who = speaker(node, issuer)
    except ReltoError:
        memory.speakers.pop(issuer, None)
        raise
    memory.speakers[issuer] = who
    presentation = _vouched(node, memory, asker.token, issuer, who, now // 1000)
    possession = asker.possession
    if asker.lenient and not node.config.takes_legacy(who.party, presentation.sub):
        raise Refused("this client is not served as an older one any more")
    if possession is not None and now // 1000 >= possession.keep_until:
        raise Refused("the proof of possession is not from this minute", hint="compare the clocks")
    if who.party != asker.party or presentation != asker.presentation:
        raise Refused("the presentation is another party's by now", hint="ask for a new one")
    return asker


# ── used once ──


class Once:
    """The tokens that one call uses up. They are written with its first release, in the same commit, or by `settle` when
    there is none: one write for a call, whatever comes of it. The caller holds the lock.
    """

    def __init__(self, node: Node, memory: Presented) -> None:
        self._node, self._memory, self._rows = node, memory, dict[str, int]()

    def take(self, jti: str, until: int) -> None:
        """Raises: Conflict when it was used before, also by what waits for the same commit."""
        node = self._node
        if jti in self._rows or node.noted(("used", jti)) is not None:
            raise Conflict("this token was used before")
        if node.store.query("SELECT 1 FROM used_tokens WHERE jti = $1", (jti,)):
            raise Conflict("this token was used before")
        self._rows[jti] = until

    def settle(self) -> None:
        """They become durable with the commit. The key of the table refuses what another process has written."""
        rows, self._rows = self._rows, {}
        node, now = self._node, self._node.clock() // 1000
        for jti in rows:
            node.note_for_pool(("used", jti))
        statements: list[tuple[str, tuple[object, ...]]] = [
            ("INSERT INTO used_tokens (jti, until) VALUES ($1, $2)", (jti, until)) for jti, until in rows.items()
        ]
        if rows and not self._memory.swept <= now < self._memory.swept + SWEEP_S:
            self._memory.swept = now
            statements.insert(0, ("DELETE FROM used_tokens WHERE until < $1", (now,)))
        node.beside(statements)


def use_once(node: Node, jti: str, until: int) -> None:
    """Remembers a token until it expires, in the database: two processes cannot be played against each other.

    Raises: Conflict when it was used before.
    """
    with node.store.transaction("token"):
        node.store.execute("DELETE FROM used_tokens WHERE until < $1", (node.clock() // 1000,))
        if node.store.query("SELECT 1 FROM used_tokens WHERE jti = $1", (jti,)):
            raise Conflict("this token was used before")
        node.store.execute("INSERT INTO used_tokens (jti, until) VALUES ($1, $2)", (jti, until))
