"""A key for a device that no network reaches: asked for by hand, decided and recorded here, carried back by hand.

    the person's node   a carried presentation: who, which package, which device's key, how often, until when
    a courier           the request, sealed to the owner's opening key
    this node           decides as for any key, for the method `carried`; the charter must allow it for this label
    write               release act, evidence, the used request: one transaction. Durable
    only now            the shares go into a file that the device's key alone opens, signed by this node
    a courier           the carried key

The release *is* the grant: for so many openings, until a day, which stand among its obligations and so in the ledger.
What the device does with the key is told by receipts afterwards; nothing can be called back before its day, and every
list says so. Of a device that lies about its openings or its clock only the law can say more: it has the key.

To the byte: spec/keyaccess.md, "Carried keys". Source: contracts of the design, sections 6 and 7.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, Struct

from relto import acts
from relto.acts import ItemState
from relto.charter.model import CarriedKey
from relto.errors import Conflict, Forged, Malformed, NotFound, Refused, Unavailable
from relto.keys import OpeningPublic
from relto.node import rotation, sealed_file
from relto.node.handover import _item as item_of_policy
from relto.node.handover import _share as unwrapped
from relto.node.handover import digest_of, proof_of, uses_of
from relto.node.hearing import Hear, nobody, unheard, why_unheard
from relto.node.node import Node
from relto.node.tokens import CarriedPresentation, issuer_of_carried, verify_carried
from relto.node.views import View, decision_view
from relto.package.access import Asked
from relto.package.manifest import KeyAccess, Policy, parse_access
from relto.release import Question, date_of, decide
from relto.release.remembered import packs_of

DAY_MS: Final = 86_400_000
SHARES_MAX: Final = 64
_LIMIT: Final = re.compile(r"carried: ([1-9][0-9]{0,3}) openings? until ([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z)")

Hex = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]


class KeyRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a request says inside. policy: the package's policy string. accesses: its key access objects."""

    v: int
    presentation: str
    device: OpeningPublic
    policy: str
    accesses: Annotated[list[Any], Meta(min_length=1, max_length=SHARES_MAX)]


class CarriedShare(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One share of the package's key, and the release that covers it. proof: a tlog-proof that opens it."""

    sid: str
    share: Annotated[bytes, Meta(min_length=32, max_length=32)]
    release: Hex
    proof: str


class Carried(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a carried key says inside. by: origin. at, until: ms UTC. person: pseudonym. url: whose shares these are."""

    v: int
    by: str
    at: int
    url: str
    item: str
    version: int
    package: Hex
    person: str
    device: Hex
    openings: Annotated[int, Meta(ge=1)]
    until: int
    shares: Annotated[tuple[CarriedShare, ...], Meta(min_length=1, max_length=SHARES_MAX)]


class Limit(Struct, frozen=True, kw_only=True):
    """How often, and until when (ms UTC), a carried key opens."""

    openings: int
    until: int

    @property
    def words(self) -> str:
        return f"carried: {self.openings} opening{'s' if self.openings > 1 else ''} until {time_text(self.until)}"


def limit_of(release: acts.Act) -> Limit | None:
    """What a release of the method `carried` says about its key; None for any other."""
    if not isinstance(release, acts.Release) or release.method != "carried":
        return None
    for line in release.obligations:
        if found := _LIMIT.fullmatch(line):
            until = dt.datetime.strptime(found[2], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=dt.UTC)
            return Limit(openings=int(found[1]), until=int(until.timestamp() * 1000))
    return None


def time_text(millis: int) -> str:
    return dt.datetime.fromtimestamp(millis / 1000, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def device_id(public: OpeningPublic) -> str:
    """By which a request, a release's evidence and a carried key name a device."""
    return hashlib.sha256(public.mlkem768 + public.x25519).hexdigest()


class _Wanted(Struct, frozen=True, kw_only=True):
    """A request that holds, and what it is about."""

    party: str
    token: str
    says: CarriedPresentation
    device: OpeningPublic
    policy: Policy
    accesses: tuple[KeyAccess, ...]
    item: ItemState
    limit: Limit


def grant(
    node: Node,
    request: Path,
    out: Path,
    *,
    openings: int = 0,
    days: int = 0,
    dry_run: bool = False,
    hear: Hear = nobody,
) -> View:
    """Decides a request and, on a permit, writes the releases and the carried key. The view of the decision.

    openings, days: less than was asked for; 0 for what was.

    Raises: Forged, Refused, Malformed for a request that does not hold, or that the charter does not allow; Conflict for
    one that was answered; NotFound, Unavailable.
    """
    if not dry_run and (out.exists() or not out.parent.is_dir()):
        raise Conflict(f"`{out}` cannot be written: it is there already, or its folder is not")
    with node.lock:
        first = () if dry_run else unheard(node, _wanted(node, request, openings, days).item)
    heard = hear(first) if first else frozenset[str]()
    with node.lock:
        wanted = _wanted(node, request, openings, days)
        missing = () if dry_run else unheard(node, wanted.item, heard)
        if missing:
            raise Unavailable(why_unheard(node, wanted.item, missing), hint="undetermined until they answer")
        return _decided(node, wanted, out, dry_run=dry_run)


def grant_asked(node: Node, asked: dict[str, Any], hear: Hear) -> View:
    """As the command line asks a serving process."""
    paths = Path(str(asked["request"])), Path(str(asked["out"]))
    openings, days = int(asked["openings"]), int(asked["days"])
    return grant(node, *paths, openings=openings, days=days, dry_run=bool(asked["dry_run"]), hear=hear)


def _wanted(node: Node, path: Path, openings: int, days: int) -> _Wanted:
    """Everything about a request that can be checked before it is decided."""
    node.must_not_recover()
    assert node.keys is not None
    held = sealed_file.Sealed(path, node.keys.opening, what="key-request")
    held.check()
    try:
        asked = msgspec.json.decode(held.says, type=KeyRequest)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Malformed("the request for a key is not as it must be", where=str(path)) from error
    if asked.v != 1:
        raise Malformed(f"the request for a key is of version {asked.v}, which is not known here", where=str(path))
    now = node.clock()
    party, says = _vouched(node, asked.presentation, now)
    policy = Policy.parse(asked.policy)
    if says.device.key != device_id(asked.device) or says.device.package != package_of(policy):
        raise Forged("the request names another device or package than its presentation", where=str(path))
    if node.store.query("SELECT 1 FROM used_tokens WHERE jti = $1", (_used(says),)):
        raise Conflict(
            "this request was answered before", hint="each answer needs a request of its own: `relto grant ask` again"
        )
    item = item_of_policy(node, policy)
    clause = node.register.charter.carried_key(item.label.levels) if node.register.charter is not None else None
    if clause is None:
        raise Refused(
            f"no clause of the charter lets a key for `{item.id}` be carried",
            hint="`carried_keys` of an amended charter would",
        )
    mine = node.config.url + "/kas"
    return _Wanted(
        party=party,
        token=asked.presentation,
        says=says,
        device=asked.device,
        policy=policy,
        accesses=tuple(one for one in map(parse_access, asked.accesses) if one.url == mine),
        item=item,
        limit=_limit(says, clause, openings, days, now),
    )


def _vouched(node: Node, token: str, now: int) -> tuple[str, CarriedPresentation]:
    issuer = issuer_of_carried(token)
    pinned = node.peer_by_origin(issuer) if issuer != node.origin else None
    party = pinned.party if pinned is not None else node.me
    keys = node.keys_of(pinned) if pinned is not None else node.register.scans[node.origin].chain[-1].keys
    state = node.register.parties.get(party)
    if state is not None and state.frozen:
        raise Refused(f"the ledger of `{party}` is frozen: {state.frozen}")
    return party, verify_carried(token, keys.vouch, issuer=issuer, audience=node.origin, now=now // 1000)


def _limit(says: CarriedPresentation, clause: CarriedKey, openings: int, days: int, now: int) -> Limit:
    """What was asked for, or the less that an officer gives; never more, and never more than the clause allows."""
    most = Limit(openings=clause.openings, until=now + clause.days * DAY_MS)
    asked = Limit(openings=says.device.openings, until=says.exp * 1000)
    given = Limit(openings=openings or asked.openings, until=now + days * DAY_MS if days else asked.until)
    given = Limit(openings=given.openings, until=given.until // 1000 * 1000)
    if given.openings > asked.openings or given.until > asked.until:
        raise Refused("more would be granted than was asked for", hint=f"asked: {asked.words}")
    if given.openings > most.openings or given.until > most.until:
        raise Refused(
            f"the charter (clause {clause.clause}) lets such a key be carried for {clause.days} days and"
            f" {clause.openings} openings",
            hint="grant less with `--days` and `--openings`",
        )
    return given


def package_of(policy: Policy) -> str:
    """By which a release names its package: SHA-256 in hex over the policy string."""
    return hashlib.sha256(policy.text.encode()).hexdigest()


def _used(says: CarriedPresentation) -> str:
    return f"carried:{says.jti}"


def _decided(node: Node, wanted: _Wanted, out: Path, *, dry_run: bool) -> View:
    now, item = node.clock(), wanted.item
    if not wanted.accesses:
        raise NotFound("this node holds no share of the package", hint="the request is for another owner")
    shares = [
        (access, unwrapped(node, wanted.policy, Asked(id="carried", access=access))) for access in wanted.accesses
    ]
    sight = node.sight() if not dry_run else ""
    questions = [_question(wanted, access, now) for access, _ in shares]
    decisions = [decide(node.register, question) for question in questions]
    # Shares of one package differ in nothing that a rule reads, so their answers do not either; all are looked at.
    worst = next((n for n, one in enumerate(decisions) if one.answer != "permit"), 0)
    view = {
        **decision_view(node.register, questions[worst], decisions[worst]),
        "to": wanted.says.org,
        "person": wanted.says.sub,
        "device": wanted.says.device.key,
        "openings": wanted.limit.openings,
        "until": time_text(wanted.limit.until),
        "releases": [],
        "written": None,
    }
    if decisions[worst].answer != "permit" or dry_run:
        return view
    made: list[CarriedShare] = []
    for (access, share), question in zip(shares, questions, strict=True):
        # Written one after the other: a later share is decided on a register that holds the earlier release.
        release = _release(node, wanted, access, question, sight, now, first=not made)
        made.append(CarriedShare(sid=access.sid, share=share, release=release, proof=proof_of(node, release).decode()))
    says = Carried(
        v=1,
        by=node.origin,
        at=now,
        url=node.config.url + "/kas",
        item=item.id,
        version=item.version,
        package=package_of(wanted.policy),
        person=wanted.says.sub,
        device=wanted.says.device.key,
        openings=wanted.limit.openings,
        until=wanted.limit.until,
        shares=tuple(made),
    )
    _write(node, wanted, says, out)
    return view | {"releases": [one.release for one in made], "written": str(out)}


def _question(wanted: _Wanted, access: KeyAccess, now: int) -> Question:
    says, item = wanted.says, wanted.item
    package, device = package_of(wanted.policy), says.device.key
    return Question(
        request=digest_of(f"{item.id}@{item.version}", package, says.sub, device, date_of(now)),
        to=says.recipient(wanted.party),
        item=item.id,
        version=item.version,
        part=access.sid or UNSET,
        purpose=says.purpose,
        place=says.place,
        place_says=says.says.get("place", "person"),
        method="carried",
        day=now,
    )


def _release(
    node: Node, wanted: _Wanted, access: KeyAccess, question: Question, sight: str, now: int, *, first: bool
) -> str:
    """Act, private evidence and the used request in one transaction; durable when it returns.

    first: of the shares; with it the request is used up, and what a crash leaves is released and unfetched.
    """
    decision = decide(node.register, question)
    if decision.answer != "permit":
        raise Refused("the releases before this one have used up what permitted it", hint="ask anew")
    salt, says, item = node.random(32), wanted.says, wanted.item
    evidence = hashlib.sha256(salt + wanted.token.encode()).hexdigest()
    draft = node.draft(
        "release",
        request=question.request,
        item=item.id,
        version=item.version,
        project=item.facts.project,
        part=question.part,
        package=package_of(wanted.policy),
        method="carried",
        to=question.to,
        person=says.sub,
        purpose=question.purpose,
        place=question.place,
        place_says=question.place_says,
        authorities=decision.authorities,
        rests_on=tuple(act for act in decision.rests_on if act in node.register.stated),
        packs=packs_of(node.register, question.date),
        uses=uses_of(node, item, question, decision),
        obligations=(*decision.obligations, wanted.limit.words),
        decision=decision.id,
        day=now,
        sight=sight,
        evidence=evidence,
    )
    release = acts.act_id(acts.write(draft))
    beside: list[tuple[str, tuple[object, ...]]] = [
        (
            "INSERT INTO evidence (digest, salt, token, release) VALUES ($1, $2, $3, $4)",
            (evidence, salt, wanted.token.encode(), release),
        ),
        rotation.keep(wanted.policy, access),
    ]
    if first:
        beside.append(("INSERT INTO used_tokens (jti, until) VALUES ($1, $2)", (_used(says), says.keep_until)))
    node.write(draft, beside=beside)
    return release


def _write(node: Node, wanted: _Wanted, says: Carried, out: Path) -> None:
    assert node.keys is not None
    try:
        sealed_file.write(
            out,
            "carried-key",
            msgspec.json.encode(says),
            {},
            by=node.me,
            to=wanted.party,
            public=wanted.device,
            random=node.random,
            sign=node.keys.node.sign,
        )
    except OSError as error:
        raise Unavailable(
            f"`{out}` cannot be written: {(error.strerror or str(error)).lower()}",
            hint="the release stands in the ledger, unfetched; the person asks anew",
        ) from error
