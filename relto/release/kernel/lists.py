"""What a recipient may have, as items: counted at once, named page by page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from relto.release.kernel.shape import Numbers

if TYPE_CHECKING:
    from relto.release.kernel.kernel import Kernel


class Listed:
    """The items of some classes: counted at once, named page by page in the order of names."""

    def __init__(self, kernel: Kernel, classes: NDArray[np.intp]) -> None:
        self.kernel, self.classes = kernel, classes
        self._numbers: list[Numbers | None] = [None, None]

    def __len__(self) -> int:
        return sum(int(part.sizes[self.classes].sum()) for part in self.kernel.parts)

    def numbers(self, n: int = -1) -> Numbers:
        """Dense numbers, ascending: in label order. n: of which part; the last is the largest."""
        held = self._numbers[n]
        if held is None:
            held = self._numbers[n] = self.kernel.parts[n].numbers(self.classes)
        return held

    def page(self, limit: int, after: bytes = b"") -> list[bytes]:
        """At most so many names, in their order, beyond one of them."""
        found: list[bytes] = []
        for n, part in enumerate(self.kernel.parts):
            beyond = part.names.beyond(after) - 1 if after else -1
            ranks = part.page(self.numbers(n), beyond, limit)
            found += part.names[ranks].tolist()
        return sorted(found)[:limit]
