"""What a party may state alone: for itself and for what is its own. Where it speaks for another it is void, and why."""

from __future__ import annotations

import base64
import json

import pytest
from acts_kit import CODES, MEMBERS, PACK, START, TERM, Keys, Kit, Party, item_fields, label, release_fields, why
from acts_samples import CLASS, ENGAGEMENT, ONE, TWO
from msgspec import UNSET
from msgspec.structs import replace

from relto import acts
from relto.acts.effects import day_of
from relto.errors import NotFound
from relto.keys import SecretKey
from relto.ledger import Checkpoint, sign_checkpoint

SUBJECT = "engagement/dune-lamp"
ALL = (*MEMBERS, "dune")


@pytest.fixture
def kit() -> Kit:
    return Kit(*MEMBERS, "dune").found()


@pytest.fixture
def engaged(kit) -> Kit:
    kit.proposal = kit.engage()
    return kit


def register_item(kit: Kit, by: str = "arda", readers: tuple[str, ...] = MEMBERS, **changes) -> str:
    return kit.parties[by].say(
        "register", readers=tuple(sorted({by, *readers})), **item_fields(changes.pop("item", f"{by}/glass"), **changes)
    )


def release(kit: Kit, by: str = "arda", to: str = "bree", readers: tuple[str, ...] = (), **changes) -> str:
    one = kit.parties[by]
    one.ack()
    fields = release_fields(kit, changes.pop("item", f"{by}/glass"), to, one.newest_ack, **changes)
    return one.say("release", readers=tuple(sorted({by, to, *readers})), **fields)


# ---- whose word ------------------------------------------------------------------------------------------------------


def test_a_party_attests_itself_and_its_own(kit):
    own = kit.arda.say("attest", about="arda/works", claim="organisation", term=TERM)
    party = kit.arda.say("attest", about="arda", claim="authorised-user", term=TERM, other="bree")
    foreign = kit.arda.say("attest", about="bree/works", claim="organisation", term=TERM)
    prefix = kit.arda.say("attest", about="arda-two/works", claim="organisation", term=TERM)
    itself = kit.arda.say("attest", about="arda", claim="pact", term=TERM, other="arda")
    register = kit.fold("bree")
    assert [one.act for one in register.attestations] == [own, party]
    assert why(register, foreign) == "arda does not speak for bree/works"
    assert why(register, prefix) == "arda does not speak for arda-two/works"
    assert why(register, itself) == "is with itself"


@pytest.mark.parametrize(
    ("recipient", "says"),
    [
        (CLASS, "arda does not speak for people of bree"),
        (replace(CLASS, party="arda"), "arda does not speak for people of bree/works"),
    ],
)
def test_a_party_declares_its_own_people(kit, recipient, says):
    good = kit.arda.say(
        "roster",
        day="2026-09-21",
        classes=(acts.RosterClass(recipient=replace(CLASS, party="arda", organisation="arda/works"), heads=2),),
    )
    bad = kit.arda.say("roster", day="2026-09-22", classes=(acts.RosterClass(recipient=recipient, heads=2),))
    register = kit.fold("bree")
    assert why(register, bad) == says
    assert register.rosters["arda"].act == good


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        (
            {"item": "bree/glass", "organisation": "arda/works", "owners": ("arda",)},
            "arda does not speak for bree/glass",
        ),
        ({"organisation": "bree/works"}, "arda does not speak for bree/works"),
        ({"owners": ("bree",)}, "arda is not among its owners"),
        ({"owners": ("arda", "dune")}, "names dune as owner, who takes no part in lamp"),
        ({"owners": ("arda", "elm")}, "names elm as owner, who takes no part in lamp"),
    ],
)
def test_an_item_is_registered_by_whose_it_is(kit, fields, says):
    """To be called an owner is to be in scope: nobody is let in by being called one."""
    id_ = register_item(kit, **fields)
    register = kit.fold("cora")
    assert why(register, id_) == says
    assert register.items == {}


def test_who_is_engaged_in_the_project_may_own_a_part_of_it(engaged):
    register_item(engaged, item="arda/both", owners=("arda", "dune"))
    closed = register_item(engaged, item="arda/secret", owners=("arda", "dune"), project="vault", areas=())
    register = engaged.fold("bree")
    assert register.item("arda/both").facts.owners == ("arda", "dune")
    assert why(register, closed) == "names dune as owner, who takes no part in vault"


def test_versions_labels_and_retirement_follow_in_one_ledger(kit):
    first = register_item(kit)
    again = register_item(kit, opaque="b" * 32)
    second = register_item(kit, version=2, opaque="c" * 32)
    reused = register_item(kit, item="arda/other")
    taken = register_item(kit, item="arda/third", opaque=item_fields("arda/other")["opaque"])
    fields = {"item": "arda/glass", "version": 1, "reason": "x"}
    relabel = kit.arda.say("relabel", prev=first, label=label("ARD"), **fields)
    stale = kit.arda.say("relabel", prev=first, label=label("ARD", "BRE"), **fields)
    foreign = kit.bree.say("relabel", prev=relabel, label=label("BRE"), **fields)
    retire = kit.arda.say("retire", prev=relabel, **fields)
    after = kit.arda.say("relabel", prev=relabel, label=label("ARD", "BRE"), **fields)
    register = kit.fold("bree")
    one, two = register.items["arda/glass"]
    assert (one.act, one.label, one.label_act, one.retired) == (first, label("ARD"), relabel, retire)
    assert (two.act, two.version, two.retired) == (second, 2, "")
    assert why(register, again) == "this version is registered already"
    assert why(register, taken) == "another item is registered under this opaque id"
    assert why(register, stale) == why(register, after) == "does not follow the newest label of a registered item"
    assert why(register, foreign) == "bree does not speak for arda/glass"
    assert register.item("arda/other").act == reused
    assert register.item("arda/glass").version == 2
    with pytest.raises(NotFound):
        register.item("arda/glass", 3)


def test_a_package_finds_the_item_of_its_own_party(kit):
    """Another party may register an item under the id that a package shows; that must not be the one decided upon."""
    mine = register_item(kit, item="cora/glass", by="cora", opaque="d" * 32)
    theirs = register_item(kit, item="arda/evil", opaque="d" * 32)
    register = kit.fold("cora")
    assert register.item_by_opaque("d" * 32).act == theirs
    assert register.item_by_opaque("d" * 32, "cora").act == mine
    with pytest.raises(NotFound):
        register.item_by_opaque("d" * 32, "bree")


def test_a_state_adopts_its_own_law(kit):
    digest = kit.put(PACK.encode())
    own = kit.arda.say("adopt", jurisdiction="ARD", pack=digest, name="ard-law")
    foreign = kit.bree.say("adopt", jurisdiction="ARD", pack=digest, name="ard-law")
    unknown = kit.arda.say("adopt", jurisdiction="XXX", pack=digest, name="ard-law")
    narrow = kit.arda.say("adopt", jurisdiction="ARD", pack=digest, name="ard-law", readers=("arda", "bree"))
    wrong = kit.bree.say("adopt", jurisdiction="BRE", pack=digest, name="ard-law")
    register = kit.fold("bree")
    assert [one.act for one in register.packs["ARD"]] == [own]
    assert register.pack_on("ARD", "2026-01-01").pack.id == "ard-law"
    assert register.pack_on("ARD", "2019-01-01") is None
    assert why(register, foreign) == "bree may not adopt the law of ARD"
    assert why(register, unknown) == "arda may not adopt the law of XXX"
    assert why(register, narrow) == "is not addressed to cora"
    assert [(one.act, one.pack) for one in register.packs["BRE"]] == [(wrong, None)]  # a text of another law is none


def test_a_licence_is_granted_by_the_state_whose_law_it_is(kit):
    fields = {
        "jurisdiction": "ARD",
        "authority": "ard-free",
        "holder": "arda/works",
        "recipients": ("bree",),
        "items": ("arda/glass",),
        "term": TERM,
    }
    own = kit.arda.say("licence", licence="l-1", **fields)
    foreign = kit.bree.say("licence", licence="l-2", **fields)
    theft = kit.bree.say("licence", licence="l-3", amends=own, **{**fields, "jurisdiction": "BRE"})
    register = kit.fold("cora")
    assert set(register.licences) == {own}
    assert not register.licences[own].revoked
    assert why(register, foreign) == "bree grants no licences of ARD"
    assert why(register, theft) == "is not about an earlier licence of its own ledger"
    newer = kit.arda.say("licence", licence="l-1", amends=own, **fields)
    register = kit.fold("cora")
    assert (register.licences[own].revoked, register.licences[newer].revoked) == (newer, "")


# ---- judgements ------------------------------------------------------------------------------------------------------


def judged(kit: Kit, by: str, on: str, *signers: SecretKey, **changes) -> str:
    fields = {
        "item": "arda/glass",
        "version": 1,
        "on": on,
        "jurisdiction": "ARD",
        "authority": "ard-free",
        "condition": "judged",
        "holds": True,
        "reason": "x",
    }
    return kit.parties[by].say("determine", *signers, **{**fields, **changes})


def test_a_judgement_speaks_for_whom_the_law_asks(kit):
    kit.arda.say("adopt", jurisdiction="ARD", pack=kit.put(PACK.encode()), name="ard-law")
    on = register_item(kit)
    owner = judged(kit, "arda", on)
    stranger = judged(kit, "bree", on)
    recipient = judged(kit, "bree", on, condition="wanted")
    not_asked = judged(kit, "arda", on, condition="wanted")
    other = judged(kit, "cora", on, jurisdiction="BRE", authority="bre-free")
    register = kit.fold("bree")
    assert [one.act for one in register.determinations] == [owner, recipient]
    assert why(register, stranger) == "bree does not speak for transferor_officer here"
    assert why(register, not_asked) == "arda does not speak for recipient_party here"
    assert why(register, other) == "cora does not speak for the owners of arda/glass here"


def test_a_judgement_is_about_a_label_of_the_item(kit):
    on = register_item(kit)
    relabel = kit.arda.say("relabel", prev=on, label=label("ARD"), item="arda/glass", version=1, reason="x")
    old, new = judged(kit, "arda", on), judged(kit, "arda", relabel)
    nowhere = judged(kit, "arda", ONE)
    unknown = judged(kit, "arda", on, version=9)
    register = kit.fold("bree")
    assert {one.act for one in register.determinations} == {old, new}
    assert why(register, nowhere) == "is on no label of this item"
    assert why(register, unknown) == ""  # not held here: nothing to say about it


def test_a_later_judgement_ends_the_one_before_for_good(kit):
    """P5: to end the later one must not bring the earlier one back."""
    on = register_item(kit)
    yes, no = judged(kit, "arda", on), judged(kit, "arda", on, holds=False)
    assert {one.act: one.revoked for one in kit.fold("bree").determinations} == {yes: no, no: ""}
    ended = kit.arda.say("revoke", act=no, reason="x")
    assert {one.act: one.revoked for one in kit.fold("bree").determinations} == {yes: no, no: ended}


def test_a_judgement_that_is_void_ends_nothing(kit):
    on = register_item(kit)
    yes = judged(kit, "arda", on)
    kit.charter_id = ONE
    judged(kit, "arda", on, holds=False)  # under a charter that nobody knows
    assert {one.act: one.revoked for one in kit.fold("bree").determinations} == {yes: ""}


def test_of_two_owners_the_one_that_says_no_is_read_last(kit):
    on = register_item(kit, owners=("arda", "bree"))
    no, yes = judged(kit, "arda", on, holds=False), judged(kit, "bree", on)
    assert [one.act for one in kit.fold("cora").determinations] == [yes, no]


def test_what_grants_takes_as_many_officers_as_the_charter_says():
    kit = Kit(officers=2).found()
    on = register_item(kit)
    keys = kit.arda.keys
    alone = judged(kit, "arda", on)
    wrong = judged(kit, "arda", on, keys.officers["disclosure"], keys.officers["safety"])
    both = judged(kit, "arda", on, keys.officers["disclosure"], keys.second)
    relabel = kit.arda.say("relabel", prev=on, label=label("ARD"), item="arda/glass", version=1, reason="x")
    licence = kit.arda.say(
        "licence",
        licence="l",
        jurisdiction="ARD",
        authority="a",
        holder="arda/works",
        recipients=("bree",),
        items=("arda/glass",),
        term=TERM,
    )
    register = kit.fold("bree")
    assert [one.act for one in register.determinations] == [both]
    assert {why(register, one) for one in (alone, wrong, relabel, licence)} == {"needs the signatures of 2 officers"}
    assert register.item("arda/glass").label_act == on


# ---- revocations -----------------------------------------------------------------------------------------------------


def test_a_revocation_ends_what_its_author_granted(kit):
    on = register_item(kit)
    attest = kit.arda.say("attest", about="arda/works", claim="organisation", term=TERM)
    licence = kit.arda.say(
        "licence",
        licence="l",
        jurisdiction="ARD",
        authority="a",
        holder="arda/works",
        recipients=("bree",),
        items=("arda/glass",),
        term=TERM,
    )
    determine = judged(kit, "arda", on)
    ends = {one: kit.arda.say("revoke", act=one, reason="x") for one in (attest, licence, determine)}
    register = kit.fold("bree")
    assert {one.act: one.revoked for one in register.attestations} == {attest: ends[attest]}
    assert {name: one.revoked for name, one in register.licences.items()} == {licence: ends[licence]}
    assert {one.act: one.revoked for one in register.determinations} == {determine: ends[determine]}


def test_nothing_else_is_revoked(kit):
    kit.acks()
    proposal = kit.propose("arda", SUBJECT, 1, kit.terms())
    consent = kit.consent("arda", proposal)
    item = register_item(kit)
    attest = kit.bree.say("attest", about="bree/works", claim="organisation", term=TERM)
    kinds = {
        kit.arda.say("revoke", act=one, reason="x", readers=ALL): kind
        for one, kind in ((consent, "consent"), (item, "register"), (proposal, "propose"))
    }
    foreign = kit.arda.say("revoke", act=attest, reason="x")
    unknown = kit.arda.say("revoke", act=TWO, reason="x")
    register = kit.fold("cora")
    for id_, kind in kinds.items():
        assert why(register, id_) == f"a revoke cannot be about a {kind}"
    assert why(register, foreign) == "is not about an earlier attest of its own ledger"
    assert why(register, unknown) == ""
    assert register.attestations[0].revoked == ""
    assert register.slots[proposal].votes[0].void == ""


# ---- audience closure ------------------------------------------------------------------------------------------------


def test_an_answer_is_open_to_whoever_may_open_what_it_answers(engaged):
    """Else a party could open the grant to one and its end to another, and each would see another register."""
    kit = engaged
    attest = kit.arda.say("attest", about="arda/works", claim="organisation", term=TERM, readers=ALL)
    item = register_item(kit, readers=ALL)
    stop = kit.arda.say("suspend", engagement=kit.proposal, reason="x", readers=ALL)
    sent = release(kit, to="dune", readers=("bree",))
    kit.dune.ack()
    narrow = {
        kit.arda.say("revoke", act=attest, reason="x"): "dune",
        kit.arda.say("relabel", item="arda/glass", version=1, prev=item, label=label("ARD"), reason="x"): "dune",
        kit.arda.say("retire", item="arda/glass", version=1, prev=item, reason="x"): "dune",
        kit.bree.say("suspend", engagement=kit.proposal, reason="x"): "dune",
        kit.arda.say("lift", suspend=stop, reason="x"): "dune",
        kit.arda.say(
            "recall", release=sent, order="destroy", by="2026-12-31", reason="x", readers=("arda", "dune")
        ): "bree",
        kit.dune.say("receipt", release=sent, outcome="matches", readers=("arda", "dune")): "bree",
        kit.dune.say("answer", release=sent, because=stop, answer="destroyed", readers=("arda", "dune")): "bree",
        kit.bree.say("return", proposal=kit.proposal, comment="x"): "dune",
        kit.bree.say("settle", proposal=kit.proposal, outcome="in_force", common=ONE): "dune",
    }
    for me in ("arda", "bree"):
        register = kit.fold(me)
        for id_, hidden in narrow.items():
            if id_ in register.stated:
                assert why(register, id_) == f"is not open to {hidden}, who may open what it answers", register.stated[
                    id_
                ].act
        assert register.attestations[0].revoked == ""
        assert register.item("arda/glass").label_act == item
        assert register.engagements["dune-lamp"].suspended == (("arda", stop),)
        assert register.releases[sent].receipts == ()


def test_a_relabel_is_open_to_the_readers_of_the_label_before(engaged):
    item = register_item(engaged)
    wider = engaged.arda.say(
        "relabel", item="arda/glass", version=1, prev=item, label=label("ARD", "DUN"), reason="x", readers=ALL
    )
    narrow = engaged.arda.say("relabel", item="arda/glass", version=1, prev=wider, label=label("ARD"), reason="x")
    assert why(engaged.fold("bree"), narrow) == "is not open to dune, who may open what it answers"


# ---- suspensions and recalls -----------------------------------------------------------------------------------------


def test_whoever_had_to_consent_suspends_alone_and_on_sight(engaged):
    kit = engaged
    for name in ALL:
        fields = {} if name != "dune" else {"under": UNSET}
        stop = kit.parties[name].say("suspend", engagement=kit.proposal, reason="x", readers=ALL, **fields)
        for me in MEMBERS:
            register = kit.fold(me)
            assert (name, stop) in register.engagements["dune-lamp"].suspended
            assert register.engagements["dune-lamp"].state("2026-09-22") == "suspended"
            assert register.slots[kit.proposal].state == "in_force"


def test_only_its_author_lifts_a_suspension_later_in_its_ledger(engaged):
    kit = engaged
    stop = kit.arda.say("suspend", engagement=kit.proposal, reason="x", readers=ALL)
    foreign = kit.bree.say("lift", suspend=stop, reason="x", readers=ALL)
    wrong = kit.arda.say("lift", suspend=kit.proposal, reason="x", readers=ALL)
    register = kit.fold("cora")
    assert why(register, foreign) == "is not about an earlier suspend of its own ledger"
    assert why(register, wrong) == "a lift cannot be about a propose"
    assert register.engagements["dune-lamp"].suspended
    kit.arda.say("lift", suspend=stop, reason="x", readers=ALL)
    again = kit.arda.say("suspend", engagement=kit.proposal, reason="x", readers=ALL)
    assert kit.fold("cora").engagements["dune-lamp"].suspended == (("arda", again),)


def test_who_may_not_suspend(engaged):
    kit = engaged
    kit.parties["elm"] = Party(kit, "elm")
    stranger = kit.elm.say(
        "suspend", engagement=kit.proposal, reason="x", readers=tuple(sorted((*ALL, "elm"))), under=UNSET
    )
    charter = kit.arda.say("suspend", engagement=kit.partnership, reason="x")
    unknown = kit.arda.say("suspend", engagement=TWO, reason="x")
    register = kit.fold("bree")
    assert why(register, stranger) == "elm may not suspend it"
    assert why(register, charter) == "is not about an engagement"
    assert why(register, unknown) == ""
    assert register.denials == frozenset()


def test_the_clause_says_who_suspends():
    kit = Kit(*ALL, suspends="any_member").found()
    proposal = kit.engage()
    outsider = kit.dune.say("suspend", engagement=proposal, reason="x", readers=ALL, under=UNSET)
    assert why(kit.fold("arda"), outsider) == "dune may not suspend it"
    kit.bree.say("suspend", engagement=proposal, reason="x", readers=ALL)
    assert kit.fold("arda").engagements["dune-lamp"].suspended


def test_a_suspension_counts_under_a_charter_that_is_not_known_here(engaged):
    """A denial counts on sight: also from a member that is ahead of us."""
    id_ = engaged.bree.say("suspend", engagement=engaged.proposal, reason="x", readers=ALL, under=TWO)
    register = engaged.fold("arda")
    assert why(register, id_) == ""
    assert register.engagements["dune-lamp"].suspended == (("bree", id_),)
    grant = engaged.bree.say("attest", about="bree/works", claim="organisation", term=TERM, under=TWO)
    assert why(engaged.fold("arda"), grant) == "names a charter that is not in force here"


def test_a_release_is_by_an_owner_and_receipted_by_its_recipient(kit):
    register_item(kit)
    sent = release(kit)
    foreign = release(kit, by="cora", item="arda/glass")
    receipt = kit.bree.say("receipt", release=sent, outcome="matches", readers=("arda", "bree"))
    stranger = kit.cora.say("receipt", release=sent, outcome="disputed", why="x", readers=("arda", "bree", "cora"))
    register = kit.fold("arda")
    assert set(register.releases) == {sent}
    assert register.releases[sent].receipts == (("bree", receipt, "matches"),)
    assert why(kit.fold("bree"), foreign) == "cora does not own arda/glass"
    assert why(register, stranger) == "cora did not receive this release"


def test_a_release_to_a_mixed_class_is_none(kit):
    register_item(kit)
    to = acts.RecipientClass(party="bree", organisation="cora/works")
    kit.arda.ack()
    fields = release_fields(kit, "arda/glass", "bree", kit.arda.newest_ack)
    id_ = kit.arda.say("release", readers=("arda", "bree"), **{**fields, "to": to})
    assert why(kit.fold("bree"), id_) == "cora/works is no organisation of bree"


def test_orders_are_by_the_releaser_and_answered_by_the_holder(kit):
    register_item(kit)
    sent = release(kit, readers=("cora",))
    fields = {"release": sent, "order": "destroy", "by": "2026-12-31", "reason": "x"}
    foreign = kit.cora.say("recall", **fields)
    order = kit.arda.say("recall", **fields)
    stranger = kit.cora.say("answer", release=sent, because=order, answer="destroyed")
    nothing = kit.bree.say("answer", release=sent, because=kit.partnership, answer="destroyed")
    noted = kit.bree.say("answer", release=sent, because=order, answer="acknowledged")
    register = kit.fold("bree")
    assert why(register, foreign) == "is not about an earlier release of its own ledger"
    assert why(register, stranger) == "cora did not receive this release"
    assert why(register, nothing) == "answers no order"
    assert set(register.recalls) == {f"{sent}:{order}"}
    recall = register.recalls[f"{sent}:{order}"]
    assert (recall.party, recall.holder, recall.order) == ("arda", "bree", "destroy")
    assert [(one[0], one[1], one[2]) for one in recall.answers] == [("bree", noted, "acknowledged")]
    assert (recall.state("2026-12-31"), recall.state("2027-01-01")) == ("outstanding", "overdue")
    kit.bree.say("answer", release=sent, because=order, answer="kept", reason="a court")
    assert kit.fold("arda").recalls[recall.id].state("2027-01-01") == "answered"
    assert {(one.author, one.subject, one.kind) for one in register.denials} == {("arda", sent, "recall")}


def test_a_suspension_opens_orders_by_itself_and_closes_them_when_lifted(engaged):
    kit = engaged
    register_item(kit, readers=ALL)
    inside = release(kit, to="dune", readers=("bree",))
    release(kit, to="dune", project="vault")
    release(kit, to="bree")
    stop = kit.bree.say("suspend", engagement=kit.proposal, reason="x", readers=ALL)
    due = day_of(kit.time + 14 * 86_400_000)
    for me in ("arda", "bree"):
        recall = kit.fold(me).recalls[f"{inside}:{stop}"]
        assert (recall.party, recall.holder, recall.order, recall.by) == ("arda", "dune", "return", due)
    assert len(kit.fold("arda").recalls) == 1
    answer = kit.dune.say(
        "answer", release=inside, because=stop, answer="returned", readers=("arda", "bree", "dune"), under=UNSET
    )
    assert kit.fold("arda").recalls[f"{inside}:{stop}"].answers[0][1] == answer
    kit.bree.say("lift", suspend=stop, reason="x", readers=ALL)
    assert kit.fold("arda").recalls == {}


def test_an_outsider_knows_of_the_orders_too(engaged):
    kit = engaged
    register_item(kit, readers=ALL)
    inside = release(kit, to="dune")
    for name in MEMBERS:
        kit.parties[name].say("settle", proposal=kit.proposal, outcome="in_force", common=ONE, readers=ALL)
    stop = kit.bree.say("suspend", engagement=kit.proposal, reason="x", readers=ALL)
    assert kit.fold("dune", pin=kit.partnership).recalls == kit.fold("arda").recalls
    assert f"{inside}:{stop}" in kit.fold("arda").recalls


# ---- licences are drawn once -----------------------------------------------------------------------------------------


def test_a_licence_is_drawn_by_its_holder_once_for_a_recipient(kit):
    register_item(kit)
    register_item(kit, by="bree")
    money = acts.Money(amount=70, currency="ARD")
    licence = kit.arda.say(
        "licence",
        licence="l",
        jurisdiction="ARD",
        authority="a",
        holder="arda/works",
        recipients=("bree", "cora"),
        items=("arda/glass",),
        term=TERM,
        quantity=3,
        value=acts.Money(amount=500, currency="ARD"),
    )
    use = acts.LicenceUse(licence=licence, quantity=1, value=money)
    release(kit, uses=(use,))
    release(kit, uses=(use,))  # the same item version and organisation: another opening, no other draw
    release(kit, to="cora", uses=(acts.LicenceUse(licence=licence, quantity=0),))  # nothing is drawn for nothing
    release(kit, by="bree", to="cora", uses=(use,))  # another party's ledger draws on nothing
    state = kit.fold("arda").licences[licence]
    assert (state.used, state.spent) == (2, 70 + 500)  # what does not say its value uses up all of it
    assert set(state.draws) == {("arda/glass", 1, "bree/works"), ("arda/glass", 1, "cora/works")}


# ---- notice, disputes, forks, the rest -------------------------------------------------------------------------------


def test_notice_counts_when_it_has_run(kit):
    today = day_of(kit.time)
    assert today == "2026-09-21"
    kit.bree.say("withdraw", on="2026-12-31", reason="x")
    assert kit.fold("arda").parties["bree"].withdraws == "2027-12-31"
    kit.bree.say("withdraw", on="2027-06-30", reason="x")
    assert kit.fold("arda").parties["bree"].withdraws == "2027-12-31"  # it is not put off
    kit.bree.say("withdraw", on="2020-01-01", reason="x")
    assert kit.fold("arda").parties["bree"].withdraws == "2027-09-21"  # nor given for a day that is past
    assert kit.fold("arda").parties["arda"].withdraws == ""


def test_what_a_disputed_key_signed_gives_no_right(engaged):
    kit = engaged
    key = kit.arda.keys.officers["registrar"].public.key_ids[0]
    before = kit.arda.say("attest", about="arda/works", claim="organisation", term=TERM)
    since = kit.arda.size
    after = kit.arda.say("attest", about="arda/works", claim="authorised-user", term=TERM)
    foreign = kit.dune.say("dispute", party="arda", key=key, index=0, reason="x", under=UNSET)
    register = kit.fold("bree")
    assert why(register, foreign) == "dune is neither a member nor arda"
    assert [one.revoked for one in register.attestations] == ["", ""]
    dispute = kit.cora.say("dispute", party="arda", key=key, index=since, reason="x")
    register = kit.fold("bree")
    assert {one.act: one.revoked for one in register.attestations} == {before: "", after: dispute}
    assert {(one.author, one.subject, one.kind) for one in register.denials} == {("cora", key, "dispute")}


def test_a_dispute_stops_items_packs_and_engagements_and_brings_nothing_back(engaged):
    kit = engaged
    pack = kit.put(PACK.encode())
    kit.arda.say("adopt", jurisdiction="ARD", pack=pack, name="old")
    item = register_item(kit)
    since = kit.arda.size
    kit.arda.say("adopt", jurisdiction="ARD", pack=pack, name="new")
    kit.arda.say("relabel", item="arda/glass", version=1, prev=item, label=label("ARD", "DUN"), reason="x")
    disclosure, authority = kit.arda.keys.officers["disclosure"], kit.arda.keys.authority[0]
    one = kit.arda.say("dispute", party="arda", key=disclosure.public.key_ids[0], index=since, reason="x")
    two = kit.arda.say("dispute", party="arda", key=authority.public.key_ids[0], index=0, reason="x")
    register = kit.fold("bree")
    assert register.item("arda/glass").retired == one
    assert register.pack_on("ARD", "2026-01-01").pack is None  # and not the older one
    assert register.engagements["dune-lamp"].suspended == (("arda", two),)
    assert register.slots[kit.proposal].state == "in_force"


def checkpoint(party, entries: int, root: bytes | None = None) -> bytes:
    key = SecretKey(party.origin, _seed(party.keys.log))
    return sign_checkpoint(Checkpoint(origin=party.origin, size=entries, root=root or party.roots[entries]), key)


def _seed(key: SecretKey) -> bytes:
    return base64.b64decode(json.loads(key.to_text())["ed25519"])


def test_a_fork_proof_freezes_a_ledger_whoever_shows_it(kit):
    one, other = checkpoint(kit.bree, 3), checkpoint(kit.bree, 3, bytes(32))
    register = kit.fold("arda")
    assert register.parties["bree"].frozen == ""
    proof = kit.cora.say("fork", origin=kit.bree.origin, first=one, second=other)
    for me in MEMBERS:
        assert f"act {proof[:8]}" in kit.fold(me).parties["bree"].frozen


@pytest.mark.parametrize("early", [True, False])
def test_a_fork_proof_counts_before_and_after_the_founding(early):
    kit = Kit()
    fields = {"partnership": UNSET, "under": UNSET} if early else {}
    if not early:
        kit.found()
    kit.cora.say(
        "fork",
        origin=kit.bree.origin,
        first=checkpoint(kit.bree, 1),
        second=checkpoint(kit.bree, 1, bytes(32)),
        **fields,
    )
    assert kit.fold("arda").parties["bree"].frozen


def test_a_fork_proof_under_an_earlier_log_key_holds(kit):
    one, other = checkpoint(kit.bree, 3), checkpoint(kit.bree, 3, bytes(32))
    new = Keys("bree", 1)
    kit.bree.say("rotate", *kit.bree.keys.root, *new.root, prev=kit.bree.inception, keys=new.public())
    kit.cora.say("fork", origin=kit.bree.origin, first=one, second=other)
    assert kit.fold("arda").parties["bree"].frozen


def test_what_proves_no_fork_is_void(kit):
    same = checkpoint(kit.bree, 3)
    foreign = sign_checkpoint(
        Checkpoint(origin=kit.bree.origin, size=3, root=bytes(32)), SecretKey(kit.bree.origin, bytes(32))
    )
    bad = [
        kit.cora.say("fork", origin=kit.bree.origin, first=same, second=same),
        kit.cora.say("fork", origin=kit.bree.origin, first=same, second=foreign),
        kit.cora.say("fork", origin=kit.bree.origin, first=same, second=b"junk"),
        kit.cora.say(
            "fork", origin=kit.bree.origin, first=same, second=checkpoint(kit.bree, 2), root=ONE, proof=(bytes(32),)
        ),
    ]
    register = kit.fold("arda")
    assert register.parties["bree"].frozen == ""
    assert all(why(register, one).startswith("proves no fork: ") for one in bad)


def test_an_introduction_gives_no_right(kit):
    fields = {
        "party": "dune",
        "inception": kit.dune.inception,
        "origin": kit.dune.origin,
        "address": "http://dune.example",
    }
    assert kit.fold("arda").parties["dune"].grade == "known"
    narrow = kit.arda.say("introduce", readers=("arda", "dune"), **fields)
    assert why(kit.fold("arda"), narrow) == "is not addressed to bree, cora"
    foreign = kit.dune.say("introduce", readers=ALL, **{**fields, "party": "elm"})
    assert why(kit.fold("arda"), foreign) == "dune is not a member"
    kit.arda.say("introduce", readers=ALL, **fields)
    party = kit.fold("bree").parties["dune"]
    assert (party.grade, party.code) == ("introduced", "DUN")


def test_letters_in_markings_are_the_charters_to_give(kit):
    """A party chooses its own id; `ard-two` is not ARD."""
    kit.parties["ard-two"] = Party(kit, "ard-two")
    assert {name: one.code for name, one in kit.fold("bree").parties.items()} == {
        **{n: CODES[n] for n in ALL},
        "ard-two": "",
    }


def test_evidence_is_never_open_to_whom_it_is_about(kit):
    fields = {
        "candidate": "dune",
        "date": "2026-01-01",
        "standing": "press",
        "status": "floated",
        "says": "x",
        "source": "y",
    }
    good = kit.arda.say("evidence", readers=("arda",), **fields)
    bad = kit.arda.say("evidence", readers=ALL, **fields)
    register = kit.fold("arda")
    assert [one.act for one in register.evidence] == [good]
    assert why(register, bad) == "is open to dune, whom it is about"


def test_a_disclosure_opens_what_came_before_to_whom_it_names(kit):
    hidden = kit.arda.say(
        "evidence",
        readers=("arda",),
        candidate="elm",
        date="2026-01-01",
        standing="press",
        status="floated",
        says="x",
        source="y",
    )
    index = kit.arda.size - 1
    kit.arda.say("disclose", to="bree", entries=(index,), readers=("arda", "bree"))
    blind = kit.arda.say("disclose", to="bree", entries=(index,), readers=("arda",))
    ahead = kit.arda.say("disclose", to="bree", entries=(900,), readers=("arda", "bree"))
    register = kit.fold("bree")
    assert register.owed == {"arda": (index,)}
    assert why(register, ahead) == "opens entries that come after it"
    assert why(kit.fold("arda"), blind) == "is not open to bree"
    logs = kit.logs("bree")
    logs[kit.arda.origin][index] = kit.arda.entries[index]
    register = acts.fold(logs, "bree", kit.objects)
    assert register.owed == {}
    assert [one.act for one in register.evidence] == [hidden]


# ---- other partnerships ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("partnership", [TWO, "open"])
def test_acts_of_another_partnership_are_inert(engaged, partnership):
    """P6. Also while another founding, which anybody may propose, is open."""
    kit = engaged
    if partnership == "open":
        partnership = kit.bree.act(
            replace(
                kit.bree.draft("propose", subject="charter", n=1, what=acts.CharterText(**kit.texts())),
                partnership=UNSET,
                under=UNSET,
            )
        )
    before = kit.fold("cora")
    alien = {"partnership": partnership, "under": partnership}
    proposal = kit.proposal
    said = [
        kit.arda.say("attest", about="arda/works", claim="organisation", term=TERM, **alien),
        kit.arda.say("register", **item_fields("arda/glass"), **alien),
        kit.arda.say("withdraw", on="2026-12-31", reason="x", **alien),
        kit.arda.say("suspend", engagement=proposal, reason="x", readers=ALL, **alien),
        kit.arda.say("refuse", proposal=proposal, reason="x", readers=ALL, **alien),
        kit.arda.say("adopt", jurisdiction="ARD", pack=kit.put(PACK.encode()), name="p", **alien),
        kit.arda.say("settle", proposal=proposal, outcome="dead", common=ONE, readers=ALL, **alien),
        kit.arda.say(
            "propose",
            subject=SUBJECT,
            n=2,
            prev=proposal,
            what=acts.Ending(of=proposal, on="2026-10-01", reason="x"),
            readers=ALL,
            **alien,
        ),
    ]
    after = kit.fold("cora")
    for name in (
        "attestations",
        "items",
        "denials",
        "packs",
        "engagements",
        "releases",
        "licences",
        "recalls",
        "rosters",
    ):
        assert getattr(after, name) == getattr(before, name), name
    assert [counted(one) for one in before.slots.values()] == [counted(after.slots[name]) for name in before.slots]
    assert after.parties["arda"].withdraws == ""
    assert {one.id for one in after.void} >= set(said[:-1])


def counted(one) -> tuple:
    return (one.id, one.state, one.missing, one.waiting, one.settled, [vote for vote in one.votes if not vote.void])


def test_a_founder_names_the_charter_that_it_grants_under(kit):
    bare = kit.arda.say("attest", about="arda/works", claim="organisation", term=TERM, under=UNSET)
    outsider = kit.dune.say("attest", about="dune/works", claim="organisation", term=TERM, under=UNSET)
    register = kit.fold("bree")
    assert why(register, bare) == "names no charter"
    assert [one.act for one in register.attestations] == [outsider]


def test_terms_of_the_samples_are_not_those_of_the_kit():
    assert ENGAGEMENT.confirm == 1
    assert day_of(START) == "2026-09-21"
