"""Where a package's shares went: the releases of an item, with what the recipients' ledgers say about each.

A share that nobody reports is *unfetched*: its release stands, and no receipt says that the file opened. The chain is
as complete as the releases and receipts that are open to this party.
"""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from relto import acts
from relto.node.granting import Limit, limit_of, time_text
from relto.node.node import Node


def custody(node: Node, item: str, package: str = "") -> list[dict[str, Any]]:
    """The releases of an item (or of one package of it, by policy digest), oldest first.

    stage: unfetched, received, opened, disputed, or until when a carried key is out of reach; then what an order to return or destroy has come to.
    """
    register = node.register
    found = []
    for release in sorted(register.releases.values(), key=lambda one: (one.time, one.origin, one.index)):
        terms = release.terms
        if terms.item != item or (package and terms.package != package):
            continue
        receipts = [register.stated[act].act for _, act, _ in release.receipts]
        orders = [one for one in register.recalls.values() if one.release == release.act]
        found.append(
            {
                "release": release.act,
                "by": release.party,
                "at": release.time,
                "item": f"{terms.item}@{terms.version}",
                "part": None if terms.part is UNSET else terms.part,
                "package": None if terms.package is UNSET else terms.package,
                "to": terms.to.organisation,
                "person": terms.person,
                "purpose": terms.purpose,
                "place": terms.place,
                "legacy_client": terms.legacy_client,
                "stage": _stage(receipts, limit := limit_of(terms)),
                "out_of_reach_until": time_text(limit.until) if limit else None,
                "orders": [
                    {"because": one.because, "order": one.order, "by": one.by, "answers": [a[2] for a in one.answers]}
                    for one in orders
                ],
            }
        )
    return found


def _stage(receipts: list[acts.Act], limit: Limit | None) -> str:
    known = [one for one in receipts if isinstance(one, acts.Receipt)]
    if any(one.outcome == "disputed" for one in known):
        return "disputed"
    if limit is not None:
        # Nothing that anybody says now stops this key before its day.
        opened = sum(one.opened for one in known)
        return f"out of reach until {time_text(limit.until)[:10]}, opened {opened} of {limit.openings}"
    if any(one.opened for one in known):
        return "opened"
    return "received" if known else "unfetched"
