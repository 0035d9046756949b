"""What the parts of the kernel share: how a question is put, and the words and numbers of answers.

Arrays: `int8` answers (0 deny, 1 undetermined, 2 permit), `int32` classes and numbers.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from relto.law import Three
from relto.release.facts import ITEM_SIDE
from relto.release.question import Answer, Method

Bytes = NDArray[np.int8]
Numbers = NDArray[np.int32]
ANSWERS: Final[tuple[Answer, ...]] = ("deny", "undetermined", "permit")
RANK: Final = {Three.NO: 0, Three.UNKNOWN: 1, Three.YES: 2}
NOT_YET: Final = 127  # a cell nobody has asked for
PERMIT: Final = 2
THINGS: Final = 1024  # items whose facts are kept at hand
PLACE, PURPOSE = "place.access", "transfer.purpose"


class Asking(NamedTuple):
    """How a question is put for many pairs. Empty: the project's first purpose, the recipient party's own place."""

    purpose: str = ""
    place: str = ""
    method: Method = "key"


def of_item(name: str, *, usual: bool) -> bool:
    return name.startswith(ITEM_SIDE) or (usual and name == PURPOSE)
