"""The shapes of what a state grants and of what an officer judges. The acts that carry them live elsewhere."""

from __future__ import annotations

import msgspec

from relto.charter.text import Date, Money, Span
from relto.law.three import Three, all_of


class Licence(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A grant with its limits. One organisation holds it, so that its counters have one writer.

    `recipients` are organisations (`aus/acme`) or parties (`aus`, meaning each of its organisations); `items` are items
    (`gbr/torque-sensor`, meaning every version) or versions of them (`gbr/torque-sensor@2`). An absent limit does not
    limit.
    """

    id: str
    jurisdiction: str
    authority: str  # of the pack: `us-dsp-5`
    holder: str
    recipients: tuple[str, ...]
    items: tuple[str, ...]
    valid: Span
    quantity: int | None = None
    value: Money | None = None
    provisos: tuple[str, ...] = ()


class Determination(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A recorded human judgement about one version of an item, on one condition of one authority, with its reason."""

    item: str
    version: int
    authority: str  # of the pack; the pack's own id for a general condition
    condition: str
    value: bool
    reason: str

    @property
    def fact(self) -> str:
        return f"determined.{self.authority}.{self.condition}"


class Used(msgspec.Struct, frozen=True, kw_only=True):
    """What has been drawn from a licence, the release in question included; `value` is None while it is not stated."""

    quantity: int
    value: Money | None


def covers(
    licence: Licence, holder: str, recipient: str, item: str, day: Date, used: Used
) -> tuple[Three, tuple[str, ...]]:
    """Whether the licence covers a release of `item` (`gbr/name@2`) to the organisation `recipient`, and if not, why.

    Words for every limit that is not met, also after the first.
    """
    name, _, _ = item.partition("@")
    party, _, _ = recipient.partition("/")
    checks = [
        (Three.of(holder == licence.holder), f"it is held by `{licence.holder}`, not by `{holder}`"),
        (Three.of(recipient in licence.recipients or party in licence.recipients), f"it does not name `{recipient}`"),
        (Three.of(item in licence.items or name in licence.items), f"it does not name `{item}`"),
        (Three.of(licence.valid.holds(day)), f"it is good for {licence.valid}, not on {day}"),
        _within_quantity(licence, used),
        _within_value(licence, used),
    ]
    return all_of([value for value, _ in checks]), tuple(words for value, words in checks if value is not Three.YES)


def _within_quantity(licence: Licence, used: Used) -> tuple[Three, str]:
    limit = licence.quantity
    return Three.of(limit is None or used.quantity <= limit), f"its quantity of {limit} is used up"


def _within_value(licence: Licence, used: Used) -> tuple[Three, str]:
    if licence.value is None:
        return Three.YES, ""
    if used.value is None:
        return Three.UNKNOWN, f"it is limited to {licence.value} and the value of this release is not stated"
    if used.value.currency != licence.value.currency:
        return Three.UNKNOWN, f"it is limited to {licence.value} and the value is stated in {used.value.currency}"
    return Three.of(used.value.amount <= licence.value.amount), f"its value of {licence.value} is used up"
