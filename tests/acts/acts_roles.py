"""One honest try of every kind of act, by every role, in every state: what `acts.roles` says is held to what folds.

A try is the best that the role can do: about itself, its own items, its own people, the proposal that asks it. What
then is void is void for what the author is, not for a mistake in the act.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from acts_kit import CODES, MEMBERS, TERM, Keys, Kit, Party, item_fields, release_fields, why
from msgspec import UNSET

from relto import acts
from relto.keys import SecretKey
from relto.ledger import Checkpoint, sign_checkpoint

PARTY = {"member": "bree", "engaged": "dune", "introduced": "elm", "known": "fir"}
CODES.setdefault("fir", "FIR")


class Tried:
    """A partnership in one state, and what one party has at hand there."""

    def __init__(self, role: str, state: str) -> None:
        self.role, self.state = role, state
        self.kit, self.name = Kit(*MEMBERS, "dune"), PARTY[role]
        kit = self.kit
        kit.parties["elm"], kit.parties["fir"] = Party(kit, "elm"), Party(kit, "fir")
        kit.parties["gum"] = Party(kit, "gum")
        self.proposal = self.open = self.received = self.order = ""
        if state == "founding":
            self.open = kit.partnership = kit.arda.say(
                "propose", subject="charter", n=1, what=acts.CharterText(**kit.texts())
            )
        else:
            self._founded(state)
        self.me = kit.parties[self.name]

    def _founded(self, state: str) -> None:
        kit = self.kit
        kit.found()
        kit.arda.say(
            "introduce", party="elm", inception=kit.elm.inception, origin=kit.elm.origin, address="http://elm.example",
            members=kit.member_shapes(), readers=("arda", "bree", "cora", "elm"),
        )  # fmt: skip
        self.proposal = kit.engage()
        self.open = kit.propose(
            "arda", f"engagement/{self.name}-2", 1, kit.terms(self.name if self.name != "bree" else "gum")
        )
        kit.arda.say("register", readers=self.readers(), **item_fields("arda/glass"))
        kit.arda.ack()
        self.received = self._release("arda", self.name if self.name in CODES else "bree")
        self.order = kit.arda.say(
            "recall", release=self.received, order="destroy", by="2026-12-31", reason="x", readers=self.readers()
        )
        if state == "suspended":
            kit.arda.say("suspend", engagement=self.proposal, reason="x", readers=self.readers())
        elif state == "ended":
            ending = kit.propose(
                "arda", "engagement/dune-lamp", 2, acts.Ending(of=self.proposal, on="2026-09-21", reason="x"),
                prev=self.proposal, readers=("arda", "bree", "cora", "dune"),
            )  # fmt: skip
            for voter in MEMBERS:
                kit.consent(voter, ending)
            kit.acks()
        elif state == "leaving":
            one = kit.parties[self.name]
            one.say("withdraw", on="2026-12-31", reason="x", readers=self.readers(), **self.under(self.name))
        elif state == "frozen":
            one = kit.parties[self.name]
            kit.arda.say("fork", origin=one.origin, first=_checkpoint(one, 1), second=_checkpoint(one, 1, bytes(32)))

    def readers(self, *more: str) -> tuple[str, ...]:
        return tuple(sorted({*MEMBERS, self.name, *more}))

    @staticmethod
    def under(name: str) -> dict[str, Any]:
        return {} if name in MEMBERS else {"under": UNSET}

    def _release(self, by: str, to: str, item: str = "") -> str:
        one = self.kit.parties[by]
        if not any(isinstance(e.act, acts.Acknowledge) for e in one.entries):
            one.ack()
        fields = release_fields(self.kit, item or f"{by}/glass", to, one.newest_ack)
        return one.say("release", readers=self.readers(by, to), **{**self.under(by), **fields})

    def say(self, kind: str, /, **fields: Any) -> str:
        """By the party that is tried, for all that may be concerned."""
        chain = issubclass(acts.KINDS[kind], acts.PARTY_CHAIN)
        common = {} if chain else {"readers": self.readers(*fields.pop("more", ())), **self.under(self.name)}
        return self.me.say(kind, **{**common, **fields})

    def own_item(self) -> str:
        return self.say("register", **item_fields(f"{self.name}/lens"))

    def outcome(self, kind: str) -> str | None:
        """Why the try is void; empty when it counts; None where there is nothing yet that such an act could be about."""
        if (kind in {"suspend", "lift"} and not self.proposal) or (kind in {"receipt", "answer"} and not self.received):
            return None
        if kind == "lift":  # a suspension that is lifted is no more judged: judge it before
            before = Tried(self.role, self.state).outcome("suspend")
            if before:
                return before
        id_ = TRIES[kind](self)
        register = self.kit.fold("arda")
        slot = register.slots.get(id_)
        said = why(register, id_) or (slot.why if slot is not None and slot.state == "void" else "")
        return said or ("" if EFFECTS[kind](register, self.name, id_) else "does nothing")


def _checkpoint(party: Party, size: int, root: bytes | None = None) -> bytes:
    at = Checkpoint(origin=party.origin, size=size, root=party.roots[size] if root is None else root)
    return sign_checkpoint(at, SecretKey(party.origin, hashlib.sha256(f"{party.name}/log".encode()).digest()))


def _rotate(t: Tried) -> str:
    new = Keys(t.name, 1)
    return t.me.say("rotate", *t.me.keys.root, *new.root, prev=t.me.inception, keys=new.public())


def _recover(t: Tried) -> str:
    new = Keys(t.name, 1)
    return t.me.say("recover", *new.root, prev=t.me.inception, keys=new.public(), reason="lost")


def _propose(t: Tried) -> str:
    terms = t.kit.terms("gum") if t.kit.charter_id else None
    if terms is None:
        return t.say("propose", subject="charter", n=1, what=acts.CharterText(**t.kit.texts()), partnership=UNSET)
    return t.say(
        "propose", subject="engagement/gum-lamp", n=1, what=terms, partnership=t.kit.partnership, more=("gum",)
    )


def _sight(t: Tried) -> Any:
    if t.open == t.kit.partnership:
        return UNSET
    t.me.ack() if t.name in MEMBERS else t.say("acknowledge", heads=(), common="0" * 64, owed=())
    return t.me.newest_ack


def _relabel(t: Tried) -> str:
    prev = t.own_item()
    return t.say("relabel", item=f"{t.name}/lens", version=1, prev=prev, label=item_fields()["label"], reason="x")


def _catalogue(t: Tried) -> str:
    fields = item_fields(f"{t.name}/lens")
    row = {name: fields[name] for name in ("item", "version", "title", "areas", "label", "nature")}
    shared = {name: fields[name] for name in ("organisation", "owners", "release", "project")}
    return t.say(
        "catalogue", v=2, table=t.kit.put(acts.write_table([acts.Row(**row)])), rows=1, seed="5" * 64, **shared
    )


def _attest(t: Tried) -> str:
    return t.say("attest", about=f"{t.name}/works", claim="organisation", term=TERM)


def _own_release(t: Tried) -> str:
    t.own_item()
    return t._release(t.name, "arda", f"{t.name}/lens")


TRIES: dict[str, Callable[[Tried], str]] = {
    "inception": lambda t: t.say("inception", name="x", address="http://x.example", keys=t.me.keys.public()),
    "rotate": _rotate,
    "recover": _recover,
    "epoch": lambda t: t.say(
        "epoch",
        v=3,
        name="x",
        address="http://x.example",
        inception=t.me.inception,
        former=acts.Former(origin=t.me.origin, size=1, root="0" * 64),
        prev=t.me.inception,
        keys=t.me.keys.public(),
        reason="x",
    ),
    "channel": lambda t: t.say("channel", reader="arda", inception=t.kit.arda.inception, sealed=bytes(48)),
    "introduce": lambda t: t.say(
        "introduce",
        party="gum",
        inception=t.kit.gum.inception,
        origin=t.kit.gum.origin,
        address="http://gum.example",
        members=t.kit.member_shapes(),
        more=("gum",),
        under=UNSET,
    ),
    "propose": _propose,
    "consent": lambda t: t.say("consent", proposal=t.open, sight=_sight(t), more=("gum", "dune", "elm")),
    "refuse": lambda t: t.say("refuse", proposal=t.open, reason="x", more=("gum", "dune", "elm")),
    "return": lambda t: t.say("return", proposal=t.open, comment="x", more=("gum", "dune", "elm")),
    "settle": lambda t: t.say(
        "settle", proposal=t.proposal or t.open, outcome="in_force", common="0" * 64, more=("dune",)
    ),
    "acknowledge": lambda t: t.say("acknowledge", heads=(), common="0" * 64, owed=()),
    "adopt": lambda t: t.say("adopt", jurisdiction=CODES[t.name], pack=t.kit.put(b"x"), name="law"),
    "attest": _attest,
    "revoke": lambda t: t.say("revoke", act=_attest(t), reason="x"),
    "roster": lambda t: t.say("roster", day="2026-09-21", classes=()),
    "register": lambda t: t.own_item(),
    "catalogue": _catalogue,
    "relabel": _relabel,
    "retire": lambda t: t.say("retire", item=f"{t.name}/lens", version=1, prev=t.own_item(), reason="x"),
    "disclose": lambda t: t.say("disclose", to="arda", entries=(0,)),
    "determine": lambda t: t.say(
        "determine",
        item=f"{t.name}/lens",
        version=1,
        on=t.own_item(),
        jurisdiction="ARD",
        authority="ard-free",
        condition="judged",
        holds=True,
        reason="x",
    ),
    "licence": lambda t: t.say(
        "licence",
        licence="one",
        jurisdiction=CODES[t.name],
        authority="x",
        holder="arda/works",
        recipients=("bree/works",),
        items=("arda/glass",),
        term=TERM,
    ),
    "release": _own_release,
    "receipt": lambda t: t.say("receipt", release=t.received, outcome="matches"),
    "suspend": lambda t: t.say("suspend", engagement=t.proposal, reason="x", more=("dune",)),
    "lift": lambda t: t.say(
        "lift", suspend=t.say("suspend", engagement=t.proposal, reason="x", more=("dune",)), reason="x", more=("dune",)
    ),
    "recall": lambda t: t.say("recall", release=_own_release(t), order="destroy", by="2026-12-31", reason="x"),
    "answer": lambda t: t.say("answer", release=t.received, because=t.order, answer="destroyed"),
    "withdraw": lambda t: t.say("withdraw", on="2027-01-01", reason="x"),
    "dispute": lambda t: t.say(
        "dispute", party=t.name, key=t.me.keys.officers["safety"].public.key_ids[0], index=10_000, reason="x"
    ),
    "fork": lambda t: t.say(
        "fork", origin=t.kit.gum.origin, first=_checkpoint(t.kit.gum, 1), second=_checkpoint(t.kit.gum, 1, bytes(32))
    ),
    "evidence": lambda t: t.say(
        "evidence", candidate="hazel", date="2026-01-01", standing="press", status="floated", says="x", source="x"
    ),
}


def _voted(register: acts.Register, id_: str) -> bool:
    return any(vote.act == id_ and not vote.void for one in register.slots.values() for vote in one.votes)


def _item(register: acts.Register, name: str) -> acts.ItemState | None:
    return next(iter(register.items.get(f"{name}/lens", ())), None)


# kind -> whether the act left its mark on the register of somebody else.
EFFECTS: dict[str, Callable[[acts.Register, str, str], bool]] = {
    "inception": lambda r, p, i: False,
    "rotate": lambda r, p, i: r.parties[p].chain[-1].id == i,
    "recover": lambda r, p, i: r.parties[p].chain[-1].id == i,
    "epoch": lambda r, p, i: False,
    "channel": lambda r, p, i: i in r.stated,
    "introduce": lambda r, p, i: r.parties["gum"].grade == "introduced",
    "propose": lambda r, p, i: (
        r.slots[i].state == "open" and bool(r.slots[i].voters)
    ),  # without voters it waits for ever
    "consent": lambda r, p, i: _voted(r, i),
    "refuse": lambda r, p, i: _voted(r, i),
    "return": lambda r, p, i: i in r.stated,
    "settle": lambda r, p, i: any(p in one.settled for one in r.slots.values()),
    "acknowledge": lambda r, p, i: r.acks[p][0] == i,
    "adopt": lambda r, p, i: any(one.act == i for packs in r.packs.values() for one in packs),
    "attest": lambda r, p, i: any(one.act == i for one in r.attestations),
    "revoke": lambda r, p, i: any(one.revoked == i for one in r.attestations),
    "roster": lambda r, p, i: p in r.rosters and r.rosters[p].act == i,
    "register": lambda r, p, i: getattr(_item(r, p), "act", "") == i,
    "catalogue": lambda r, p, i: getattr(_item(r, p), "act", "") == i,
    "relabel": lambda r, p, i: getattr(_item(r, p), "label_act", "") == i,
    "retire": lambda r, p, i: getattr(_item(r, p), "retired", "") == i,
    "disclose": lambda r, p, i: i in r.stated,
    "determine": lambda r, p, i: any(one.act == i for one in r.determinations),
    "licence": lambda r, p, i: i in r.licences,
    "release": lambda r, p, i: i in r.releases,
    "receipt": lambda r, p, i: any(i in receipt for one in r.releases.values() for receipt in one.receipts),
    "suspend": lambda r, p, i: any(one.act == i for one in r.denials),
    "lift": lambda r, p, i: not any(one.author == p and one.kind == "suspend" for one in r.denials),
    "recall": lambda r, p, i: any(one.because == i for one in r.recalls.values()),
    "answer": lambda r, p, i: any(i in answer for one in r.recalls.values() for answer in one.answers),
    "withdraw": lambda r, p, i: bool(r.parties[p].withdraws),
    "dispute": lambda r, p, i: any(one.act == i for one in r.denials),
    "fork": lambda r, p, i: bool(r.parties["gum"].frozen),
    "evidence": lambda r, p, i: any(one.act == i for one in r.evidence),
}
