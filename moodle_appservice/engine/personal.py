"""What an administrator can ask about one person: what is known, all of it to hand out, a code to link, and erasing.

Erasing goes from the outside to the inside, so that what fails can be done again: first the hash that keeps the next
pass from making the person anew, then the rooms, the accounts that we made, what we wrote into Moodle, and only when
the homeserver has pushed back what that has caused, our own books. An account that we did not make is taken out of the
rooms and otherwise left alone.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..domain.actions import Remove, Step
from ..domain.linking import Link
from ..domain.model import MoodleUserId, RoomId, user_number
from ..domain.moments import moment
from ..domain.rooms import main_room
from ..errors import AppError, NoAdminRights, PermanentFailure, Refused, Unreachable
from ..ports import (
    SITE,
    Accounts,
    AccountState,
    Clock,
    Matrix,
    MoodleInbox,
    Priority,
    ProfileWriter,
    Queue,
    Store,
    course_key,
)
from ..ports.personal import Trace
from .apply import Hands
from .gate import Gate
from .linking import Linking
from .pauses import sentence
from .readers import Readers

SIGNAL = "user"
WHY_REMOVED = "The administrators have erased this person."
WHY_READMITTED = "The administrators let somebody who was erased take part again."
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outside:
    """What erasing reaches beyond our books. `profile` None: we write nothing into Moodle."""

    matrix: Matrix
    accounts: Accounts
    hands: Hands
    gate: Gate
    inbox: MoodleInbox
    profile: ProfileWriter | None = None


class Personal:
    """The operations. `words` name a person: a Moodle id, a user name or a Matrix id.

    What is sent to the person is told as that person reads (`readers`).
    """

    def __init__(
        self,
        store: Store,
        queue: Queue,
        clock: Clock,
        linking: Linking,
        outside: Outside,
        readers: Readers | None = None,
    ) -> None:
        self._readers = readers
        self._store = store
        self._queue = queue
        self._clock = clock
        self._linking = linking
        self._outside = outside

    async def show(self, words: str) -> Sequence[str]:
        """What is known, in sentences. Raises `Refused` where nothing is, or where several people can be meant."""
        user_id = await self._meant(words)
        found = await self._store.personal.everything(user_id)
        trace = await self._store.personal.trace(user_id)
        link = (await self._store.links.of([user_id])).get(user_id)
        return [
            *_about(user_id, found),
            *_about_link(link, self._clock.now()),
            *_about_rooms(found, trace),
            *_about_the_rest(found),
        ]

    async def export(self, words: str) -> Mapping[str, Any]:
        """Everything that is stored or was sent, to hand out: `{moodle_id, stored: {table: rows}, sent: {…}}`."""
        user_id = await self._meant(words)
        found = await self._store.personal.everything(user_id)
        people = found.get("person", ())
        written = people[0].get("field_written") if people else None
        accounts = [
            {key: row[key] for key in ("matrix_id", "name_written", "avatar_written", "email_written")}
            for row in found.get("account", ())
        ]
        return {
            "moodle_id": user_id,
            "stored": found,
            "sent": {"to_the_homeserver": accounts, "into_the_moodle_profile": written},
        }

    async def give_code(self, words: str, *, message: bool) -> Sequence[str]:
        """A code for proving an account: said here, or sent as a Moodle message and not said at all.

        Raises `Refused` where nobody or several people can be meant, and where Moodle takes no messages from us.
        """
        user_id = await self._meant(words, stored=False)
        if message and not await self._outside.inbox.is_on():
            raise Refused(
                "Moodle takes no messages from us: the function core_message_send_instant_messages is not in the "
                "service of our token. No code was made. Add it, or leave out --message."
            )
        given = await self._linking.give_code(user_id, signal=SIGNAL)
        until = moment(given.expires_at)
        if not message:
            return [
                f"The code for Moodle user {user_id} is {given.text}. It is good until {until}, for one account.",
                f"From that account, in a direct chat with the bot: link {given.text}",
            ]
        text = (
            f"To use your own Matrix account in the chat rooms of your courses, open a direct chat with the bot and "
            f"write: link {given.text}\nThe code is good until {until}. Show it to nobody."
        )
        if self._readers is not None:
            text = (await self._readers.of(user_id)).tell(text)
        await self._outside.inbox.send(user_id, text, key=f"code:{secrets.token_hex(8)}")
        return [f"A code was sent to Moodle user {user_id} as a Moodle message. It is good until {until}."]

    async def unlink(self, words: str) -> Sequence[str]:
        """Undo a person's link."""
        user_id = await self._meant(words)
        reference = f"cli:{self._clock.now()}"
        if not await self._linking.undo(user_id, reference=reference):
            return [f"Moodle user {user_id} has proven no account, so there was nothing to undo."]
        await self._queue.idle()
        return [f"The link of Moodle user {user_id} was undone."]

    async def erase(self, words: str) -> Sequence[str]:
        """Remove the person everywhere. Raises what stopped it: then it can be done again, and goes on where it was."""
        user_id = await self._meant(words)
        await self._refuse_paused(user_id)
        await self._store.people.exclude(user_id, at=self._clock.now())
        await self._outside.gate.open()
        courses = set(await self._store.courses.courses_of(user_id))
        trace = await self._store.personal.trace(user_id)
        courses |= {course_id for course_id, _ in trace.rooms.values()}
        await self._out_of_rooms(user_id, trace)
        said = [f"Moodle user {user_id} was taken out of the rooms. Rooms: {len(trace.rooms)}."]
        said += await self._deactivate(user_id)
        said += await self._out_of_moodle(user_id)
        for room_id in sorted(trace.direct):
            await self._leave(room_id)
        for course_id in sorted(courses):
            # The levels in the rooms are the course's to take away.
            await self._queue.add(course_key(course_id), priority=Priority.WAITING_PERSON, signal=SIGNAL)
        await self._queue.idle()
        # What we have just caused must have been pushed before the books are emptied, or it comes back into them.
        self._outside.gate.close()
        await self._outside.gate.open()
        await self._store.personal.erase(user_id)
        await self._store.journal.note("Erased", at=self._clock.now(), why=WHY_REMOVED, signal=SIGNAL)
        return [*said, "Nothing is stored about this person any more, but a hash that keeps it so."]

    async def readmit(self, words: str) -> Sequence[str]:
        """Let somebody who was erased take part again, as Moodle says; everything is looked at anew for that.

        A number is always that in Moodle: of whoever was erased nothing else is known, and others may be called so.
        Raises `Refused` for other words that mean nobody.
        """
        number = user_number(words)
        user_id = number if number is not None else await self._meant(words)
        if not await self._store.people.readmit(user_id):
            return [f"Moodle user {user_id} was not erased here, so nothing was done."]
        await self._store.journal.note("Readmitted", at=self._clock.now(), why=WHY_READMITTED, signal=SIGNAL)
        await self._queue.add(SITE, priority=Priority.PERSON, signal="cli")
        return [
            f"Moodle user {user_id} takes part again as Moodle says. The next look at the whole site invites them; it "
            "begins now where the service runs, else with its start."
        ]

    async def _refuse_paused(self, user_id: MoodleUserId) -> None:
        trace = await self._store.personal.trace(user_id)
        for course_id in (None, *sorted({course_id for course_id, _ in trace.rooms.values()})):
            pause = await self._store.pauses.of(course_id)
            if pause is not None:
                raise Refused(f"{sentence(pause)} Nothing was erased. Resume it first.")

    # How a person is found

    async def _meant(self, words: str, *, stored: bool = True) -> MoodleUserId:
        found = await self._store.personal.find(words.strip())
        if len(found) == 1:
            return found[0]
        if found:
            ids = " and ".join(str(user_id) for user_id in found)
            raise Refused(
                f"“{words}” can mean the Moodle users {ids}, so nothing was done. Name the one whom you mean by a "
                "Matrix id, or by what is not another's user name."
            )
        number = user_number(words)
        if not stored and number is not None:
            return number
        raise Refused(
            f"Nothing is stored about “{words}”, and nothing was done. Write a Moodle user id, a Moodle user name, or "
            "a whole Matrix id such as @anna:example.org."
        )

    # The steps of erasing

    async def _out_of_rooms(self, user_id: MoodleUserId, trace: Trace) -> None:
        failures: list[str] = []
        for room_id, (course_id, accounts) in sorted(trace.rooms.items()):
            key = await self._store.ledger.key_of(room_id) or main_room(course_id)
            steps = tuple(
                Step(key, Remove(account, user_id, WHY_REMOVED, counted=False))
                for account in sorted(accounts)
            )
            try:
                result = await self._outside.hands.slice(
                    course_id, {key: room_id}, steps, signal=SIGNAL, alone=True
                )
            except Unreachable:
                raise
            except AppError as failure:
                failures.append(str(failure))
            else:
                failures += [str(failure) for _, failure in result.failures]
                if result.left:
                    failures.append(f"The room {room_id} was slow.")
        if failures:
            raise PermanentFailure(
                f"Moodle user {user_id} could not be taken out of every room, so the books were not emptied: "
                f"{failures[0]} The person is not invited any more. Repair that, then erase again."
            )

    async def _deactivate(self, user_id: MoodleUserId) -> list[str]:
        said: list[str] = []
        for row in await self._store.accounts.of(user_id):
            if row.state is not AccountState.INTENDED:
                try:
                    await self._outside.accounts.deactivate(row.matrix_id, erase=True)
                except NoAdminRights as failure:
                    said.append(f"{row.matrix_id} was not deactivated; do that at the homeserver. {failure}")
                else:
                    said.append(
                        f"The account {row.matrix_id}, which we had made, was deactivated and erased."
                    )
        return said

    async def _out_of_moodle(self, user_id: MoodleUserId) -> list[str]:
        written = (await self._store.people.written_fields([user_id])).get(user_id)
        profile = self._outside.profile
        if not written:
            return []
        by_hand = "The Matrix id still stands in the person's Moodle profile; take it out there."
        if profile is None or not await profile.is_on():
            return [by_hand]
        if (await profile.read([user_id])).get(user_id) != written:
            return []
        refused = await profile.write({user_id: ""})
        return (
            [f"{by_hand} {refused[user_id]}"]
            if refused
            else ["The Matrix id was taken out of the Moodle profile."]
        )

    async def _leave(self, room_id: RoomId) -> None:
        try:
            await self._outside.matrix.leave(room_id)
        except Unreachable:
            raise
        except AppError as failure:
            log.warning("A direct chat of an erased person could not be left: %s", failure)
        await self._store.mirror.forget(room_id)


def _about(user_id: MoodleUserId, found: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    if "person" not in found:
        return [f"Moodle user {user_id}: nothing is known of the account itself."]
    row = found["person"][0]
    name = f"{row['full_name']}, user name {row['username']}" if row["username"] else row["full_name"]
    account = (
        f"The Matrix account is {row['matrix_id']} (trust: {row['trust']}, {row['standing']})."
        if row["matrix_id"]
        else "There is no Matrix account."
    )
    told = [f"Moodle user {user_id}: {name or 'without a name'}.", account]
    if row["virtual_id"]:
        told.append(f"Meanwhile {row['virtual_id']} holds the place.")
    return [*told, row["reason"]] if row["reason"] else told


def _about_link(link: Link | None, now: float) -> list[str]:
    if link is None:
        return []
    proven = moment(link.proven_at)
    if link.waits_at(now):
        at = moment(link.effective_at)
        return [
            f"{link.matrix_id} was proven with a code on {proven} and counts from {at}; until then {link.previous}."
        ]
    return [f"{link.matrix_id} was proven with a code on {proven}."]


def _about_rooms(found: Mapping[str, Sequence[Mapping[str, Any]]], trace: Trace) -> list[str]:
    courses = sorted(row["course_id"] for row in found.get("enrolment", ()))
    listed = f" ({', '.join(map(str, courses[:20]))}{' …' if len(courses) > 20 else ''})" if courses else ""
    return [
        f"Enrolled in courses that we know: {len(courses)}{listed}. Joined or invited in rooms: {len(trace.rooms)}."
    ]


def _about_the_rest(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    told = [
        f"We made the account {row['matrix_id']} ({row['kind']}, {row['state']})."
        for row in found.get("account", ())
    ]
    told += [f"Lines of the audit log: {len(found.get('audit', ()))}; see the export."]
    last = found.get("audit", ())[-3:]
    told += [f"  {row['kind']}: {row['why']} – {row['result']}" for row in last]
    return told
