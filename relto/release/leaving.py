"""What a party that has left may still receive: the rights that its way out leaves it, and nothing else.

A party leaves by its own notice, once that has run out, or by a text that says on which day and how it left. Of the
rights that this exit keeps, one covers a release when it is asked for in time, of a project, for a purpose and of a
making that the right names, and when the item was registered no later than on the day of the exit. It stands in for the
standing of a party; every other conjunct is asked as before, so nobody has more than it had.

Source: spec/charter.md, "Engine 3"; contracts of the design, section 9 (withdraw).
"""

from __future__ import annotations

from typing import NamedTuple

from relto.charter import Charter
from relto.charter.model import Duty
from relto.law import Fact, Says
from relto.release.facts import FAR, Case

READS = ("item.registered", "item.project", "item.background", "recipient.party", "transfer.purpose")


class Right(NamedTuple):
    """A right that covers a release, and its last day."""

    duty: Duty
    last: str

    @property
    def fact(self) -> Fact:
        until = None if self.last == FAR else self.last
        return Fact(name=f"kept.{self.duty.id}", value=True, says=Says.CHARTER, until=until)


def keeps_access(charter: Charter) -> bool:
    """Whether a rule has to ask for it at all."""
    return charter.engine > 2 and charter.keeps_access


def right_of(case: Case) -> Right | None:
    """The right that lasts longest, of those that cover this release; None where its party has not left."""
    if not keeps_access(case.charter):
        return None
    left = case.left(case.text("recipient.party"))
    if left is None:
        return None
    kind, day = left
    if case.text("item.registered") > day:
        return None
    project, purpose = case.text("item.project"), case.text("transfer.purpose")
    background = case.fact("item.background").value is True
    rights = [
        Right(duty, duty.last_day(day) or FAR)
        for duty in case.charter.kept(kind)
        if duty.access is not None and duty.access.covers(project, purpose, background=background)
    ]
    running = [one for one in rights if case.day <= one.last]
    return max(running, key=lambda one: one.last, default=None)
