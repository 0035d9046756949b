"""One ledger by itself: whose it is, who signed, in which order, and why something does not count."""

from __future__ import annotations

import pytest
from acts_kit import Keys, Kit, Party, label, secret, why
from acts_samples import FIELDS, ONE, TWO, sample
from msgspec import UNSET
from msgspec.structs import replace

from relto import acts
from relto.acts.envelope import format as format_envelope
from relto.acts.scan import LAG_MS_MAX, Scan
from relto.keys import pae
from relto.ledger import leaf_hash, tree_root

HOUR = 3_600_000
OPINION = FIELDS["evidence"][1]


@pytest.fixture
def kit() -> Kit:
    return Kit().found()


def scan_of(party: Party) -> Scan:
    scan = Scan(party.origin)
    for one in party.entries:
        scan.push(one)
    return scan


def reasons(party: Party) -> list[str]:
    return [one.why for one in scan_of(party).void]


# ---- whose ledger ----------------------------------------------------------------------------------------------------


def test_a_sound_ledger_has_nothing_void(kit):
    for party in kit.parties.values():
        assert reasons(party) == []


def test_the_root_is_the_root_of_its_leaves(kit):
    scan = scan_of(kit.arda)
    for size in range(kit.arda.size + 1):
        assert scan.root_at(size) == tree_root([leaf_hash(one.leaf) for one in kit.arda.entries[:size]])
    assert scan.root_at(kit.arda.size + 1) is None


def test_an_act_written_for_another_ledger(kit):
    id_ = kit.arda.say("withdraw", log="arda.example/lamp/1", on="2026-12-31", reason="x")
    assert why(kit.fold("arda"), id_) == "written for ledger arda.example/lamp/1"


def test_an_act_of_another_party_in_this_ledger(kit):
    id_ = kit.arda.say("withdraw", *kit.bree.keys.authority, author="bree", on="2026-12-31", reason="x")
    assert why(kit.fold("arda"), id_) == "its author bree does not own this ledger"


def test_a_copy_from_another_ledger_is_inert(kit):
    kit.bree.say("withdraw", on="2026-12-31", reason="x")
    envelope = kit.bree.entries[-1].envelope
    id_ = kit.arda.append(envelope)
    assert [(one.origin, one.why) for one in kit.fold("arda").void if one.id == id_] == [
        (kit.arda.origin, f"written for ledger {kit.bree.origin}")
    ]


def test_the_same_act_again(kit):
    kit.arda.say("withdraw", on="2026-12-31", reason="x")
    id_ = kit.arda.append(kit.arda.entries[-1].envelope)
    register = kit.fold("bree")
    assert why(register, id_) == "stands earlier in this ledger"
    assert register.parties["arda"].withdraws == "2027-12-31"


def test_the_same_act_counts_once_its_signature_is_good(kit):
    act = kit.arda.draft("withdraw", on="2026-12-31", reason="x")
    kit.arda.act(act, secret("somebody"))
    id_ = kit.arda.act(act)
    assert kit.fold("bree").parties["arda"].withdraws
    assert kit.fold("bree").act(id_).index == kit.arda.size - 1


def test_an_inception_stands_first_or_not_at_all(kit):
    keys = Keys("arda", 5)
    act = acts.Inception(
        author="arda", log=kit.arda.origin, at=kit.tick(), name="Other", address="http://x.example", keys=keys.public()
    )
    id_ = kit.arda.act(act, *keys.root)
    assert why(kit.fold("bree"), id_) == "an inception stands first or not at all"


def test_without_an_inception_nothing_counts():
    kit = Kit("arda", members=("arda",))
    scan = Scan(kit.arda.origin)
    kit.arda.say("channel", reader="bree", inception=ONE, sealed=bytes(48))
    first = kit.arda.entries[1]
    scan.push(acts.entry(first.origin, 0, first.leaf, (first.salt, first.envelope)))
    assert [one.why for one in scan.void] == ["no inception before it"]


def test_an_inception_is_signed_by_the_keys_it_names():
    kit = Kit("arda", members=("arda",))
    act = kit.arda.entries[0].act
    scan = Scan(kit.arda.origin)
    party = object.__new__(Party)
    party.__dict__ |= {**kit.arda.__dict__, "entries": [], "roots": [], "frontier": kit.arda.frontier}
    party.act(act, secret("somebody"))
    scan.push(party.entries[0])
    assert [one.why for one in scan.void] == ["not signed by the root keys it names"]
    assert scan.party is None


# ---- who signs -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", sorted(set(acts.KINDS) - {"inception", "rotate", "recover", "epoch"}))
def test_every_kind_takes_its_own_signer_and_no_other(kit, kind):
    keys, signer = kit.arda.keys, acts.SIGNERS[kind]
    good = set(signer) if isinstance(signer, frozenset) else {signer}
    fields = {"partnership": kit.partnership, "under": kit.charter_id}
    draft = sample(kind)
    if kind in {"channel", "introduce"}:
        fields = {}
    everybody = {
        "root": keys.root,
        "authority": keys.authority,
        "node": [keys.node],
        "vouch": [keys.vouch],
        "seal": [keys.seal],
        "log": [keys.log],
        "witness": [keys.witness],
        "bree": [kit.bree.keys.node],
        **{office: [key] for office, key in keys.officers.items()},
    }
    for name, signers in everybody.items():
        kit.arda.act(replace(draft, at=kit.tick(), **fields), *signers)
        voided = [one.why for one in scan_of(kit.arda).void if one.index == kit.arda.size - 1]
        assert (voided == []) == (name in good), (kind, name, voided)
        if voided:
            assert voided[0].startswith("not signed by ")


def test_a_threshold_is_reached_by_different_keys():
    kit = Kit("arda", members=("arda",))
    kit.arda.keys = Keys("oak", threshold=2)
    party = Party(kit, "oak")
    party.keys = Keys("oak", threshold=2)
    party.entries.clear()
    party.roots, party.frontier = party.roots[:1], type(party.frontier).empty()
    party.act(
        acts.Inception(
            author="oak",
            log=party.origin,
            at=kit.tick(),
            name="Oak",
            address="http://o.example",
            keys=party.keys.public(),
        )
    )
    one, two = party.keys.authority
    fields = {"partnership": ONE, "under": TWO, "on": "2026-12-31", "reason": "x"}
    party.say("withdraw", one, **fields)
    party.say("withdraw", two, secret("somebody"), **fields)
    party.say("withdraw", one, two, **fields)
    assert [one.index for one in scan_of(party).void] == [1, 2]
    assert reasons(party) == ["not signed by the authority key of oak"] * 2


# ---- order and time --------------------------------------------------------------------------------------------------


def test_an_act_by_a_node_is_not_dated_before_its_place(kit):
    late = kit.tick(HOUR)
    kit.arda.say("acknowledge", at=late, heads=(), common=ONE)
    id_ = kit.arda.say("acknowledge", at=late - 1, heads=(), common=ONE)
    assert why(kit.fold("arda"), id_) == "dated before its place in the ledger"
    kit.arda.say("acknowledge", at=late, heads=(), common=TWO)
    assert reasons(kit.arda) == ["dated before its place in the ledger"]


def test_an_act_by_a_person_may_lag_as_long_as_a_request_travels(kit):
    last = kit.tick()
    kit.arda.say("suspend", at=last, engagement=ONE, reason="x")
    good = kit.arda.say("lift", at=last - LAG_MS_MAX, suspend=ONE, reason="x")
    bad = kit.arda.say("lift", at=last - LAG_MS_MAX - 1, suspend=ONE, reason="x")
    scan = scan_of(kit.arda)
    assert [one.id for one in scan.void] == [bad]
    assert next(one.time for one in scan.stated if one.id == good) == last


def test_a_verdict_on_time_is_the_same_for_all_who_may_read(kit):
    """What only some may open does not date what others read: a vote could else count for one of two readers."""
    far = kit.time + 10 * LAG_MS_MAX
    kit.arda.say("evidence", at=far, readers=("arda", "bree"), **OPINION)
    id_ = kit.arda.say("withdraw", on="2026-12-31", reason="x")
    for reader in ("arda", "bree", "cora"):
        register = kit.fold(reader)
        assert why(register, id_) == ""
        assert register.act(id_).time == register.act(id_).act.at
    assert kit.fold("arda").scans[kit.arda.origin].time == far


def test_the_party_chain_dates_everything(kit):
    far = kit.time + 10 * LAG_MS_MAX
    kit.arda.say("channel", at=far, reader="bree", inception=ONE, sealed=bytes(48))
    id_ = kit.arda.say("withdraw", on="2026-12-31", reason="x")
    assert why(kit.fold("cora"), id_) == "dated before its place in the ledger"


def test_the_ledger_as_it_stood(kit):
    before = kit.time
    kit.arda.say("withdraw", on="2026-12-31", reason="x")
    scan = scan_of(kit.arda)
    assert scan.size_at(before) == kit.arda.size - 1
    assert scan.size_at(kit.time) == kit.arda.size
    assert scan.size_at(0) == 0


def test_entries_come_in_order(kit):
    scan = scan_of(kit.arda)
    with pytest.raises(ValueError, match="comes after"):
        scan.push(kit.arda.entries[0])


# ---- keys ------------------------------------------------------------------------------------------------------------


def rotate(
    party: Party, generation: int = 1, *signers, kind: str = "rotate", keys: Keys | None = None, **fields
) -> str:
    keys, old = keys or Keys(party.name, generation), party.keys
    more = {"reason": "lost"} if kind == "recover" else {}
    return party.say(
        kind, *(signers or (*old.root, *keys.root)), prev=party.inception, keys=keys.public(), **more, **fields
    )


def test_a_rotation_takes_old_and_new_root_keys(kit):
    id_ = rotate(kit.arda)
    assert why(kit.fold("bree"), id_) == ""
    old, kit.arda.keys = kit.arda.keys, Keys("arda", 1)
    good = kit.arda.say("withdraw", on="2026-12-31", reason="x")
    bad = kit.arda.say("withdraw", *old.authority, on="2026-12-30", reason="x")
    register = kit.fold("bree")
    assert (why(register, good), why(register, bad)) == ("", "not signed by the authority key of arda")
    chain = register.parties["arda"].chain
    assert [span.id for span in chain] == [kit.arda.inception, id_]
    scan = register.scans[kit.arda.origin]
    assert scan.keys_at(chain[1].since) == old.public()
    assert scan.keys_at(chain[1].since + 1) == kit.arda.keys.public()
    assert scan.keys_at(0) == old.public()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda p: rotate(p, 1, *p.keys.root), "not signed by the new root keys"),
        (lambda p: rotate(p, 1, *Keys("arda", 1).root), "not signed by the old root keys"),
        (lambda p: rotate(p, 2), "its root keys are not those committed to"),
        (lambda p: rotate(p, 1, keys=Keys("oak", 1)), "its root keys are not those committed to"),
        (
            lambda p: p.say("rotate", *p.keys.root, *Keys("arda", 1).root, prev=ONE, keys=Keys("arda", 1).public()),
            "does not follow the newest keys",
        ),
    ],
)
def test_a_rotation_that_does_not_count(kit, change, says):
    id_ = change(kit.arda)
    register = kit.fold("bree")
    assert why(register, id_) == says
    assert len(register.parties["arda"].chain) == 1


def test_lost_root_keys_are_recovered_by_those_committed_to(kit):
    id_ = rotate(kit.arda, 1, *Keys("arda", 1).root, kind="recover")
    assert why(kit.fold("bree"), id_) == ""
    stolen = rotate(kit.bree, 1, *kit.bree.keys.root, kind="recover")
    assert why(kit.fold("bree"), stolen) == "not signed by the new root keys"


def test_a_lower_threshold_than_committed_to_is_no_rotation():
    kit = Kit("arda", members=("arda",))
    two = Keys("arda", threshold=2)
    party = object.__new__(Party)
    party.__dict__ |= {
        "kit": kit,
        "name": "arda",
        "origin": "arda.example/lamp/0",
        "entries": [],
        "roots": [],
        "keys": two,
        "frontier": kit.arda.frontier,
    }
    party.act(
        acts.Inception(
            author="arda", log=party.origin, at=kit.tick(), name="A", address="http://a.example", keys=two.public()
        )
    )
    new = Keys("arda", 1, threshold=2)
    one_of_two = replace(new.public(), root=acts.Quorum(threshold=1, keys=tuple(key.public for key in new.root)))
    party.say("rotate", *two.root, *new.root, prev=party.inception, keys=one_of_two)
    assert reasons(party) == ["its root keys are not those committed to"]


# ---- tags and openings -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["channel", "rotate"])
def test_the_party_chain_shows_that_it_is_for_all(kit, kind):
    """A key change shown to one reader only would make another believe the old keys."""
    if kind == "channel":
        kit.arda.say("channel", tagged=False, reader="bree", inception=ONE, sealed=bytes(48))
    else:
        rotate(kit.arda, tagged=False)
    assert reasons(kit.arda) == ["is for all members, and its leaf does not carry the common tag"]


def test_what_is_addressed_and_not_open_is_owed(kit):
    hidden = kit.arda.say("withdraw", on="2026-12-31", reason="x")
    kit.arda.say("withdraw", on="2026-12-30", reason="x")
    register = kit.fold("bree", hidden)
    assert register.owed == {"arda": (kit.arda.size - 2,)}
    assert register.scans[kit.arda.origin].readable == kit.arda.size - 2
    assert register.parties["arda"].withdraws  # a denial behind it counts all the same
    assert kit.fold("bree").owed == {}


def test_the_common_tag_shows_without_an_opening_that_something_is_for_all(kit):
    id_ = kit.arda.say("withdraw", on="2026-12-31", reason="x")
    one = next(one for one in kit.arda.entries if one.id == id_)
    assert acts.entry(one.origin, one.index, one.leaf).mine
    kit.arda.say("evidence", readers=("arda",), **OPINION)
    assert not acts.entry(one.origin, kit.arda.size - 1, kit.arda.entries[-1].leaf).mine


def test_who_carries_the_common_tag():
    commitment, members = bytes(32), ("arda", "bree", "cora")
    for kind in acts.KINDS:
        act = sample(kind)
        chain = act.readers is UNSET
        assert bool(acts.common_tags(act, commitment)) == chain
        assert bool(acts.common_tags(act, commitment, members)) == (kind in acts.COMMON)
        assert bool(acts.common_tags(act, commitment, (*members, "dune"))) == chain


def test_a_label_is_read_from_the_bytes_that_were_signed(kit):
    payload = acts.write(kit.arda.draft("withdraw", on="2026-12-31", reason="x"))
    signatures = kit.arda.keys.authority[0].sign(pae(acts.PAYLOAD_TYPE, payload))
    other = payload.replace(b"2026-12-31", b"2026-12-30")
    id_ = kit.arda.append(format_envelope(other, signatures))
    assert why(kit.fold("arda"), id_) == "not signed by the authority key of arda"
    assert label("ARD").rel == ("ARD",)
