"""Key releases that share a commit: each its own decision, its own act, and no key before the commit is durable."""

import io
import json
import shutil
import sqlite3
import threading
import time

import keyaccess_kit as kit
import pytest
from msgspec import UNSET

from relto import acts
from relto.demo import cast
from relto.errors import Conflict, Fatal, Unavailable
from relto.keys import AccessKey, ProofKey, from_base64
from relto.ledger import Verifier, parse_proof, verify_log
from relto.node import handover, presented
from relto.node.home import open_node
from relto.node.people import person
from relto.node.sealing import seal_item
from relto.node.tokens import Presentation, build_proof, issue_presentation
from relto.package import access
from relto.release.decide import judge
from relto.release.remembered import Memory


@pytest.fixture(scope="module")
def founded(tmp_path_factory):
    """Founded once and closed; each world below is a copy."""
    base = kit.found(tmp_path_factory.mktemp("founded") / "world")
    for node in base.nodes.values():
        node.store.close()
    return base


def copied(base, directory):
    shutil.copytree(base.directory, directory)
    made = object.__new__(kit.Live)
    made.__dict__.update(base.__dict__)
    made.directory, made.services, made._servers, made._clients = directory, {}, {}, []
    made.nodes = {
        party: open_node(directory / party, write=True, clock=made.clock, random=made.random) for party in base.nodes
    }
    return made


@pytest.fixture(scope="module")
def live(founded, tmp_path_factory):
    """For what leaves nothing behind that the next test could not begin with."""
    return copied(founded, tmp_path_factory.mktemp("shared") / "world")


@pytest.fixture
def own(founded, tmp_path):
    return copied(founded, tmp_path / "world")


@pytest.fixture
def gbr(live):
    return live.nodes["gbr"]


class Caller:
    """Ada of `aus` at her own client, with one presentation for as many files as she likes."""

    def __init__(self, live, *, place="AUS", purpose="evaluation", lifetime=300):
        self.live, self.key = live, ProofKey.generate("ES256", live.random)
        aus, gbr = live.nodes["aus"], live.nodes["gbr"]
        ada = person(aus, "ada")
        self.presentation = Presentation.of(
            ada.recipient, issuer=aus.origin, audience=gbr.origin, pseudonym=ada.pseudonym, place=place,
            place_says="party", purpose=purpose, jkt=self.key.jkt, now=live.clock() // 1000, random=live.random,
            lifetime=lifetime,
        )  # fmt: skip
        self.token = issue_presentation(self.presentation, aus.keys.vouch)
        with gbr.lock:  # as after a first call of anybody of this party: from then on nobody waits for the lock
            gbr.presented.speakers.setdefault(aus.origin, presented.speaker(gbr, aus.origin))

    def prepared(self, package, session, *, url=""):
        gbr, now = self.live.nodes["gbr"], self.live.clock() // 1000
        url = url or gbr.config.url + "/kas.AccessService/Rewrap"
        asked = access.asked_of(package.key_access, gbr.config.url + "/kas")
        request = access.request_token(package.policy, asked, session=session, key=self.key, audience=gbr.origin,
                                       now=now, random=self.live.random)  # fmt: skip
        proof = build_proof(self.key, method="POST", url=url, token=self.token, now=now, random=self.live.random)
        return {
            "authorization": f"DPoP {self.token}",
            "dpop": proof,
            "url": url,
            "body": access.format_request(request),
        }

    def ask(self, package):
        """(status, share or None, release)."""
        session = AccessKey.generate("ec:secp256r1")
        reply = handover.rewrap(self.live.nodes["gbr"], **self.prepared(package, session))
        return reply.status, share_of(reply, session), reply.release


def share_of(reply, session):
    if reply.status != 200:
        return None
    held = json.loads(reply.body)
    (result,) = held["responses"][0]["results"]
    return session.unwrap("ec-wrapped", from_base64(result["kasWrappedKey"]), held["sessionPublicKey"])


def sealed(node, number=1):
    item = node.register.item(kit.ITEM)
    return [seal_item(node, item, io.BytesIO(b"x"), io.BytesIO(), name="x", wrap="ec:secp256r1") for _ in range(number)]


def together(node, *works):
    """All of these in one commit, in this order: what each returned or raised."""
    done, threads = [None] * len(works), []

    def run(at, work):
        try:
            done[at] = work()
        except Exception as error:
            done[at] = error

    with node.lock:
        for at, work in enumerate(works):
            threads.append(threading.Thread(target=run, args=(at, work)))
            threads[-1].start()
            deadline = time.monotonic() + 20
            while len(node.turns._waiting) < at + 1:
                assert time.monotonic() < deadline, "it does not wait for the commit"
                time.sleep(0.001)
    for one in threads:
        one.join()
    return done


def commits(node):
    sites = []
    node.store.fault = lambda site: sites.append(site) if site.endswith(":after-commit") else None
    return sites


def sound(node):
    verifier = Verifier.of_log(node.keys.log.public)
    report = verify_log(node.store, node.origin, verifier)
    assert report.sound, report.problem
    assert len(node._entries[node.origin]) == node.log.head.size == node.register.scans[node.origin].size


def test_what_comes_together_is_one_commit_and_each_has_its_own_act(live, gbr):
    caller, packages = Caller(live), sealed(gbr, 6)
    size, sites = gbr.log.head.size, commits(gbr)
    done = together(gbr, *(lambda one=one: caller.ask(one) for one in packages))
    assert [status for status, _, _ in done] == [200] * 6
    assert len({release for _, _, release in done}) == 6
    assert sites.count("append:after-commit") == 1
    assert gbr.log.head.size - size in {6, 7}, "perhaps with an acknowledge in front, which they name"
    for package, (_, share, release) in zip(packages, done, strict=True):
        assert package.policy.binding(share) == package.key_access[0].binding
        assert gbr.register.releases[release].terms.package
    assert {row[0] for row in gbr.store.query("SELECT release FROM retries")} >= {one[2] for one in done}
    sound(gbr)


def test_what_the_client_keeps_proves_its_own_release_under_the_commit(live, gbr):
    caller, packages, sessions = Caller(live), sealed(gbr, 5), [AccessKey.generate("ec:secp256r1") for _ in range(5)]
    works = [
        lambda one=one, key=key: handover.rewrap(gbr, **caller.prepared(one, key))
        for one, key in zip(packages, sessions, strict=True)
    ]
    done = together(gbr, *works)
    for reply in done:
        (result,) = json.loads(reply.body)["responses"][0]["results"]
        assert result["metadata"]["relto-release"] == reply.release
        proof = parse_proof(result["metadata"]["relto-proof"].encode())
        opening = json.loads(proof.extra)
        proof.verify(from_base64(opening["leaf"]), Verifier.of_log(gbr.keys.log.public))
        assert acts.open_act(from_base64(opening["envelope"]))[1] == reply.release


def test_the_same_call_twice_at_once_is_one_release(live, gbr):
    caller, (package,) = Caller(live), sealed(gbr)
    size = len(gbr.register.releases)
    done = together(gbr, *(lambda: caller.ask(package) for _ in range(3)))
    assert [status for status, _, _ in done] == [200] * 3
    assert len({release for _, _, release in done}) == 1
    assert len(gbr.register.releases) == size + 1
    assert caller.ask(package)[2] == done[0][2], "and a retry afterwards too"


def test_one_proof_and_one_request_serve_once_also_at_once(live, gbr):
    caller, (package,) = Caller(live), sealed(gbr)
    call = caller.prepared(package, AccessKey.generate("ec:secp256r1"))
    done = together(gbr, *(lambda: handover.rewrap(gbr, **call).status for _ in range(3)))
    assert done == [200, 401, 401]
    assert handover.rewrap(gbr, **call).status == 401


@pytest.mark.parametrize("site", ["append:before-commit", "append:after-commit"])
def test_a_commit_that_fails_gives_nobody_a_key(own, site):
    """Fail, and fail but persist."""
    live, gbr, caller = own, own.nodes["gbr"], Caller(own)
    packages = sealed(gbr, 4)
    gbr.sight()
    before = (gbr.log.head.size, len(gbr._entries[gbr.origin]), gbr.register.own)
    calls = [caller.prepared(one, AccessKey.generate("ec:secp256r1")) for one in packages]

    def fault(at):
        if at == site:
            raise sqlite3.OperationalError("disk I/O error")

    gbr.store.fault = fault
    done = together(gbr, *(lambda one=one: handover.rewrap(gbr, **one) for one in calls))
    gbr.store.fault = None
    if site == "append:before-commit":
        assert [(one.status, one.body, one.release) for one in done] == [(403, access.DENIED, "")] * 4
        assert (gbr.log.head.size, len(gbr._entries[gbr.origin]), gbr.register.own) == before
        assert len({row[0] for row in gbr.store.query("SELECT id FROM journal WHERE answer = 'unreleased'")}) == 4
        sound(gbr)
        # Nothing was written, so that nothing is used up either.
        assert [handover.rewrap(gbr, **one).status for one in calls] == [200] * 4
        sound(gbr)
        return
    assert [type(one) for one in done] == [Fatal] * 4
    with pytest.raises(Fatal):
        caller.ask(packages[0])
    gbr.store.close()
    again = live.nodes["gbr"] = open_node(live.directory / "gbr", write=True, clock=live.clock, random=live.random)
    assert len(again.register.releases) == 4, "they stand, unfetched"
    sound(again)
    status, share, release = caller.ask(packages[0])
    assert (status, release in again.register.releases) == (200, True)
    assert share is not None
    assert len(again.register.releases) == 4, "a retry finds the release that was not fetched"


def test_an_act_that_came_first_in_the_same_commit_denies(own):
    gbr, caller = own.nodes["gbr"], Caller(own)
    first, second, third = sealed(gbr, 3)
    assert caller.ask(first)[0] == 200
    sites = commits(gbr)
    prev = gbr.register.item(kit.ITEM).label_act
    retire = own.sign("gbr", gbr.draft("retire", item=kit.ITEM, version=1, prev=prev, reason="over"))
    works = (lambda: caller.ask(second), lambda: gbr.submit(retire), lambda: caller.ask(third))
    done = together(gbr, works[0], lambda: gbr.turns.take(works[1]), works[2])
    assert done[0][0] == 200
    assert isinstance(done[1], str)
    assert done[2] == (403, None, "")
    assert sites.count("append:after-commit") == 1
    rows = gbr.store.query("SELECT answer FROM journal ORDER BY at DESC LIMIT 1")
    assert rows == [("deny",)]
    assert [type(one.act).__name__ for one in gbr.register.scans[gbr.origin].stated[-2:]] == ["Release", "Retire"]
    sound(gbr)


def grow(node):
    """An entry with a row of its own."""
    opening = node.register.scans[node.origin].keys.opening
    node._open_channel(f"party-{node.size}", "0" * 64, opening)
    return node.size


def test_work_that_fails_takes_back_its_own_and_nothing_else(live, gbr):
    size = gbr.log.head.size

    def broken():
        gbr.write(gbr.draft("disclose", to="aus", entries=(0,)))
        grow(gbr)
        raise ZeroDivisionError

    opened = {reader: set(held) for reader, held in gbr._disclosed.items()}
    ahead = [lambda work=work: gbr.turns.take(work) for work in (lambda: grow(gbr), broken, lambda: grow(gbr))]
    done = together(gbr, *ahead)
    assert isinstance(done[1], ZeroDivisionError)
    assert [done[0], done[2]] == [size + 1, size + 2]
    assert gbr.log.head.size == size + 2
    assert {reader: set(held) for reader, held in gbr._disclosed.items() if held} == opened
    sound(gbr)


def test_a_row_that_is_there_already_fails_its_own_work_only(live, gbr):
    sites, size = commits(gbr), gbr.log.head.size
    row = ("INSERT INTO used_tokens (jti, until) VALUES ($1, $2)", (f"taken {size}", 2**40))
    gbr.store.execute(*row)
    sites.clear()
    works = [lambda: grow(gbr), lambda: (grow(gbr), gbr.beside([row])), lambda: grow(gbr)]
    done = together(gbr, *(lambda work=work: gbr.turns.take(work) for work in works))
    assert isinstance(done[1], Conflict)
    assert sites.count("append:after-commit") == 2, "each by itself, after the commit of all was refused"
    assert sorted(one for one in done if isinstance(one, int)) == [size + 1, size + 2]
    sound(gbr)


def test_the_disk_that_is_full_is_everybody_s(live, gbr):
    def fault(at):
        raise sqlite3.OperationalError("database or disk is full")

    gbr.store.fault = fault
    done = together(gbr, *(lambda: gbr.turns.take(lambda: grow(gbr)) for _ in range(3)))
    gbr.store.fault = None
    assert {type(one) for one in done} == {Unavailable}
    assert len({id(one) for one in done}) == 3
    sound(gbr)


# ── what is remembered answers no other question ──


def test_the_same_presentation_is_judged_anew_at_each_release(own):
    """Between two releases an attestation is revoked and given again, the vouch key is another one, the ledger frozen."""
    live, gbr, caller = own, own.nodes["gbr"], Caller(own)
    packages = iter(sealed(gbr, 8))
    assert caller.ask(next(packages))[0] == 200
    assert caller.token in gbr.presented.verified
    fields = {}
    for one in live.register("aus").attestations:
        if one.party == "aus" and one.terms.claim == "organisation" and one.terms.about == caller.presentation.org:
            fields = {name: getattr(one.terms, name) for name in ("about", "claim", "term", "other", "evidence")
                      if getattr(one.terms, name, UNSET) is not UNSET}  # fmt: skip
            live.act("aus", "revoke", act=one.act, reason="gone")
    assert fields, "the organisation was attested"
    live.sync()
    assert caller.ask(next(packages))[0] == 403
    live.act("aus", "attest", **fields)
    live.sync()
    assert caller.ask(next(packages))[0] == 200
    assert Caller(live, purpose="production").ask(next(packages))[0] == 403, "another purpose is another question"
    other = Caller(live, place="USA")
    held = other.presentation
    question = gbr.permits._kept
    assert other.ask(next(packages))[0] in {200, 403}
    assert len(gbr.permits._kept) >= len(question)
    assert held.place == "USA"
    # Whose word it is, is looked at in each call: the key is another one now.
    known = gbr.presented.verified[caller.token]
    gbr.presented.verified[caller.token] = known._replace(key=live.nodes["usa"].keys.vouch.public)
    assert caller.ask(next(packages))[0] == 200, "verified anew by the key that the party has"
    real = presented.speaker
    try:
        presented.speaker = lambda node, issuer: real(node, issuer)._replace(vouch=live.nodes["usa"].keys.vouch.public)
        assert caller.ask(next(packages))[0] == 401
        presented.speaker = lambda node, issuer: real(node, issuer)._replace(frozen="it signed two trees")
        assert caller.ask(next(packages))[0] == 401
    finally:
        presented.speaker = real


def test_a_presentation_that_was_remembered_ends_with_its_time(live, gbr):
    caller, packages = Caller(live, lifetime=60), sealed(gbr, 2)
    assert caller.ask(packages[0])[0] == 200
    clock = gbr.clock
    try:
        gbr.clock = lambda: clock() + 66_000
        later = live.clock
        live.clock = gbr.clock
        assert caller.ask(packages[1])[0] == 401
    finally:
        gbr.clock = clock
        live.clock = later


def test_permits_that_are_kept_are_those_that_would_be_given_anew(own):
    """Questions that differ in one member each, before and after acts of every sort: the memory and `judge` agree."""
    live, gbr, memory, caller = own, own.nodes["gbr"], Memory(), Caller(own)
    ask, to = handover.Question, caller.presentation.recipient("aus")
    change = {
        "part": "s1", "purpose": "production", "place": "USA", "place_says": "person", "method": "oral",
        "value": acts.Money(amount=5, currency="USD"), "request": "0" * 64,
    }  # fmt: skip
    people = [to, acts.RecipientClass(**{**fields_of(to), "nationalities": ("AUS", "USA")}),
              acts.RecipientClass(**{**fields_of(to), "nationalities": ("CHN",)}),
              acts.RecipientClass(**{**fields_of(to), "clearance": UNSET, "says": {}})]  # fmt: skip

    def questions():
        plain = {"to": to, "item": kit.ITEM, "version": 1, "purpose": "evaluation", "place": "AUS",
                 "place_says": "party", "day": gbr.clock()}  # fmt: skip
        yield from (ask(**{**plain, "to": one}) for one in people)
        yield from (ask(**{**plain, name: value}) for name, value in change.items())
        week = 7 * 86_400_000
        yield from (ask(**{**plain, "day": gbr.clock() + later}) for later in (week - 600_000, week, 2 * week))

    answers, hits = [], 0

    def agree():
        nonlocal hits
        for one in (*questions(), *questions()):
            kept = len(memory._kept)
            expected = judge(gbr.register, one).decision
            found = memory.judge(gbr.register, one).decision
            assert (found.id, found.answer, found.authorities) == (expected.id, expected.answer, expected.authorities)
            answers.append(found.answer)
            hits += found.answer == "permit" and len(memory._kept) == kept
        basis = gbr.register.basis
        assert memory._basis is basis

    agree()
    assert caller.ask(sealed(gbr)[0])[0] == 200
    basis = gbr.register.basis  # before it, perhaps, an acknowledgement was due
    assert caller.ask(sealed(gbr)[0])[0] == 200
    assert gbr.register.basis is basis, "a release changes nothing that is decided"
    agree()
    live.sync()  # receipts, and acknowledgements
    agree()
    item = gbr.register.item(kit.ITEM)
    for party, kind, fields in (
        ("gbr", "relabel", {"item": kit.ITEM, "version": 1, "label": item.label, "reason": "again"}),
        ("gbr", "determine", cast.determination_a("")),
        ("gbr", "retire", {"item": kit.ITEM, "version": 1, "reason": "over"}),
    ):
        before, on = gbr.register.basis, gbr.register.item(kit.ITEM).label_act
        live.act(party, kind, **(fields | ({"on": on} if kind == "determine" else {"prev": on})))
        assert gbr.register.basis is not before
        agree()
    assert {"permit", "deny"} <= set(answers)
    assert hits > 20


def fields_of(to):
    return {name: getattr(to, name) for name in to.__struct_fields__}
