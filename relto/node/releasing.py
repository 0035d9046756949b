"""Releases without a file: told, shown, or handed over as a thing. The same rules, the same act, the same record.

Nothing leaves this program, so nothing can be held back by it: the officer asks before speaking, and what was permitted
stands in the ledger before the answer is given. The other party vouches for its person as it does for a key: by a
presentation of at most five minutes for this node, used once. It is bound to a key of that person's client, whose
possession is not proven here: the person stands in the room, and the officer who records is the one who could be
deceived. Of the own people the own register says who they are.

Docs: docs/decisions/0052-releases-without-a-file.md. Source: contracts of the design, section 6; 22 CFR 120.56.
"""

from __future__ import annotations

import hashlib
from typing import Final, Literal, get_args

import msgspec
from msgspec import UNSET, Struct, UnsetType

from relto import acts
from relto.errors import Conflict, Malformed, Refused, Unavailable
from relto.node import records
from relto.node.handover import digest_of, uses_of
from relto.node.hearing import Hear, nobody, unheard, why_unheard
from relto.node.node import Node
from relto.node.people import class_bytes, person
from relto.node.presented import use_once
from relto.node.tokens import PRESENTATION_S, issuer_of_presentation, verify_presentation
from relto.node.views import View, decision_view
from relto.release import Decision, Question, date_of, decide
from relto.release.remembered import packs_of

Unwritten = Literal["oral", "visual", "physical"]
METHODS: Final[tuple[Unwritten, ...]] = get_args(Unwritten)


class Telling(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an officer wants to do. Whom: one of the own people by alias, or whoever a presentation is about.

    notes: what the record asks for beside the act (`records.OF_RELEASE`).
    """

    item: str
    version: int
    method: Unwritten
    alias: str = ""
    presentation: str = ""
    purpose: str = ""
    place: str = ""
    part: str | UnsetType = UNSET
    value: acts.Money | UnsetType = UNSET
    notes: dict[str, str] = {}
    dry_run: bool = False


class _To(Struct, frozen=True, kw_only=True):
    recipient: acts.RecipientClass
    pseudonym: str
    purpose: str
    place: str
    place_says: acts.Saying
    evidence: bytes


def record(node: Node, asked: Telling, hear: Hear = nobody) -> View:
    """Decides and, on a permit, writes the release. The view of the decision, with `release` (id or none) and `request`.

    hear: asks members, where the charter wants them asked before this label leaves.

    Raises: Refused for an item of another party, or a presentation that does not hold; Unavailable for a member that
    does not answer; Malformed, NotFound, Conflict.
    """
    with node.lock:
        first = () if asked.dry_run else unheard(node, node.register.item(asked.item, asked.version))
    heard = hear(first) if first else frozenset[str]()
    with node.lock:
        node.must_not_recover()
        now = node.clock()
        item = node.register.item(asked.item, asked.version)
        missing = () if asked.dry_run else unheard(node, item, heard)
        if missing:
            raise Unavailable(
                why_unheard(node, item, missing), hint="undetermined until they answer; `relto sync` says who does"
            )
        if item.party != node.me:
            raise Refused(
                f"`{asked.item}` is an item of `{item.party}`", hint="whose releases stand in its own ledger: ask there"
            )
        if item.facts.release.rule != "one" and len(item.facts.owners) > 1:
            raise Refused(
                f"`{asked.item}` is released by its owners together, and what is said cannot be said in shares",
                hint="seal it: each owner's node then decides its own share",
            )
        notes = records.checked(records.RELEASE, asked.notes)
        to = _vouched(node, asked, now) if asked.presentation else _own(node, asked)
        sight = node.sight() if not asked.dry_run else ""
        question = Question(
            request=digest_of(f"{item.id}@{item.version}", asked.method, to.pseudonym, date_of(now)),
            to=to.recipient,
            item=item.id,
            version=item.version,
            part=asked.part,
            purpose=to.purpose,
            place=to.place,
            place_says=to.place_says,
            method=asked.method,
            value=asked.value,
            day=now,
        )
        decision = decide(node.register, question)
        view = {**decision_view(node.register, question, decision), "request": question.request, "release": None}
        if decision.answer == "permit" and not asked.dry_run:
            view["release"] = _write(node, item, to, question, decision, sight, now, notes)
        return view


def _own(node: Node, asked: Telling) -> _To:
    someone = person(node, asked.alias)
    place = asked.place or someone.place
    return _To(
        recipient=someone.recipient,
        pseudonym=someone.pseudonym,
        purpose=_purpose(node, asked.purpose),
        place=place,
        place_says="party" if place == someone.place else "person",
        evidence=class_bytes(someone.recipient),
    )


def _vouched(node: Node, asked: Telling, now: int) -> _To:
    """Whom a presentation is about. What it says stands; what the officer says differently is an error, no choice."""
    issuer = issuer_of_presentation(asked.presentation)
    if issuer == node.origin:
        raise Refused("this presentation is this node's own", hint="name your own people by their alias")
    pinned = node.peer_by_origin(issuer)
    state = node.register.parties.get(pinned.party)
    if state is not None and state.frozen:
        raise Refused(f"the ledger of `{pinned.party}` is frozen: {state.frozen}")
    held = verify_presentation(
        asked.presentation, node.keys_of(pinned).vouch, issuer=issuer, audience=node.origin, now=now // 1000
    )
    for what, said, wanted in (("purpose", held.purpose, asked.purpose), ("place", held.place, asked.place)):
        if wanted and wanted != said:
            raise Refused(
                f"the presentation is for the {what} `{said}`, not `{wanted[:64]}`", hint="ask for another one"
            )
    if not asked.dry_run:
        try:
            use_once(node, f"told:{held.jti}", now // 1000 + 2 * PRESENTATION_S)
        except Conflict as error:
            hint = "a presentation serves once: the person asks for another with `relto release present`"
            raise Conflict("this presentation was used before", hint=hint) from error
    return _To(
        recipient=held.recipient(pinned.party),
        pseudonym=held.sub,
        purpose=_purpose(node, held.purpose),
        place=held.place,
        place_says=held.says.get("place", "person"),
        evidence=asked.presentation.encode(),
    )


def _purpose(node: Node, purpose: str) -> str:
    known = sorted(one.id for one in node.register.charter.purposes) if node.register.charter else []
    if purpose not in known:
        raise Malformed(f"`{purpose[:80]}` is no purpose of the charter", hint=f"one of {', '.join(known)}")
    return purpose


def _write(
    node: Node,
    item: acts.ItemState,
    to: _To,
    question: Question,
    decision: Decision,
    sight: str,
    now: int,
    notes: dict[str, str],
) -> str:
    """Act, private evidence and notes of the record: one transaction."""
    salt = node.random(32)
    evidence = hashlib.sha256(salt + to.evidence).hexdigest()
    draft = node.draft(
        "release",
        request=question.request,
        item=item.id,
        version=item.version,
        project=item.facts.project,
        part=question.part,
        method=question.method,
        to=question.to,
        person=to.pseudonym,
        purpose=question.purpose,
        place=question.place,
        place_says=question.place_says,
        value=question.value,
        authorities=decision.authorities,
        rests_on=tuple(act for act in decision.rests_on if act in node.register.stated),
        packs=packs_of(node.register, question.date),
        uses=uses_of(node, item, question, decision),
        obligations=decision.obligations,
        decision=decision.id,
        day=now,
        sight=sight,
        evidence=evidence,
    )
    release = acts.act_id(acts.write(draft))
    row = (
        "INSERT INTO evidence (digest, salt, token, release) VALUES ($1, $2, $3, $4)",
        (evidence, salt, to.evidence, release),
    )
    node.write(draft, beside=[row, *records.statements(release, notes, now)])
    return release


def telling_of(view: object) -> Telling:
    """Raises: Malformed."""
    try:
        return msgspec.convert(view, Telling)
    except msgspec.ValidationError as error:
        raise Malformed(f"not a release to record: {str(error)[:1].lower()}{str(error)[1:]}") from error
