"""Whether votes decide a proposal: the one place that knows what each rule of a charter means.

`outcome` is asked with the votes that count (valid and confirmed) and answers in force, dead or open. Whoever adds a
rule to the charter language adds it here, and keeps what the slot rule rests on:

* *Once decided, always decided.* With more votes, `open` may become in force or dead; neither ever changes after that.
* *Two winners share a voter.* What puts two proposals of one slot in force has a voter in common: 2q > n.
* *Dead means hopeless.* A proposal is dead only when no further votes could put it in force.
* A party to be bound consents itself, whatever the rule; its refusal ends the matter.

Source: spec/register.md, "Outcome"; docs/decisions/0035-rules-of-votes.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import Struct

from relto.charter import Decision

Outcome = Literal["open", "in_force", "dead"]


class Word(Struct, frozen=True, kw_only=True):
    """One party's vote that counts. silent: it let the deadline pass, which is a refusal."""

    consent: bool
    silent: bool = False


def outcome(rule: Decision | None, voters: Sequence[str], bound: Sequence[str], words: Mapping[str, Word]) -> Outcome:
    """What these votes decide.

    rule: of the charter version that the proposal names; None for a founding, which takes all.
    voters: those whom the rule counts; bound: those who must consent besides; words: by party, each once.
    """
    if not voters and not bound:
        return "open"  # nobody could agree to it: an empty set never decides
    if any(party in words and not words[party].consent for party in bound):
        return "dead"
    for_it = sum(party in words and words[party].consent for party in voters)
    against = sum(party in words and not words[party].consent for party in voters)
    q = needed(rule, len(voters))
    if against > len(voters) - q:
        return "dead"
    asked = all(party in words for party in bound)
    return "in_force" if asked and for_it >= q else "open"


def needed(rule: Decision | None, n: int) -> int:
    """Consents among n voters. Never half or fewer: two contrary proposals must not both find enough."""
    least = n // 2 + 1 if n else 0
    match rule.rule if rule is not None else "unanimity":
        case "majority":
            return least
        case "k_of_n":
            assert rule is not None
            # More than there are voters cannot be reached: where some do not vote (one to be expelled), all others do.
            return min(max(rule.k, least), n)
        case _:  # unanimity, all affected, the owner alone: each of those who are asked
            return n
