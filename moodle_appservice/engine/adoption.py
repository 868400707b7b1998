"""Taking an existing room for a course: only on purpose, and never without having shown what would be done there.

`look` reads the room and makes the plan that the course would have with it; `adopt` does the same once more, gives the
bot what it lacks where we have admin rights, writes the marker, books the room and lets the course's own key do the
rest. The marker of a room that somebody else made says that it was adopted: with the bot as its sender that is what
makes the room ours, also after the loss of our database. Whoever is in such a room and is nobody in Moodle stays.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..domain.ledger import Ledger
from ..domain.links import room_in
from ..domain.mapping import DesiredRoom
from ..domain.markers import key_in, marker
from ..domain.model import ActualRoom, CourseId, GroupId, Membership, RoomAlias, RoomId
from ..domain.power import MARKER, creator_is_above
from ..domain.repairs import TOMBSTONE
from ..domain.rights import creators_of, level_in, what_is_missing
from ..domain.rooms import RoomKey, RoomKind
from ..domain.rules import Rules
from ..errors import AppError, NoAdminRights, PermanentFailure, Refused, TemporaryFailure
from ..ports import SITE, Clock, Event, Matrix, RoomAdmin, Store, course_key
from .choosing import Choosing
from .planning import CoursePlanner, Prepared, PreparedRoom
from .reading import books_of, room_of
from .site import SitePass
from .worker import Workers

BY = "command line"
NOTHING_DONE = "Nothing was changed."


@dataclass(frozen=True, slots=True)
class Proposal:
    """What adopting a room would mean. `lacks`: what the bot is to be given first; `notes`: what to know before."""

    key: RoomKey
    room: ActualRoom
    prepared: Prepared
    lacks: str
    notes: tuple[str, ...]

    @property
    def planned(self) -> PreparedRoom:
        """The plan of the room itself."""
        return next(one for one in self.prepared.rooms if one.key == self.key)


class Adoption:
    """Looks at rooms and adopts them."""

    def __init__(
        self,
        matrix: Matrix,
        admin: RoomAdmin,
        store: Store,
        planner: CoursePlanner,
        site: SitePass,
        workers: Workers,
        choosing: Choosing,
        rules: Rules,
        clock: Clock,
    ) -> None:
        self._matrix = matrix
        self._admin = admin
        self._store = store
        self._planner = planner
        self._site = site
        self._workers = workers
        self._choosing = choosing
        self._rules = rules
        self._clock = clock

    async def look(self, course_id: CourseId, room: str, kind: str = "main") -> Proposal:
        """What would be done. `room`: an id, an alias or a link; `kind`: `main`, `staff`, … or `group:7`.

        Where the bot is invited to the room it joins, to be able to read it. Raises `Refused` or `PermanentFailure`
        with what is to be done first.
        """
        rows = await self._site.preview()
        if course_id not in rows:
            raise PermanentFailure(f"Moodle lists no course {course_id}. {NOTHING_DONE}")
        key = key_of(course_id, kind)
        room_id = await self._resolve(room)
        await self._refuse_taken(key, room_id)
        events = await self._read(room_id)
        found = room_of(room_id, events)
        await self._refuse_unfit(key, found)
        books = books_of(events, self._rules.bot)
        mark = {**marker(key, self._rules), "adopted": True}
        marked = replace(found, state={**found.state, (MARKER, ""): mark})
        prepared = await self._planner.prepare(course_id, not_older_than=0.0, adopting={key: (marked, books)})
        desired = next((one.desired for one in prepared.rooms if one.key == key), None)
        if desired is None or (desired.key.kind is not RoomKind.MAIN and not _is_wanted(desired, prepared)):
            raise Refused(
                f"Course {course_id} is to have no such room as {key} (its layout is {prepared.course.rules.layout}). "
                f"{NOTHING_DONE} Choose it for the course first (layout, announcements, staff, groups)."
            )
        lacks = what_is_missing(found, self._rules.bot)
        return Proposal(key, found, prepared, lacks, self._notes(key, found, books, prepared))

    async def adopt(self, course_id: CourseId, room: str, kind: str = "main") -> list[str]:
        """Adopt the room and wait until its course was looked at; returns sentences. Raises what `look` raises."""
        proposal = await self.look(course_id, room, kind)
        key, room_id = proposal.key, proposal.room.room_id
        if proposal.lacks:
            await self._gain(proposal)
        content = {**proposal.planned.desired.state[MARKER, ""]}
        if proposal.room.creator != self._rules.bot:
            content["adopted"] = True
        await self._matrix.set_state(room_id, MARKER, "", content)
        guard = await self._store.mirror.begin_read()
        events = await self._matrix.read_state(room_id)
        await self._store.mirror.replace(room_id, events, guard=guard)
        now, generation = self._clock.now(), proposal.planned.desired.generation
        await self._store.ledger.adopt(room_id, key, generation=generation, at=now)
        # What was pushed between reading and booking was about a room that we did not know.
        await self._store.mirror.mark_stale(room_id)
        await self._store.journal.note(
            "RoomAdopted",
            at=now,
            why=f"An administrator had the room adopted for {key}.",
            course_id=course_id,
            room_id=room_id,
            signal=BY,
        )
        failure = await self._switch_on(course_id)
        said = [f"The room {room_id} is that of {key} now."]
        if failure is not None:
            said.append(f"The course was looked at, and something is still to do: {failure}")
        return said

    async def _switch_on(self, course_id: CourseId) -> AppError | None:
        row = await self._store.courses.get(course_id)
        if row is None:
            # Nothing was ever booked of the course: the listing comes first.
            await self._workers.ask(SITE, signal="command")
            row = await self._store.courses.get(course_id)
        if row is None or row.on:
            return await self._workers.ask(course_key(course_id), signal="command")
        return await self._choosing.choose(course_id, "on", True, by=BY)

    async def _gain(self, proposal: Proposal) -> None:
        """Get what the bot lacks, by admin rights."""
        room_id, bot = proposal.room.room_id, self._rules.bot
        try:
            await self._admin.give_power(room_id, bot)
            here = proposal.room.members.get(bot)
            if here is None or here.membership is not Membership.JOIN:
                await self._matrix.join(room_id)
        except NoAdminRights as refusal:
            raise Refused(f"{proposal.lacks} {refusal}") from None
        except PermanentFailure as failure:
            raise Refused(f"{proposal.lacks} The homeserver could not do that by itself: {failure}") from None
        missing = what_is_missing(room_of(room_id, await self._matrix.read_state(room_id)), bot)
        if missing:
            raise Refused(f"{missing} {NOTHING_DONE}")

    async def _resolve(self, room: str) -> RoomId:
        name = room_in(room)
        if not name:
            raise Refused(
                f"“{room}” is no room. {NOTHING_DONE} Write an id (!…), an alias (#…:example.org) or a link to a room."
            )
        if name.startswith("!"):
            return RoomId(name)
        found = await self._matrix.resolve_alias(RoomAlias(name))
        if found is None:
            raise Refused(f"The homeserver knows no room {name}. {NOTHING_DONE}")
        return found

    async def _refuse_taken(self, key: RoomKey, room_id: RoomId) -> None:
        known = await self._store.ledger.key_of(room_id)
        if known is not None:
            raise Refused(f"The room {room_id} is ours already: {known}. {NOTHING_DONE}")
        current = await self._store.ledger.room_of(key)
        if current is not None:
            raise Refused(
                f"There is a room for {key} already: {current}. {NOTHING_DONE} Two rooms for one purpose would split "
                "the course; delete the other one first if it is not wanted."
            )
        partner = await self._store.mirror.direct_partner(room_id)
        if partner is not None or room_id == await self._store.ledger.control_room():
            raise Refused(
                f"The room {room_id} is a direct chat of the bot, or its control room. {NOTHING_DONE}"
            )

    async def _refuse_unfit(self, key: RoomKey, room: ActualRoom) -> None:
        said = room.content(MARKER)
        site = said.get("site")
        if isinstance(site, str) and site != self._rules.site:
            raise Refused(f"The room {room.room_id} is marked as one of the site {site}. {NOTHING_DONE}")
        marked = key_in(said, self._rules) if said else None
        if marked is not None and marked != key:
            raise Refused(
                f"The room {room.room_id} is marked as that of {marked}, not of {key}. {NOTHING_DONE}"
            )
        if room.content(TOMBSTONE):
            raise Refused(
                f"The room {room.room_id} was replaced by {room.content(TOMBSTONE).get('replacement_room')}. "
                f"{NOTHING_DONE} Adopt that one."
            )
        is_space = room.content("m.room.create").get("type") == "m.space"
        if is_space != key.kind.is_space:
            raise Refused(
                f"The room {room.room_id} is {'a space' if is_space else 'no space'}, so it can't be that of {key}. "
                f"{NOTHING_DONE}"
            )

    async def _read(self, room_id: RoomId) -> list[Event]:
        """The state of the room, as the bot sees it or else as an administrator does."""
        bot = self._rules.bot
        try:
            events = list(await self._matrix.read_state(room_id))
            if _is_in(room_of(room_id, events), bot):
                return events
        except TemporaryFailure:
            raise
        except AppError:
            events = []
        try:
            await self._matrix.join(room_id)
            return list(await self._matrix.read_state(room_id))
        except TemporaryFailure:
            raise
        except AppError:
            pass
        try:
            return list(await self._admin.state_of(room_id))
        except NoAdminRights as refusal:
            raise Refused(
                f"The bot {bot} is not in the room {room_id} and not invited, so it can't even be looked at. "
                f"{NOTHING_DONE} Invite the bot (in Element: /invite {bot}) and give it the level 100 (/op {bot} 100); "
                f"or give this service admin rights at the homeserver. {refusal}"
            ) from None

    def _notes(self, key: RoomKey, room: ActualRoom, books: Ledger, prepared: Prepared) -> tuple[str, ...]:
        notes = []
        bot, course = self._rules.bot, prepared.facts.course
        above = sorted(creators_of(room) - {bot})
        equal = sorted(
            user for user in room.members if user not in above and user != bot and level_in(room, user) >= 100
        )
        if above:
            notes.append(
                f"{', '.join(above)} made the room and stays above everybody in it, the bot too: that can't be changed "
                f"in room version {room.version}."
            )
        if equal and not (creator_is_above(room.version) and bot in creators_of(room)):
            notes.append(
                f"{', '.join(equal)} has as high a level as the bot, which it can't take away. They can give it up "
                "themselves."
            )
        if books.kept:
            notes.append(
                f"Its {' and '.join(sorted(books.kept))} stay as they are until Moodle says something new."
            )
        if course.own_room_url and key.kind is RoomKind.MAIN:
            notes.append(
                "Moodle's own Matrix provider works on a room of this course. Switch the communication subsystem off "
                "for the whole site first. Do not set the course to “None”: then Moodle puts everybody out of the room."
            )
        if room.content("m.room.create").get("m.federate", True) is not self._rules.federate:
            notes.append(
                "Whether accounts of other homeservers can be members differs from the rules, for good."
            )
        return tuple(notes)


def key_of(course_id: CourseId, kind: str) -> RoomKey:
    """`main`, `announcements`, `staff`, `space` or `group:<number>`. Raises `Refused` for anything else."""
    name, _, number = kind.partition(":")
    sign = number.removeprefix("-")
    if name == "group" and sign.isascii() and sign.isdigit():
        return RoomKey(RoomKind.GROUP, course_id, GroupId(int(number)))
    if not number and name in (RoomKind.MAIN, RoomKind.ANNOUNCEMENTS, RoomKind.STAFF, RoomKind.SPACE):
        return RoomKey(RoomKind(name), course_id)
    raise Refused(
        f"There is no kind of room “{kind}”. {NOTHING_DONE} Write main, announcements, staff, space or group:<number>."
    )


def _is_in(room: ActualRoom, user: str) -> bool:
    return any(one == user and here.membership is Membership.JOIN for one, here in room.members.items())


def _is_wanted(desired: DesiredRoom, prepared: Prepared) -> bool:
    """Whether the course is to have this room: one that it is not to have any more is closed."""
    return desired.is_listed and prepared.course.rules.layout == "space"
