"""The `person` key: finds the Matrix id of one Moodle person and its account, then makes the person's courses due.

It alone allocates ids and makes accounts; a course never does. First the sources are asked, then the claim that comes
of them is judged by the account behind it, then it is stored, which is where two people who want one id meet; only
who got it there is given an account. Whatever is found, even nothing, is stored with a reason, so that a course never
waits for the same person twice: also where the homeserver did not answer, and the key comes back for it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from ..domain.accounts import Ruling, is_local
from ..domain.identity import (
    FieldSeen,
    Sources,
    fingerprint,
    print_of_rules,
    resolve,
    settle,
    still_holds,
)
from ..domain.model import CourseId, MoodleUserId, Person, Resolution, Standing, Trust
from ..domain.rules import Rules
from ..errors import PermanentFailure, TemporaryFailure
from ..ports import (
    Clock,
    Facts,
    PersonRow,
    Priority,
    Queue,
    Store,
    Taken,
    person_key,
)
from .accounts import AccountKeeper
from .avatars import AvatarKeeper
from .awaited import Awaited
from .freshness import Freshness
from .id_limit import IdLimit

log = logging.getLogger(__name__)
_MATRIX_ID = re.compile(r"@[a-z0-9._=\-/+]+:[A-Za-z0-9.\-:\[\]]*[A-Za-z0-9\]]")
_OF_USER = re.compile(r" \(user id \d+\)")
HIDDEN = "Moodle does not show this account to our web service user."
FOR_COURSE = "course:"
"""Signals of this form name the course that waits for the person, and how urgent it is; see `for_course`."""
REFUSED = "refused"
"""The kind of the audit line that tells of an account that was kept from somebody."""
RETRY_REMOTE = 600.0
"""Seconds until a homeserver that was down is asked again for one person."""
RETRY_AVATAR = 600.0
"""Seconds until a picture that could not be downloaded or uploaded is tried again."""


class PersonFinder:
    """One look at one person."""

    def __init__(
        self,
        facts: Facts,
        store: Store,
        queue: Queue,
        rules: Rules,
        clock: Clock,
        freshness: Freshness,
        accounts: AccountKeeper,
        avatars: AvatarKeeper | None = None,
    ) -> None:
        self._facts = facts
        self._freshness = freshness
        self._store = store
        self._queue = queue
        self._rules = rules
        self._print = print_of_rules(rules)
        self._clock = clock
        self._accounts = accounts
        self._avatars = avatars
        self._id_limit = IdLimit(store, rules, clock)
        self._awaited = Awaited(queue)

    async def run(self, taken: Taken) -> None:
        """Resolve and store, then wake the courses that are named in the signals or that hold the person."""
        waiting = [_sender(signal) for signal in taken.signals if signal.startswith(FOR_COURSE)]
        # Nobody waits for the others of somebody who is tried again and again.
        first = {course_id for course_id, _ in waiting if taken.attempt == 0}
        async with self._awaited.look(first):
            await self._run(taken, waiting)

    async def _run(self, taken: Taken, waiting: Sequence[tuple[CourseId, Priority]]) -> None:
        user_id = MoodleUserId(taken.key.number)
        if await self._store.people.excluded([user_id]):
            # Nothing is stored of somebody who was erased.
            return
        person = await self._facts.person(
            user_id, not_older_than=self._freshness.oldest_allowed(taken, self._clock.now())
        )
        row = (await self._store.people.look_up([user_id])).get(user_id)
        before = row.resolution if row else None
        if person is not None and row is not None and self._is_known(person, row, taken):
            # Two courses have sent for somebody whom neither had seen.
            await self._wake_courses(user_id, waiting, changed=False)
            return
        try:
            stored = await (self._look(person, row) if person else self._hide(user_id, before))
        except TemporaryFailure as failure:
            if person is not None and before is None:
                reason = f"It could not be found out which account is this person's: {failure}"
                found = Resolution(user_id, None, None, reason)
                await self._store.people.save(person, found, at=self._clock.now())
                await self._wake_courses(user_id, waiting, changed=True)
            raise
        if stored.invitable is None:
            log.info("Moodle user %d is not invited: %s", user_id, stored.reason)
        await self._wake_courses(user_id, waiting, changed=stored != before)

    def _is_known(self, person: Person, row: PersonRow, taken: Taken) -> bool:
        """Whether all that is asked is who this is, and the last look has found that out by the same facts."""
        is_for_courses = all(signal.startswith(FOR_COURSE) for signal in taken.signals)
        is_same = row.fingerprint == fingerprint(person, self._print)
        return bool(taken.signals) and is_for_courses and is_same

    async def _hide(self, user_id: MoodleUserId, before: Resolution | None) -> Resolution:
        fresh = Resolution(user_id, None, None, HIDDEN)
        kept = fresh if before is None else replace(before, reason=HIDDEN)
        return (await self._store.people.save(None, kept, at=self._clock.now())).resolution

    async def _look(self, person: Person, row: PersonRow | None) -> Resolution:
        before = row.resolution if row else None
        field = self._field(person, row)
        sources = await self._accounts.sources(person, field)
        fresh = resolve(person, self._rules, sources)
        claim = settle(await self._what_stays(person, before, sources), fresh)
        ruling = await self._judge(person, claim, before)
        stood_in = ruling.resolution
        if before is None and not ruling.make:
            # For somebody new it is known at once who holds the place, so it is stored once.
            stood_in = await self._accounts.virtual(person, ruling.resolution)
        stored = await self._save(person, replace(ruling, resolution=stood_in), field, before)
        if ruling.make and stored.matrix_id == claim.matrix_id and not stored.wanted:
            stored = await self._save(person, await self._accounts.make(person, claim), field, stored)
        if before is not None or ruling.make or stored != stood_in:
            with_virtual = await self._accounts.virtual(person, stored)
            if with_virtual != stored:
                stored = await self._save(person, Ruling(with_virtual), field, stored, is_last=True)
        is_just_named = before is None and not ruling.make and stored.invitable is None
        if not is_just_named:
            await self._accounts.follow(person, stored)
        if self._avatars is not None and not await self._avatars.follow(person, stored):
            await self._come_again(person.id, RETRY_AVATAR)
        return stored

    async def _judge(self, person: Person, claim: Resolution, before: Resolution | None) -> Ruling:
        try:
            return await self._accounts.keep(person, claim, before)
        except PermanentFailure as failure:
            if before is not None and before.matrix_id == claim.matrix_id:
                return Ruling(replace(before, reason=str(failure)))
            return Ruling(replace(claim, standing=Standing.WAITING, reason=str(failure)))
        except TemporaryFailure as failure:
            matrix_id = claim.matrix_id
            if matrix_id is None or is_local(matrix_id, self._rules):
                raise
            # A homeserver far away that is down is this person's trouble alone.
            await self._come_again(person.id, RETRY_REMOTE)
            if before is not None and before.matrix_id == matrix_id:
                return Ruling(before)
            reason = f"The homeserver of {matrix_id} could not be asked; it is tried again. {failure}"
            return Ruling(replace(claim, standing=Standing.WAITING, reason=reason))

    async def _come_again(self, user_id: MoodleUserId, seconds: float) -> None:
        await self._queue.add(
            person_key(user_id),
            priority=Priority.PERSON,
            signal="retry",
            not_before=self._clock.now() + seconds,
        )

    async def _save(
        self,
        person: Person,
        ruling: Ruling,
        field: FieldSeen,
        known: Resolution | None,
        *,
        is_last: bool = False,
    ) -> Resolution:
        """Store it, book what was refused, and send those on the way for whom something has changed by it."""
        now = self._clock.now()
        ruling = await self._within_limits(person.id, ruling, known)
        saved = await self._store.people.save(
            person,
            # The virtual user stays until it is known that nobody needs it.
            ruling.resolution if is_last else _with_virtual(ruling.resolution, known),
            at=now,
            fingerprint=fingerprint(person, self._print),
            field=field,
        )
        await self._book_refusal(saved.resolution, known)
        for user_id in sorted(saved.look_again):
            await self._queue.add(person_key(user_id), priority=Priority.PERSON, signal="displaced")
        return saved.resolution

    async def _within_limits(self, user_id: MoodleUserId, ruling: Ruling, known: Resolution | None) -> Ruling:
        """Nobody gets another id by accident: where too many do within a day, this one waits for a confirmation."""
        found = ruling.resolution
        if known is None or None in (known.matrix_id, found.matrix_id) or known.matrix_id == found.matrix_id:
            return ruling
        if found.trust is Trust.PROVEN:
            return ruling
        why = await self._id_limit.hold(user_id)
        return ruling if not why else Ruling(replace(known, reason=why))

    async def _book_refusal(self, found: Resolution, known: Resolution | None) -> None:
        """A line in the audit log for every new reason why something is not taken for this person's."""
        is_told = known is not None and known.reason == found.reason
        if not found.reason or is_told or found.standing is not Standing.READY:
            return
        result = "quarantined" if found.wanted else "not believed" if found.matrix_id else "no account"
        await self._store.journal.note(
            REFUSED, at=self._clock.now(), why=_nameless(found.reason), result=result, person=found.user_id
        )

    def _field(self, person: Person, row: PersonRow | None) -> FieldSeen:
        name = self._rules.identity.profile_field
        value = person.profile_fields.get(name, "").strip() if name else ""
        seen = row.field if row else FieldSeen()
        return seen.seen_again(value, last_look=row.looked_at if row else None)

    async def _what_stays(
        self, person: Person, before: Resolution | None, sources: Sources
    ) -> Resolution | None:
        """What an earlier look has found, as far as it still counts.

        An account that we made stays with its person whatever becomes of the rules, but no surer than a user name.
        """
        if before is None or before.matrix_id is None:
            return None
        if still_holds(before, person, self._rules, sources):
            return before
        row = await self._store.accounts.get(before.matrix_id)
        is_of_our_making = row is not None and row.user_id == before.user_id
        return replace(before, trust=Trust.DERIVED) if is_of_our_making else None

    async def _wake_courses(
        self, user_id: MoodleUserId, waiting: Iterable[tuple[CourseId, Priority]], *, changed: bool
    ) -> None:
        self._awaited.wake(waiting)
        if changed:
            holding = await self._store.courses.courses_of(user_id)
            self._awaited.wake((course_id, Priority.HINT) for course_id in holding)


def for_course(course_id: CourseId, priority: Priority) -> str:
    """The signal with which a course sends for a person.

    It comes back as urgent as it was, but before courses that nobody has looked at: else those of a whole university
    would send for all their people before the first room is made.
    """
    return f"{FOR_COURSE}{course_id}:{priority.value}"


def _sender(signal: str) -> tuple[CourseId, Priority]:
    course_id, _, priority = signal.removeprefix(FOR_COURSE).partition(":")
    # A signal without a priority is from an earlier version.
    sent = Priority(int(priority)) if priority else Priority.HINT
    return CourseId(int(course_id)), min(sent, Priority.TEACHER)


def _nameless(text: str) -> str:
    """Lines of the audit log name nobody."""
    return _OF_USER.sub("", _MATRIX_ID.sub("the account", text))


def _with_virtual(resolution: Resolution, known: Resolution | None) -> Resolution:
    if resolution.virtual_id is None and resolution.invitable is None and known is not None:
        return replace(resolution, virtual_id=known.virtual_id)
    return resolution
