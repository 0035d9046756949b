"""The release engine over the bench partnership: every row with what is remembered, and with it forgotten.

Ten million items (`RELTO_BENCH_ITEMS` for fewer), 5,000 people in 200 classes, three laws. Medians of repeated calls,
in one run. *warm*: the decisions of these class pairs were asked for before; *cleared*: all of them are forgotten, what
single rules found is kept, as in an engine that has been running; *cold*: nothing is remembered. `python -m
bench.release` writes the table and a picture of the growth to `docs/bench/`.
"""

from __future__ import annotations

import ctypes
import gc
import os
import platform
import statistics
import sys
import time
from pathlib import Path

import msgspec
import numpy as np

from bench import partnership as made
from relto.acts import Register
from relto.release import rosters, usual
from relto.release.catalogue import item_of
from relto.release.compare import Compared
from relto.release.decide import judge
from relto.release.kernel import PERMIT, Kernel

ITEMS = int(os.environ.get("RELTO_BENCH_ITEMS", "10000000"))
GROWTH = (10_000, 100_000, 1_000_000)
WHERE = Path(__file__).parent.parent / "docs" / "bench"


def resident():
    """MB of this process, after what is free was given back."""
    gc.collect()
    if sys.platform == "linux":
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def timed(call, times=9, before=lambda: None):
    """Median seconds of a call."""
    found = []
    for _ in range(times):
        before()
        begun = time.perf_counter()
        call()
        found.append(time.perf_counter() - begun)
    return statistics.median(found)


def row(measure, ours, reach, peer="", ratio=""):
    return {"measure": measure, "ours": ours, "peer": peer, "ratio": ratio, "reach": reach}


def run():
    register, table = made.build(ITEMS)
    bare = resident()
    kernel = Kernel(register, made.DAY, rows=table)
    people = [one.recipient for one in rosters(register)]
    cold = []
    for one in people:
        begun = time.perf_counter()
        kernel.answers(one)
        cold.append(time.perf_counter() - begun)
    memory = resident()
    gc.freeze()
    kernel.forget()
    size = f"{ITEMS:,} items in {len(kernel.classes):,} classes, {len(kernel.recipients.firsts)} recipient classes"
    rows = [row(f"memory, {size} (MB; with the register {bare:,.0f} before)", memory, "450")]
    rows += explained(kernel, people)
    rows += bulk(kernel, people)
    rows += listed(kernel, people, cold)
    rows += changes(kernel, register)
    rows += as_of(kernel, register, people)
    rows += applied(kernel, register, people)
    del kernel, table
    gc.unfreeze()
    gc.collect()
    rows += growth()
    rows += unique()
    return rows


# ---- one decision ---------------------------------------------------------------------------------------------------


def explained(kernel, people):
    """Pairs of classes drawn evenly, each asked once; turn by turn with Cedar on a policy of the same partnership."""
    rng = np.random.default_rng(7)
    part = kernel.large
    classes = np.flatnonzero(part.sizes)
    pairs = []
    for _ in range(12_000):
        number = int(part.starts[rng.choice(classes)])
        pairs.append((*item_of(part.names[int(part.rank_of[number])]), people[rng.integers(len(people))]))
    ask_cedar, said = cedar(kernel)
    ours, theirs, first = [], [], []
    for n, (item, version, to) in enumerate(pairs):
        begun = time.perf_counter()
        kernel.explain(item, version, to)
        (first if n < 4000 else ours).append(time.perf_counter() - begun)
        if n >= 4000 and n % 2:
            begun = time.perf_counter()
            ask_cedar()
            theirs.append(time.perf_counter() - begun)
    mine, other = (statistics.median(one) * 1e6 for one in (ours, theirs))
    tail = float(np.percentile(ours, 99)) * 1e6
    item, version, to = pairs[-1]
    again = timed(lambda: kernel.explain(item, version, to), 20_000) * 1e6
    a, b = kernel.class_of(item, version), kernel.recipients.number(to)
    plain = timed(lambda: [kernel.plain_answer(a, b) for _ in range(100)], 500) * 1e4
    kind = kernel.classes.items[a]
    known = msgspec.structs.replace(kernel.register, items={kind.id: (kind,)})
    question = usual(known, kind, to, made.DAY)
    nothing = timed(lambda: judge(known, question), 60) * 1e6
    return [
        row(
            f"explained decision, class pair never asked (µs; p99 {tail:,.0f})",
            mine,
            f"100; peer: {said}",
            other,
            mine / other,
        ),
        row("the same, first 4,000 pairs after the start (µs)", statistics.median(first) * 1e6, ""),
        row("the same, cold: every rule run (µs)", nothing, ""),
        row("the same pair again, explained (µs)", again, "3"),
        row("plain answer of a pair (µs)", plain, "0.5"),
    ]


def cedar(kernel):
    """(a call that decides the next request, what it decides by): cedarpy over an export of the same partnership."""
    try:
        import cedarpy

        from relto.release.cedar import export, request
    except ImportError:
        return (lambda: None), "cedarpy is not installed"
    kinds = kernel.classes.items[:: max(1, len(kernel.classes) // 300)]
    register = kernel.register
    known = msgspec.structs.replace(register, items={one.id: (one,) for one in kinds})
    people = rosters(register)
    out = export(known, kinds, people, made.DAY)
    policies = cedarpy.PolicySet.from_str(out.policies)
    entities = cedarpy.Entities.from_json_str(out.entities, out.schema)
    rng = np.random.default_rng(8)
    asks = [request(known, kinds[rng.integers(len(kinds))], people[rng.integers(len(people))]) for _ in range(400)]
    asks = [{"principal": o.principal, "action": o.action, "resource": o.resource, "context": o.context} for o in asks]
    turn = iter(range(10**9))

    def call():
        cedarpy.is_authorized(asks[next(turn) % len(asks)], policies, entities)

    return call, f"cedarpy, the same policy, {len(kinds)} items"


def bulk(kernel, people):
    rng = np.random.default_rng(9)
    count = 2_000_000
    items = rng.integers(0, len(kernel.large), count, dtype=np.int32)
    to = rng.integers(0, len(people), count, dtype=np.int32)
    kernel.bulk(items, people, to)
    warm = timed(lambda: kernel.bulk(items, people, to), 7)
    cleared = timed(lambda: kernel.bulk(items, people, to), 3, kernel.forget)
    scan = timed(lambda: np.minimum(items, to), 7)
    return [
        row(
            "bulk pairs (M/s), warm",
            count / warm / 1e6,
            "30; peer: one pass of numpy over the same numbers",
            count / scan / 1e6,
            scan / warm,
        ),
        row("bulk pairs (M/s), cleared", count / cleared / 1e6, "30"),
    ]


# ---- lists ----------------------------------------------------------------------------------------------------------


def listed(kernel, people, cold):
    counts = [len(kernel.items(one)) for one in people]
    near = min(range(len(people)), key=lambda n: abs(counts[n] - 300_000 * ITEMS / 10_000_000))
    to, hits = people[near], counts[near]
    found = [
        ("count", lambda: len(kernel.items(to)), "1"),
        ("first 1,000 by name", lambda: kernel.items(to).page(1000), "2"),
        (f"all {hits:,} numbers", lambda: kernel.items(to).numbers(), ""),
        (f"all {hits:,} names in order", lambda: whole(kernel, to), "10"),
    ]
    rows = []
    for words, call, reach in found:
        rows.append(row(f"everything one may see, {words} (ms), warm", timed(call) * 1e3, reach))
        rows.append(row(f"everything one may see, {words} (ms), cleared", timed(call, 7, kernel.forget) * 1e3, reach))
    rows.append(row("the same count, cold: each rule run for each of its classes (ms, median of recipients; the first "
                    f"{max(cold) * 1e3:,.0f})", statistics.median(cold) * 1e3, ""))  # fmt: skip
    return rows


def whole(kernel, to):
    """Names in order, as one column of bytes."""
    part = kernel.large
    ranks = np.sort(part.rank_of[kernel.items(to).numbers()])
    return part.names[ranks]


def changes(kernel, register):
    """Japan engaged in a project."""
    people = rosters(register)
    one = made.engagement(register.charter, "jpn", "p00")
    later = msgspec.structs.replace(register, engagements={**register.engagements, one.id: one})
    for each in people:
        kernel.answers(each.recipient)

    def compared():
        return Compared(kernel, kernel.after(later), people, people)

    found = compared()
    pairs = found.count(gained=True) * made.HEADS // 200
    rectangles = sum(len(flip.cohorts) * len(flip.people) for flip in found.flips)
    exact = timed(compared, 7)

    def full():
        for flip in found.flips:
            numbers = found.numbers(flip)
            heads = len(flip.people) * made.HEADS // 200
            np.repeat(numbers, heads)
            np.tile(np.arange(heads, dtype=np.int32), len(numbers))

    listing = timed(full, 3)
    return [
        row(
            f"impact of engaging a party, exact, {rectangles:,} rectangles for {pairs:,} pairs (ms)", exact * 1e3, "10"
        ),
        row("the same, every pair of item and person written out (ms)", listing * 1e3, "1,000 for 24 M pairs"),
    ]


def as_of(kernel, register, people):
    """The same question to the register before an engagement ended, both in memory."""
    some = dict(list(register.engagements.items())[5:])
    then = kernel.after(msgspec.structs.replace(register, engagements=some))
    for one in people:
        then.answers(one)
        kernel.answers(one)
    sides = {"now": [], "then": []}
    for turn in range(40):
        for name in ("now", "then") if turn % 2 else ("then", "now"):
            asked = kernel if name == "now" else then
            begun = time.perf_counter()
            asked.items(people[turn * 5 % len(people)]).page(100)
            sides[name].append(time.perf_counter() - begun)
    mine, other = (statistics.median(sides[name]) * 1e3 for name in ("then", "now"))
    return [row("as-of against now, first 100 of a list (ms)", mine, "1.2; peer: now", other, mine / other)]


def applied(kernel, register, people):
    """One act in a live engine, until everybody's answers are found again."""
    rows = []
    name, held = next(iter(register.engagements.items()))
    stopped = msgspec.structs.replace(held, suspended=(("usa", made.hexed("suspend")),))
    gone = register.attestations[1]
    item, version = item_of(kernel.large.names[len(kernel.large) // 2])
    kind = kernel.classes.items[kernel.class_of(item, version)]
    facts = msgspec.structs.replace(kind.facts, item=item)
    single = msgspec.structs.replace(kind, id=item, facts=facts, label=made._label("gbr", ("GBR",), 1))
    steps = {
        "a suspension": {"engagements": {**register.engagements, name: stopped}},
        "an attestation revoked": {"attestations": tuple(one for one in register.attestations if one is not gone)},
        "an item relabelled": {"items": {**register.items, item: (single,)}},
    }
    for one in people:
        kernel.answers(one)
    for words, fields in steps.items():
        later = msgspec.structs.replace(register, **fields)

        def act(later: Register = later):
            after = kernel.after(later)
            for one in people:
                after.answers(one)

        rows.append(
            row(
                f"one act applied: {words} (ms, all {len(people)} recipient classes answered again)",
                timed(act, 5) * 1e3,
                "50",
            )
        )
    return rows


# ---- growth ---------------------------------------------------------------------------------------------------------

_growth: list[tuple[int, float, float]] = []


def growth():
    rows = []
    _growth.clear()
    for count in GROWTH:
        register, table = made.build(count)
        kernel = Kernel(register, made.DAY, rows=table)
        people = [one.recipient for one in rosters(register)]
        for one in people:
            kernel.answers(one)
        gc.freeze()
        warm = timed(lambda: [len(kernel.items(one)) for one in people[::10]], 5) / 20 * 1e3  # noqa: B023
        page = timed(lambda: [kernel.items(one).page(1000) for one in people[::10]], 5) / 20 * 1e3  # noqa: B023
        gc.unfreeze()
        _growth.append((count, warm, page))
        rows.append(
            row(
                f"{count:,} items in {len(kernel.classes):,} classes: count; first 1,000 (ms, warm)",
                f"{warm:.2f}; {page:.2f}",
                "",
            )
        )
    return rows


def unique():
    """The worst case: every item is a class of its own, and rules run for each."""
    count = 20_000
    register, table = made.build(count, unique=True)
    kernel = Kernel(register, made.DAY, rows=table)
    people = [one.recipient for one in rosters(register)][::40]
    begun = time.perf_counter()
    for one in people:
        kernel.answers(one)
    cold = (time.perf_counter() - begun) / len(people)
    warm = timed(lambda: [int((kernel.answers(one) == PERMIT).sum()) for one in people]) / len(people)
    cleared = timed(lambda: [kernel.answers(one) for one in people], 5, kernel.forget) / len(people)
    return [
        row(f"worst case, {count:,} items each a class: count, warm (µs a recipient)", warm * 1e6, ""),
        row("the same, cleared (ns an item)", cleared / count * 1e9, ""),
        row("the same, cold (µs an item)", cold / count * 1e6, ""),
    ]


# ---- the page -------------------------------------------------------------------------------------------------------


def picture(points):
    """Milliseconds against items, both in powers of ten, as a small SVG."""
    wide, high, left, low = 640, 320, 70, 270
    xs = [np.log10(count) for count, _, _ in points]
    ys = [np.log10(max(value, 1e-3)) for point in points for value in point[1:]]
    x0, x1, y0, y1 = min(xs), max(xs), np.floor(min(ys)), np.ceil(max(ys))

    def at(count, value):
        x = left + (np.log10(count) - x0) / max(x1 - x0, 1) * (wide - left - 30)
        y = low - (np.log10(max(value, 1e-3)) - y0) / max(y1 - y0, 1) * (low - 40)
        return f"{x:.0f},{y:.0f}"

    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="{left}" y="22">Everything one recipient may see: ms by items in the catalogue</text>',
    ]
    for power in range(int(y0), int(y1) + 1):
        y = at(points[0][0], 10.0**power).split(",")[1]
        lines.append(
            f'<path d="M{left} {y}H{wide - 30}" stroke="#ddd"/><text x="{left - 8}" y="{y}" text-anchor="end">{10.0**power:g}</text>'
        )
    for count, _, _ in points:
        x = at(count, 1).split(",")[0]
        lines.append(f'<text x="{x}" y="{low + 18}" text-anchor="middle">{count:,}</text>')
    for n, (colour, words) in enumerate((("#1f5f8b", "count"), ("#b4451f", "first 1,000 by name"))):
        path = " ".join(at(point[0], point[1 + n]) for point in points)
        lines.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        lines.append(f'<text x="{left + 10 + 90 * n}" y="{high - 12}" fill="{colour}">{words}</text>')
    return "\n".join([*lines, "</svg>", ""])


def main():
    from bench.__main__ import table

    rows = run()
    text = table(rows, markdown=True)
    big = {one["measure"].rsplit(",", 1)[0]: one["ours"] for one in rows if one["measure"].endswith("(ms), warm")}
    points = [
        *_growth,
        (ITEMS, big["everything one may see, count (ms)"], big["everything one may see, first 1,000 by name (ms)"]),
    ]
    WHERE.mkdir(parents=True, exist_ok=True)
    words = " ".join(__doc__.split("\n\n")[1].split())
    head = (
        "# The release engine, measured\n\n"
        f"{words}\n\nCPython {platform.python_version()} on {os.cpu_count()} shared processors; a fixed loop of Python took "
        f"{made.calibration():.1f} ms beside it. Figures vary by a factor of up to three with what else the machine does: "
        "take the ratios.\n\n"
    )
    (WHERE / "release.md").write_text(f"{head}{text}\n\n![growth](release.svg)\n")
    (WHERE / "release.svg").write_text(picture(points))
    print(text)


if __name__ == "__main__":
    main()
