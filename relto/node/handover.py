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
from contextlib import suppress
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from relto import acts
from relto.acts import ItemState
from relto.errors import Conflict, Forged, Malformed, NotFound, Refused, ReltoError
from relto.keys import Wrapping
from relto.node import rotation
from relto.node.hearing import Hear, nobody, unheard, why_unheard
from relto.node.node import Node
from relto.node.tokens import Presentation, issuer_of_presentation, verify_presentation, verify_proof
from relto.node.tokens import Proof as Possession
from relto.node.views import decision_view
from relto.package import access
from relto.package.access import Answer, Asked
from relto.package.manifest import Policy
from relto.release import Decision, Question, date_of
from relto.release.decide import judge

RETRY_MS = 600_000
RECOVERING = b'{"code":"unavailable","message":"unavailable"}'
UNAUTHENTICATED = b'{"code":"unauthenticated","message":"unauthenticated"}'


class Asker(Struct, frozen=True, kw_only=True):
    """Who asks: the party that vouches, what it says, and the key that was proven.

    possession: None for a bearer. lenient: the switch for older clients is on for this person. legacy: it was needed.
    """

    party: str
    presentation: Presentation
    token: str
    possession: Possession | None
    lenient: bool
    legacy: bool

    @property
    def jkt(self) -> str:
        return self.possession.jkt if self.possession else ""


class Reply(Struct, frozen=True, kw_only=True):
    status: int
    body: bytes
    release: str = ""  # for the node's own log line; never sent
    ask: tuple[str, ...] = ()  # members to ask before the call can be answered; nothing was written


def rewrap(
    node: Node, *, authorization: str, dpop: str, url: str, body: bytes, binary: bool = False, hear: Hear = nobody
) -> Reply:
    """One call of a client. Never raises for what the client did: it gets 401 or the uniform refusal.

    hear: asks members, where the charter wants them asked first.
    """

    def call(heard: frozenset[str] | None) -> Reply:
        return _rewrap(node, authorization, dpop, url, body, heard, binary=binary)

    reply = call(None)
    return call(hear(reply.ask)) if reply.ask else reply


def _rewrap(
    node: Node, authorization: str, dpop: str, url: str, body: bytes, heard: frozenset[str] | None, *, binary: bool
) -> Reply:
    """heard: members that have just been asked; None before anybody was."""
    with node.lock:
        now, once = node.clock(), Once(node)
        if node.recovering:
            return Reply(status=503, body=RECOVERING)
        try:
            asker = _authenticated(node, authorization, dpop, "POST", url, now, once)
            token = access.parse_request(body, binary=binary)
            asker, request = _request(node, asker, token, now)
            once.take(request.once, request.expires)
            wrapping = Wrapping(request.session_pem, node.random)
        except ReltoError:
            with suppress(ReltoError):
                once.settle()
            return Reply(status=401, body=UNAUTHENTICATED)
        ask = _to_ask(node, asker, request, now) if heard is None else ()
        if ask:
            return Reply(status=503, body=RECOVERING, ask=ask)
        answers: list[tuple[str, list[Answer]]] = []
        released = ""
        for group in request.groups:
            row: list[Answer] = []
            for asked in group.asked:
                answer, release = _one(node, asker, group.policy, asked, wrapping, now, once, heard or frozenset())
                row.append(answer)
                released = released or release
            answers.append((group.id, row))
        try:
            once.settle()
        except ReltoError:
            # Another process has taken the same token meanwhile: what follows from it here was not written.
            return Reply(status=401, body=UNAUTHENTICATED)
        if not released:
            return Reply(status=403, body=access.DENIED)
        if request.single:
            held = access.format_single(answers[0][1][0], wrapping, binary=binary)
        else:
            held = access.format_response(answers, wrapping, binary=binary)
        return Reply(status=200, body=held, release=released)


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


def authenticate(node: Node, authorization: str, dpop: str, method: str, url: str, now: int) -> Asker:
    """The presentation and the proof of one call; the proof is used up.

    Raises: Malformed, Refused, Forged, NotFound, Conflict; the edge answers 401 to all.
    """
    once = Once(node)
    asker = _authenticated(node, authorization, dpop, method, url, now, once)
    once.settle()
    return asker


def _authenticated(node: Node, authorization: str, dpop: str, method: str, url: str, now: int, once: Once) -> Asker:
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() not in {"dpop", "bearer"} or not token:
        raise Malformed("no presentation")
    issuer = issuer_of_presentation(token)
    pinned = node.peer_by_origin(issuer) if issuer != node.origin else None
    keys = node.keys_of(pinned) if pinned is not None else node.register.scans[node.origin].chain[-1].keys
    party = pinned.party if pinned is not None else node.me
    state = node.register.parties.get(party)
    if state is not None and state.frozen:
        raise Refused("the ledger of this party is frozen")
    presentation = verify_presentation(
        token, keys.vouch, issuer=issuer, audience=node.origin, now=now // 1000, legacy=True
    )
    lenient = node.config.takes_legacy(party, presentation.sub)
    possession = None
    if not isinstance(presentation.cnf, UnsetType):
        jkt = presentation.cnf.jkt
        possession = _possession(dpop, method=method, url=url, token=token, jkt=jkt, now=now // 1000, lenient=lenient)
        once.take(f"{possession.jkt}:{possession.jti}", possession.keep_until)
    elif not lenient:
        raise Refused("the presentation is not bound to a key", hint="the client must prove possession of one")
    return Asker(
        party=party,
        presentation=presentation,
        token=token,
        possession=possession,
        lenient=lenient,
        legacy=possession is None,
    )


def _possession(dpop: str, *, method: str, url: str, token: str, jkt: str, now: int, lenient: bool) -> Possession:
    # RS256 and a proof that does not say for which token it is are what clients in use have; whether the release says
    # `legacy_client` follows from their request token, which is theirs too.
    allowed = ("EdDSA", "ES256", "RS256") if lenient else ("EdDSA", "ES256")
    return verify_proof(dpop, method=method, url=url, token=token, jkt=jkt, now=now, allowed=allowed, legacy=lenient)


class Once:
    """The tokens that one call uses up. They are written with its first release, in the same transaction, or by
    `settle` when there is none: one write for a call, whatever comes of it.
    """

    def __init__(self, node: Node) -> None:
        self._node, self._rows, self._written = node, dict[str, int](), False

    def take(self, jti: str, until: int) -> None:
        """Raises: Conflict when it was used before."""
        known = self._node.store.query("SELECT 1 FROM used_tokens WHERE jti = $1", (jti,))
        if known or jti in self._rows:
            raise Conflict("this token was used before")
        self._rows[jti] = until

    def beside(self) -> list[tuple[str, tuple[object, ...]]]:
        """The statements, for one transaction. The key of the table refuses what another process has written."""
        if self._written or not self._rows:
            return []
        now = self._node.clock() // 1000
        return [
            ("DELETE FROM used_tokens WHERE until < $1", (now,)),
            *(
                ("INSERT INTO used_tokens (jti, until) VALUES ($1, $2)", (jti, until))
                for jti, until in self._rows.items()
            ),
        ]

    def written(self) -> None:
        """They are durable."""
        self._written = True

    def settle(self) -> None:
        """Raises: Conflict."""
        if self._written or not self._rows:
            return
        with self._node.store.transaction("token"):
            for sql, values in self.beside():
                self._node.store.execute(sql, values)
        self._written = True


def use_once(node: Node, jti: str, until: int) -> None:
    """Remembers a token until it expires, in the database: two processes cannot be played against each other.

    Raises: Conflict when it was used before.
    """
    with node.store.transaction("token"):
        node.store.execute("DELETE FROM used_tokens WHERE until < $1", (node.clock() // 1000,))
        if node.store.query("SELECT 1 FROM used_tokens WHERE jti = $1", (jti,)):
            raise Conflict("this token was used before")
        node.store.execute("INSERT INTO used_tokens (jti, until) VALUES ($1, $2)", (jti, until))


def _to_ask(node: Node, asker: Asker, request: access.Request, now: int) -> tuple[str, ...]:
    """Members to ask before anything of this call leaves. Only what would be permitted asks anybody: how long a refusal
    takes must not tell what is there."""
    found: set[str] = set()
    for group in request.groups:
        for asked in group.asked:
            try:
                item = _item(node, group.policy)
                missing = unheard(node, item)
                if missing:
                    _share(node, group.policy, asked)
                    question = _question(asker, item, group.policy, asked, now)
                    if judge(node.register, question).decision.answer == "permit":
                        found |= set(missing)
            except ReltoError:
                continue  # refused below, with its reason in the journal
    return tuple(sorted(found))


def _one(
    node: Node,
    asker: Asker,
    policy: Policy,
    asked: Asked,
    wrapping: Wrapping,
    now: int,
    once: Once,
    heard: frozenset[str],
) -> tuple[Answer, str]:
    """One key access object: (answer, release id or empty)."""
    refused = Answer(id=asked.id)
    named, decision_id = policy.text, ""
    try:
        item = _item(node, policy)
        named = f"{item.id}@{item.version}"
        share = _share(node, policy, asked)
    except ReltoError as error:
        _journal(
            node, asker, named, "unopened" if isinstance(error, Forged) else "unknown", {"error": error.message}, now
        )
        return refused, ""
    try:
        sight = node.sight()
        question = _question(asker, item, policy, asked, now)
        decision = judge(node.register, question).decision
        decision_id = decision.id
        if decision.answer != "permit":
            view = decision_view(node.register, question, decision)
            _journal(node, asker, named, decision.answer, view, now, decision.id)
            return refused, ""
        missing = unheard(node, item, heard)
        if missing:
            why = {"error": why_unheard(node, item, missing)}
            _journal(node, asker, named, "undetermined", why, now, decision.id)
            return refused, ""
        release = _release(node, asker, item, policy, asked, question, decision, sight, now, once)
    except ReltoError as error:
        _journal(node, asker, named, "unreleased", {"error": error.message}, now, decision_id)
        return refused, ""
    # INVARIANT: nothing behind the durable release can refuse: the answer follows from what is in memory.
    return Answer(id=asked.id, wrapped=wrapping.wrap(share), metadata=_evidence_for(node, release)), release


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
    decision: Decision,
    sight: str,
    now: int,
    once: Once,
) -> str:
    """The release act for this share: the one already written for a retry, else a new one. Durable when it returns."""
    package, person = _package(policy), asker.presentation.sub
    # The binding tells shares apart where policies do not: other software gives all its files one uuid, so the same
    # policy, and a second file's share must not pass as a retry of the first one's.
    share = asked.access.binding.hex()
    key = digest_of(f"{item.id}@{item.version}", package, str(question.part or ""), person, asker.jkt, share)
    rows = node.store.query("SELECT release, decision, at FROM retries WHERE key = $1", (key,))
    if rows and rows[0][1] == decision.id and now - int(rows[0][2]) < RETRY_MS and not _opened(node, str(rows[0][0])):
        return str(rows[0][0])
    salt = node.random(32)
    evidence = hashlib.sha256(salt + asker.token.encode()).hexdigest()
    register = node.register
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
        rests_on=tuple(act for act in decision.rests_on if act in register.stated),
        packs=packs_of(node, question),
        uses=uses_of(node, item, question, decision),
        obligations=decision.obligations,
        decision=decision.id,
        day=now,
        sight=sight,
        evidence=evidence,
        legacy_client=asker.legacy,
    )
    release = acts.act_id(acts.write(draft))
    node.write(
        draft,
        beside=[
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
            rotation.keep(policy, asked.access),
            *once.beside(),
        ],
    )
    once.written()
    return release


def _opened(node: Node, release: str) -> bool:
    """Whether a receipt says that the package opened: then the reply was not lost."""
    receipts = [node.register.stated[act].act for _, act, _ in node.register.releases[release].receipts]
    return any(isinstance(one, acts.Receipt) and one.opened for one in receipts)


def packs_of(node: Node, question: Question) -> tuple[str, ...]:
    """The texts that are the law on the day, by digest."""
    register = node.register
    return tuple(
        sorted({one.digest for j in register.packs if (one := register.pack_on(j, question.date)) is not None})
    )


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


def _evidence_for(node: Node, release: str) -> dict[str, str]:
    """What the client keeps even if this node vanishes: the release act, opened, with its proof from the ledger.

    An act that is too large to stand beside its proof travels by id alone; the recipient's node fetches it.
    """
    try:
        proof = proof_of(node, release)
    except ReltoError:
        return {"relto-release": release}
    return {"relto-release": release, "relto-proof": proof.decode()}


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
    node.store.execute(
        "INSERT INTO journal (id, at, decision, party, organisation, pseudonym, item, answer, body)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        (
            node.random(16).hex(),
            now,
            decision,
            asker.party,
            asker.presentation.org,
            asker.presentation.sub,
            item,
            answer,
            msgspec.json.encode(view),
        ),
    )


def digest_of(*parts: str) -> str:
    return hashlib.sha256(b"\0".join(part.encode() for part in parts)).hexdigest()
