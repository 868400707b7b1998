"""Holds what looks like an accident until a person confirms it; the rest of the plan goes on.

Removals count over a rolling day, in the room and in all rooms together: a slow leak must not pass. Those that explain
themselves do not count: an enrolment whose end was known, an account that is suspended, a course that is over. Nobody
is counted whose place another account of the same person takes. Missing rights make Moodle answer with an empty or
shortened list and no error, so people who merely vanished always count. Whoever is held keeps the power level too.

Held as well: the last teachers, many new moderators, a room that grows by a multiple or beyond all measure, less power
for the bot, and everything in a room that somebody else made. A confirmation names what it covers, and covers no more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from .actions import Action, Arrival, Ban, CreateRoom, Departure, Plan, Remove, SetPower
from .holds import Cause, Confirmed, Hold, Verdict, covered
from .mapping import DesiredRoom
from .markers import key_in
from .model import ActualRoom, MoodleUserId, UserId
from .places import PRESENT
from .power import BOT_LEVEL, MARKER, STAFF_LEVEL, creator_is_above, same_power
from .rules import Rules

__all__ = ["Cause", "Hold", "Recent", "Verdict", "judge"]


@dataclass(frozen=True, slots=True)
class Recent:
    """What has happened within the last day, and what is known about those who leave.

    `in_room` and `in_site`: removals that counted; `places`: how many places there are in all rooms together.
    `explained`: who leaves the course for a known reason; `is_over`: the course has ended, so everybody does.
    `is_filled`: everybody had come into the room once, so it is not being filled for the first time.
    """

    in_room: int = 0
    in_site: int = 0
    places: int = 0
    explained: frozenset[MoodleUserId] = frozenset()
    is_over: bool = False
    is_filled: bool = False


NOTHING_RECENT = Recent()


def judge(
    plan: Plan,
    desired: DesiredRoom,
    actual: ActualRoom | None,
    rules: Rules,
    *,
    confirmed: Confirmed | None = None,
    recent: Recent = NOTHING_RECENT,
) -> Verdict:
    """Let a plan pass or hold parts of it. Removals that do not count are marked so in the actions that pass."""
    case = _Case(plan, desired, actual, rules, confirmed or {}, recent)
    if (foreign := case.foreign()) is not None:
        return Verdict((), (foreign,))
    holds = [hold for hold in (case.removals(), case.arrivals(), case.moderators(), case.bot()) if hold]
    # Once: of thousands of removals each would put together anew whom a person has confirmed.
    confirmed_removals = covered(case.confirmed, Cause.REMOVALS)
    actions = [case.counted(action, confirmed_removals) for action in plan.actions]
    for hold in holds:
        kept = (case.without(action, hold) for action in actions)
        actions = [action for action in kept if action is not None]
    return Verdict(tuple(actions), tuple(holds))


def _is_taken_over(room: ActualRoom) -> bool:
    """Whether it became ours though another made it: after an upgrade by an administrator, or as found and adopted.

    The books lead to such a room only once it was checked, see `engine/replacing.py` and `engine/rooms.py`.
    """
    before = room.content("m.room.create").get("predecessor")
    return before is not None or room.content(MARKER).get("adopted") is True


def uncounted(plan: Plan, desired: DesiredRoom, recent: Recent) -> frozenset[UserId]:
    """Whose removal explains itself."""
    return frozenset(action.matrix_id for action in plan.removals if _is_explained(action, desired, recent))


def _is_explained(action: Departure, desired: DesiredRoom, recent: Recent) -> bool:
    person = action.person
    if recent.is_over or not action.counted:
        return True
    treatment = desired.treatments.get(person) if person is not None else None
    # Whom Moodle shows no more may be gone, or our account has lost a right: that explains nothing. Above courses it is
    # not known which of the two it is.
    is_known = treatment is not None and not treatment.gone and desired.key.kind.is_of_course
    return person in recent.explained or is_known


@dataclass(frozen=True, slots=True)
class _Case:
    """One plan before the judge."""

    plan: Plan
    desired: DesiredRoom
    actual: ActualRoom | None
    rules: Rules
    confirmed: Confirmed
    recent: Recent

    # What may be held

    def foreign(self) -> Hold | None:
        """Acting on a room that somebody else made, or that is marked as another one."""
        if self.actual is None or not self.plan.actions:
            return None
        creator, mark = self.actual.creator, self.actual.content(MARKER)
        if creator != self.rules.bot and not _is_taken_over(self.actual):
            reason = f"The room was made by {creator or 'nobody whom we know'} and not by the bot."
        elif mark and key_in(mark, self.rules) != self.desired.key.current:
            reason = "The marker in the room names another room or another site."
        else:
            return None
        subject = f"{creator} {key_in(mark, self.rules)}"
        if subject in covered(self.confirmed, Cause.FOREIGN):
            return None
        reason = (
            f"{reason} Nothing is done in it. Look at the room; if it is to be used all the same, confirm."
        )
        return Hold(frozenset({subject}), reason, Cause.FOREIGN)

    def removals(self) -> Hold | None:
        """Removals of people who merely vanished."""
        free = uncounted(self.plan, self.desired, self.recent)
        counted = frozenset(action.matrix_id for action in self.plan.removals) - free
        if self.actual is None or not counted or counted <= covered(self.confirmed, Cause.REMOVALS):
            return None
        teachers = self._last_teachers(counted)
        found = (
            self._nobody(counted)
            or self._many(counted)
            or self._many_in_site(counted)
            or (teachers and (teachers, self._about_teachers(teachers), Cause.TEACHERS))
        )
        if not found:
            return None
        users, reason, cause = found
        held = users - covered(self.confirmed, cause)
        return Hold(held, reason, cause) if held else None

    def arrivals(self) -> Hold | None:
        """A room that would be too large, or grows by a multiple after it was filled once.

        Spaces may: nobody talks in them, and the one of the site is for everybody.
        """
        if self.desired.key.kind.is_space:
            return None
        coming = frozenset(one.matrix_id for one in self.plan.actions if isinstance(one, Arrival))
        safety, present = self.rules.safety, len(self._present())
        total = present + len(coming)
        if coming and total > safety.max_room_size:
            cause = Cause.SIZE
            reason = (
                f"The room would have {total} members, and more than {safety.max_room_size} are held "
                "(safety.max_room_size). Large rooms are slow for everybody. If it is meant, confirm."
            )
        elif (
            self.recent.is_filled
            and len(coming) > safety.max_growth
            and total > present * safety.max_growth_factor
        ):
            cause = Cause.GROWTH
            reason = (
                f"{len(coming)} people would come into a room of {present}. Check in Moodle whether a whole cohort was "
                "enrolled by mistake, then confirm."
            )
        else:
            return None
        held = coming - covered(self.confirmed, cause)
        return Hold(held, reason, cause) if held else None

    def moderators(self) -> Hold | None:
        """Many who would become moderators with one change."""
        has = _levels(self._power())
        fresh = frozenset(
            user
            for action in self.plan.actions
            for user, level in _levels(_power_in(action)).items()
            if level >= STAFF_LEVEL and has.get(user, 0) < STAFF_LEVEL and user != self.rules.bot
        )
        held = fresh - covered(self.confirmed, Cause.MODERATORS)
        if len(fresh) <= self.rules.safety.max_new_moderators or not held:
            return None
        reason = (
            f"{len(fresh)} people would become moderators of the room. Check their roles in Moodle, and rooms.levels "
            "in the configuration, then confirm."
        )
        return Hold(held, reason, Cause.MODERATORS)

    def bot(self) -> Hold | None:
        """Less power for the bot, where the room's version does not give it all power."""
        if self.actual is None or creator_is_above(self.actual.version):
            return None
        has = _levels(self._power()).get(self.rules.bot, BOT_LEVEL)
        lowered = [
            action
            for action in self.plan.actions
            if isinstance(action, SetPower) and _levels(action.content).get(self.rules.bot, 0) < has
        ]
        if not lowered or self.rules.bot in covered(self.confirmed, Cause.BOT):
            return None
        reason = "The bot would lose power in the room and could not work there any more. Confirm only if it is to."
        return Hold(frozenset({self.rules.bot}), reason, Cause.BOT)

    # Which removals are too many

    def _nobody(self, counted: frozenset[UserId]) -> tuple[frozenset[UserId], str, Cause] | None:
        guests = {member.person for member in self.desired.members.values() if member.guest}
        if self.desired.enrolled - guests:
            return None
        reason = (
            f"Moodle lists nobody as enrolled, so all {len(counted)} known members would be removed. "
            "Check that the web service user may still see the participants of this course, then confirm."
        )
        return counted, reason, Cause.NOBODY

    def _many(self, counted: frozenset[UserId]) -> tuple[frozenset[UserId], str, Cause] | None:
        safety, before = self.rules.safety, self.recent.in_room
        number, of = len(counted) + before, len(self._present()) + before
        if number <= safety.max_removals or number <= of * safety.max_removals_share:
            return None
        already = f" ({before} were within the last day)" if before else ""
        return (
            counted,
            f"{number} of {of} members would be removed{already}. Check {_what(self.desired)} in Moodle, then confirm.",
            Cause.REMOVALS,
        )

    def _many_in_site(self, counted: frozenset[UserId]) -> tuple[frozenset[UserId], str, Cause] | None:
        safety = self.rules.safety
        number = len(counted) + self.recent.in_site
        if (
            number <= safety.max_site_removals
            or number <= self.recent.places * safety.max_site_removals_share
        ):
            return None
        reason = (
            f"In all rooms together {number} of {self.recent.places} places would be lost within a day. Check in "
            "Moodle whether enrolments vanish where nobody ended them, then confirm."
        )
        return counted, reason, Cause.SITE

    def _last_teachers(self, counted: frozenset[UserId]) -> frozenset[UserId]:
        """Teachers who would be removed, where none would be left or come."""
        levels = _levels(self._power())
        here = {user for user in self._present() if levels.get(user, 0) >= STAFF_LEVEL}
        here -= self.rules.extra_members.keys()
        stays = any(
            member.level >= STAFF_LEVEL and (member.required or user in self._present())
            for user, member in self.desired.members.items()
        )
        going = here & counted
        return frozenset() if stays or not going or here - counted else frozenset(going)

    def _about_teachers(self, users: frozenset[UserId]) -> str:
        who = "The only teacher" if len(users) == 1 else f"All {len(users)} teachers"
        return f"{who} would be removed, and Moodle lists no other one. {self._check()}"

    def _check(self) -> str:
        return f"Check {_what(self.desired)} in Moodle, then confirm."

    # What is left of a plan

    def counted(self, action: Action, confirmed: frozenset[str]) -> Action:
        """Mark a removal that does not count: it explains itself, or a person has confirmed it."""
        if not isinstance(action, Departure):
            return action
        if action.matrix_id in confirmed or _is_explained(action, self.desired, self.recent):
            return replace(action, counted=False)
        return action

    def without(self, action: Action, hold: Hold) -> Action | None:
        """What is left of an action when nothing may happen to those who are held."""
        match hold.cause:
            case Cause.SIZE | Cause.GROWTH:
                if isinstance(action, CreateRoom):
                    return None
                return None if isinstance(action, Arrival) and action.matrix_id in hold.users else action
            case Cause.MODERATORS:
                if isinstance(action, CreateRoom):
                    return None
                return self._with_levels(action, lambda user: user in hold.users)
            case Cause.BOT:
                return None if isinstance(action, SetPower) else action
            case _:
                if isinstance(action, Remove | Ban):
                    return None if action.matrix_id in hold.users else action
                return self._with_levels(action, lambda user: user in hold.users)

    def _with_levels(self, action: Action, is_held: Callable[[str], bool]) -> Action | None:
        """A change of power that leaves those alone who are held; None where nothing is left of it."""
        if not isinstance(action, SetPower):
            return action
        current = self._power()
        users = {user: level for user, level in action.content["users"].items() if not is_held(user)}
        users |= {user: level for user, level in _levels(current).items() if is_held(user)}
        levels = {user: level for user, level in action.levels.items() if users.get(user) == level}
        content = {**action.content, "users": dict(sorted(users.items()))}
        return None if same_power(content, current) else replace(action, content=content, levels=levels)

    def _present(self) -> frozenset[UserId]:
        members = self.actual.members if self.actual is not None else {}
        return frozenset(
            user for user, one in members.items() if one.membership in PRESENT and user != self.rules.bot
        )

    def _power(self) -> Mapping[str, Any]:
        return self.actual.content("m.room.power_levels") if self.actual is not None else {}


def _power_in(action: Action) -> Mapping[str, Any]:
    match action:
        case SetPower(content):
            return content
        case CreateRoom(content=content):
            found = content.get("power_level_content_override")
            return found if isinstance(found, Mapping) else {}
    return {}


def _levels(content: Mapping[str, Any]) -> dict[UserId, int]:
    users = content.get("users")
    if not isinstance(users, Mapping):
        return {}
    return {UserId(user): level for user, level in users.items() if isinstance(level, int)}


def judge_closing(
    closing: frozenset[str], recent: int, rules: Rules, confirmed: frozenset[str] = frozenset()
) -> Hold | None:
    """Courses (as text) that would be archived or deleted now; `recent`: how many were within the last day."""
    held = closing - confirmed
    if not held or len(closing) + recent <= rules.safety.max_closed_courses:
        return None
    already = f" ({recent} were within the last day)" if recent else ""
    reason = (
        f"{len(closing) + recent} courses would be archived or deleted{already}, and more than "
        f"{rules.safety.max_closed_courses} at once are held. Check in Moodle whether they are to go, then confirm."
    )
    return Hold(held, reason, Cause.CLOSING)


def too_many_ids(changes: int, people: int, rules: Rules) -> str:
    """Why nobody else can get another Matrix id today, as a sentence, or nothing. `changes`: with this one."""
    safety = rules.safety
    many = changes > safety.max_id_changes
    large_share = changes > safety.max_removals and changes > people * safety.max_id_changes_share
    if not many and not large_share:
        return ""
    return (
        f"{changes} of {people} people would get another Matrix id within a day. Check `identity` in the configuration "
        "and the profile fields in Moodle, then confirm."
    )


def _what(desired: DesiredRoom) -> str:
    if desired.key.kind.is_of_course:
        return "the participants of this course"
    return "the accounts of these people"
