"""The fold: from scratch, and one act more, at sizes far apart; against verifying one signature for each act.

Three parties, properly signed: releases, receipts, acknowledges, items, attestations. Sizes are compared in one run, a
round at each in turn, in processor time: on a shared machine the wall clock measures the others.

RELTO_BENCH_ACTS: the largest ledger, 100,000 unless told; a million needs about 6 GiB and ten minutes to write.
"""

from __future__ import annotations

import gc
import os
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "acts"))

LARGEST = int(os.environ.get("RELTO_BENCH_ACTS", "100000"))
SIZES = [size for size in (1_000, 10_000, 100_000, 1_000_000) if size <= LARGEST]
ROUNDS = 9  # acts of each kind, one by one, at each size


def write(kit, count, kind=None):
    """Acts of a year's mixture: four releases, three receipts, an acknowledge, an item, an attestation."""
    from acts_kit import TERM, item_fields, release_fields

    for at in range(count):
        turn = kit.turn = getattr(kit, "turn", 0) + 1
        what = (
            kind
            or [
                "release",
                "release",
                "release",
                "release",
                "receipt",
                "receipt",
                "receipt",
                "acknowledge",
                "register",
                "attest",
            ][at % 10]
        )
        if what == "release":
            fields = release_fields(kit, "arda/glass", "bree", kit.sight, request=f"{turn:064x}")
            kit.last = kit.arda.say("release", readers=("arda", "bree"), **fields)
        elif what == "receipt":
            kit.bree.say("receipt", release=kit.last, outcome="matches", readers=("arda", "bree"))
        elif what == "acknowledge":
            kit.bree.ack()
        elif what == "register":
            kit.arda.say("register", **item_fields(f"arda/glass-{turn}"))
        else:
            kit.cora.say("attest", about="cora/works", claim=f"claim-{turn}", term=TERM)


def grown(size):
    from acts_kit import MEMBERS, Kit, item_fields

    kit = Kit(*MEMBERS, "dune").found()
    kit.engage()
    kit.arda.say("register", **item_fields())
    kit.__dict__["sight"] = kit.arda.ack()
    write(kit, size - sum(party.size for party in kit.parties.values()))
    return kit


def timed(call):
    gc.collect()
    gc.disable()
    start = time.process_time()
    result = call()
    spent = time.process_time() - start
    gc.enable()
    return result, spent


def run():
    from relto import acts
    from relto.keys import SecretKey, verify_ed25519

    key = SecretKey("bench/one", bytes(range(32)), None)
    signature = next(iter(key.sign(bytes(300)).values()))

    def verify(times=200):
        return (
            timed(lambda: [verify_ed25519(key.public.ed25519, bytes(300), signature) for _ in range(times)])[1] / times
        )

    kits = {size: grown(size) for size in SIZES}
    logs = {size: kit.logs("arda") for size, kit in kits.items()}
    first = {size: timed(lambda size=size: acts.fold(logs[size], "arda", kits[size].objects)) for size in SIZES}
    registers = {size: register for size, (register, _) in first.items()}
    again = {size: timed(lambda size=size: acts.fold(logs[size], "arda", kits[size].objects))[1] for size in SIZES}
    floor = statistics.median(verify() for _ in range(5))
    more = {size: [] for size in SIZES}
    for _ in range(ROUNDS):
        for kind in ("release", "receipt", "acknowledge", "register"):
            for size in SIZES:
                write(kits[size], 1, kind)
                one = max((party.entries[-1] for party in kits[size].parties.values()), key=lambda one: one.act.at)
                registers[size], spent = timed(lambda size=size, one=one: acts.extend(registers[size], [one]))
                more[size].append(spent)
    small, large = SIZES[0], SIZES[-1]
    per = {size: spent / size * 1e6 for size, spent in again.items()}
    each = {size: statistics.median(spent) * 1e6 for size, spent in more.items()}
    verified = first[large][1] / large * 1e6
    return [
        row(f"fold of {large:,} acts, signatures remembered (s; us an act there and at {small:,})", again[large],
            f"{per[large]:.0f}; {per[small]:.0f}", per[large] / per[small], "a few seconds; flat"),
        row(f"the same, each signature verified (us an act), against verifying one ({floor * 1e6:.0f} us)", verified,
            floor * 1e6, verified / (floor * 1e6), "-"),
        row(f"one act more (us) at {large:,} and at {small:,}", each[large], each[small], each[large] / each[small], "flat"),
    ]  # fmt: skip


def row(measure, ours, peer, ratio, reach):
    return {"measure": measure, "ours": ours, "peer": peer, "ratio": ratio, "reach": reach}
