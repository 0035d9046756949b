"""Whether votes decide a proposal: what the rule of the charter makes of them, or, of a founding, that all must consent.

`outcome` is asked with the votes that count (valid and confirmed) and answers in force, dead or open. What each rule
means stands in `relto.charter.rules`, where `charter check` and the cases of a charter ask the same function; whoever
adds a rule adds it there, and keeps what the slot rule rests on:

* *Once decided, always decided.* With more votes, `open` may become in force or dead; neither ever changes after that.
* *Two winners share a voter*, or, of votes cast, each has more consents than the other.
* *Dead means hopeless.* A proposal is dead only when no further votes could put it in force.
* A party to be bound consents itself, whatever the rule; its refusal ends the matter.

Source: spec/register.md, "Outcome"; spec/charter.md, "Rules of decision"; docs/decisions/0035-rules-of-votes.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from relto.charter import Poll, Voice
from relto.charter import State as Outcome

__all__ = ["Outcome", "outcome"]


def outcome(poll: Poll | None, voters: Sequence[str], voices: Mapping[str, Voice]) -> Outcome:
    """What these votes decide.

    poll: the rule of the charter version that the proposal names, and who is asked; None: all these voters must
    consent, and silence is none. voices: by party, each once.
    """
    if poll is not None:
        return poll.verdict(voices)
    if any(voice != "consent" for voice in voices.values()):
        return "dead"
    return "in_force" if voters and set(voters) <= set(voices) else "open"  # an empty set never decides
