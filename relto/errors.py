"""Everything relto can refuse with, in one tree.

ReltoError
├── Malformed     bytes or text that are not in the one form we accept
├── Refused       understood, and not allowed
├── NotFound      nothing by that name that the asker may know of
├── Conflict      it was so, but something else came first
├── Forged        a signature, hash or proof does not hold
├── Unavailable   another machine, a file or a disk does not answer; nothing changed
└── Fatal         the outcome is unknown: stop, restart, let recovery read the truth

A denial is an answer and never an error. `code` is stable and scripts may rely on it. Messages are one sentence, lower case, without a full stop,
with what the user wrote in backticks; `hint` is the next thing to do; `where` is a file with line and column, or a field.
"""

from __future__ import annotations

from typing import ClassVar

EXIT_PERMIT, EXIT_DENY, EXIT_ERROR, EXIT_UNDETERMINED = 0, 1, 2, 3


class ReltoError(Exception):
    """Base of all. Raises nothing itself; `exit_status` and `http_status` say how each edge reports it."""

    code: ClassVar[str] = "error"
    exit_status: ClassVar[int] = EXIT_ERROR
    http_status: ClassVar[int] = 500

    def __init__(self, message: str, *, hint: str = "", where: str = "") -> None:
        super().__init__(message)
        self.message, self.hint, self.where = message, hint, where

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message

    def as_dict(self) -> dict[str, str]:
        """The value under `error` in JSON output."""
        return {"code": self.code, "message": self.message, "hint": self.hint, "where": self.where}


class Malformed(ReltoError):
    code, http_status = "malformed", 400


class Refused(ReltoError):
    code, http_status = "refused", 403


class NotFound(ReltoError):
    code, http_status = "not-found", 404


class Conflict(ReltoError):
    code, http_status = "conflict", 409


class Forged(ReltoError):
    code, http_status = "forged", 422


class Unavailable(ReltoError):
    code, http_status = "unavailable", 503


class Fatal(ReltoError):
    code, http_status = "fatal", 500
