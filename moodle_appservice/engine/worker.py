"""Workers: take a key, look at it, give it back.

A temporary failure comes back with a growing delay, a permanent one waits for the next pass; both are written beside
the course so that people can see them. A bug in our own code stops neither the worker nor any other key.

In a cluster whoever asked for a look may sit in another process than the one that has it: then the question has a name,
which travels with the key, and `Ends` brings back how it ended.
"""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
import time
from collections.abc import Callable, Collection, Iterable
from contextlib import nullcontext
from dataclasses import replace
from typing import Protocol

from ..domain.model import CourseId, MoodleUserId
from ..errors import AppError, PermanentFailure, Refused, TemporaryFailure
from ..ports import UNOBSERVED, Clock, Key, Observer, Priority, Queue, Store, Taken
from .course import CourseSync, Outcome
from .freshness import continued
from .pace import Pacing
from .pauses import Pauses
from .people import PersonFinder
from .settled import Settled
from .site import SitePass
from .space import SpaceSync
from .stopping import end

LONGEST_BACK_OFF = 300.0
AFTER_A_BUG = 30.0
"""Seconds until a key is looked at again after an error that nobody has foreseen."""
ASKED = "asked:"
"""What the signal begins with that names somebody who waits."""
WOKEN_BY_THEN = 5.0
"""Seconds after which a course that waits for people is looked at for those who wait for it."""
log = logging.getLogger(__name__)


class _Paused(Refused):
    """A person has paused what the key is about."""


class Ends(Protocol):
    """How looks ended, told to all processes of a cluster."""

    def name(self) -> str:
        """A name for somebody who is about to wait."""
        ...

    async def wait(self, name: str) -> AppError | None:
        """Wait for the end of a look that was asked for under this name."""
        ...

    async def tell(self, key: Key, names: Collection[str], failure: AppError | None) -> None:
        """A look has ended, with what stopped it, if anything did."""
        ...


class ForOthers(Protocol):
    """What the process that reads Moodle does for the others."""

    async def read(self, course_id: CourseId) -> None:
        """Read one course now."""
        ...

    async def meet(self, user_id: MoodleUserId) -> None:
        """Look at one account now."""
        ...


class Workers:
    """`number` tasks over one queue, and `for_people` more that only look at people: short work, many of a kind.

    `failures` holds the last failure of each key that has not succeeded since. In a cluster, `ends` tells other
    processes how looks ended, `for_others` reads for them, and `settled` tells what is as it should be.
    """

    def __init__(
        self,
        queue: Queue,
        store: Store,
        clock: Clock,
        *,
        site: SitePass,
        people: PersonFinder,
        courses: CourseSync,
        number: int,
        for_people: int = 0,
        pauses: Pauses | None = None,
        observer: Observer = UNOBSERVED,
        ends: Ends | None = None,
        for_others: ForOthers | None = None,
        settled: Settled | None = None,
        spaces: SpaceSync | None = None,
        urgency: Callable[[Taken], Priority] = lambda taken: taken.priority,
        pace: Pacing | None = None,
    ) -> None:
        self._urgency = urgency
        self._pace = pace
        self._observer = observer
        self._ends = ends
        self._for_others = for_others
        self._settled = settled
        self._queue = queue
        self._store = store
        self._clock = clock
        self._site = site
        self._people = people
        self._courses = courses
        self._pauses = pauses
        self._spaces = spaces
        self._kinds = [""] * number + ["person"] * for_people
        self._tasks: list[asyncio.Task[None]] = []
        self._at: set[Key] = set()
        self._waiters: dict[Key, list[asyncio.Future[AppError | None]]] = {}
        self.failures: dict[Key, AppError] = {}

    def start(self) -> None:
        """Begin to take keys."""
        self._tasks = [
            asyncio.create_task(self._work(only), name=f"worker {number} {only}".rstrip())
            for number, only in enumerate(self._kinds)
        ]

    async def stop(self) -> None:
        """Stop taking keys; a request that is under way ends at the homeserver, its key is due after a restart."""
        await end(*self._tasks)
        self._tasks = []

    async def ask(self, key: Key, *, signal: str) -> AppError | None:
        """Have a key looked at now and wait until that is done; returns what stopped it, if anything did.

        A temporary failure is waited for: it is tried again. The caller sets the limit of its own patience.
        """
        if self._ends is not None:
            return await self._ask_all(key, signal, self._ends)
        waiter: asyncio.Future[AppError | None] = asyncio.get_running_loop().create_future()
        self._waiters.setdefault(key, []).append(waiter)
        await self._queue.add(key, priority=Priority.WAITING_PERSON, signal=signal)
        return await waiter

    async def _ask_all(self, key: Key, signal: str, ends: Ends) -> AppError | None:
        name = ends.name()
        waiting = asyncio.create_task(ends.wait(name))
        try:
            await self._queue.add(key, priority=Priority.WAITING_PERSON, signal=signal)
            await self._queue.add(key, priority=Priority.WAITING_PERSON, signal=f"{ASKED}{name}")
            return await waiting
        finally:
            waiting.cancel()

    def heard(self, key: Key, failure: AppError | None) -> None:
        """A look has ended in some process of our cluster."""
        if failure is None:
            self.failures.pop(key, None)
        else:
            self.failures[key] = failure

    async def _work(self, only: str) -> None:
        pace = None if only else self._pace
        while True:
            async with nullcontext() if pace is None else pace.place():
                taken = await self._queue.take(only=only)
                self._at.add(taken.key)
                try:
                    with nullcontext() if pace is None else pace.at_work():
                        await self._look(taken)
                except asyncio.CancelledError:
                    await asyncio.shield(self._queue.back_off(taken, delay=0))
                    raise
                except Exception:
                    log.exception(
                        "What came of a look at %s could not be kept; it is tried again.", taken.key
                    )
                    await self._queue.back_off(taken, delay=AFTER_A_BUG)
                finally:
                    self._at.discard(taken.key)

    def is_at(self, key: Key) -> bool:
        """Whether a key is being looked at in this moment."""
        return key in self._at

    async def _look(self, taken: Taken) -> None:
        # Who asks while we are at it wants a look that begins after the question.
        waiters = self._waiters.pop(taken.key, [])
        outcome: Outcome | None = None
        failure: AppError | None = None
        began = time.monotonic()
        try:
            outcome = await self._handle(replace(taken, signals=taken.signals - _asked(taken)))
        except _Paused as paused:
            _tell(waiters, paused)
            await self._tell_all(taken, paused)
            await self._queue.done(taken)
            return
        except AppError as error:
            failure = error
        except Exception as error:
            reference = secrets.token_hex(4)
            log.exception(
                "A look at %s ended in a bug of ours [%s]; it is tried again.", taken.key, reference
            )
            text = f"Internal error {type(error).__name__}, reference {reference}; see the log."
            failure = TemporaryFailure(text, retry_after=AFTER_A_BUG)
        self._observer.looked(taken.key, _outcome(outcome, failure), time.monotonic() - began)
        if outcome is Outcome.DONE or (failure is not None and not isinstance(failure, TemporaryFailure)):
            _tell(waiters, failure)
        elif waiters:
            self._waiters.setdefault(taken.key, []).extend(waiters)
        await self._share(taken, outcome, failure)
        await self._give_back(taken, outcome, failure)

    async def _share(self, taken: Taken, outcome: Outcome | None, failure: AppError | None) -> None:
        """Tell other processes of a cluster what came of it."""
        if self._ends is None:
            return
        if taken.key.kind == "course" and self._settled is not None:
            await self._settled.share(CourseId(taken.key.number))
        is_over = outcome is Outcome.DONE or (
            failure is not None and not isinstance(failure, TemporaryFailure)
        )
        if is_over:
            await self._tell_all(taken, failure)
        elif failure is not None:
            await self._ends.tell(taken.key, (), failure)
        elif taken.attempt:
            await self._ends.tell(taken.key, (), None)
        if outcome is Outcome.WAITING:
            # Whoever wakes the course takes them along; and nobody waits for ever where nobody does.
            for name in _asked(taken):
                await self._queue.add(taken.key, signal=name, not_before=self._clock.now() + WOKEN_BY_THEN)

    async def _tell_all(self, taken: Taken, failure: AppError | None) -> None:
        asked = _asked(taken)
        is_news = asked or failure is not None or taken.attempt or taken.key in self.failures
        if self._ends is not None and is_news:
            await self._ends.tell(taken.key, [name.removeprefix(ASKED) for name in asked], failure)

    async def _give_back(self, taken: Taken, outcome: Outcome | None, failure: AppError | None) -> None:
        if failure is not None:
            self.failures[taken.key] = failure
            log.warning("%s is not done: %s", taken.key, failure)
            await self._book(taken.key, failure)
        else:
            self.failures.pop(taken.key, None)
        if isinstance(failure, TemporaryFailure):
            await self._queue.back_off(taken, delay=_delay(taken.attempt, failure.retry_after))
            return
        if outcome is Outcome.MORE:
            priority = self._urgency(taken)
            for signal in taken.signals:
                name = signal if signal.startswith(ASKED) else continued(signal)
                await self._queue.add(taken.key, priority=priority, signal=name)
        await self._queue.done(taken)

    async def _book(self, key: Key, failure: AppError) -> None:
        if key.kind != "course":
            return
        try:
            await self._store.courses.synced(CourseId(key.number), at=self._clock.now(), error=str(failure))
        except Exception:
            # A database that takes nothing must neither end the worker nor keep the key.
            log.exception("The failure of %s could not be stored.", key)

    async def _refuse_paused(self, key: Key) -> None:
        """A pass writes nothing and goes on; everything else is left alone, and due again when somebody resumes."""
        if self._pauses is None or key.kind == "site":
            return
        why = await self._pauses.why_not(CourseId(key.number) if key.kind == "course" else None)
        if why:
            raise _Paused(f"{why} Nothing was changed.")

    async def _handle(self, taken: Taken) -> Outcome:
        await self._refuse_paused(taken.key)
        match taken.key.kind:
            case "site":
                await self._site.run(taken)
            case "person":
                await self._people.run(taken)
            case "course":
                return await self._courses.run(taken)
            case "read" if self._for_others is not None:
                await self._for_others.read(CourseId(taken.key.number))
            case "meet" if self._for_others is not None:
                await self._for_others.meet(MoodleUserId(taken.key.number))
            case "space" if self._spaces is not None:
                return await self._spaces.run(taken)
            case kind:
                raise PermanentFailure(f"Nobody looks at keys of the kind {kind}.")
        return Outcome.DONE


def _asked(taken: Taken) -> frozenset[str]:
    """The names of those who wait for this look in some process."""
    return frozenset(signal for signal in taken.signals if signal.startswith(ASKED))


def _tell(waiters: Iterable[asyncio.Future[AppError | None]], failure: AppError | None) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(failure)


def _delay(attempt: int, asked: float | None) -> float:
    """Seconds until the next try: doubling, with jitter so that many keys do not come back at once."""
    if asked is not None and attempt == 0:
        return asked
    grown = min(2.0 ** min(attempt, 30), LONGEST_BACK_OFF) * random.uniform(0.5, 1.0)
    return max(grown, asked or 0.0)


def _outcome(outcome: Outcome | None, failure: AppError | None) -> str:
    """How a look ended, in the words of `ports.Observer`."""
    if failure is None:
        return outcome.name.lower() if outcome is not None else "done"
    return "temporary" if isinstance(failure, TemporaryFailure) else "permanent"
