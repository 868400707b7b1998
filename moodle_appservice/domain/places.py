"""Who comes, who goes and who stays: the members of a room as they should be against those who are there.

Only who has a place of our making is ever taken out: somebody whom we invited, or found where they belong. A teacher's
guest stays, known to Moodle or not. One account of a person takes over from another (a proven link, a virtual user
that held the place) in this order: the new one is invited, then the old one goes; that takes nothing from anybody, so
such a removal names the account that has the place `instead`. A moderator's ban is of the person: it is not lifted by
us, nor evaded with another account. A ban of ours is one that our books and the homeserver agree on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from .actions import Ban, Bookings, ForceJoin, Invite, Join, Note, Remove, Unban
from .drift import Policy
from .ledger import Ledger
from .mapping import DesiredRoom
from .members import DesiredMember, Fate, Treatment
from .model import ActualMember, ActualRoom, Membership, MoodleUserId, UserId
from .power import MUTED_LEVEL
from .rules import Rules

PRESENT = frozenset({Membership.INVITE, Membership.JOIN})
NOT_ENROLLED = "No active enrolment in this course."
OTHER_ACCOUNT = "Another account of this person has the place."
NO_ACCOUNT_OF_THEIRS = "This account does not count as this person's any more."
USABLE_AGAIN = "The Moodle account can be used again, and the ban was ours."
BANNED = "A moderator has banned this person from the room."
LEFT = "Left by choice; not invited again until asked for."
DECLINED = "Declined the invite; not invited again until asked for."
UNINVITED = "Was not invited by this service, and the room is kept to those who belong here (rooms.strict)."
STRANGER = (
    "An account of nobody known from Moodle is in the room, and was not invited by this service. It stays."
)
GUEST = "Is in the room without an enrolment, and was not invited by this service. Stays: a guest of the teachers."


class Places:
    """The members of one room, sorted out. `known`: account → Moodle person, of accounts that may be in the room.

    `admitted`: who is in a room whose members this room lets in, and is to stay there.
    """

    def __init__(
        self,
        desired: DesiredRoom,
        members: Mapping[UserId, ActualMember],
        ledger: Ledger,
        known: Mapping[UserId, MoodleUserId],
        rules: Rules,
        admitted: frozenset[UserId] = frozenset(),
    ) -> None:
        self._admitted = admitted
        self._desired = desired
        self._members = members
        self._ledger = ledger
        self._known = known
        self._rules = rules
        self._own: dict[MoodleUserId, UserId] = {
            member.person: user for user, member in desired.members.items() if not member.virtual
        }
        self._banned = {
            person
            for user, person in known.items()
            if self._membership(user) is Membership.BAN and not self._banned_by_us(user)
        }
        self.notes: list[Note] = []
        self.staying: dict[UserId, DesiredMember] = {
            user: member for user, member in desired.members.items() if self._may_stay(user, member)
        }
        """Who belongs here, there or not."""
        self.wanted: dict[UserId, DesiredMember] = {}
        """Whom of these we want here: all that are not there are to come."""
        self._successors: dict[MoodleUserId, UserId] = {}
        """The account that has a person's place, or is to have it; a virtual user only where there is no other."""
        self._sort_out()

    def _sort_out(self) -> None:
        for user, member in self.staying.items():
            reason = self._not_invited(user, member)
            if reason is not None:
                self.notes.append(Note(member.person, *reason))
            elif member.required or self._asks_to_come(user, member):
                self.wanted[user] = member
            # Whom a moderator has banned gets no place with another account either.
            is_to_be_here = member.required and (reason is None or reason[1] != "banned")
            if (is_to_be_here or self._is_present(user)) and not (
                member.virtual and member.person in self._successors
            ):
                self._successors[member.person] = user

    # What is to be done

    def removals(self) -> list[Remove | Ban]:
        """Who goes at once, by id."""
        return [action for action in self._goers() if not self._must_wait(action)]

    def unbans(self) -> list[Unban]:
        """Bans of ours that have had their time."""
        found = []
        for user in sorted(self._ledger.bans):
            person = self._person(user)
            treatment = self._treatment(person)
            kept = treatment is not None and treatment.fate in (Fate.BAN, Fate.STAY, Fate.UNMANAGED)
            if person is not None and not kept and self._banned_by_us(user):
                found.append(Unban(user, person, USABLE_AGAIN))
        return found

    def arrivals(self, waiting: MoodleUserId | None) -> list[Invite | Join | ForceJoin | Remove]:
        """Who is to come, each followed by the accounts that give way: who waits first, then by level, then by id."""
        giving_way = defaultdict(list)
        for action in self._goers():
            if isinstance(action, Remove) and self._must_wait(action):
                giving_way[action.instead].append(action)
        missing = [
            self._arrival(user, member)
            for user, member in self.wanted.items()
            if not self._is_in_place(user, member)
        ]
        missing.sort(key=lambda one: (one.person != waiting, -_level(one), one.person))
        return [action for one in missing for action in (one, *giving_way[one.matrix_id])]

    def guests(self) -> list[Note]:
        """Who is known to Moodle, and here without any place of ours."""
        return [
            Note(self._known[user], GUEST, "guest")
            for user in self._strangers()
            if user in self._known and not self._is_unmanaged(user) and not self._rules.strict
        ]

    def unasked(self, notes: Iterable[Note]) -> list[Note]:
        """The notes of the desired room without those about people who are here, and need not ask."""
        here = {person for person, user in self._own.items() if self._is_present(user)}
        return [note for note in notes if note.kind != "unasked" or note.person not in here]

    def strange(self) -> list[Note]:
        """Who is here and nobody whom Moodle knows, where that is to be reported."""
        if self._rules.drift.strangers is not Policy.REPORT:
            return []
        return [Note(None, STRANGER, "stranger") for user in self._strangers() if user not in self._known]

    @property
    def _is_strict(self) -> bool:
        return self._rules.strict or self._rules.drift.strangers is Policy.REPAIR

    def bookings(self) -> Bookings:
        """What our books are to learn from this room."""
        booked = self._ledger.places | self._ledger.intended
        found = {
            user: member.person
            for user, member in self.staying.items()
            if user not in self._ledger.places and self._is_present(user) and self._is_in_place(user, member)
        } | self._invited_unbooked()
        banned = {
            user: person
            for user, person in self._known.items()
            if user in booked and self._is_banned_unbooked(user, person)
        }
        # Put out by us, and the books do not know it: some may belong here again by now.
        removed = {user for user in self._ledger.places if self._is_out(user, by=self._rules.bot)}
        blocked = {note.person for note in self._desired.notes if note.kind == "blocked"}
        unwanted = {
            user
            for user in booked | self._ledger.departed
            if not self._is_present(user)
            and user not in banned
            and not self._is_spared(user)
            and (user not in self._desired.members or self._person(user) in blocked or user in removed)
        }
        return Bookings(found, banned, frozenset(unwanted))

    def _invited_unbooked(self) -> dict[UserId, MoodleUserId]:
        """Whom we were about to invite when we were interrupted, and who shows that we did: here, or has answered."""
        return {
            user: person
            for user in self._ledger.intended - self._ledger.places
            if (self._is_present(user) or (user in self._ledger.departed and self._is_out(user, by=user)))
            and (person := self._person(user)) is not None
        }

    def _is_out(self, user: UserId, *, by: UserId) -> bool:
        here = self._members.get(user)
        return here is not None and here.membership is Membership.LEAVE and here.sender == by

    # Levels

    def levels(self) -> dict[UserId, int]:
        """Whose level is to differ from the default: who is wanted, and who is here and may stay."""
        levels = {
            user: member.level
            for user, member in self.staying.items()
            if member.level != 0
            and (member.required or member.free or user in self.wanted or self._is_present(user))
        }
        levels.update(dict.fromkeys(self._muted(), MUTED_LEVEL))
        extra = self._rules.extra_members.items()
        levels.update({user: level for user, level in extra if self._is_present(user)})
        return levels

    def managed(self) -> frozenset[UserId]:
        """Whose level is ours to say: whom we know, but for guests, and for those who are not managed."""
        # Whom we know is ours even where the ledger has lost the level: nobody who is removed keeps it.
        ours = set(self._desired.members)
        if not self._desired.is_frozen:
            ours |= set(self._known)
        ours -= set(self._strangers())
        given = set() if self._desired.is_frozen else set(self._ledger.levels)
        return frozenset(user for user in ours | given if not self._is_unmanaged(user))

    # How somebody stands

    def _goers(self) -> list[Remove | Ban]:
        found: list[Remove | Ban] = []
        for user in sorted(self._members):
            if user in self.staying or user in self._rules.extra_members or not self._has_place(user):
                continue
            person = self._person(user)
            action = None if person is None else self._farewell(user, person)
            if action is not None:
                found.append(action)
        if self._is_strict and not self._desired.is_frozen:
            found.extend(
                Remove(user, self._known.get(user), UNINVITED)
                for user in self._strangers()
                if user not in self._rules.extra_members and not self._is_unmanaged(user)
            )
        return found

    def _farewell(self, user: UserId, person: MoodleUserId) -> Remove | Ban | None:
        treatment = self._treatment(person)
        is_virtual = self._rules.person_of_virtual(user) is not None
        if treatment is not None:
            match treatment.fate:
                case Fate.BAN if not treatment.gone and not is_virtual:
                    return Ban(user, person, treatment.why)
                case Fate.BAN | Fate.REMOVE:
                    return Remove(user, person, treatment.why)
                case _:
                    return None
        if self._desired.is_frozen:
            return None
        if person not in self._desired.enrolled:
            return Remove(user, person, NOT_ENROLLED)
        if person not in self._desired.belonging:
            return Remove(user, person, self._desired.not_in_room or NOT_ENROLLED)
        instead = self._successors.get(person)
        return Remove(user, person, OTHER_ACCOUNT if instead else NO_ACCOUNT_OF_THEIRS, instead)

    def _must_wait(self, action: Remove | Ban) -> bool:
        """Whether the account that has the place instead is still to come."""
        instead = action.instead if isinstance(action, Remove) else None
        member = self.wanted.get(instead) if instead is not None else None
        return instead is not None and member is not None and not self._is_in_place(instead, member)

    def _arrival(self, user: UserId, member: DesiredMember) -> Invite | Join | ForceJoin:
        if member.virtual:
            invite = self._membership(user) is not Membership.INVITE and user not in self._admitted
            return Join(user, member.person, invite, member.why)
        if self._is_forced(user):
            return ForceJoin(user, member.person, member.level, member.why)
        return Invite(user, member.person, member.level, member.why)

    def _is_forced(self, user: UserId) -> bool:
        """Whether the person is not asked: only accounts of our own homeserver can be put into a room."""
        return self._rules.how == "join" and user.partition(":")[2] == self._rules.domain

    def _may_stay(self, user: UserId, member: DesiredMember) -> bool:
        if not member.virtual:
            # A manager of the whole site stands in the levels of those rooms alone in which the manager is.
            return not member.guest or self._is_present(user)
        own = self._own.get(member.person)
        return own is None or not self._is_present(own)

    def _not_invited(self, user: UserId, member: DesiredMember) -> tuple[str, str] | None:
        if member.person in self._banned or (
            self._membership(user) is Membership.BAN and not self._banned_by_us(user)
        ):
            return BANNED, "banned"
        if member.virtual or not self._has_left(user):
            return None
        here = self._members.get(user)
        return (DECLINED, "declined") if here is not None and here.declined else (LEFT, "left")

    def _has_left(self, user: UserId) -> bool:
        """Whether somebody is out by the own choice; who left the room that this one replaces is not in this one."""
        if user not in self._members:
            return user in self._ledger.departed
        return self._is_out(user, by=user) and user in self._ledger.places | self._ledger.departed

    def _asks_to_come(self, user: UserId, member: DesiredMember) -> bool:
        """Whether somebody who may be here has knocked."""
        return member.welcome and not member.virtual and self._membership(user) is Membership.KNOCK

    def _is_in_place(self, user: UserId, member: DesiredMember) -> bool:
        membership = self._membership(user)
        must_be_joined = member.virtual or (member.required and self._is_forced(user))
        return membership is Membership.JOIN or (membership in PRESENT and not must_be_joined)

    def _muted(self) -> list[UserId]:
        """Accounts of people who are not enrolled any more, and stay without a voice."""
        return [
            user
            for user in self._members
            if user not in self._desired.members and self._has_place(user) and self._is_to_be_muted(user)
        ]

    def _is_to_be_muted(self, user: UserId) -> bool:
        treatment = self._treatment(self._person(user))
        return (
            treatment is not None
            and treatment.fate is Fate.MUTE
            and self._rules.person_of_virtual(user) is None
        )

    def _strangers(self) -> list[UserId]:
        """Who is here and has no place of ours."""
        return sorted(
            user
            for user in self._members
            if self._is_present(user)
            and user not in self._desired.members
            and user != self._rules.bot
            and not self._has_place(user)
        )

    def _has_place(self, user: UserId) -> bool:
        """Whether somebody who is here is so by our doing, or as somebody who belonged here."""
        here = self._members.get(user)
        if here is None or here.membership not in PRESENT or user == self._rules.bot:
            return False
        return (
            user in self._ledger.places
            or user in self._ledger.intended
            or (here.membership is Membership.INVITE and here.sender == self._rules.bot)
            or (here.admitted and user not in self._admitted)
            or self._rules.person_of_virtual(user) is not None
        )

    def _is_banned_unbooked(self, user: UserId, person: MoodleUserId) -> bool:
        """Whether the bot has banned somebody as the policy is, and a crash has kept it out of the books."""
        here, treatment = self._members.get(user), self._treatment(person)
        return (
            here is not None
            and here.membership is Membership.BAN
            and here.sender == self._rules.bot
            and treatment is not None
            and treatment.fate is Fate.BAN
        )

    def _is_spared(self, user: UserId) -> bool:
        """Whether our books are to stay as they are for this account."""
        treatment = self._treatment(self._person(user))
        return treatment is not None and treatment.fate in (Fate.STAY, Fate.UNMANAGED)

    def _banned_by_us(self, user: UserId) -> bool:
        here = self._members.get(user)
        return (
            user in self._ledger.bans
            and here is not None
            and here.membership is Membership.BAN
            and here.sender == self._rules.bot
        )

    def _is_unmanaged(self, user: UserId) -> bool:
        treatment = self._treatment(self._person(user))
        return treatment is not None and treatment.fate is Fate.UNMANAGED

    def _treatment(self, person: MoodleUserId | None) -> Treatment | None:
        return None if person is None else self._desired.treatments.get(person)

    def _person(self, user: UserId) -> MoodleUserId | None:
        member = self._desired.members.get(user)
        if member is not None:
            return member.person
        return self._known.get(user, self._rules.person_of_virtual(user))

    def _is_present(self, user: UserId) -> bool:
        return self._membership(user) in PRESENT

    def _membership(self, user: UserId) -> Membership:
        here = self._members.get(user)
        return here.membership if here is not None else Membership.NONE


def _level(one: Invite | Join | ForceJoin) -> int:
    return 0 if isinstance(one, Join) else one.level


def places_of(
    desired: DesiredRoom,
    actual: ActualRoom | None,
    ledger: Ledger,
    known: Mapping[UserId, MoodleUserId],
    rules: Rules,
    admitted: frozenset[UserId] = frozenset(),
) -> Places:
    """Sort out the members of a room; of one that is not made yet nobody is a member."""
    members = actual.members if actual is not None else {}
    return Places(desired, members, ledger, known, rules, admitted)
