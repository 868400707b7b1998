"""The errors of the product: few kinds, because a caller can do few things about them.

`TemporaryFailure` is tried again later, `PermanentFailure` waits for a change of facts or of configuration,
`Refused` means that we ourselves declined (rights, safety), `ConfigError` stops the start. The message of each
says what happened, to what, what was left untouched and what to do next; it never holds a token.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class AppError(Exception):
    """Anything that this product reports to a person on purpose."""


class TemporaryFailure(AppError):
    """Something is down, slow or busy. Nothing was changed; the same work is tried again.

    `retry_after` is the wait in seconds that the other side asked for, or None.
    """

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unreachable(TemporaryFailure):
    """A server did not answer at all: refused, timed out or cut the connection."""


class PermanentFailure(AppError):
    """Trying again would end the same way until somebody changes something."""


class Refused(AppError):
    """We declined to act: the rights are missing or safety holds it. Nothing was changed."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One wrong thing in a configuration file; `line` is 1-based, None where it has no line."""

    file: str
    line: int | None
    path: str
    wrong: str
    right: str

    @property
    def place(self) -> str:
        """The file, with the line where there is one."""
        return self.file if self.line is None else f"{self.file}:{self.line}"

    def __str__(self) -> str:
        return f"{self.place}: {self.path}: {self.wrong}. {self.right}"


class ConfigError(AppError):
    """The configuration or the registration can't be used; nothing was started. Lists every problem at once."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class NoAdminRights(PermanentFailure):
    """What was wanted of an account takes admin rights at the homeserver, which we do not have. Nothing was changed."""


class CourseGone(PermanentFailure):
    """Moodle says that a course does not exist (any more)."""


class AliasTaken(PermanentFailure):
    """The homeserver has a room under this alias already (`M_ROOM_IN_USE`)."""


class RoomGone(PermanentFailure):
    """The homeserver has no such room, or nobody is left in it who could let the bot in."""


class AlreadyThere(PermanentFailure):
    """The person to invite is in the room already: our mirror of the room is behind."""


class NotThere(PermanentFailure):
    """The person to remove is not in the room: our mirror of the room is behind."""
