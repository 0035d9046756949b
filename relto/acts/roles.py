"""Who may say what when: for each kind of act, role and state, whether it can count, and why not.

The fold judges each act by itself; this table says the same in advance, so that nobody drafts what can never count.
The tests hold every cell to the fold. A right that is suspended, lapsed or frozen is no matter of this table: the act
counts as said, and decisions give nothing for it (`release`).

Source: spec/register.md, "What each kind does"; contracts of the design, section 9.
"""

from __future__ import annotations

from typing import Final, Literal

from relto.acts.register import Register

Role = Literal["member", "engaged", "introduced", "known"]
State = Literal["founding", "founded", "suspended", "ended", "leaving", "frozen"]

ROLES: Final[tuple[Role, ...]] = ("member", "engaged", "introduced", "known")
STATES: Final[tuple[State, ...]] = ("founding", "founded", "suspended", "ended", "leaving", "frozen")

# Before there is a charter: keys, proofs, and what concerns the founding itself.
_BEFORE: Final = frozenset({"rotate", "recover", "channel", "introduce", "acknowledge", "return", "fork"})
_FOUNDERS: Final = frozenset({"propose", "consent", "refuse"})
# Nothing that they could be about is there before a charter is.
_ABOUT_LATER: Final = frozenset({"suspend", "lift", "receipt", "answer"})
_MEMBERS: Final = frozenset({"introduce", "propose", "settle"})
_ADOPTERS: Final = frozenset({"adopt", "licence"})
_OWNERS: Final = frozenset({"register", "catalogue", "relabel", "retire", "determine"})
_BOUND: Final = frozenset({"suspend", "lift"})


def why_not(kind: str, role: Role, state: State) -> str:
    """Why an act of this kind by a party in this role cannot count; empty when it can."""
    if kind in {"inception", "epoch"}:
        return "it stands first in a ledger or not at all"
    if state == "founding":
        if kind in _ABOUT_LATER:
            return "there is nothing yet that it could be about"
        if kind in _FOUNDERS and role != "member":
            return "only founders propose and vote on a founding"
        return "" if kind in _BEFORE | _FOUNDERS else "no partnership is founded that it could belong to"
    if kind in _MEMBERS and role != "member":
        return "only members do"
    if kind in _ADOPTERS and role != "member":
        return "the charter names no such party for any law"
    if kind in _OWNERS and role in {"introduced", "known"}:
        return "who takes no part in a project owns no item of it"
    if kind in _BOUND and role in {"introduced", "known"}:
        return "its consent was not required"
    return ""


def role_of(register: Register, party: str) -> Role:
    """What a party is under the charter in force; before the founding everybody here is a founder to be."""
    if register.charter is None or party in register.members:
        return "member"
    if any(one.terms.party == party for one in register.engagements.values()):
        return "engaged"
    state = register.parties.get(party)
    return "introduced" if state is not None and state.grade == "introduced" else "known"


def state_of(register: Register, party: str, day: str) -> State:
    """The state that matters most for a party on a day."""
    if register.charter is None:
        return "founding"
    state = register.parties.get(party)
    if state is not None and state.frozen:
        return "frozen"
    if state is not None and state.withdraws:
        return "leaving"
    engaged = {one.state(day) for one in register.engagements.values() if one.terms.party == party}
    if engaged and engaged <= {"ended", "lapsed"}:
        return "ended"
    return "suspended" if "suspended" in engaged else "founded"
