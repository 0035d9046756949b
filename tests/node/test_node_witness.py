"""The witness protocol between nodes: every status, durable before the answer, and never two histories."""

import hashlib
import random
import shutil
import threading

import pytest
from world import World

from relto import acts
from relto.errors import Fatal, Forged, NotFound, Refused, ReltoError, Unavailable
from relto.keys import SecretKey
from relto.ledger import (
    AddCheckpoint,
    Checkpoint,
    Cosigner,
    Kind,
    Verifier,
    add_signatures,
    node_hash,
    open_checkpoint,
    open_note,
    parse_lines,
    parse_note,
    parse_policy,
    sign_checkpoint,
    witness_name,
)
from relto.node.held import log_verifier, witness_verifiers
from relto.node.home import open_node
from relto.node.witness import SIZE_TYPE, Answer


@pytest.fixture(scope="module")
def founded(tmp_path_factory):
    """A founded partnership of three, and a fourth party that only exists; to be copied."""
    world = World(tmp_path_factory.mktemp("founded"), 11)
    for party in ("gbr", "usa", "aus", "jpn"):
        world.start(party, party.upper())
    world.found("gbr", "usa", "aus")
    for node in world.nodes.values():
        node.store.close()
    return world


@pytest.fixture
def world(founded, tmp_path):
    shutil.copytree(founded.directory, tmp_path, dirs_exist_ok=True)
    world = World(tmp_path, 12)
    world.time = founded.time
    for party in founded.nodes:
        world.nodes[party] = open_node(tmp_path / party, write=True, clock=world.clock, random=world.random)
    yield world
    for node in world.nodes.values():
        node.store.close()


def keys(node):
    return node.register.scans[node.origin].keys


def grow(node, times=1):
    for _ in range(times):
        node.acknowledge()


def request(node, old, note=None):
    note = node.published() if note is None else note
    size = open_checkpoint(note, log_verifier(node.origin, keys(node))).checkpoint.size
    proof = node.log.tree.consistency(old, size) if 0 < old < size else []
    return AddCheckpoint(old=old, proof=tuple(proof), note=note).encode()


def by(node, checkpoint_note, lines):
    _, found = open_note(
        add_signatures(checkpoint_note, parse_lines(lines)), witness_verifiers(node.origin, keys(node))
    )
    return found


def later(world):
    world.time += 1000


def test_a_witness_cosigns_by_both_keys_and_answers_the_size_it_has(world):
    gbr, usa = world.nodes["gbr"], world.nodes["usa"]
    note = gbr.published()
    first = usa.add_checkpoint(request(gbr, 0))
    assert first.status == 200
    found = by(usa, note, first.body)
    assert [one.by.kind for one in found] == [Kind.COSIGN_ED25519, Kind.COSIGN_MLDSA44]
    assert {one.by.name for one in found} == {witness_name(usa.origin)}
    size = gbr.log.head.size
    again = usa.add_checkpoint(request(gbr, size))
    assert again.status == 200, "the same size again renews the time"
    assert by(usa, note, again.body)[0].at >= found[0].at
    for old in (0, 1, size - 1):
        answer = usa.add_checkpoint(request(gbr, old))
        assert (answer.status, answer.kind, answer.body) == (409, SIZE_TYPE, b"%d\n" % size)


def test_every_status_of_the_protocol(world):
    gbr, usa, aus, jpn = (world.nodes[party] for party in ("gbr", "usa", "aus", "jpn"))
    good = request(gbr, 0)
    assert usa.add_checkpoint(b"").status == 400
    assert usa.add_checkpoint(good.replace(b"old 0", b"old 00")).status == 400
    assert usa.add_checkpoint(good.replace(b"old 0", b"old 9999")).status == 400
    assert usa.add_checkpoint(b"old 0\n" + b"A" * 43 + b"=\n" * 64 + good[6:]).status == 400
    head = open_checkpoint(gbr.published(), log_verifier(gbr.origin, keys(gbr))).checkpoint
    extended = gbr.published().replace(b"=\n\n", b"=\nextension\n\n", 1)
    assert usa.add_checkpoint(b"old 0\n\n" + extended).status == 400, "extension lines are not cosigned"
    # Nobody's ledger, an introduced outsider's, and one's own.
    assert usa.add_checkpoint(request(jpn, 0)).status == 404
    assert usa.add_checkpoint(request(usa, 0)).status == 404
    stranger = SecretKey(gbr.origin, bytes(32))
    assert usa.add_checkpoint(request(gbr, 0, add_signatures(good[7:], []))).status == 200
    for signed in (sign_checkpoint(head, stranger), sign_checkpoint(head, SecretKey(gbr.origin, bytes(31) + b"\1"))):
        assert aus.add_checkpoint(b"old 0\n\n" + signed).status == 403
    line = parse_note(gbr.published()).signatures[0]
    bad = type(line)(name=line.name, key_id=line.key_id, value=line.value[:-1] + bytes([line.value[-1] ^ 1]))
    assert aus.add_checkpoint(b"old 0\n\n" + add_signatures(gbr.published(), [bad])).status == 403
    second = parse_note(gbr.published()).signatures[1]
    bad = type(line)(name=second.name, key_id=second.key_id, value=second.value[:-1] + bytes([second.value[-1] ^ 1]))
    assert aus.add_checkpoint(b"old 0\n\n" + add_signatures(gbr.published(), [bad])).status == 403
    # 422: a proof where none may be; a wrong one; another root of the same size; a root that the empty tree has not.
    assert aus.add_checkpoint(b"old 0\n" + good[7:].split(b"\n")[2] + b"\n\n" + good[7:]).status == 422
    size = head.size
    grow(gbr)
    later(world)
    wrong = AddCheckpoint(old=size, proof=(bytes(32),), note=gbr.published()).encode()
    assert usa.add_checkpoint(wrong).status == 422
    assert usa.add_checkpoint(AddCheckpoint(old=size, proof=(), note=gbr.published()).encode()).status == 422
    other = sign_checkpoint(Checkpoint(origin=gbr.origin, size=size, root=bytes(32)), gbr.keys.log)
    assert usa.add_checkpoint(AddCheckpoint(old=size, proof=(), note=other).encode()).status == 422
    empty = Checkpoint(origin=gbr.origin, size=0, root=hashlib.sha256(b"").digest())
    zero = sign_checkpoint(empty, gbr.keys.log).replace(b"47DEQpj8HBSa", b"57DEQpj8HBSa")
    assert aus.add_checkpoint(b"old 0\n\n" + zero).status == 422


def test_before_a_founding_a_node_is_nobodys_witness(tmp_path):
    world = World(tmp_path, 3)
    for party in ("gbr", "usa"):
        world.start(party, party.upper())
    world.join("gbr", "usa")
    gbr, usa = world.nodes["gbr"], world.nodes["usa"]
    assert usa.add_checkpoint(request(gbr, 0)).status == 404
    assert usa.witnesses() == {}
    with pytest.raises(NotFound):
        gbr.policy()


def test_a_witness_does_not_cosign_what_its_mirror_contradicts(world):
    gbr, usa = world.nodes["gbr"], world.nodes["usa"]
    held = usa.store.head(gbr.origin)
    forged = Checkpoint(origin=gbr.origin, size=held.size - 1, root=node_hash(bytes(32), bytes(32)))
    answer = usa.add_checkpoint(AddCheckpoint(old=0, proof=(), note=sign_checkpoint(forged, gbr.keys.log)).encode())
    assert answer.status == 422
    assert usa.store.query("SELECT count(*) FROM witnessed") == [(0,)]


@pytest.mark.parametrize("site", ["witness:before-commit", "witness:after-commit"])
def test_what_may_not_be_stored_is_not_signed(world, tmp_path, site):
    """Fail, and fail but persist: no line leaves, and afterwards the truth is read."""
    gbr, usa = world.nodes["gbr"], world.nodes["usa"]

    def fault(at):
        if at == site:
            raise OSError(5, "Input/output error")

    usa.store.fault = fault
    with pytest.raises((Unavailable, Fatal)):
        usa.add_checkpoint(request(gbr, 0))
    usa.store.close()
    again = open_node(tmp_path / "usa", write=True, clock=world.clock, random=world.random)
    size = gbr.log.head.size
    stored = site.endswith("after-commit")
    assert again.add_checkpoint(request(gbr, 0)).status == (409 if stored else 200)
    assert again.add_checkpoint(request(gbr, size)).status == 200
    again.store.close()


def test_two_requests_at_once_never_roll_a_witness_back(world):
    """tlog-witness, "add-checkpoint": a slow request for N must not overtake one for N+K."""
    gbr, usa = world.nodes["gbr"], world.nodes["usa"]
    requests = []
    for _ in range(6):
        requests.append((gbr.log.head.size, request(gbr, 0), gbr.published()))
        grow(gbr)
        later(world)
    answers = []
    dice = random.Random(1)
    dice.shuffle(requests)
    threads = [
        threading.Thread(target=lambda one=one: answers.append((one[0], usa.add_checkpoint(one[1]))))
        for one in requests
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    won = [(size, answer) for size, answer in answers if answer.status == 200]
    assert len(won) == 1, "from size 0 one of them only"
    assert {answer.body for _, answer in answers if answer.status == 409} == {b"%d\n" % won[0][0]}
    assert usa.store.query("SELECT size FROM witnessed") == [(won[0][0],)]


def test_the_time_of_a_cosignature_does_not_go_back(world):
    gbr, usa = world.nodes["gbr"], world.nodes["usa"]
    size, note = gbr.log.head.size, gbr.published()
    first = by(usa, note, usa.add_checkpoint(request(gbr, 0)).body)[0].at
    world.time -= 10 * 365 * 86_400_000
    assert by(usa, note, usa.add_checkpoint(request(gbr, size)).body)[0].at >= first


def test_monitoring_shows_what_was_cosigned_last(world):
    gbr, usa = world.nodes["gbr"], world.nodes["usa"]
    name = hashlib.sha256(gbr.origin.encode()).hexdigest()
    with pytest.raises(NotFound):
        usa.monitored(name)
    stranger = "— somebody.example AAAAAAAA\n".encode()
    usa.add_checkpoint(request(gbr, 0) + stranger)
    opened = open_checkpoint(
        usa.monitored(name), log_verifier(gbr.origin, keys(gbr)), witness_verifiers(usa.origin, keys(usa))
    )
    assert len(opened.cosigned) == 2
    assert opened.checkpoint.size == gbr.log.head.size
    assert b"somebody" not in usa.monitored(name), "only what was verified is kept"
    for wrong in ("", name.upper(), name[:-1], "0" * 64):
        with pytest.raises(NotFound):
            usa.monitored(wrong)


# ---- the client


def post_to(witness):
    return witness.add_checkpoint


def test_a_published_checkpoint_gathers_cosignatures(world):
    gbr, usa, aus = (world.nodes[party] for party in ("gbr", "usa", "aus"))
    for turn in range(3):
        assert gbr.collect("usa", post_to(usa))
        assert gbr.collect("aus", post_to(aus))
        opened = gbr.policy("gbr").open(gbr.published())
        assert len(opened.cosigned) == 5, turn  # its own second signature, and two of each partner
        assert gbr.store.query("SELECT cosigned FROM published ORDER BY size DESC LIMIT 1") == [(2,)]
        grow(gbr, 1 + turn * 20)
        later(world)
    calls = []
    gbr.collect("usa", lambda body: calls.append(body) or usa.add_checkpoint(body))
    assert len(calls) == 1, "the size is remembered"
    gbr._cosigned_at.clear()
    grow(gbr)
    later(world)
    gbr.collect("usa", lambda body: calls.append(body) or usa.add_checkpoint(body))
    assert len(calls) == 3, "or asked for by old 0"
    gbr.collect("usa", lambda body: calls.append(body) or usa.add_checkpoint(body))
    assert len(calls) == 3, "what has cosigned is not asked again"


def test_mirrors_keep_the_cosignatures_that_they_know(world):
    gbr, usa, aus = (world.nodes[party] for party in ("gbr", "usa", "aus"))
    grow(gbr)
    later(world)
    gbr.collect("usa", post_to(usa))
    world.sync_one("aus")
    lines = parse_note(aus.store.head(gbr.origin).note).signatures
    assert {line.name for line in lines} == {gbr.origin, witness_name(usa.origin)}


def test_a_partner_that_has_seen_more_of_us_than_we_have_is_an_alarm(world):
    gbr = world.nodes["gbr"]
    ahead = Answer(status=409, body=b"%d\n" % (gbr.log.head.size + 5), kind=SIZE_TYPE)
    with pytest.raises(Forged, match="entries are here") as caught:
        gbr.collect("usa", lambda body: ahead)
    assert "restored" in caught.value.hint
    assert gbr.origin in gbr.problems()


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(status=422, body=b"no\n"), Forged),
        (Answer(status=409, body=b"no\n"), Forged),  # tlog-witness v1.0.0: equal size, other root
        (Answer(status=409, body=b"3 \n", kind=SIZE_TYPE), Forged),
        (Answer(status=404, body=b""), Unavailable),
        (Answer(status=400, body=b""), Unavailable),
        (Answer(status=403, body=b""), Unavailable),
        (Answer(status=500, body=b""), Unavailable),
        (Answer(status=200, body="— somebody.example AAAAAAAA\n".encode()), Forged),
    ],
)
def test_answers_that_are_no_cosignature(world, answer, error):
    gbr = world.nodes["gbr"]
    before = gbr.published()
    with pytest.raises(error):
        gbr.collect("usa", lambda body: answer)
    assert gbr.published() == before
    assert (gbr.origin in gbr.problems()) == (error is Forged)


def test_a_witness_that_names_another_size_at_each_try_is_left(world):
    gbr = world.nodes["gbr"]
    sizes = iter(range(1, 100))
    with pytest.raises(Unavailable, match="another size at each try"):
        gbr.collect("usa", lambda body: Answer(status=409, body=b"%d\n" % next(sizes), kind=SIZE_TYPE))


def test_a_line_that_does_not_hold_is_refused_and_one_of_a_stranger_not_kept(world):
    gbr, usa = world.nodes["gbr"], world.nodes["usa"]

    def spoilt(body):
        answer = usa.add_checkpoint(body)
        lines = list(parse_lines(answer.body))
        lines[0] = type(lines[0])(
            name=lines[0].name, key_id=lines[0].key_id, value=lines[0].value[:-1] + bytes([lines[0].value[-1] ^ 1])
        )
        return Answer(status=200, body=b"".join(line.line() for line in lines))

    with pytest.raises(Forged, match="does not hold"):
        gbr.collect("usa", spoilt)
    stranger = Cosigner("somebody.example/witness", bytes(32))

    def with_a_stranger(body):
        answer = usa.add_checkpoint(body)
        lines = stranger.cosign(open_checkpoint(gbr.published(), log_verifier(gbr.origin, keys(gbr))).checkpoint, 5)
        return Answer(status=answer.status, body=answer.body + lines[0].line(), kind=answer.kind)

    assert usa.add_checkpoint(request(gbr, 0)).status == 409
    gbr._cosigned_at["usa"] = gbr.log.head.size
    assert gbr.collect("usa", with_a_stranger)
    assert b"somebody" not in gbr.published()


# ---- the policy


def test_the_policy_of_a_charter_is_read_by_programs_without_relto(world):
    gbr, usa, aus = (world.nodes[party] for party in ("gbr", "usa", "aus"))
    policy = gbr.policy()
    assert parse_policy(policy.encode()) == policy
    text = policy.encode().decode()
    assert text.count("log gbr.example/aukus/0+") == 2
    assert text.endswith("group seen 2 aus gbr usa\nquorum seen\n")
    assert aus.policy() == policy, "every member writes the same file"
    classical = gbr.policy("gbr", classical=True)
    assert {one.key.kind for one in (*classical.logs, *classical.witnesses)} == {Kind.ED25519, Kind.COSIGN_ED25519}
    with pytest.raises(Forged, match=r"seen has 0 of 2, without aus has 0 of 2"):
        gbr.policy("gbr").open(gbr.published())
    gbr.collect("usa", post_to(usa))
    with pytest.raises(Forged, match=r"seen has 1 of 2"):
        gbr.policy("gbr").open(gbr.published())
    gbr.collect("aus", post_to(aus))
    assert gbr.policy("gbr").open(gbr.published()).checkpoint.size == gbr.log.head.size
    assert policy.open(gbr.published()).checkpoint.origin == gbr.origin
    with pytest.raises(Forged, match="knows no log"):
        gbr.policy("usa").open(gbr.published())
    assert Verifier.parse(policy.logs[0].key.vkey()) == policy.logs[0].key


# ---- what others' keys were stolen for


def test_digicert_2020_a_stolen_log_key_cannot_speak(world):
    """The key of a log could be reached by a management tool. Here it orders, and no act is valid by it."""
    gbr = world.nodes["gbr"]
    size = gbr.log.head.size
    for kind, fields in (
        ("withdraw", {"on": "2027-01-01", "reason": "by a thief"}),
        ("attest", {"what": "organisation", "subject": "gbr/thieves", "term": acts.Term(since="2026-01-01")}),
    ):
        try:
            draft = gbr.draft(kind, **fields)
        except ReltoError:
            continue
        with pytest.raises((Refused, Forged)):
            gbr.submit(acts.sign(draft, [gbr.keys.log]))
    draft = gbr.draft("acknowledge", heads=(), owed=(), common=gbr.register.common)
    with pytest.raises((Refused, Forged)):
        gbr.submit(acts.sign(draft, [gbr.keys.log]))
    assert gbr.log.head.size == size


def test_a_stolen_witness_key_cosigns_and_does_no_more(world):
    gbr, usa = world.nodes["gbr"], world.nodes["usa"]
    head = open_checkpoint(gbr.published(), log_verifier(gbr.origin, keys(gbr))).checkpoint
    forged = Checkpoint(origin=gbr.origin, size=head.size + 1, root=bytes(32))
    lines = gbr.keys.witness.cosign(forged, 5)
    note = parse_note(gbr.published())
    alone = type(note)(text=forged.text, signatures=lines).encode()
    with pytest.raises(Forged):
        open_checkpoint(alone, log_verifier(gbr.origin, keys(gbr)))
    assert usa.add_checkpoint(b"old 0\n\n" + alone).status == 403
