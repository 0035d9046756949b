"""What an amendment of the charter would change at one node: answers that turn, and engagements that lose their ground.

The register is taken as if the new text were in force today, with everything else as it is.

Source: spec/decision.md, "Impact".
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from relto.acts import Register
from relto.charter import Charter
from relto.errors import Refused
from relto.release.impact import Impact, difference
from relto.release.question import date_of


class Amended(Struct, frozen=True, kw_only=True):
    """pairs: gained and lost; engagements: those in force that carry nothing any more, each with the reason."""

    pairs: Impact
    engagements: tuple[tuple[str, str], ...]


def amended(register: Register, new: Charter, day: int) -> Amended:
    """Raises: Refused where no charter is in force, for nothing is amended then."""
    if register.charter is None:
        raise Refused(
            "no charter is in force here, so nothing is amended", hint="`relto act propose charter DIR` founds"
        )
    after = msgspec.structs.replace(register, charter=new)
    today = date_of(day)
    lost = [
        (one.id, why)
        for one in register.engagements.values()
        if one.state(today) == "in_force" and (why := _ungrounded(new, one.terms.project, one.terms.areas))
    ]
    words = (f"the charter `{new.id}` ({new.digest.hex()[:8]}) in force",)
    return Amended(pairs=difference((register, day), (after, day), "", words), engagements=tuple(sorted(lost)))


def _ungrounded(charter: Charter, project: str, areas: tuple[str, ...]) -> str:
    """Why an engagement in this project carries nothing under this text."""
    found = next((one for one in charter.projects if one.id == project), None)
    if found is None:
        return f"there is no project {project}"
    if charter.pillar(found.pillar).access == "closed":
        return f"pillar {found.pillar} is closed"
    if set(areas) - set(found.areas):
        return f"{', '.join(sorted(set(areas) - set(found.areas)))} is no area of {project}"
    return ""
