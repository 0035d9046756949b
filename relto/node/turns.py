"""One commit for all that comes at the same time, and one place where it is put together.

A durable write costs one turn of the disk, however much is in it. Whoever wants to write hands in a piece of work; one
of those that wait leads. It takes everything that waits, does one after the other under the node's lock, each against
the register as those before it have left it, and commits once. Then all get their answers, and one of those that came
meanwhile leads. One alone is a batch of one, by the same code.

* Nobody has an answer before the commit: what a piece of work returns is handed out by `take`, afterwards.
* A piece that raises takes back what it wrote, and the others go on.
* A commit that a row refused (`Conflict`) has changed nothing, and does not say whose row it was: each is done again, by
  itself. So a piece of work may be done twice, and decides anew each time.
* A commit that fails otherwise fails for all of them.

    release = node.turns.take(lambda: write_it(node))   # durable now
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Final, Protocol, TypeVar

from relto.errors import Conflict, Fatal, ReltoError

TURNS_MAX: Final = 256  # pieces of work in one commit; what else waits comes into the next

T = TypeVar("T")


class Pooling(Protocol):
    """What turns are taken at."""

    lock: threading.RLock

    def pooled(self) -> AbstractContextManager[None]:
        """Everything that is written inside becomes durable together at its end, or not at all."""
        ...

    def apart(self) -> AbstractContextManager[None]:
        """Inside a pool: what is written inside is taken back by an exception, and nothing else is."""
        ...


class _Turn:
    """One piece of work. woken: held until it is done, or until it is its turn to lead."""

    __slots__ = ("error", "leads", "result", "woken", "work")

    def __init__(self, work: Callable[[], Any]) -> None:
        self.work, self.leads = work, False
        self.result: Any = None
        self.error: BaseException | None = None
        self.woken = threading.Lock()
        self.woken.acquire()


class Turns:
    """See the module."""

    def __init__(self, node: Pooling) -> None:
        self._node, self._guard = node, threading.Lock()
        self._waiting: deque[_Turn] = deque()
        self._led = False

    def take(self, work: Callable[[], T]) -> T:
        """What the work returns, once all that it wrote is durable. The caller does not hold the node's lock.

        Raises: what the work raises, and nothing of it was written; Unavailable and Conflict of the commit, likewise;
        Fatal when the outcome is unknown.
        """
        turn = _Turn(work)
        with self._guard:
            self._waiting.append(turn)
            turn.leads, self._led = not self._led, True
        if not turn.leads:
            turn.woken.acquire()
        if turn.leads:
            self._lead()
        if turn.error is not None:
            raise turn.error
        result: T = turn.result
        return result

    def _lead(self) -> None:
        batch: list[_Turn] = []
        try:
            with self._node.lock:
                # Only now: whoever came while the lock was somebody else's is of this commit too.
                with self._guard:
                    while self._waiting and len(batch) < TURNS_MAX:
                        batch.append(self._waiting.popleft())
                self._do(batch)
        finally:
            with self._guard:
                follows = self._waiting[0] if self._waiting else None
                self._led = follows is not None
            if follows is not None:
                follows.leads = True
                follows.woken.release()
            for turn in batch:
                if not turn.leads:
                    turn.woken.release()

    def _do(self, batch: list[_Turn]) -> None:
        try:
            with self._node.pooled():
                for turn in batch:
                    self._one(turn)
        except Conflict as error:
            if len(batch) == 1:
                batch[0].error = error
                return
            for turn in batch:
                turn.error = None
                self._do([turn])
        except BaseException as error:
            for turn in batch:
                turn.error = _alike(error)
            if not isinstance(error, Exception):
                raise

    def _one(self, turn: _Turn) -> None:
        try:
            with self._node.apart():
                turn.result = turn.work()
        except Exception as error:  # noqa: BLE001 - `take` raises it, in the thread whose work it was
            turn.error = error


def _alike(error: BaseException) -> BaseException:
    """For each its own: an exception that several threads raise would collect the frames of all of them."""
    if isinstance(error, ReltoError):
        made: ReltoError = type(error)(error.message, hint=error.hint, where=error.where)
        made.__cause__ = error
        return made
    return error if isinstance(error, Exception) else Fatal("the process was told to stop inside a commit")
