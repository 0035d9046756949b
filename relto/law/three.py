"""Yes, no, and not known: Kleene's strong logic.

* `no` beats `unknown`, and `unknown` beats `yes`, where all must hold; the other way round where one must hold.
* Learning a fact can turn `unknown` into `yes` or `no` and never turns one of these into the other. What a rule needs
  so that silence never permits follows from that, as long as rules are built from these three operations only.
* An answer is never a truth value in Python: `if answer:` is refused, since `unknown` would pass for one of the two.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from enum import Enum
from typing import NoReturn


class Three(Enum):
    NO = "no"
    UNKNOWN = "unknown"
    YES = "yes"

    @classmethod
    def of(cls, value: bool) -> Three:  # noqa: FBT001 - the whole of its argument is a truth value
        return cls.YES if value else cls.NO

    def and_(self, other: Three) -> Three:
        return min(self, other, key=_RANK.__getitem__)

    def or_(self, other: Three) -> Three:
        return max(self, other, key=_RANK.__getitem__)

    def not_(self) -> Three:
        return _OPPOSITE[self]

    def __bool__(self) -> NoReturn:
        raise TypeError("an answer of three values is not a truth value: compare it with `is`")


_RANK = {Three.NO: 0, Three.UNKNOWN: 1, Three.YES: 2}
_OPPOSITE = {Three.NO: Three.YES, Three.UNKNOWN: Three.UNKNOWN, Three.YES: Three.NO}


def all_of(values: Iterable[Three]) -> Three:
    """`yes` for nothing at all: a rule without conditions asks for nothing."""
    return functools.reduce(Three.and_, values, Three.YES)


def any_of(values: Iterable[Three]) -> Three:
    """`no` for nothing at all: where there is no authority there is no permission."""
    return functools.reduce(Three.or_, values, Three.NO)
