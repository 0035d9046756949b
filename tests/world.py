"""A partnership in one process, under any charter: nodes with real ledgers and databases, on a seeded clock, network and disk.

The very code that a served node runs, with the outside faked: `World.deliver` is the network (it can drop, delay and
repeat), `World.clock` the time, each node's `Sqlite` the disk (in memory or in a directory), randomness a seeded
stream. `check(world)` verifies every ledger and mirror after a step.
"""

from __future__ import annotations

import hashlib
import random as seeded
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from relto import acts
from relto.acts import Act, Register
from relto.charter import Pin, draft, format_parties, read
from relto.errors import Fatal, NotFound, Unavailable
from relto.keys import PublicKey
from relto.ledger import Verifier, verify_log
from relto.node import officer
from relto.node.config import Config
from relto.node.home import init, read_signer
from relto.node.node import Delivered, Node
from relto.node.words import words
from relto.release import Question, decide

T = TypeVar("T")

START = 1_790_000_000_000  # 2026-09-21
DATA = Path(__file__).parent.parent / "relto" / "data"


class Link:
    """One node as another one reaches it. Every call passes the world's network."""

    at: int | None = None

    def __init__(self, world: World, caller: Node, target: Node) -> None:
        self.world, self.caller, self.target, self.party = world, caller, target, target.me

    def _ask(self, answer: Callable[[], T]) -> T:
        return self.world.reach(self.caller.me, self.target.me, answer)

    def head(self) -> bytes:
        def answer() -> bytes:
            self.world.time += self.target.publish_in_ms()
            return self.target.published()

        return self._ask(answer)

    def inception(self) -> bytes:
        return self._ask(self.target.inception)

    def follow(self, pinned: Any) -> None:
        """It reaches a node, whatever its ledger is called."""

    def leaves(self, start: int, stop: int) -> list[bytes]:
        def answer() -> list[bytes]:
            if not self.target.serves_whole(self.caller.me):
                raise NotFound("there is nothing here")
            return self.target.store.leaves(self.target.origin, start, stop)

        return self._ask(answer)

    def openings(self, since: int, also: Any, size: int) -> list[Delivered]:
        reader = self.caller.me
        return self._ask(
            lambda: self.target.openings_for(reader, since, also, size, proofs=not self.target.serves_whole(reader))
        )

    def consistency(self, old: int, new: int) -> list[bytes]:
        return self._ask(lambda: self.target.log.tree.consistency(old, new))

    def object(self, digest: str) -> bytes:
        return self._ask(lambda: self.target.objects.get(bytes.fromhex(digest)))

    def yours(self) -> Any:
        return self._ask(lambda: self.target.yours(self.caller.me))

    def your_entries(self, since: int, size: int) -> list[Any]:
        def answer() -> list[Any]:
            found: list[Any] = []
            at = since
            while at < size:
                page = self.target.your_entries(self.caller.me, at, size)
                found += page.entries
                if page.more is None:
                    break
                at = page.more
            return found

        return self._ask(answer)


class World:
    """See the module. `outsiders`: parties that hold others' ledgers in parts."""

    def __init__(self, directory: Path, seed: int = 1, charter: Path = DATA / "charters" / "aukus") -> None:
        self.directory, self.seed = directory, seed
        self.charter = (charter / "charter.yaml").read_bytes()
        self.partnership = draft(read(self.charter, "charter.yaml")).id
        self.chance = seeded.Random(seed)
        self.time = START
        self.nodes: dict[str, Node] = {}
        self.outsiders: set[str] = set()
        self.cut: set[tuple[str, str]] = set()
        self.crashed: set[str] = set()
        self.loss = 0.0
        self._draws = 0

    def clock(self) -> int:
        self.time += 1
        return self.time

    def random(self, size: int) -> bytes:
        self._draws += 1
        return hashlib.shake_256(f"{self.seed}:{self._draws}".encode()).digest(size)

    def deliver(self, caller: str, target: str) -> None:
        if (caller, target) in self.cut or (target, caller) in self.cut or self.chance.random() < self.loss:
            raise Unavailable(f"{target} does not answer {caller}")

    def reach(self, caller: str, target: str, answer: Callable[[], T]) -> T:
        """A call over the network. A node that does not know its own last commit ends (relto/node/serve.py): for whoever
        called it is one that does not answer, and it stays in `crashed` until somebody starts it again."""
        self.deliver(caller, target)
        try:
            return answer()
        except Fatal as error:
            self.crashed.add(target)
            raise Unavailable(f"{target} does not answer {caller}: it ended") from error

    # ---- parties

    def start(self, party: str, name: str) -> Node:
        config = Config(
            party=party,
            partnership=self.partnership,
            name=name,
            url=f"http://{party}.example",
            origin=f"{party}.example/{self.partnership}/0",
            demo=True,
        )
        node = init(self.directory / party, config, clock=self.clock, random=self.random, root=(1, 1), authority=(2, 2))
        self.nodes[party] = node
        return node

    def join(self, one: str, other: str) -> tuple[str, str]:
        """Both pin each other; returns the words that each reads to the other."""
        first, second = self.nodes[one], self.nodes[other]
        first.pin(second.inception(), "words")
        second.pin(first.inception(), "words")
        return words(acts.open_act(first.inception())[1]), words(acts.open_act(second.inception())[1])

    def sign(self, party: str, act: Act, *names: str) -> bytes:
        """By named key files, or by whoever this kind of act asks for."""
        node = self.nodes[party]
        if names:
            return acts.sign(
                act, [read_signer(self.directory / party / "keys" / "offline" / f"{name}.key") for name in names]
            )
        keys = node.register.scans[node.origin].keys
        assert keys is not None
        request = officer.request(act, keys)
        return officer.envelope(officer.sign(request, officer.offline_signers(self.directory / party, request)))

    def act(self, party: str, kind: str, /, **fields: Any) -> str:
        """Drafts, signs and submits; returns the act's id."""
        node = self.nodes[party]
        return node.submit(self.sign(party, node.draft(kind, **fields)))

    def store_parts(self, party: str) -> list[str]:
        """The ledgers that a party holds in parts."""
        return [row[0] for row in self.nodes[party].store.query("SELECT DISTINCT origin FROM parts ORDER BY origin")]

    # ---- the network

    def sync(self, *parties: str, rounds: int = 6) -> None:
        """Everyone fetches from everyone it has pinned until nothing new comes, at most `rounds` times."""
        for _ in range(rounds):
            moved = 0
            for name in parties or tuple(self.nodes):
                moved += self.sync_one(name)
            if not moved:
                return

    def sync_one(self, name: str) -> int:
        node, moved = self.nodes[name], 0
        for party in node.peers():
            if party in self.nodes:
                try:
                    moved += node.ingest(Link(self, node, self.nodes[party]))
                except (Unavailable, NotFound):
                    continue
        moved += node.tend(lambda address, origin: self._meet(name, address))
        return moved

    def _meet(self, caller: str, address: str) -> bytes:
        target = next(node for node in self.nodes.values() if node.config.url == address)
        return self.reach(caller, target.me, target.inception)

    # ---- the partnership

    def found(self, *members: str) -> str:
        """Joins, charter, three consents, acknowledgements; returns the founding id."""
        for position, one in enumerate(members):
            for other in members[position + 1 :]:
                self.join(one, other)
        self.sync()
        proposer = self.nodes[members[0]]
        charter = proposer.put_text(self.charter)
        pins = [
            Pin(id=n.me, inception=acts.open_act(n.inception())[1], origin=n.origin, address=n.config.url)
            for n in (self.nodes[m] for m in members)
        ]
        parties = proposer.put_text(format_parties(self.partnership, pins))
        founding = self.act(
            members[0], "propose", subject="charter", n=1, what=acts.CharterText(charter=charter, parties=parties)
        )
        self.sync()
        for member in members:
            self.act(member, "consent", proposal=founding)
        self.sync()
        return founding

    def adopt_laws(self) -> None:
        for party, code, pack in (("usa", "USA", "us-itar"), ("gbr", "GBR", "gb-export"), ("aus", "AUS", "au-export")):
            node = self.nodes[party]
            digest = node.put_text((DATA / "law" / pack / "pack.yaml").read_bytes())
            self.act(party, "adopt", jurisdiction=code, pack=digest, name=pack)
        self.sync()

    def register(self, party: str) -> Register:
        return self.nodes[party].register

    def may(self, party: str, question: Question) -> Any:
        return decide(self.nodes[party].register, question)


def attest(world: World, party: str, number: int) -> str:
    """A unilateral act that all members may read, each number another one."""
    return world.act(
        party, "attest", about=f"{party}/works", claim="facility", term=acts.Term(since=f"2026-01-{number + 1:02}")
    )


def check(world: World) -> None:
    """Every ledger and mirror recomputed from its bytes; mirrors are prefixes; registers agree where both may see."""
    for node in world.nodes.values():
        for origin in node.store.origins():
            owner = next(other for other in world.nodes.values() if other.origin == origin)
            keys = owner.register.scans[origin].keys
            assert keys is not None
            report = verify_log(node.store, origin, Verifier.of_log(PublicKey(name=origin, ed25519=keys.log.ed25519)))
            assert report.sound, report.problem
            head, own = node.store.head(origin), owner.store.head(origin)
            assert head is not None
            assert own is not None
            assert head.size <= own.size
            assert node.store.leaves(origin, 0, head.size) == owner.store.leaves(origin, 0, head.size)
        fresh = acts.fold(node._entries, node.me, node._texts(), node.config.pin)
        assert fresh.own == node.register.own, "incremental and from scratch differ"
    by_common: dict[tuple[tuple[str, int], ...], set[str]] = {}
    for node in world.nodes.values():
        if node.me in node.register.members:
            sizes = tuple(sorted((origin, size) for origin, (size, _) in node.register.sight.items()))
            by_common.setdefault(sizes, set()).add(node.register.common)
    assert all(len(commons) == 1 for commons in by_common.values()), "equal sights, unequal common registers"
