"""The fold as a whole: same bytes from any order, agreement of readers, denials that only deny, nothing that raises."""

from __future__ import annotations

import random

import pytest
from acts_kit import MEMBERS, PACK, TERM, Kit, item_fields, label, release_fields
from acts_samples import FIELDS, ONE, TWO, sample
from msgspec import UNSET
from msgspec.structs import replace

from relto import acts
from relto.acts import Register
from relto.errors import Malformed, NotFound

ALL = (*MEMBERS, "dune")
IDS = ("proposal", "engagement", "release", "act", "suspend", "prev", "on", "because", "sight", "counter", "amends")
DENIALS = ("suspend", "recall", "revoke", "withdraw", "dispute", "retire")


class Story:
    """A random history of things that parties do: most of them sound, some of them another's to do."""

    def __init__(self, seed: int, steps: int = 40) -> None:
        self.dice = random.Random(seed)
        self.kit = Kit(*ALL).found()
        self.engaged = self.kit.engage()
        self.known: dict[str, list[str]] = {kind: [] for kind in acts.KINDS}
        for name in MEMBERS:
            self.do("register", name)
            self.do("attest", name)
        self.do("adopt", "arda")
        for _ in range(steps):
            self.step()

    def step(self) -> None:
        kind = self.dice.choice(
            (
                "attest",
                "register",
                "relabel",
                "determine",
                "licence",
                "release",
                "receipt",
                "suspend",
                "lift",
                "recall",
                "answer",
                "revoke",
                "ack",
                "roster",
                "dispute",
                "withdraw",
                "retire",
                "settle",
                "propose",
                "vote",
            )
        )
        self.do(kind, self.dice.choice(ALL if self.dice.random() < 0.2 else MEMBERS))

    def one(self, kind: str) -> str:
        return self.dice.choice(self.known[kind] or [TWO])

    def item(self) -> tuple[str, str]:
        """(item, the newest label act that its owner made)"""
        item = f"{self.dice.choice(MEMBERS)}/glass"
        made = [i for i in self.known["register"] + self.known["relabel"] if self.act(i).item == item]
        return item, made[-1] if made else TWO

    def act(self, id_: str) -> acts.Act:
        return self.kit.act_of(id_)

    def readers_of(self, id_: str, by: str) -> tuple[str, ...]:
        """Whoever may read what is answered; sometimes one too few."""
        readers = set(self.act(id_).readers or ()) if id_ != TWO else set(MEMBERS)
        if self.dice.random() < 0.1:
            readers.discard(self.dice.choice(sorted(readers)))
        return tuple(sorted(readers | {by}))

    def audience(self, by: str) -> tuple[str, ...]:
        return tuple(sorted({by, *(ALL if self.dice.random() < 0.5 else MEMBERS)}))

    def do(self, kind: str, by: str) -> None:
        fields = {} if by in MEMBERS else {"under": UNSET}
        made = getattr(self, f"do_{kind}")(by, fields)
        if made:
            self.known[acts.kind_of(self.act(made))].append(made)

    def say(self, by: str, kind: str, /, **fields) -> str:
        return self.kit.parties[by].say(kind, **fields)

    def do_ack(self, by, fields):
        return self.kit.parties[by].ack()

    def do_attest(self, by, fields):
        about = by if self.dice.random() < 0.9 else "arda"
        return self.say(
            by, "attest", about=f"{about}/works", claim="organisation", term=TERM, readers=self.audience(by), **fields
        )

    def do_register(self, by, fields):
        return self.say(
            by,
            "register",
            readers=self.audience(by),
            **item_fields(f"{by}/glass", opaque=f"{self.dice.getrandbits(128):032x}"),
            **fields,
        )

    def do_relabel(self, by, fields):
        item, prev = self.item()
        by = item.partition("/")[0] if self.dice.random() < 0.9 else by
        rel = self.dice.sample(("ARD", "BRE", "COR", "DUN"), 2)
        return self.say(
            by,
            "relabel",
            item=item,
            version=1,
            prev=prev,
            label=label(*rel),
            reason="x",
            readers=self.readers_of(prev, by),
            **fields,
        )

    def do_retire(self, by, fields):
        item, prev = self.item()
        return self.say(
            item.partition("/")[0],
            "retire",
            item=item,
            version=1,
            prev=prev,
            reason="x",
            readers=self.readers_of(prev, item.partition("/")[0]),
        )

    def do_determine(self, by, fields):
        item, on = self.item()
        by = item.partition("/")[0] if self.dice.random() < 0.8 else by
        return self.say(
            by,
            "determine",
            item=item,
            version=1,
            on=on,
            jurisdiction="ARD",
            authority="ard-free",
            condition=self.dice.choice(("judged", "wanted")),
            holds=self.dice.random() < 0.7,
            reason="x",
            readers=self.readers_of(on, by),
            **fields,
        )

    def do_licence(self, by, fields):
        amends = {"amends": self.one("licence")} if self.dice.random() < 0.3 else {}
        law = {"arda": "ARD", "bree": "BRE", "cora": "COR", "dune": "ARD"}[by]
        return self.say(
            by,
            "licence",
            licence="l",
            jurisdiction=law,
            authority="a",
            holder=f"{by}/works",
            recipients=("bree",),
            items=("arda/glass",),
            term=TERM,
            readers=self.audience(by),
            **amends,
            **fields,
        )

    def do_release(self, by, fields):
        if by not in MEMBERS:
            return ""
        to = self.dice.choice([name for name in ALL if name != by])
        uses = tuple({acts.LicenceUse(licence=self.one("licence"), quantity=1)} if self.dice.random() < 0.5 else ())
        self.kit.parties[by].ack()
        return self.say(
            by,
            "release",
            readers=tuple(sorted({by, to})),
            **release_fields(self.kit, f"{by}/glass", to, self.kit.parties[by].newest_ack, uses=uses),
        )

    def do_receipt(self, by, fields):
        release = self.one("release")
        if release != TWO and self.dice.random() < 0.8:
            by = self.act(release).to.party
        return self.say(
            by,
            "receipt",
            release=release,
            outcome="matches",
            readers=self.readers_of(release, by),
            **({} if by in MEMBERS else {"under": UNSET}),
        )

    def do_suspend(self, by, fields):
        return self.say(
            by, "suspend", engagement=self.engaged, reason="x", readers=self.readers_of(self.engaged, by), **fields
        )

    def do_lift(self, by, fields):
        stop = self.one("suspend")
        by = self.act(stop).author if stop != TWO and self.dice.random() < 0.8 else by
        return self.say(
            by,
            "lift",
            suspend=stop,
            reason="x",
            readers=self.readers_of(stop, by),
            **({} if by in MEMBERS else {"under": UNSET}),
        )

    def do_recall(self, by, fields):
        release = self.one("release")
        by = self.act(release).author if release != TWO and self.dice.random() < 0.8 else by
        return self.say(
            by,
            "recall",
            release=release,
            order="destroy",
            by="2026-12-31",
            reason="x",
            readers=self.readers_of(release, by),
        )

    def do_answer(self, by, fields):
        release = self.one("release")
        if release != TWO:
            by = self.act(release).to.party
        return self.say(
            by,
            "answer",
            release=release,
            because=self.one(self.dice.choice(("recall", "suspend"))),
            answer="destroyed",
            readers=self.readers_of(release, by),
            **({} if by in MEMBERS else {"under": UNSET}),
        )

    def do_revoke(self, by, fields):
        act = self.one(self.dice.choice(("attest", "licence", "determine", "suspend")))
        by = self.act(act).author if act != TWO and self.dice.random() < 0.8 else by
        return self.say(
            by,
            "revoke",
            act=act,
            reason="x",
            readers=self.readers_of(act, by),
            **({} if by in MEMBERS else {"under": UNSET}),
        )

    def do_roster(self, by, fields):
        recipient = acts.RecipientClass(party=by, organisation=f"{by}/works")
        return self.say(
            by, "roster", day="2026-09-21", classes=(acts.RosterClass(recipient=recipient, heads=1),), **fields
        )

    def do_dispute(self, by, fields):
        if self.dice.random() < 0.8:
            return ""
        party = self.dice.choice(MEMBERS)
        key = self.kit.parties[party].keys.officers[self.dice.choice(("disclosure", "registrar"))].public.key_ids[0]
        return self.say(
            by,
            "dispute",
            party=party,
            key=key,
            index=self.dice.randrange(30),
            reason="x",
            readers=self.audience(by),
            **fields,
        )

    def do_withdraw(self, by, fields):
        return (
            ""
            if self.dice.random() < 0.8
            else self.say(by, "withdraw", on="2026-12-31", reason="x", readers=self.audience(by), **fields)
        )

    def do_settle(self, by, fields):
        return self.say(
            by,
            "settle",
            proposal=self.engaged,
            outcome="in_force",
            common=ONE,
            readers=self.readers_of(self.engaged, by),
            **fields,
        )

    def do_adopt(self, by, fields):
        return self.say(by, "adopt", jurisdiction="ARD", pack=self.kit.put(PACK.encode()), name="ard-law", **fields)

    def do_propose(self, by, fields):
        if by not in MEMBERS:
            return ""
        term = acts.Term(since="2026-01-01", until=f"20{self.dice.randrange(27, 40)}-01-01")
        what = self.dice.choice(
            (acts.Renewal(of=self.engaged, term=term), acts.Ending(of=self.engaged, on="2026-10-01", reason="x"))
        )
        return self.kit.propose(by, "engagement/dune-lamp", 2, what, prev=self.engaged, readers=self.audience(by))

    def do_vote(self, by, fields):
        proposals = [one for one in self.known["propose"] if by in self.act(one).readers]
        if not proposals:
            return ""
        proposal = self.dice.choice(proposals)
        vote = self.kit.consent if self.dice.random() < 0.8 else self.kit.refuse
        made = vote(by, proposal, readers=self.readers_of(proposal, by), **fields)
        if self.dice.random() < 0.5:
            self.kit.acks()
        return made


def story(seed: int) -> Kit:
    return Story(seed).kit


def rights(register: Register) -> set[tuple[str, ...]]:
    """Everything that a permit could rest on."""
    found = {
        ("engagement", name, one.term.until or "")
        for name, one in register.engagements.items()
        if one.state("2026-09-22") == "in_force"
    }
    found |= {("attest", one.act) for one in register.attestations if not one.revoked}
    found |= {("licence", one.act) for one in register.licences.values() if not one.revoked}
    found |= {("pack", name) for name in register.packs if (on := register.pack_on(name, "2026-09-22")) and on.pack}
    for versions in register.items.values():
        found |= {("item", one.act, one.label_act, str(one.label.rel)) for one in versions if not one.retired}
    judged: dict[tuple[object, ...], bool] = {}
    for one in register.determinations:
        if not one.revoked:
            judged[one.party, one.terms.item, one.terms.on, one.terms.condition] = one.terms.holds
    return found | {("determined", *map(str, key)) for key, holds in judged.items() if holds}


# ---- P1: any order ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_any_order_of_arrival_gives_the_same_register(seed):
    kit, dice = story(seed), random.Random(seed)
    for me in ("arda", "bree"):
        logs = kit.logs(me)
        whole = acts.fold(logs, me, kit.objects)
        for _ in range(3):
            ahead = {origin: list(entries) for origin, entries in logs.items()}
            register = acts.fold({}, me, kit.objects)
            while any(ahead.values()):
                batch = []
                for _ in range(dice.randrange(1, 12)):
                    origin = dice.choice([o for o, entries in ahead.items() if entries])
                    batch += [ahead[origin].pop(0)]
                    if not any(ahead.values()):
                        break
                before, held = register.own, {origin: scan.size for origin, scan in register.scans.items()}
                register = acts.extend(register, batch)
                assert before  # what was derived before is not touched by what comes after
                assert {origin: register.scans[origin].size for origin in held} != held or set(register.scans) != set(
                    held
                )
            assert (register.own, register.common) == (whole.own, whole.common)


def test_extending_does_not_move_the_register_that_is_extended():
    kit = story(1)
    logs = kit.logs("arda")
    half = {origin: entries[: len(entries) // 2] for origin, entries in logs.items()}
    register = acts.fold(half, "arda", kit.objects)
    own, sizes = register.own, {o: s.size for o, s in register.scans.items()}
    for _ in range(2):
        more = [one for origin, entries in logs.items() for one in entries[len(entries) // 2 :]]
        assert acts.extend(register, more).own == acts.fold(logs, "arda", kit.objects).own
        assert (register.own, {o: s.size for o, s in register.scans.items()}) == (own, sizes)
    assert acts.fold(half, "arda", kit.objects).own == own


def test_the_register_does_not_depend_on_the_order_of_ledgers():
    kit = story(2)
    logs = kit.logs("cora")
    assert acts.fold(dict(reversed(logs.items())), "cora", kit.objects).own == acts.fold(logs, "cora", kit.objects).own


# ---- P2: what is decided stays, read ever further --------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_what_is_decided_stays_however_far_one_reads(seed):
    kit, dice = story(seed + 50), random.Random(seed)
    sizes = dict.fromkeys(ALL, 1)
    decided: dict[str, str] = {}
    while any(sizes[name] < kit.parties[name].size for name in ALL):
        name = dice.choice(ALL)
        sizes[name] = min(kit.parties[name].size, sizes[name] + dice.randrange(1, 9))
        register = kit.fold("bree", **sizes)
        for id_, slot in register.slots.items():
            assert decided.get(id_, slot.state) == slot.state
            if slot.state in {"in_force", "dead"}:
                decided[id_] = slot.state
    assert len(decided) >= 2


# ---- P5: denials only deny -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(8))
def test_adding_any_denial_never_adds_a_right(seed):
    told = Story(seed + 100, steps=25)
    kit = told.kit
    for kind in DENIALS * 2:
        before = {me: rights(kit.fold(me)) for me in MEMBERS}
        told.do(kind, told.dice.choice(MEMBERS))
        for me in MEMBERS:
            gained = rights(kit.fold(me)) - before[me]
            assert not gained, (kind, gained)


def test_rights_are_there_to_be_lost():
    kinds = {right[0] for seed in range(100, 104) for right in rights(story(seed).fold("arda"))}
    assert kinds == {"engagement", "attest", "licence", "pack", "item", "determined"}


# ---- P7 and P9 -------------------------------------------------------------------------------------------------------


def test_a_fork_proof_changes_nobody_elses_acts():
    kit = story(3)
    before = kit.fold("arda")
    kit.cora.say("fork", origin=kit.bree.origin, first=b"junk", second=b"junk")
    after = kit.fold("arda")
    for name in ("attestations", "items", "slots", "engagements", "licences", "determinations", "denials"):
        assert getattr(before, name) == getattr(after, name)


@pytest.mark.parametrize("seed", range(5))
def test_members_that_hold_the_same_ledgers_have_the_same_common_register(seed):
    kit = story(seed)
    registers = [kit.fold(me) for me in MEMBERS]
    assert len({one.common for one in registers}) == 1
    assert len({one.own for one in registers}) > 1 or len(registers) == 1
    shorter = kit.fold("arda", bree=kit.bree.size - 1)
    assert shorter.charter_id == registers[0].charter_id


def test_equal_sights_with_unequal_common_registers_are_an_alarm():
    """Two acknowledges at the same sight can stand in two branches of time only: one that restores an old state."""
    kit = Kit().found()
    sizes = {name: kit.parties[name].size for name in MEMBERS}
    before = kit.fold("arda")
    assert before.alarms == ()
    kit.arda.ack(common=ONE, bree=sizes["bree"], cora=sizes["cora"])
    kit.bree.ack(common=TWO, arda=sizes["arda"], cora=sizes["cora"])
    assert kit.fold("arda").alarms == ("members derive different common registers from the same ledgers: arda, bree",)
    kit.cora.ack(common=ONE, arda=sizes["arda"], bree=sizes["bree"])
    assert "arda, bree, cora" in kit.fold("arda").alarms[0]


# ---- P11: two readers agree on what both may see ---------------------------------------------------------------------


def answered(register: Register, id_: str) -> set[str]:
    """What an act answers: who does not hold that has no opinion about the answer."""
    act = register.stated[id_].act
    return {getattr(act, name) for name in IDS if isinstance(getattr(act, name, UNSET), str)} - {TWO}


def shared(register: Register, other: str) -> dict[str, object]:
    """The part of a register that rests on acts which `other` may open too."""
    both = {id_ for id_, one in register.stated.items() if acts.open_to(one.act, other)}
    return {
        "attestations": [one for one in register.attestations if one.act in both],
        "engagements": register.engagements if register.me in MEMBERS and other in MEMBERS else {},
        "items": {
            name: v for name, versions in register.items.items() if (v := [one for one in versions if one.act in both])
        },
        "denials": sorted((d.author, d.subject, d.kind, d.act) for d in register.denials if d.act in both),
        "releases": {name: one.receipts for name, one in register.releases.items() if name in both},
        "recalls": {name: one for name, one in register.recalls.items() if one.release in both},
        "slots": {name: (one.state, one.votes) for name, one in register.slots.items() if name in both},
        "notice": {name: one.withdraws for name, one in register.parties.items()},
        "time": {id_: one.time for id_, one in register.stated.items() if id_ in both},
        "void": {one.id: one.why for one in register.void if one.id in both and answered(register, one.id) <= both},
    }


@pytest.mark.parametrize("seed", range(12))
def test_two_readers_agree_on_what_both_may_see(seed):
    kit = story(seed + 200)
    registers = {me: kit.fold(me) for me in MEMBERS}
    for me in MEMBERS:
        for other in MEMBERS:
            if me < other:
                mine, theirs = shared(registers[me], other), shared(registers[other], me)
                for part in mine:
                    assert mine[part] == theirs[part], (me, other, part)


# ---- the fold is total -----------------------------------------------------------------------------------------------


class Hostile:
    """Sound bytes with any content: random kinds, references, charters, partnerships, readers, keys, tags."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.kit = Kit(*ALL).found()
        self.kit.engage()
        self.made = [one.id for party in self.kit.parties.values() for one in party.entries if one.id]

    def act(self) -> None:
        party = self.kit.parties[self.dice.choice(ALL)]
        kind = self.dice.choice(sorted(set(acts.KINDS) - {"inception"}))
        draft = replace(
            sample(kind, full=self.dice.random() < 0.5), author=party.name, log=party.origin, at=self.time()
        )
        named = {
            name: self.dice.choice(self.made)
            for name in IDS
            if isinstance(getattr(draft, name, UNSET), str) and self.dice.random() < 0.8
        }
        if draft.readers is not UNSET:
            named["readers"] = tuple(sorted({party.name, *self.dice.sample(ALL, self.dice.randrange(1, 5))}))
        if draft.partnership is not UNSET:
            named["partnership"] = self.dice.choice((self.kit.partnership, self.kit.partnership, *self.made))
            named["under"] = self.dice.choice((self.kit.partnership, self.kit.partnership, UNSET, TWO))
        if kind == "propose":
            named |= {
                "what": self.what(),
                "subject": self.dice.choice(("engagement/dune-lamp", "project/x", "charter")),
                "n": self.dice.choice((2, 3)),
            }
            named["prev"] = self.dice.choice(self.made)
        try:
            signers = party.keys.for_kind(kind) if self.dice.random() < 0.8 else [self.kit.arda.keys.node]
            self.made.append(party.act(replace(draft, **named), *signers, tagged=self.dice.choice((None, True, False))))
        except Malformed:
            return

    def time(self) -> int:
        return self.dice.choice((self.kit.tick(), self.kit.time, 0, 32_503_679_999_999, self.kit.time - 90_000_000))

    def what(self) -> acts.What:
        texts = (
            self.kit.texts()
            if self.dice.random() < 0.5
            else {"charter": self.kit.put(b"junk"), "parties": self.kit.put(b"\xff")}
        )
        return self.dice.choice(
            (
                acts.CharterText(**texts),
                acts.Admission(party="dune", **texts),
                acts.Expulsion(party="cora", **texts),
                self.kit.terms(),
                acts.Renewal(of=self.dice.choice(self.made), term=TERM),
                acts.Ending(of=self.dice.choice(self.made), on="2999-12-31", reason="x"),
                acts.ProjectTerms(project="x", name="x", pillar="none", areas=(), participants=(), term=TERM),
            )
        )


@pytest.mark.parametrize("seed", range(25))
def test_nothing_that_a_party_writes_makes_the_fold_raise(seed):
    hostile = Hostile(seed)
    for _ in range(70):
        hostile.act()
    kit = hostile.kit
    for me in (*ALL, "elm"):
        for pin in ("", kit.partnership):
            register = kit.fold(me, pin=pin)
            assert register.own
            assert len(register.void) == len({(one.origin, one.index) for one in register.void})
    # What is left of a ledger when some openings are missing, and with texts that are not there.
    hidden = tuple(hostile.dice.sample(hostile.made, 10))
    assert acts.fold(kit.logs("arda", *hidden), "arda", {}).own
    assert kit.fold("arda", *hidden).owed is not None


def test_an_entry_that_is_not_a_leaf_stops_only_its_own_ledger():
    kit = Kit().found()
    logs = kit.logs("arda")
    logs[kit.bree.origin].append(acts.entry(kit.bree.origin, kit.bree.size, b"junk"))
    register = acts.fold(logs, "arda", kit.objects)
    assert register.owed == {"bree": (kit.bree.size,)}
    assert register.charter_id == kit.partnership


# ---- reading a register ----------------------------------------------------------------------------------------------


def test_an_act_is_found_by_a_unique_prefix():
    register = Kit().found().fold("arda")
    assert register.act(register.partnership[:8]).id == register.partnership
    for prefix in (register.partnership[:7], "0" * 8):
        with pytest.raises(NotFound):
            register.act(prefix)


def test_what_is_asked_for_and_not_there():
    register = Kit().found().fold("arda")
    for ask in (lambda: register.party("elm"), lambda: register.item("arda/none"), lambda: register.origin_of("elm")):
        with pytest.raises(NotFound):
            ask()
    assert register.engagement_of("dune", "lamp") == ()
    assert set(FIELDS) == set(acts.KINDS)
