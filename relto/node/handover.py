"""Key access: a share leaves only by a decision taken now, and only after its release stands durably in the ledger.

The order of `rewrap` is the protocol (contracts of the design, section 6):

    who asks        the presentation, by the vouch key in that party's own chain; the proof, by the key it is bound to;
                    neither used before
    for what        the policy names a registered item of this ledger, or the answer is the uniform refusal; the share
                    unwraps and is bound to that policy, or the answer is the same
    may they        the decision on a sight that an own acknowledge names
    heard           members that the charter has asked first for this label were asked, or it is undetermined
    write           release act, signed head, private evidence and retry row: one transaction. Durable
    only now        the share is wrapped to the client's session key

A crash before the write leaves nothing; after it, a release whose key was never fetched, which a retry finds.
All refusals are the same bytes; why stands in the private journal under the decision id.

Software in use proves less: its request token lives for hours, names no audience, or is signed by a key that nobody
can know. Such a client is served only where the settings name its party or person (`legacy_clients`), and its release
says `legacy_client`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import msgspec
from msgspec import UNSET, Struct

from relto import acts
from relto.acts import ItemState
from relto.errors import Conflict, Fatal, Forged, NotFound, ReltoError, Unavailable
from relto.keys import Wrapping
from relto.ledger import Proof
from relto.node import rotation
from relto.node.hearing import Hear, nobody, unheard, why_unheard
from relto.node.node import Node
from relto.node.pool import Entered
from relto.node.presented import Asker, Once, again, authenticate
from relto.node.views import decision_view
from relto.package import access
from relto.package.access import Answer, Asked
from relto.package.manifest import Policy
from relto.release import Decision, Question, date_of
from relto.release.remembered import Judgement

RETRY_MS = 600_000
RECOVERING = b'{"code":"unavailable","message":"unavailable"}'
UNAUTHENTICATED = b'{"code":"unauthenticated","message":"unauthenticated"}'


class Reply(Struct, frozen=True, kw_only=True):
    status: int
    body: bytes
    release: str = ""  # for the node's own log line; never sent


class _Call(Struct, frozen=True, kw_only=True):
    """A call as it is found without the register: who asks and for what, the shares that it wants, and its answer's key.

    shares: by the id of what is asked; None where it does not open here.
    """

    asker: Asker
    request: access.Request
    wrapping: Wrapping
    shares: Mapping[str, bytes | None]


class _Permitted(Struct, frozen=True, kw_only=True):
    """A release that covers a share. entry: where it goes in this commit; None for one that stood there before."""

    release: str
    entry: Entered | None


class _Outcome(Struct, frozen=True, kw_only=True):
    """What a commit holds of one call. status: 401 or 503 when it comes to no decision. permitted: by id of the asked."""

    status: int = 200
    ask: tuple[str, ...] = ()
    permitted: Mapping[str, _Permitted] = {}


def rewrap(
    node: Node, *, authorization: str, dpop: str, url: str, body: bytes, binary: bool = False, hear: Hear = nobody
) -> Reply:
    """One call of a client. Never raises for what the client did: it gets 401 or the uniform refusal.

    hear: asks members, where the charter wants them asked first. The caller does not hold the node's lock.

    Raises: Fatal when the outcome of the commit is unknown.
    """
    if node.recovering:
        return Reply(status=503, body=RECOVERING)
    memory = node.presented
    try:
        asker = authenticate(node, memory, authorization, dpop, "POST", url)
    except Fatal:
        raise
    except ReltoError:
        return Reply(status=401, body=UNAUTHENTICATED)
    try:
        call = _read_call(node, asker, body, binary=binary)
    except Fatal:
        raise
    except ReltoError:
        with suppress(ReltoError):
            node.turns.take(lambda: _use_up(node, asker))
        return Reply(status=401, body=UNAUTHENTICATED)
    try:
        outcome = node.turns.take(lambda: _decide(node, call, None))
        if outcome.ask:
            heard = hear(outcome.ask)
            outcome = node.turns.take(lambda: _decide(node, call, heard))
    except (Unavailable, Conflict) as error:
        # Nothing was written, of this call or of any other in that commit.
        _journal_unwritten(node, call, error)
        return Reply(status=403, body=access.DENIED)
    return _answer(node, call, outcome, binary=binary)


def _read_call(node: Node, asker: Asker, body: bytes, *, binary: bool) -> _Call:
    """Raises: Malformed, Refused, Forged."""
    token = access.parse_request(body, binary=binary)
    asker, request = _request(node, asker, token, node.clock())
    shares: dict[str, bytes | None] = {}
    for group in request.groups:
        for asked in group.asked:
            try:
                shares[asked.id] = _share(node, group.policy, asked)
            except Forged:
                shares[asked.id] = None
    return _Call(asker=asker, request=request, wrapping=Wrapping(request.session_pem, node.random), shares=shares)


def _use_up(node: Node, asker: Asker) -> None:
    """The proof of a call that asks for nothing that can be read."""
    once = Once(node, node.presented)
    if asker.possession is not None:
        once.take(f"{asker.possession.jkt}:{asker.possession.jti}", asker.possession.keep_until)
    once.settle()


def _decide(node: Node, call: _Call, heard: frozenset[str] | None) -> _Outcome:
    """What becomes of a call in one commit: under the lock, on the register as that commit has made it so far.

    heard: members that have just been asked; None before anybody was.
    """
    now, once = node.clock(), Once(node, node.presented)
    if node.recovering:
        return _Outcome(status=503)
    request = call.request
    try:
        asker = again(node, node.presented, call.asker, now)
        if asker.possession is not None:
            once.take(f"{asker.possession.jkt}:{asker.possession.jti}", asker.possession.keep_until)
        once.take(request.once, request.expires)
    except Fatal:
        raise
    except ReltoError:
        once.settle()
        return _Outcome(status=401)
    ask = _to_ask(node, call, now) if heard is None else ()
    if ask:
        return _Outcome(status=503, ask=ask)
    permitted = {}
    for group in request.groups:
        for asked in group.asked:
            found = _one(node, asker, group.policy, asked, call.shares[asked.id], now, heard or frozenset())
            if found is not None:
                permitted[asked.id] = found
    once.settle()
    return _Outcome(permitted=permitted)


def _answer(node: Node, call: _Call, outcome: _Outcome, *, binary: bool) -> Reply:
    """Behind the durable commit.

    INVARIANT: nothing here can refuse: the answer follows from what is in memory.
    """
    if outcome.status == 503:
        return Reply(status=503, body=RECOVERING)
    if outcome.status == 401:
        return Reply(status=401, body=UNAUTHENTICATED)
    if not outcome.permitted:
        return Reply(status=403, body=access.DENIED)
    answers: list[tuple[str, list[Answer]]] = []
    for group in call.request.groups:
        row = []
        for asked in group.asked:
            found, share = outcome.permitted.get(asked.id), call.shares[asked.id]
            if found is None or share is None:
                row.append(Answer(id=asked.id))
            else:
                metadata = _evidence_for(node, found)
                row.append(Answer(id=asked.id, wrapped=call.wrapping.wrap(share), metadata=metadata))
        answers.append((group.id, row))
    if call.request.single:
        held = access.format_single(answers[0][1][0], call.wrapping, binary=binary)
    else:
        held = access.format_response(answers, call.wrapping, binary=binary)
    return Reply(status=200, body=held, release=next(iter(outcome.permitted.values())).release)


def _request(node: Node, asker: Asker, token: str, now: int) -> tuple[Asker, access.Request]:
    """The request token: as ours are; else, where the switch is on, as others' are, and then `legacy` is said.

    Raises: Malformed, Refused, Forged.
    """
    key, seconds = asker.possession.jwk if asker.possession else None, now // 1000
    try:
        return asker, access.verify_request(token, key=key, audience=node.origin, now=seconds)
    except ReltoError:
        if not asker.lenient:
            raise
    request = access.verify_request(token, key=key, audience=node.origin, now=seconds, legacy=True)
    return msgspec.structs.replace(asker, legacy=True), request


def _to_ask(node: Node, call: _Call, now: int) -> tuple[str, ...]:
    """Members to ask before anything of this call leaves. Only what would be permitted asks anybody: how long a refusal
    takes must not tell what is there."""
    found: set[str] = set()
    for group in call.request.groups:
        for asked in group.asked:
            try:
                item = _item(node, group.policy)
                missing = unheard(node, item)
                if missing and call.shares[asked.id] is not None:
                    question = _question(call.asker, item, group.policy, asked, now)
                    if node.permits.judge(node.register, question).decision.answer == "permit":
                        found |= set(missing)
            except ReltoError:
                continue  # refused below, with its reason in the journal
    return tuple(sorted(found))


def _one(
    node: Node, asker: Asker, policy: Policy, asked: Asked, share: bytes | None, now: int, heard: frozenset[str]
) -> _Permitted | None:
    """One key access object: the release that covers its share, or nothing and a line in the journal."""
    named, decision_id = policy.text, ""
    try:
        item = _item(node, policy)
        named = f"{item.id}@{item.version}"
    except ReltoError as error:
        _journal(node, asker, named, "unknown", {"error": error.message}, now)
        return None
    if share is None:
        _journal(node, asker, named, "unopened", {"error": "the key access object does not open here"}, now)
        return None
    try:
        sight = node.sight()
        question = _question(asker, item, policy, asked, now)
        judged = node.permits.judge(node.register, question)
        decision = judged.decision
        decision_id = decision.id
        if decision.answer != "permit":
            view = decision_view(node.register, question, decision)
            _journal(node, asker, named, decision.answer, view, now, decision.id)
            return None
        missing = unheard(node, item, heard)
        if missing:
            why = {"error": why_unheard(node, item, missing)}
            _journal(node, asker, named, "undetermined", why, now, decision.id)
            return None
        return _release(node, asker, item, policy, asked, question, judged, sight, now)
    except Fatal:
        raise
    except ReltoError as error:
        _journal(node, asker, named, "unreleased", {"error": error.message}, now, decision_id)
        return None


def _share(node: Node, policy: Policy, asked: Asked) -> bytes:
    """The share, as the package wraps it or, where the key for that is gone, as it is kept here. Raises: Forged."""
    keys = {key.kid: key for key in node.keys.access} if node.keys else {}
    try:
        return access.unwrap(keys, asked.access, policy)
    except Forged:
        again = rotation.kept(node, policy, asked.access)
        if again is None:
            raise
    return access.unwrap(keys, again, policy)


def _item(node: Node, policy: Policy) -> ItemState:
    """The registered item that a policy names: of this ledger, or of another owner's where this party owns it too.

    Each owner's node decides its own share by itself. Raises: NotFound, Refused.
    """
    with node.lock:
        memory, basis, named = node.presented, node.register.basis, policy.item
        if memory.basis is not basis:
            memory.basis, memory.items = basis, {}  # an item is what it was as long as decisions rest on the same
        found = memory.items.get(named)
        if found is None:
            found = memory.items[named] = _find_item(node, policy)
        return found


def _find_item(node: Node, policy: Policy) -> ItemState:
    host, opaque = policy.item
    if host == node.origin.partition("/")[0]:
        return node.register.item_by_opaque(opaque, node.me)
    sealer = next((pinned.party for pinned in node.peers().values() if pinned.origin.partition("/")[0] == host), None)
    if sealer is None:
        raise NotFound("the policy names an item of nobody that is known here")
    item = node.register.item_by_opaque(opaque, sealer)
    if node.me not in item.facts.owners:
        raise NotFound("the item is not this party's")
    return item


def _question(asker: Asker, item: ItemState, policy: Policy, asked: Asked, now: int) -> Question:
    held = asker.presentation
    return Question(
        request=digest_of(f"{item.id}@{item.version}", _package(policy), held.sub, asker.jkt, date_of(now)),
        to=held.recipient(asker.party),
        item=item.id,
        version=item.version,
        part=asked.access.sid or UNSET,
        purpose=held.purpose,
        place=held.place,
        place_says=held.says.get("place", "person"),
        day=now,
    )


def _package(policy: Policy) -> str:
    return hashlib.sha256(policy.text.encode()).hexdigest()


def _release(
    node: Node,
    asker: Asker,
    item: ItemState,
    policy: Policy,
    asked: Asked,
    question: Question,
    judged: Judgement,
    sight: str,
    now: int,
) -> _Permitted:
    """The release act for this share: the one already written for a retry, else a new one, which this commit makes
    durable."""
    package, person, decision = _package(policy), asker.presentation.sub, judged.decision
    # The binding tells shares apart where policies do not: other software gives all its files one uuid, so the same
    # policy, and a second file's share must not pass as a retry of the first one's.
    share = asked.access.binding.hex()
    key = digest_of(f"{item.id}@{item.version}", package, str(question.part or ""), person, asker.jkt, share)
    before = _before(node, key)
    young = before is not None and before.decision == decision.id and now - before.at < RETRY_MS
    if before is not None and young and not _opened(node, before.release):
        return _Permitted(release=before.release, entry=before.entry)
    salt = node.random(32)
    evidence = hashlib.sha256(salt + asker.token.encode()).hexdigest()
    draft = node.draft(
        "release",
        request=question.request,
        item=item.id,
        version=item.version,
        project=item.facts.project,
        part=question.part,
        package=package,
        method="key",
        to=question.to,
        person=person,
        purpose=question.purpose,
        place=question.place,
        place_says=question.place_says,
        authorities=decision.authorities,
        rests_on=judged.rests_on,
        packs=judged.packs,
        uses=uses_of(node, item, question, decision),
        obligations=decision.obligations,
        decision=decision.id,
        day=now,
        sight=sight,
        evidence=evidence,
        legacy_client=asker.legacy,
    )
    release = acts.act_id(acts.write(draft))
    rows: list[tuple[str, tuple[object, ...]]] = [
        (
            "INSERT INTO evidence (digest, salt, token, release) VALUES ($1, $2, $3, $4)",
            (evidence, salt, asker.token.encode(), release),
        ),
        (
            (
                "INSERT INTO retries (key, release, decision, at) VALUES ($1, $2, $3, $4)"
                " ON CONFLICT (key) DO UPDATE SET release = $2, decision = $3, at = $4"
            ),
            (key, release, decision.id, now),
        ),
    ]
    known = ("share", policy.digest, share)
    if node.noted(known) is None:
        node.note_for_pool(known)
        rows.append(rotation.keep(policy, asked.access))
    node.write(draft, beside=rows)
    entry = node.entered()
    node.note_for_pool(("retry", key), _Before(release=release, decision=decision.id, at=now, entry=entry))
    return _Permitted(release=release, entry=entry)


class _Before(Struct, frozen=True, kw_only=True):
    """The last release for the same share to the same hands."""

    release: str
    decision: str
    at: int
    entry: Entered | None = None


def _before(node: Node, key: str) -> _Before | None:
    noted = node.noted(("retry", key))
    if noted is not None:
        assert isinstance(noted, _Before)
        return noted
    rows = node.store.query("SELECT release, decision, at FROM retries WHERE key = $1", (key,))
    return _Before(release=str(rows[0][0]), decision=str(rows[0][1]), at=int(rows[0][2])) if rows else None


def _opened(node: Node, release: str) -> bool:
    """Whether a receipt says that the package opened: then the reply was not lost."""
    known = node.register.releases.get(release)  # none yet of what waits for the same commit
    receipts = [node.register.stated[act].act for _, act, _ in known.receipts] if known is not None else []
    return any(isinstance(one, acts.Receipt) and one.opened for one in receipts)


def uses_of(node: Node, item: ItemState, question: Question, decision: Decision) -> tuple[acts.LicenceUse, ...]:
    """What the permit draws from a licence: once for an item version and a recipient organisation, not per opening."""
    found = []
    for ref in decision.authorities:
        licence = node.register.licences.get(str(ref.act))
        if licence is not None:
            drawn = (item.id, item.version, question.to.organisation) in licence.draws
            found.append(
                acts.LicenceUse(
                    licence=licence.act, quantity=0 if drawn else 1, value=item.facts.value if not drawn else UNSET
                )
            )
    return tuple(found)


def _evidence_for(node: Node, found: _Permitted) -> dict[str, str]:
    """What the client keeps even if this node vanishes: the release act, opened, with its proof from the ledger.

    An act that is too large to stand beside its proof travels by id alone; the recipient's node fetches it.
    """
    try:
        proof = proof_of(node, found.release) if found.entry is None else _proof_at(found.entry)
    except ReltoError:
        return {"relto-release": found.release}
    return {"relto-release": found.release, "relto-proof": proof.decode()}


def _proof_at(entry: Entered) -> bytes:
    """As `proof_of`, from what the commit has left in memory."""
    new = entry.new
    return Proof(
        index=entry.index,
        hashes=entry.written.proof(entry.index),
        note=entry.written.note,
        extra=opening_bytes(new.leaf, new.salt, new.envelope),
    ).encode()


def proof_of(node: Node, act: str) -> bytes:
    """A tlog-proof of an own act whose extra line opens the leaf (salt, envelope)."""
    stated = node.register.act(act)
    index = stated.index
    salt, envelope = next((s, e) for i, s, e in node.store.openings(node.origin, index, index + 1) if i == index)
    leaf = node.store.leaves(node.origin, index, index + 1)[0]
    return msgspec.structs.replace(node.proof(index), extra=opening_bytes(leaf, salt, envelope)).encode()


def opening_bytes(leaf: bytes, salt: bytes, envelope: bytes) -> bytes:
    return msgspec.json.encode({"leaf": leaf, "salt": salt, "envelope": envelope})


def _journal(
    node: Node, asker: Asker, item: str, answer: str, view: dict[str, Any], now: int, decision: str = ""
) -> None:
    who = asker.presentation
    row = (node.random(16).hex(), now, decision, asker.party, who.org, who.sub, item, answer, msgspec.json.encode(view))
    names = "id, at, decision, party, organisation, pseudonym, item, answer, body"
    node.beside([(f"INSERT INTO journal ({names}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)", row)])  # noqa: S608


def _journal_unwritten(node: Node, call: _Call, error: ReltoError) -> None:
    """What could not be written, where that can be: the disk may be full."""
    with suppress(Unavailable, Conflict), node.lock:
        now, view = node.clock(), {"error": error.message}
        for group in call.request.groups:
            for _ in group.asked:
                try:
                    item = _item(node, group.policy)
                    named = f"{item.id}@{item.version}"
                except ReltoError:
                    named = group.policy.text
                _journal(node, call.asker, named, "unreleased", view, now)


def digest_of(*parts: str) -> str:
    return hashlib.sha256(b"\0".join(part.encode() for part in parts)).hexdigest()
