"""Decisions and folds against what no node can do without: one signature verified for a question, one for an act.

In the partnership of the story, founded in one process; interleaved in one run: a busy machine slows both sides.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

import msgspec

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

ROUNDS, ASKED = 7, 60


def run():
    from world import World

    from relto import acts
    from relto.demo import cast
    from relto.keys import SecretKey, verify_ed25519

    with tempfile.TemporaryDirectory(prefix="relto-bench-") as where:
        world = World(Path(where))
        for party in cast.MEMBERS:
            world.start(party, cast.PARTIES[party])
        world.found("gbr", "usa", "aus")
        world.adopt_laws()
        for party in cast.MEMBERS:
            for fields in cast.attestations(party, world.time):
                world.act(party, "attest", **fields)
        opaque = {item: world.random(16).hex() for item in (cast.ITEM_A, cast.ITEM_B, cast.ITEM_C)}
        for fields in cast.items(world.time, opaque).values():
            world.act("gbr", "register", **fields)
        world.act("gbr", "determine", **cast.determination_a(world.register("gbr").item(cast.ITEM_A).label_act))
        world.sync()
        register = world.register("gbr")
        key = SecretKey.generate("bench/one", world.random, hybrid=False)
        message = world.random(300)
        signature = next(iter(key.sign(message).values()))

        def verify():
            assert verify_ed25519(key.public.ed25519, message, signature)

        facts = msgspec.convert(
            next(one for one in cast.PEOPLE if one.alias == "ada").facts(cast.day(world.time, 300)), acts.RecipientClass
        )
        rows = [decisions(register, facts, verify, world.time)]
        logs = {origin: list(entries) for origin, entries in world.nodes["gbr"]._entries.items()}
        rows.append(folds(logs, register, verify))
    return rows


def decisions(register, facts, verify, now):
    from relto.demo import cast
    from relto.release import Question, decide

    ours, peer = [], []
    for turn in range(ROUNDS):
        for one in range(ASKED):
            # Another day for each, so that nothing remembered can answer.
            question = Question(
                to=facts,
                item=cast.ITEM_A,
                version=1,
                purpose="evaluation",
                place="AUS",
                place_says="party",
                day=now + turn * ASKED + one,
            )
            begun = time.perf_counter()
            assert decide(register, question).answer == "permit"
            ours.append(time.perf_counter() - begun)
            begun = time.perf_counter()
            verify()
            peer.append(time.perf_counter() - begun)
    mine, other = statistics.median(ours) * 1e6, statistics.median(peer) * 1e6
    return {
        "measure": "explained decision, three jurisdictions, nothing remembered (µs)",
        "ours": mine,
        "peer": other,
        "ratio": mine / other,
        "reach": "peer: one Ed25519 signature verified, as each question's presentation needs",
    }


def folds(logs, register, verify):
    from relto.acts import fold

    count = sum(len(entries) for entries in logs.values())
    fold(logs, "gbr", register.objects)  # signatures verified once and remembered
    ours, peer = [], []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        fold(logs, "gbr", register.objects)
        ours.append((time.perf_counter() - begun) / count)
        begun = time.perf_counter()
        for _ in range(count):
            verify()
        peer.append((time.perf_counter() - begun) / count)
    mine, other = statistics.median(ours) * 1e6, statistics.median(peer) * 1e6
    return {
        "measure": f"fold from scratch, {count} entries, signatures remembered (µs an entry)",
        "ours": mine,
        "peer": other,
        "ratio": mine / other,
        "reach": "peer: one Ed25519 signature verified for each entry",
    }
