"""Two kernels compared: who gains what and who loses it, as rectangles of item classes and recipient classes.

Items that were of one class and are of one class now are a *cohort*; a cohort and a recipient class flip together. So
an exact answer over ten million items is a few thousand comparisons, and the full list is written out only when it is
asked for.

Source: contracts of the design, sections 4 and 12; spec/decision.md, "Impact".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from relto.release.kernel import ANSWERS, PERMIT, Kernel
from relto.release.search import Declared

ABSENT = -1  # an item or a class of people that one side does not have


class Flip(NamedTuple):
    """These cohorts, for these people: a permit now and none before, or the other way round."""

    gained: bool
    before: str
    after: str
    cohorts: NDArray[np.intp]
    people: tuple[int, ...]
    items: int


class Compared:
    """Every pair that one side permits and the other does not.

    before, after: the people of each side; whoever is on one side only was, or will be, absent.
    """

    def __init__(self, old: Kernel, new: Kernel, before: Sequence[Declared], after: Sequence[Declared]) -> None:
        self.old, self.new = old, new
        if before is after:
            self.people = tuple(before)
            self._was = self._now = frozenset(range(len(self.people)))
        else:
            was, now = ({(one.recipient.party, one.id): one for one in people} for people in (before, after))
            keys = sorted(was.keys() | now.keys())
            self.people = tuple({**was, **now}[key] for key in keys)
            self._was, self._now = (frozenset(n for n, key in enumerate(keys) if key in side) for side in (was, now))
        if old.line is new.line:
            self._of_one_line()
        else:
            self._of_two()
        self.items = int(self.sizes.sum())
        self.flips = tuple(self._found())

    @property
    def pairs(self) -> int:
        """How many there are in all: of items and classes of people, of either side."""
        return self.items * len(self.people)

    def count(self, *, gained: bool) -> int:
        return sum(one.items * len(one.people) for one in self.flips if one.gained is gained)

    # ---- cohorts

    def _of_one_line(self) -> None:
        """Classes are numbered alike: a cohort is a class, apart from the items that are of another by now."""
        old, new = self.old.shown, self.new.shown
        moved = sorted(
            name for name in old.keys() | new.keys() if old.get(name, ABSENT) != new.get(name, ABSENT)
        ) if old is not new else []  # fmt: skip
        self.classes = len(self.old.classes)
        sizes = self.old.sizes
        was = np.array([self._class_in(self.old, name) for name in moved], dtype=np.int64)
        now = np.array([new.get(name, ABSENT) for name in moved], dtype=np.int64)
        staying = sizes - np.bincount(was[was >= 0], minlength=self.classes)
        every = np.arange(self.classes, dtype=np.int64)
        self.was, self.now = np.concatenate((every, was)), np.concatenate((every, now))
        self.sizes = np.concatenate((staying, np.ones(len(moved), np.int64)))
        self.moved = moved
        self._members: Mapping[int, list[bytes]] | None = None

    def _class_in(self, kernel: Kernel, name: bytes) -> int:
        if name in kernel.shown:
            return kernel.shown[name]
        rank = kernel.large.rank(name) if kernel.large is not None else -1
        return int(kernel.large.class_by_rank[rank]) if kernel.large is not None and rank >= 0 else ABSENT

    def _of_two(self) -> None:
        """Numbered each for itself: items are paired by name, those of a table by their row."""
        names = sorted(self.old.shown.keys() | self.new.shown.keys())
        groups: dict[tuple[int, int], list[bytes]] = {}
        for name in names:
            groups.setdefault((self._class_in(self.old, name), self._class_in(self.new, name)), []).append(name)
        if self.old.large is not None and self.new.large is not None:
            sides = [one.class_by_rank.astype(np.int64) for one in (self.old.large, self.new.large)]
            key = sides[0] * len(self.new.classes) + sides[1]
            hidden = np.zeros(len(key), dtype=bool)
            for one in (self.old.large, self.new.large):
                hidden[one.rank_of[one.hidden]] = True
            for which in np.unique(key[~hidden]):
                ranks = np.flatnonzero((key == which) & ~hidden)
                pair = (int(which) // len(self.new.classes), int(which) % len(self.new.classes))
                groups.setdefault(pair, []).extend(self.old.large.names[ranks].tolist())
        self.was = np.array([pair[0] for pair in groups], dtype=np.int64)
        self.now = np.array([pair[1] for pair in groups], dtype=np.int64)
        self.sizes = np.array([len(one) for one in groups.values()], dtype=np.int64)
        self.classes, self.moved = 0, []
        self._members = dict(enumerate(groups.values()))

    # ---- flips

    def _found(self) -> Iterator[Flip]:
        """People who gain and lose the same share one rectangle for each answer that it was and is."""
        shared: dict[tuple[bool, int, int, bytes], list[int]] = {}
        kept: dict[tuple[bool, int, int, bytes], NDArray[np.intp]] = {}
        for n, one in enumerate(self.people):
            was = self.old.answers(one.recipient) if n in self._was else None
            now = self.new.answers(one.recipient) if n in self._now else None
            if was is now and not self.moved and self.old.line is self.new.line:
                continue  # nothing behind any of it has changed
            before, after = self._along(was, self.was), self._along(now, self.now)
            where = np.flatnonzero((before == PERMIT) != (after == PERMIT))
            where = where[self.sizes[where] > 0]
            words = (before[where].astype(np.int64) + 1) * 4 + after[where] + 1
            for word in np.unique(words):
                at = where[words == word]
                mark = (int(word) % 4 - 1 == PERMIT, int(word) // 4 - 1, int(word) % 4 - 1, at.tobytes())
                shared.setdefault(mark, []).append(n)
                kept[mark] = at
        for mark in sorted(shared, key=lambda one: (not one[0], shared[one], one[1:3])):
            gained, before_, after_, _ = mark
            items = int(self.sizes[kept[mark]].sum())
            yield Flip(gained, _word(before_), _word(after_), kept[mark], tuple(shared[mark]), items)

    def _along(self, answers: NDArray[np.int8] | None, classes: NDArray[np.int64]) -> NDArray[np.int8]:
        """Answers by cohort."""
        if answers is None:
            return np.full(len(classes), ABSENT, dtype=np.int8)
        if self.old.line is self.new.line and not self.moved:
            return answers[: self.classes]  # cohorts are classes, numbered alike
        return np.where(classes >= 0, answers[classes], np.int8(ABSENT))

    # ---- written out

    def names(self, flip: Flip) -> list[bytes]:
        """The items of a rectangle, in order."""
        if self._members is not None:
            return sorted(name for at in flip.cohorts for name in self._members[int(at)])
        moved = set(self.moved)
        whole = flip.cohorts[flip.cohorts < self.classes]
        found = [self.moved[int(at) - self.classes] for at in flip.cohorts[flip.cohorts >= self.classes]]
        for part in self.old.parts:
            names = part.names[np.sort(part.rank_of[part.numbers(whole)])].tolist()
            found += [name for name in names if name not in moved] if moved else names
        return sorted(found)

    def numbers(self, flip: Flip) -> NDArray[np.int32]:
        """Dense numbers of the rectangle's items in the large part, where nothing moved."""
        return self.old.parts[-1].numbers(flip.cohorts[flip.cohorts < self.classes])


def _word(answer: int) -> str:
    return "absent" if answer == ABSENT else ANSWERS[answer]
