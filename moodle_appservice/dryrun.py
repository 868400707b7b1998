"""`run --dry-run`: everything but the writes, for a pilot on a production site.

Moodle is read, people are looked for, rooms are planned, the homeserver's pushes are taken in, pages are shown; nothing
is written to Matrix, to accounts or to Moodle. Courses are planned and their plans logged instead of carried out
(`CourseSync`); should anything else try to write, it meets `DryRun`. Everywhere it shows as a pause of the whole site.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar, cast

from .domain.model import CourseId
from .domain.rules import AccountMode, Rules
from .engine.gate import Gate
from .errors import PermanentFailure
from .ports import Clock, Event, Pause, PauseBook

T = TypeVar("T")
READS = frozenset(
    {
        *("whoami", "resolve_alias", "read_state", "get_state", "get_state_event", "joined_rooms", "ping"),
        *("rights", "look", "by_external_id", "by_email", "newest", "close"),
        *("read", "may_write"),
    }
)
"""Methods of the adapters that write nothing."""
BY = "run --dry-run"
WHY = "nothing is written, to Matrix or to Moodle"


class DryRun(PermanentFailure):
    """Something would have been written."""


class _ReadOnly:
    """An adapter of which only the readings work."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        return found if name in READS or not callable(found) else _refusal(name)


def _refusal(name: str) -> Callable[..., Awaitable[None]]:
    async def refuse(*_: Any, **__: Any) -> None:
        raise DryRun(f"Dry run: “{name}” was not done, and nothing was written.")

    return refuse


def read_only(adapter: T) -> T:
    """The same adapter, but that it writes nothing: it raises `DryRun`."""
    return cast(T, _ReadOnly(adapter))


class DryGate(Gate):
    """Open, without a canary: nothing is written behind it."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.writes = False

    async def open(self) -> None:
        """At once."""

    async def check(self) -> bool:
        """Nothing can have been lost that a plan needs."""
        return True

    async def before_writes(self, epoch: int) -> bool:
        """Never called with anything to write. Raises `DryRun` in any case."""
        del epoch
        raise DryRun("Dry run: nothing was written.")


class DryPauses:
    """The book of pauses, with one more: the whole site, since the start."""

    def __init__(self, inner: PauseBook, clock: Clock) -> None:
        self._inner = inner
        self._dry = Pause(None, clock.now(), BY, WHY)

    async def all(self) -> Sequence[Pause]:
        """Ours first."""
        return [self._dry, *(one for one in await self._inner.all() if one.course_id is not None)]

    async def of(self, course_id: CourseId | None) -> Pause | None:
        """Everything is paused."""
        del course_id
        return self._dry

    async def add(self, pause: Pause) -> bool:
        """Pauses of people are kept for the next run that writes."""
        return await self._inner.add(pause)

    async def remove(self, course_id: CourseId | None) -> bool:
        """The same."""
        return await self._inner.remove(course_id)


def dry_rules(rules: Rules) -> Rules:
    """Rules under which nobody needs to make or change an account."""
    modes = {AccountMode.CREATE: AccountMode.EXPECT_SSO, AccountMode.VIRTUAL: AccountMode.MAP_ONLY}
    accounts = replace(
        rules.accounts,
        mode=modes.get(rules.accounts.mode, rules.accounts.mode),
        follow_name=False,
        follow_avatar=False,
        follow_email=False,
    )
    return replace(rules, accounts=accounts)


async def unanswered(invites: Sequence[Event]) -> None:
    """Invites of the bot in a dry run."""
    del invites
