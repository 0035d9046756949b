"""Parties that come later: to whom this party has agreed, and what they must be able to read before they can vote.

Who is to become a member, or a founder of a second founding, decides by the same rule as everybody else, so it needs
what members hold: whole ledgers, and every earlier act for all members opened to it. A node gives that from its own
consent on, and not before: the consent is its party's word that this party may come in.

docs/decisions/0038-those-who-come-later.md
"""

from __future__ import annotations

from collections import defaultdict

from relto import acts
from relto.acts import Register


def agreed(register: Register, me: str, listed: dict[str, frozenset[str]]) -> dict[str, str]:
    """party -> the proposal that lets it in, by own consent, while that is undecided.

    listed: the parties that each charter proposal names.
    """
    found: dict[str, str] = {}
    inside = {me, *register.signatories}
    for id_, names in listed.items():
        slot = register.slots.get(id_)
        if slot is None or slot.state not in {"open", "in_force"}:
            continue
        if any(vote.party == me and vote.vote == "consent" and not vote.void for vote in slot.votes):
            for party in sorted(names - inside):
                found.setdefault(party, id_)
    return found


def invited(register: Register, me: str, listed: dict[str, frozenset[str]]) -> bool:
    """Whether a charter that is proposed, or in force and not yet read here, takes this party in."""
    return me not in register.signatories and any(
        me in names and register.slots[id_].state != "dead"
        for id_, names in listed.items()
        if id_ in register.slots and register.slots[id_].n > 1
    )


def closed_to(register: Register, origin: str, party: str) -> set[int]:
    """Own entries for all members that a party was not addressed in, and that no own `disclose` has opened to it."""
    told: dict[str, set[int]] = defaultdict(set)
    found = set()
    for one in register.scans[origin].stated:
        if isinstance(one.act, acts.Disclose):
            told[one.act.to] |= set(one.act.entries)
        elif one.common and not acts.open_to(one.act, party):
            found.add(one.index)
    return found - told[party]
