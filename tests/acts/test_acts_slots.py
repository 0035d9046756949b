"""Joint decisions, one rule at a time: foundings, charters, engagements, votes, confirmation, outsiders."""

from __future__ import annotations

import pytest
from acts_kit import MEMBERS, TERM, Keys, Kit, Party, charter_text, secret, why
from acts_samples import ONE, TWO
from msgspec import UNSET
from msgspec.structs import replace

from relto import acts
from relto.label import Level
from relto.ledger import Frontier, leaf_hash

SUBJECT = "engagement/dune-lamp"


@pytest.fixture
def kit() -> Kit:
    return Kit(*MEMBERS, "dune").found()


def state(kit: Kit, proposal: str, me: str = "arda", *hidden: str, **sizes: int) -> str:
    return kit.fold(me, *hidden, **sizes).slots[proposal].state


def votes(kit: Kit, proposal: str, me: str = "arda") -> dict[str, tuple[str, bool, str]]:
    return {one.party: (one.vote, one.confirmed, one.void) for one in kit.fold(me).slots[proposal].votes}


def project(name: str = "new", **changes) -> acts.ProjectTerms:
    return replace(
        acts.ProjectTerms(project="new", name=name, pillar="outer", areas=("lens",), participants=MEMBERS, term=TERM),
        **changes,
    )


# ---- the founding ----------------------------------------------------------------------------------------------------


def test_a_founding_takes_every_founder_and_every_ledger():
    kit = Kit()
    kit.partnership = kit.arda.say("propose", subject="charter", n=1, what=acts.CharterText(**kit.texts()))
    for name in MEMBERS:
        assert state(kit, kit.partnership) == "open"
        kit.parties[name].say("consent", proposal=kit.partnership)
    for name in MEMBERS:
        register = kit.fold("arda")
        assert register.slots[kit.partnership].provisional
        assert (register.partnership, register.charter) == ("", None)
        kit.parties[name].ack()
    for me in MEMBERS:
        register = kit.fold(me)
        assert register.partnership == register.charter_id == kit.partnership
        assert register.members == MEMBERS


def test_a_founding_asks_all_founders_to_confirm_whatever_its_text_says():
    kit = Kit(*MEMBERS, "dune", members=(*MEMBERS, "dune"), confirm=3)
    kit.partnership = kit.arda.say("propose", subject="charter", n=1, what=acts.CharterText(**kit.texts()))
    for name in kit.members:
        kit.parties[name].say("consent", proposal=kit.partnership)
    kit.acks("arda", "bree", "cora")
    assert state(kit, kit.partnership) == "open"
    kit.acks("dune")
    assert state(kit, kit.partnership) == "in_force"


def test_a_reader_that_is_no_founder_pins_the_founding(kit):
    logs = {party.origin: party.entries for party in kit.parties.values()}
    assert acts.fold(logs, "elm", kit.objects).charter is None
    assert acts.fold(logs, "elm", kit.objects, kit.partnership).charter_id == kit.partnership
    assert acts.fold(logs, "elm", kit.objects, ONE).charter is None
    assert acts.fold(logs, "arda", kit.objects, ONE).charter is None


def test_a_founder_consents_to_one_founding_at_a_time():
    kit = Kit().found()
    again = kit.bree.draft(
        "propose", subject="charter", n=1, what=acts.CharterText(**kit.texts(charter_text(confirm=3) + b"# again\n"))
    )
    second = kit.bree.act(replace(again, partnership=UNSET, under=UNSET))
    for name in MEMBERS:
        one = kit.parties[name]
        one.act(replace(one.draft("consent", proposal=second, sight=one.newest_ack), partnership=second, under=UNSET))
    for name in MEMBERS:
        one = kit.parties[name]
        ack = one.draft("acknowledge", heads=(), common=ONE)
        heads = tuple(
            acts.Seen(origin=o.origin, size=o.size, root=o.roots[o.size].hex(), seen=0, signature=bytes(64))
            for o in kit.parties.values()
            if o is not one
        )
        one.act(replace(ack, heads=heads, partnership=second, under=UNSET))
    for me in MEMBERS:
        register = kit.fold(me)
        assert register.partnership == kit.partnership
        assert register.slots[second].state == "open"
        assert all("another proposal of this slot" in one.void for one in register.slots[second].votes)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda k, d: replace(d, readers=("arda", "bree")), "is not addressed to cora"),  # though its leaf says it is
        (
            lambda k, d: replace(d, what=acts.CharterText(**k.texts(names=("arda", "bree")))),
            "the party list does not name cora",
        ),
        (
            lambda k, d: replace(d, what=acts.CharterText(**k.texts(charter_text(("bree", "cora"), 2)))),
            "arda is no founder",
        ),
        (lambda k, d: replace(d, what=acts.CharterText(**k.texts(b"charter: lamp\n"))), "its texts are not sound"),
    ],
)
def test_a_founding_that_is_void(change, says):
    kit = Kit()
    draft = kit.arda.draft("propose", subject="charter", n=1, what=acts.CharterText(**kit.texts()))
    proposal = kit.arda.act(change(kit, draft), tagged=True)
    slot = kit.fold("arda").slots[proposal]
    assert (slot.state, slot.why) == ("void", says)


def test_texts_that_are_not_held_are_waited_for(kit):
    held = dict(kit.objects)
    kit.objects.clear()
    register = kit.fold("arda")
    assert (register.slots[kit.partnership].state, register.slots[kit.partnership].why) == (
        "open",
        "its texts are not held here",
    )
    assert register.missing == set(held)
    kit.objects |= held
    assert state(kit, kit.partnership) == "in_force"


def test_a_ledger_that_only_claims_the_name_speaks_for_nobody(kit):
    """It sorts before the real one; the party list names ledgers by inception."""
    fake = Party(kit, "bree", "aaa.example/lamp/0")
    fake.keys = Keys("bree")
    kit.parties["fake"] = fake
    fake.say("attest", secret("bree/registrar"), about="bree/works", claim="organisation", term=TERM)
    register = kit.fold("arda")
    assert register.charter_id == kit.partnership
    assert register.parties["bree"].origin == kit.bree.origin
    assert register.attestations == ()
    assert any("aaa.example/lamp/0 claims to be bree" in alarm for alarm in register.alarms)


# ---- votes: V1, V2, V3, deadline -------------------------------------------------------------------------------------


def test_every_required_consent_and_no_other(kit):
    kit.acks()
    kit.dune.ack()
    proposal = kit.propose("arda", SUBJECT, 1, kit.terms())
    voters = (*MEMBERS, "dune")
    for name in voters:
        assert state(kit, proposal) == "open"
        assert name in kit.fold("arda").slots[proposal].missing
        kit.consent(name, proposal)
    assert kit.fold("arda").slots[proposal].provisional
    for name in MEMBERS:
        assert state(kit, proposal) == "open"
        kit.acks(name)
    for me in MEMBERS:
        register = kit.fold(me)
        assert register.slots[proposal].state == "in_force"
        assert register.engagements["dune-lamp"].by == (
            proposal,
            *sorted(one.act for one in register.slots[proposal].votes),
        )


def test_one_confirmed_refusal_is_the_end(kit):
    kit.acks()
    proposal = kit.propose("arda", SUBJECT, 1, kit.terms())
    for name in ("arda", "bree"):
        kit.consent(name, proposal)
    kit.refuse("cora", proposal)
    assert state(kit, proposal) == "open"
    kit.acks()
    for me in MEMBERS:
        assert state(kit, proposal, me) == "dead"


def test_v1_a_consent_after_an_own_refusal(kit):
    kit.acks()
    proposal = kit.propose("arda", SUBJECT, 1, kit.terms())
    kit.refuse("bree", proposal)
    late = kit.consent("bree", proposal)
    kit.acks()
    register = kit.fold("cora")
    assert why(register, late) == "comes after an own refusal"
    assert register.slots[proposal].state == "dead"


def test_v2_a_refusal_after_an_own_consent(kit):
    kit.acks()
    proposal = kit.propose("arda", SUBJECT, 1, kit.terms())
    kit.consent("bree", proposal)
    late = kit.refuse("bree", proposal)
    kit.acks()
    register = kit.fold("cora")
    assert why(register, late) == "comes after an own consent, which is irrevocable"
    assert register.slots[proposal].state == "open"


def test_the_same_vote_twice_is_one_vote(kit):
    kit.acks()
    proposal = kit.propose("arda", SUBJECT, 1, kit.terms())
    first = kit.consent("bree", proposal)
    second = kit.consent("bree", proposal)
    register = kit.fold("bree")
    assert [one.act for one in register.slots[proposal].votes] == [first]
    assert why(register, second) == ""


def rivals(kit: Kit) -> tuple[str, str]:
    kit.acks()
    return kit.propose("arda", "project/new", 1, project("one")), kit.propose("bree", "project/new", 1, project("two"))


def test_v3_no_second_consent_while_the_first_lives(kit):
    one, two = rivals(kit)
    kit.consent("bree", one)
    early = kit.consent("bree", two)
    kit.refuse("cora", one)
    kit.acks()
    blind = kit.consent("bree", two)  # cites an acknowledge that had seen the refusal, and no acknowledges of it
    kit.acks()
    kit.acks()
    register = kit.fold("arda")
    assert register.slots[one].state == "dead"
    says = "another proposal of this slot has this party's consent and was not dead in what it had seen"
    assert (why(register, early), why(register, blind)) == (says, says)
    seeing = kit.consent("bree", two)
    for name in ("arda", "cora"):
        kit.consent(name, two)
    kit.acks()
    register = kit.fold("arda")
    assert why(register, seeing) == ""
    assert register.slots[two].state == "in_force"
    assert register.projects["new"].name == "two"


def test_v3_a_refusal_by_somebody_without_a_vote_kills_nothing(kit):
    one, two = rivals(kit)
    kit.consent("bree", one)
    kit.dune.ack()
    stray = kit.refuse("dune", one)
    kit.acks()
    kit.acks()
    second = kit.consent("bree", two)
    register = kit.fold("arda")
    assert why(register, stray) == "has no vote on it"
    assert why(register, second).startswith("another proposal of this slot")


def test_v3_a_later_consent_of_the_refuser_does_not_bring_the_first_back(kit):
    one, two = rivals(kit)
    kit.consent("bree", one)
    kit.refuse("cora", one)
    kit.acks()
    kit.acks()
    kit.consent("bree", two)
    void = kit.consent("cora", one)
    kit.acks()
    register = kit.fold("arda")
    assert why(register, void) == "comes after an own refusal"
    assert {one.party: one.void for one in register.slots[two].votes} == {"bree": ""}


def test_a_consent_held_back_by_v3_forbids_a_refusal_all_the_same(kit):
    """A reader who has read less holds it back where another counts it; so the refusal may count for neither."""
    one, two = rivals(kit)
    kit.consent("bree", one)
    kit.consent("bree", two)
    refusal = kit.refuse("bree", two)
    kit.acks()
    assert why(kit.fold("arda"), refusal) == "comes after an own consent, which is irrevocable"
    assert state(kit, two) == "open"


def test_a_lagging_reader_of_four_does_not_see_a_refusal_where_others_see_a_consent():
    """Four members, three confirm. Dune's ledger shows that the first proposal is dead; bree has not read it yet."""
    kit = Kit(*MEMBERS, "dune", members=(*MEMBERS, "dune"), confirm=3).found()
    kit.acks()
    one = kit.propose("arda", "project/new", 1, project("one"))
    two = kit.propose("cora", "project/new", 1, project("two"))
    before = kit.dune.size
    kit.consent("arda", one)
    kit.refuse("dune", one)
    kit.acks("arda", "cora", "dune")
    kit.acks("arda")
    kit.consent("arda", two)  # counts where dune's ledger is read
    kit.refuse("arda", two)  # a cheat's second vote
    kit.acks("cora", "dune")
    kit.bree.ack(dune=before)
    full, lagging = kit.fold("cora"), kit.fold("bree", dune=before)
    assert full.slots[one].state == "dead"
    assert {v.vote: v.void for v in full.slots[two].votes} == {
        "consent": "",
        "refuse": "comes after an own consent, which is irrevocable",
    }
    assert lagging.slots[two].state == "open"
    assert not [v for v in lagging.slots[two].votes if v.vote == "refuse" and not v.void]


def test_a_consent_after_the_deadline_is_void(kit):
    kit.acks()
    proposal = kit.propose("arda", "project/new", 1, project(), by=kit.time + 5000)
    kit.consent("arda", proposal)
    kit.tick(60_000)
    late = kit.consent("bree", proposal)
    kit.acks()
    kit.acks()
    register = kit.fold("cora")
    assert why(register, late) == "comes after the proposal's deadline"
    assert {one.party: (one.vote, one.silent) for one in register.slots[proposal].votes if not one.void} == {
        "arda": ("consent", False), "bree": ("refuse", True), "cora": ("refuse", True),
    }  # fmt: skip
    assert register.slots[proposal].state == "dead"


def test_silence_past_the_deadline_counts_when_confirmed(kit):
    kit.acks()
    proposal = kit.propose("arda", "project/new", 1, project(), by=kit.time + 5000)
    kit.tick(60_000)
    kit.arda.say(
        "evidence",
        readers=("arda",),
        candidate="dune",
        date="2026-01-01",
        standing="press",
        status="floated",
        says="x",
        source="y",
    )
    assert votes(kit, proposal) == {}  # only what all members may read shows that a ledger has passed it
    kit.acks("cora")
    assert votes(kit, proposal) == {"cora": ("refuse", False, "")}
    kit.acks("arda", "bree")
    assert state(kit, proposal) == "dead"


def test_a_consent_dated_back_behind_the_deadline_comes_too_late(kit):
    kit.acks()
    by = kit.time + 5000
    proposal = kit.propose("arda", "project/new", 1, project(), by=by)
    kit.tick(60_000)
    kit.acks("bree")
    late = kit.consent("bree", proposal, at=by)
    assert why(kit.fold("cora"), late) == "comes after an own refusal"


# ---- what makes a vote void by itself --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"partnership": ONE}, "names another partnership"),
        ({"readers": MEMBERS}, "is not open to dune, who may open what it answers"),
        ({"sight": UNSET}, "does not say what it had seen"),
        ({"under": TWO}, "is given under another charter version than the proposal"),
    ],
)
def test_a_vote_that_does_not_count(kit, fields, says):
    kit.acks()
    proposal = kit.propose("arda", SUBJECT, 1, kit.terms())
    id_ = kit.consent("bree", proposal, **fields)
    assert why(kit.fold("cora"), id_) == says


def test_a_vote_that_not_all_can_see_is_there_counts_for_nobody(kit):
    """Without the common tag a member could be shown a refusal and another the consent before it."""
    kit.acks()
    proposal = kit.propose("arda", SUBJECT, 1, kit.terms())
    act = kit.bree.draft("consent", proposal=proposal, sight=kit.bree.newest_ack, readers=(*MEMBERS, "dune"))
    id_ = kit.bree.act(act, tagged=False)
    for me in MEMBERS:
        register = kit.fold(me)
        assert why(register, id_) == "is for all members, and its leaf does not carry the common tag"
        assert register.slots[proposal].votes == ()


def test_a_vote_behind_what_is_owed_waits(kit):
    kit.acks()
    proposal = kit.propose("arda", SUBJECT, 1, kit.terms())
    consent = kit.consent("bree", proposal)
    kit.refuse("bree", proposal)
    assert kit.fold("cora", consent).slots[proposal].votes == ()
    assert [one.vote for one in kit.fold("cora").slots[proposal].votes if not one.void] == ["consent"]


def test_an_acknowledge_confirms_up_to_what_is_owed_to_its_author(kit):
    kit.acks()
    kit.dune.ack()
    proposal = kit.propose("arda", SUBJECT, 1, kit.terms())
    for name in (*MEMBERS, "dune"):
        kit.consent(name, proposal)
    kit.acks("arda", "bree")
    owed = acts.Owed(origin=kit.arda.origin, entries=(kit.arda.size - 2,))
    kit.cora.ack(owed=(owed,))
    assert state(kit, proposal) == "open"
    assert kit.fold("arda").slots[proposal].waiting == ("arda",)
    kit.cora.ack()
    assert state(kit, proposal) == "in_force"


def test_an_acknowledge_that_not_all_members_can_open_confirms_nothing(kit):
    kit.acks()
    kit.dune.ack()
    proposal = kit.propose("arda", SUBJECT, 1, kit.terms())
    for name in (*MEMBERS, "dune"):
        kit.consent(name, proposal)
    kit.acks("arda", "bree")
    ack = kit.cora.ack()
    tried = kit.cora.entries.pop()
    kit.cora.roots.pop()
    assert tried.id == ack
    narrow = replace(tried.act, readers=("arda", "cora"))
    kit.cora.frontier = _frontier(kit.cora)
    kit.cora.act(narrow)
    for me in MEMBERS:
        assert state(kit, proposal, me) == "open"


def _frontier(party):
    edge = Frontier.empty()
    for one in party.entries:
        edge = edge.push(leaf_hash(one.leaf))
    return edge


def test_an_acknowledgement_of_another_branch_does_not_count(kit):
    kit.acks()
    kit.dune.ack()
    proposal = kit.propose("arda", SUBJECT, 1, kit.terms())
    for name in (*MEMBERS, "dune"):
        kit.consent(name, proposal)
    kit.acks("arda", "bree")
    true = list(kit.arda.roots)
    kit.arda.roots = [bytes(32) for _ in true]
    kit.cora.ack()
    kit.arda.roots = true
    assert state(kit, proposal) == "open"


def test_an_acknowledgement_of_more_than_is_held_does_not_count_yet(kit):
    proposal = kit.engage()
    assert state(kit, proposal, "cora", arda=kit.arda.size - 1) == "open"
    assert state(kit, proposal, "cora") == "in_force"


def test_nothing_rests_on_an_unconfirmed_vote(kit):
    """P5, first half: whatever is cut off the members' ledgers, an engagement in force has all votes confirmed."""
    proposal = kit.engage()
    for arda in range(1, kit.arda.size + 1):
        for bree in range(1, kit.bree.size + 1, 2):
            register = kit.fold("cora", arda=arda, bree=bree)
            if "dune-lamp" in register.engagements:
                slot = register.slots[proposal]
                assert len([v for v in slot.votes if v.confirmed and not v.void]) == 4
            else:
                assert register.slots.get(proposal) is None or register.slots[proposal].state == "open"


# ---- proposals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"party": "bree"}, "bree is a member and needs no engagement"),
        ({"project": "vault", "areas": ()}, "pillar inner is closed to outsiders"),
        ({"areas": ("hull",)}, "its areas are not areas of the project"),
        ({"areas": ()}, "its areas are not areas of the project"),
        ({"confirm": 2}, "it repeats confirmation or recall otherwise than the charter"),
        ({"recall_days": UNSET}, "it repeats confirmation or recall otherwise than the charter"),
        ({"members": "two", "confirm": 2}, "it repeats confirmation or recall otherwise than the charter"),
        ({"members": "other"}, "it names another ledger of a member than the party list"),
        ({"members": "order"}, "it repeats the members otherwise than the charter"),
    ],
)  # fmt: skip
def test_terms_that_cannot_be_agreed(kit, change, says):
    shapes = kit.member_shapes()
    named = {"two": shapes[:2], "other": (replace(shapes[0], inception=ONE), *shapes[1:]), "order": shapes[::-1]}
    if "members" in change:
        change = {**change, "members": named[change["members"]]}
    what = kit.terms(**{k: v for k, v in change.items() if k != "party"})
    what = replace(what, party=change.get("party", "dune"))
    proposal = kit.propose("arda", SUBJECT, 1, what)
    slot = kit.fold("bree").slots[proposal]
    assert (slot.state, slot.why) == ("void", says)
    assert acts.could_engage(kit.fold("bree"), what) == says


def test_terms_of_a_project_that_nobody_has_begun_wait(kit):
    """Another reader may hold the act that begins it: nothing is void because somebody has read less."""
    what = kit.terms(project="new")
    proposal = kit.propose("arda", SUBJECT, 1, what)
    assert acts.could_engage(kit.fold("bree"), what) == "there is no project new"
    for name in (*MEMBERS, "dune"):
        kit.parties[name].ack()
        kit.consent(name, proposal)
    kit.acks()
    slot = kit.fold("bree").slots[proposal]
    assert (slot.state, slot.why) == ("open", "there is no project new in force here")
    begun = kit.propose("bree", "project/new", 1, project())
    for name in MEMBERS:
        kit.consent(name, begun)
    kit.acks()
    register = kit.fold("cora")
    assert register.slots[proposal].state == "in_force"
    assert register.engagements["dune-lamp"].terms.project == "new"
    assert register.projects["new"].participants == MEMBERS
    assert acts.could_engage(register, kit.terms(project="new", areas=("wick",))) == (
        "its areas are not areas of the project"
    )


def test_an_ended_project_keeps_its_past_days(kit):
    begun = kit.propose("bree", "project/new", 1, project())
    for name in MEMBERS:
        kit.consent(name, begun)
    kit.acks()
    ending = kit.propose("bree", "project/new", 2, acts.Ending(of=begun, on="2026-11-01", reason="done"), prev=begun)
    for name in MEMBERS:
        kit.consent(name, ending)
    kit.acks()
    there = kit.fold("arda").projects["new"]
    assert there.holds_on("2026-10-31")
    assert not there.holds_on("2026-11-01")


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"readers": MEMBERS}, "is not addressed to dune"),
        ({"readers": ("arda", "bree", "dune"), "tagged": True}, "is not addressed to cora"),
        ({"subject": "project/dune-lamp"}, "a engage proposal does not belong under project/dune-lamp"),
        ({"subject": SUBJECT, "n": 2, "prev": ONE}, "its slot does not follow what is in force"),
    ],
)
def test_a_proposal_that_is_void(kit, fields, says):
    proposal = kit.propose("arda", **{"subject": SUBJECT, "n": 1, "what": kit.terms(), **fields})
    slot = kit.fold("bree").slots[proposal]
    assert (slot.state, slot.why) == ("void", says)


def test_only_members_propose(kit):
    kit.dune.ack()
    proposal = kit.propose("dune", SUBJECT, 1, kit.terms(), under=kit.charter_id, partnership=kit.partnership)
    assert kit.fold("arda").slots[proposal].why == "dune is not a member"


def test_a_proposal_under_an_unknown_charter_waits(kit):
    proposal = kit.propose("arda", SUBJECT, 1, kit.terms(), under=TWO)
    slot = kit.fold("bree").slots[proposal]
    assert (slot.state, slot.why) == ("open", "names a charter version that is not in force here")


def test_the_outsider_consents_in_the_ledger_that_the_terms_name(kit):
    kit.acks()
    kit.dune.ack()
    proposal = kit.propose("arda", SUBJECT, 1, replace(kit.terms(), inception=ONE))
    for name in (*MEMBERS, "dune"):
        kit.consent(name, proposal)
    kit.acks()
    assert kit.fold("arda").slots[proposal].missing == ("dune",)


def decide(kit: Kit, proposal: str, *voters: str) -> None:
    kit.acks()
    for name in voters:
        kit.consent(name, proposal)
    kit.acks()


def test_an_engagement_is_renewed_and_ended_in_its_chain(kit):
    root = kit.engage()
    readers = (*MEMBERS, "dune")
    longer = acts.Term(since="2026-01-01", until="2028-01-01")
    renewal = kit.propose("bree", SUBJECT, 2, acts.Renewal(of=root, term=longer), prev=root, readers=readers)
    decide(kit, renewal, *MEMBERS)
    assert state(kit, renewal) == "open"  # who is bound longer consents to it
    decide(kit, renewal, "dune")
    assert kit.fold("cora").engagements["dune-lamp"].term == longer
    ending = kit.propose(
        "cora", SUBJECT, 3, acts.Ending(of=root, on="2026-12-01", reason="done"), prev=renewal, readers=readers
    )
    decide(kit, ending, *MEMBERS)  # it is told, not asked
    engagement = kit.fold("arda").engagements["dune-lamp"]
    assert (engagement.state("2026-11-30"), engagement.state("2026-12-01")) == ("in_force", "ended")
    again = kit.propose("arda", SUBJECT, 4, acts.Renewal(of=root, term=longer), prev=ending, readers=readers)
    assert kit.fold("arda").slots[again].why == "what it names has ended"


def test_what_renews_names_the_terms_and_is_open_to_their_readers(kit):
    root = kit.engage()
    wrong = kit.propose(
        "arda", SUBJECT, 2, acts.Renewal(of=kit.partnership, term=TERM), prev=root, readers=(*MEMBERS, "dune")
    )
    hidden = kit.propose("arda", SUBJECT, 2, acts.Ending(of=root, on="2026-12-01", reason="x"), prev=root)
    register = kit.fold("bree")
    assert register.slots[wrong].why == "does not name the terms that it renews or ends"
    assert register.slots[hidden].why == "is not addressed to dune"


# ---- later charters --------------------------------------------------------------------------------------------------


def amend(
    kit: Kit, by: str, text: bytes, *voters: str, names: tuple[str, ...] = (), what: type = acts.CharterText, **more
) -> str:
    n = len([one for one in kit.fold(by).slots.values() if one.subject == "charter" and one.state == "in_force"]) + 1
    readers = tuple(sorted({*kit.members, *voters, *names}))
    proposal = kit.parties[by].say(
        "propose",
        subject="charter",
        n=n,
        prev=kit.charter_id,
        what=what(**kit.texts(text, names), **more),
        readers=readers,
    )
    kit.acks()
    for name in voters:
        kit.consent(name, proposal)
    kit.acks()
    return proposal


def test_a_later_charter_leaves_what_was_decided_as_it_is(kit):
    """A slot is judged by the charter that its proposal names: a new member does not undo an engagement."""
    join(kit)
    engaged = kit.engage()
    text = charter_text((*MEMBERS, "elm"), 4)
    admitted = amend(kit, "arda", text, *MEMBERS, "elm", names=(*MEMBERS, "elm"), what=acts.Admission, party="elm")
    for me in MEMBERS:
        register = kit.fold(me)
        assert register.charter_id == admitted
        assert register.members == (*MEMBERS, "elm")
        assert register.slots[engaged].state == "in_force"
        assert "dune-lamp" in register.engagements


def test_who_is_newly_bound_consents_to_a_charter(kit):
    join(kit)
    proposal = amend(
        kit,
        "arda",
        charter_text((*MEMBERS, "elm"), 4),
        *MEMBERS,
        names=(*MEMBERS, "elm"),
        what=acts.Admission,
        party="elm",
    )
    slot = kit.fold("arda").slots[proposal]
    assert (slot.state, slot.missing) == ("open", ("elm",))
    assert kit.fold("arda").charter_id == kit.partnership


def join(kit: Kit) -> Party:
    elm = Party(kit, "elm")
    kit.parties["elm"] = elm
    elm.ack()
    return elm


def test_a_proposal_under_the_old_charter_is_decided_by_the_old_members_or_not_at_all(kit):
    kit.acks()
    kit.dune.ack()
    proposal = kit.propose("arda", SUBJECT, 1, kit.terms())
    kit.consent("arda", proposal)
    newer = amend(kit, "bree", charter_text() + b"# second\n", *MEMBERS)
    kit.charter_id = newer
    late = kit.consent("bree", proposal)
    register = kit.fold("cora")
    assert register.charter_id == newer
    assert why(register, late) == "is given under another charter version than the proposal"


@pytest.mark.parametrize(
    ("what", "members", "says"),
    [
        (acts.Admission, MEMBERS, "its charter does more or less than admit elm"),
        (acts.Expulsion, MEMBERS, "its charter does more or less than expel elm"),
    ],
)
def test_an_admission_admits_and_an_expulsion_expels(kit, what, members, says):
    proposal = amend(kit, "arda", charter_text(members), *MEMBERS, what=what, party="elm")
    assert kit.fold("bree").slots[proposal].why == says


def test_a_member_is_expelled_without_its_vote_and_without_its_ledger(kit):
    text = charter_text(("arda", "bree"), 2)
    proposal = kit.arda.say(
        "propose",
        subject="charter",
        n=2,
        prev=kit.charter_id,
        what=acts.Expulsion(party="cora", **kit.texts(text, ("arda", "bree"))),
    )
    kit.acks("arda", "bree")
    for name in ("arda", "bree"):
        kit.consent(name, proposal)
    kit.acks("arda", "bree")
    for me in ("arda", "bree"):
        register = kit.fold(me)
        assert register.members == ("arda", "bree")
        assert register.slots[proposal].voters == ("arda", "bree")


def test_the_next_charter_needs_no_vote_of_a_member_that_has_given_notice(kit):
    text = charter_text(("arda", "bree"), 2)
    kit.cora.say("withdraw", on="2026-12-31", reason="an election")
    proposal = kit.arda.say(
        "propose",
        subject="charter",
        n=2,
        prev=kit.charter_id,
        what=acts.CharterText(**kit.texts(text, ("arda", "bree"))),
    )
    kit.acks("arda", "bree")
    for name in ("arda", "bree"):
        kit.consent(name, proposal)
    kit.acks("arda", "bree")
    refusal = kit.refuse("cora", proposal)
    register = kit.fold("arda")
    assert register.members == ("arda", "bree")
    assert why(register, refusal) == "has no vote on it"


def test_who_has_left_neither_proposes_nor_votes(kit):
    kit.cora.say("withdraw", on="2026-09-22", reason="elections")
    early = kit.propose("arda", "project/early", 1, project(name="early", project="early"))
    kit.consent("cora", early)
    kit.tick(366 * 86_400_000)
    kit.acks()
    late, own = (kit.propose(name, f"project/{name}", 1, project(name=name, project=name)) for name in ("arda", "cora"))
    kit.consent("cora", late)
    kit.acks()
    register = kit.fold("bree")
    assert [(one.party, one.void) for one in register.slots[early].votes] == [("cora", "")]
    assert [(one.party, one.void) for one in register.slots[late].votes] == [
        ("cora", "comes after its author has left")
    ]
    assert (register.slots[own].state, register.slots[own].why) == ("void", "cora has left")


def test_a_member_that_voted_before_its_notice_is_heard(kit):
    text = charter_text(("arda", "bree"), 2)
    proposal = kit.arda.say(
        "propose",
        subject="charter",
        n=2,
        prev=kit.charter_id,
        what=acts.CharterText(**kit.texts(text, ("arda", "bree"))),
    )
    kit.acks()
    kit.refuse("cora", proposal)
    kit.cora.say("withdraw", on="2026-12-31", reason="an election")
    kit.acks()
    assert kit.fold("arda").slots[proposal].state == "dead"


def test_a_member_is_not_dropped_without_its_consent(kit):
    text = charter_text(("arda", "bree"), 2)
    proposal = amend(kit, "arda", text, "arda", "bree", names=("arda", "bree"))
    assert kit.fold("arda").slots[proposal].missing == ("cora",)


# ---- an outsider -----------------------------------------------------------------------------------------------------


def outsider(kit: Kit):
    return kit.fold("dune", pin=kit.partnership)


def test_an_outsider_learns_the_outcome_from_as_many_members_as_confirm(kit):
    proposal = kit.engage()
    readers = (*MEMBERS, "dune")
    for count, name in enumerate(MEMBERS):
        assert outsider(kit).slots[proposal].state == "open"
        assert len(outsider(kit).slots[proposal].waiting) == 3 - count
        kit.parties[name].say("settle", proposal=proposal, outcome="in_force", common=ONE, readers=readers)
    register = outsider(kit)
    assert register.slots[proposal].state == "in_force"
    assert register.engagements["dune-lamp"].terms.party == "dune"
    assert register.alarms == ()


def test_members_cannot_settle_away_the_outsiders_own_consent(kit):
    kit.acks()
    proposal = kit.propose("arda", SUBJECT, 1, kit.terms())
    for name in MEMBERS:
        kit.parties[name].say("settle", proposal=proposal, outcome="in_force", common=ONE, readers=(*MEMBERS, "dune"))
    assert outsider(kit).slots[proposal].state == "open"


def test_members_that_settle_differently_are_an_alarm(kit):
    proposal = kit.engage()
    readers = (*MEMBERS, "dune")
    kit.arda.say("settle", proposal=proposal, outcome="in_force", common=ONE, readers=readers)
    kit.bree.say("settle", proposal=proposal, outcome="dead", common=ONE, readers=readers)
    both = kit.bree.say("settle", proposal=proposal, outcome="in_force", common=ONE, readers=readers)
    register = outsider(kit)
    assert register.slots[proposal].state == "open"
    assert f"members settle proposal {proposal[:8]} differently: arda in_force, bree dead" in register.alarms
    assert f"bree settles proposal {proposal[:8]} both ways" in register.alarms
    assert why(register, both) == "bree has settled it otherwise"


def test_a_settlement_by_somebody_else_is_void(kit):
    proposal = kit.engage()
    id_ = kit.dune.say(
        "settle", proposal=proposal, outcome="in_force", common=ONE, readers=(*MEMBERS, "dune"), under=UNSET
    )
    assert why(kit.fold("arda"), id_) == "dune is no member"


def test_an_outsider_follows_renewals_and_endings(kit):
    root = kit.engage()
    readers = (*MEMBERS, "dune")
    ending = kit.propose(
        "cora", SUBJECT, 2, acts.Ending(of=root, on="2026-12-01", reason="done"), prev=root, readers=readers
    )
    decide(kit, ending, *MEMBERS)
    for name in MEMBERS:
        for proposal in (root, ending):
            kit.parties[name].say("settle", proposal=proposal, outcome="in_force", common=ONE, readers=readers)
    assert (
        outsider(kit).engagements["dune-lamp"].ended == kit.fold("arda").engagements["dune-lamp"].ended == "2026-12-01"
    )


def test_a_ceiling_is_part_of_the_terms(kit):
    assert kit.terms().ceiling == (Level(system="ARD", level="open"),)
