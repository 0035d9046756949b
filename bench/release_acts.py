"""One act of each kind applied to a live engine of the bench partnership, until everybody's answers are found again.

Live: it has answered for all recipient classes. An act comes as the register that a fold makes of it; what is timed is
the engine of that register and the answers of all 200 recipient classes over all items.
"""

from __future__ import annotations

import statistics
import time

import msgspec

from bench import partnership as made
from relto import acts
from relto.acts import Determination, LicenceState, Term
from relto.acts.register import RecallState, ReleaseState
from relto.charter import load, read

SINGLES = 300  # items that were registered by acts of their own
TERM = Term(since="2026-01-01", until="2027-06-01")


def singles(kernel, count=SINGLES, tag="single"):
    """Items like some of the catalogue's, registered one by one."""
    kinds = kernel.classes.items[:: max(1, len(kernel.classes) // count)][:count]
    found = {}
    for n, kind in enumerate(kinds):
        name, act = f"{kind.party}/{tag}-{n}", made.hexed(tag, n)
        facts = msgspec.structs.replace(kind.facts, item=name)
        found[name] = (msgspec.structs.replace(kind, id=name, facts=facts, act=act, label_act=act),)
    return found


def relabelled(one, states):
    label = made._label("gbr", states, 1)
    return (msgspec.structs.replace(one, label=label, label_act=made.hexed("relabel", one.id)),)


def attestation(about, claim, revoked=""):
    terms = acts.Attest(
        author=about[:3], log=made.origin(about[:3]), at=0, about=about, claim=claim, term=TERM
    )  # fmt: skip
    return acts.Attestation(act=made.hexed("late", about, claim), party=about[:3], terms=terms, revoked=revoked)


def determination(item):
    law, authority, condition = made.JUDGED[item.party]
    terms = acts.Determine(
        author=item.party, log=made.origin(item.party), at=0, item=item.id, version=1, on=item.label_act,
        jurisdiction=law, authority=authority, condition=condition, holds=True, reason="seen",
    )  # fmt: skip
    return Determination(act=made.hexed("determine", item.id), party=item.party, terms=terms)


def licence(items, revoked=""):
    law, authority = made.LICENCES["gbr"]
    terms = acts.Licence(
        author="gbr", log=made.origin("gbr"), at=0, licence="late", jurisdiction=law, authority=authority,
        holder="gbr/works-0", recipients=("jpn/works-1", "fra/works-1"), items=tuple(one.id for one in items), term=TERM,
    )  # fmt: skip
    return LicenceState(act=made.hexed("licence", "late"), party="gbr", terms=terms, revoked=revoked)


def recall(register, item):
    terms = acts.Release(
        author="gbr", log=made.origin("gbr"), at=0, request="0" * 64, item=item.id, version=1, project=item.facts.project,
        method="key", to=register.rosters["usa"].terms.classes[0].recipient, person="p-" + "a" * 26, purpose="research",
        place="USA", place_says="party", authorities=(), rests_on=(), packs=(), decision="0" * 64, day=0, sight="0" * 64,
        evidence="0" * 64,
    )  # fmt: skip
    act = made.hexed("release", item.id)
    out = ReleaseState(act=act, party="gbr", origin=made.origin("gbr"), index=5, time=0, terms=terms)
    order = RecallState(
        release=act, because=made.hexed("recall"), party="gbr", holder="usa", order="return", by="2026-10-01"
    )
    return {"releases": {act: out}, "recalls": {order.id: order}}


def text_with(*, more_project=False, member=False):
    """The bench charter amended."""
    text = made.charter_text()
    if more_project:
        text = text.replace(
            "\nprojects:\n",
            "\nprojects:\n- {id: late, name: Late, pillar: pillar-2, areas: [ai], participants: [aus, gbr, usa],"
            " clause: 3.3.999}\n",
            1,
        )
    if member:
        text = text.replace(
            "\nparties:\n",
            "\nparties:\n- {id: nzl, name: New Zealand, code: NZL, grade: member, since: 2026-01-01, clause: 2.99}\n",
            1,
        )
        start = text.index("- id: nzl\n", text.index("\ncandidates:"))
        text = text[:start] + text[text.index("\n- id: ", start + 5) + 1 :]
    return load(read(text.encode(), "charter"))


def steps(register):
    """(words, register before, fields after) for each kind of act that changes answers."""
    replace = msgspec.structs.replace
    gbr = [one for (one,) in register.items.values() if one.party == "gbr"]
    item, other = gbr[0], gbr[1]
    name, held = next(iter(register.engagements.items()))
    said, gone = register.attestations, register.attestations[1]
    new = made.engagement(register.charter, "jpn", "p00")
    engaged = {"engagements": {**register.engagements, new.id: new}}
    stop = {"engagements": {**register.engagements, name: replace(held, suspended=(("usa", made.hexed("stop")),))}}
    granted = replace(register, licences={**register.licences, "late": licence((item, other))})
    parties, frozen = register.parties, replace(register.parties["usa"], frozen="two histories")
    few = replace(register, parties={key: one for key, one in parties.items() if key != "kor"})
    yield "an engagement in force", register, engaged
    yield "an engagement suspended", register, stop
    yield "a suspension lifted", replace(register, **stop), {"engagements": register.engagements}
    ended = replace(held, ended="2026-09-01")
    yield "an engagement ended", register, {"engagements": {**register.engagements, name: ended}}
    late = attestation("gbr/works-3", "authorised-user")
    yield "an attestation made", register, {"attestations": (*said, late)}
    yield "an attestation revoked", register, {"attestations": tuple(one for one in said if one is not gone)}
    yield "a determination made", register, {"determinations": (*register.determinations, determination(item))}
    yield "a licence granted for two items", register, {"licences": granted.licences}
    ended = {**register.licences, "late": licence((item, other), made.hexed("revoke"))}
    yield "a licence revoked", granted, {"licences": ended}
    yield "an item relabelled", register, {"items": {**register.items, item.id: relabelled(item, ("GBR",))}}
    retired = replace(item, retired=made.hexed("retire"))
    yield "an item retired", register, {"items": {**register.items, item.id: (retired,)}}
    for count in (1, 1_000, 10_000):
        rows = replace(register, items={**register.items, **table(register, count)})
        words = "an item registered" if count == 1 else f"a catalogue of {count:,} items"
        yield words, register, {"items": rows.items}
    yield "an item recalled from a party", register, recall(register, item)
    seen = {key: replace(one, seen=made.DAY + 1000) for key, one in parties.items()}
    yield "all ledgers seen again", register, {"parties": seen}
    yield "a ledger frozen", register, {"parties": {**parties, "usa": frozen}}
    yield "a party introduced", few, {"parties": parties}
    notice = replace(parties["aus"], withdraws="2026-12-31")
    yield "notice of withdrawal given", register, {"parties": {**parties, "aus": notice}}
    yield "a law adopted anew", register, {"packs": {**register.packs, "USA": register.packs["USA"] * 2}}
    yield "the charter amended: a project", register, {"charter": text_with(more_project=True)}
    yield "a member admitted", register, {"charter": text_with(member=True)}


def table(register, count):
    like = list(register.items.values())
    found = {}
    for n in range(count):
        (kind,) = like[n % len(like)]
        name, act = f"{kind.party}/late-{n}", made.hexed("table")
        facts = msgspec.structs.replace(kind.facts, item=name)
        found[name] = (msgspec.structs.replace(kind, id=name, facts=facts, act=act, label_act=act),)
    return found


def applied(kernel, people, times=5, only=""):
    """(words, ms) for each kind of act."""
    held = msgspec.structs.replace(kernel.register, items={**kernel.register.items, **singles(kernel)})
    base = kernel.after(held)
    for words, before, fields in steps(held):
        if only not in words:
            continue
        from_ = base if before is held else base.after(before)
        for one in people:
            from_.answers(one)
        found = []
        for _ in range(times):
            later = msgspec.structs.replace(before, **fields)
            begun = time.perf_counter()
            after = from_.after(later)
            for one in people:
                after.answers(one)
            found.append((time.perf_counter() - begun) * 1e3)
            if found[-1] > 2000:
                break
            del after
        yield words, statistics.median(found)
