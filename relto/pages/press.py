"""Buttons of the demo."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from relto.errors import NotFound, Refused
from relto.node import officer
from relto.node.home import directory_of
from relto.node.node import Node


def press(node: Node, name: str, fields: Mapping[str, str]) -> str:
    """Signs with the key files beside a demo node; returns where to go next. Raises: Refused, NotFound."""
    proposal = fields.get("proposal", "")
    slot = node.register.slots.get(proposal)
    if slot is None:
        raise NotFound("there is no such proposal here")
    if name == "vote" and fields.get("vote") == "consent":
        sight = (
            {"sight": node.register.acks[node.me][0]}
            if node.me in node.register.acks and slot.stated.act.partnership is not msgspec.UNSET
            else {}
        )
        draft = node.draft("consent", proposal=proposal, **sight)
    elif name == "vote" and fields.get("vote") == "refuse":
        draft = node.draft("refuse", proposal=proposal, reason="Refused on the page of the demonstration")
    elif name == "suspend":
        draft = node.draft("suspend", engagement=proposal, reason="Suspended on the page of the demonstration")
    else:
        raise Refused("this button is not one of the page")
    keys = node.register.scans[node.origin].keys
    assert keys is not None
    request = officer.request(draft, keys)
    node.submit(officer.envelope(officer.sign(request, officer.offline_signers(directory_of(node), request))))
    return f"/proposals/{proposal}"
