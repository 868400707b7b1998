"""Who belongs in the room of a course, and with what level: Moodle's people, one after the other.

Somebody who is enrolled, has a usable Moodle account and a Matrix account that can be invited is `required`. Where the
Matrix account is missing or blocked, a virtual user holds the place, if there is one. Levels are the highest that any
role gives, those from above the course too; who has such a role and is not enrolled is a guest, or what
`rules.inherited` says, if the role gives a level at all.

Everybody else who counts may stay (`required` False) or is left out with a `Treatment`: an account that is suspended or
gone waits for the end of the grace period and then gets what the institution has decided (`people.on_suspend`). Who is
excluded is not managed at all; of whom Moodle did not tell enough, nothing is taken: an answer with a hole in it must
not remove anybody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType

from .actions import Note
from .model import CourseFacts, MoodleUserId, Person, Resolution, Role, UserId
from .moments import moment
from .power import MUTED_LEVEL, STAFF_LEVEL
from .rules import Rules

GONE = "The Moodle account was deleted."
NO_ACCOUNT = "There is no Matrix account yet."
NOT_LOOKED_UP = "The Matrix account has not been looked up yet."
NOT_TOLD = (
    "Moodle does not tell the state of the account, so nobody is invited. The log says which accounts can't be read, "
    "and why."
)
STAYS_OUT = "Has asked the bot to be left out of the rooms of this course; not invited until asked for."
UNASKED = "Has not asked to be in the room, and nobody is invited unasked (membership.when: on-request)."


class Fate(StrEnum):
    """What happens to the accounts of somebody who has no place of their own in the room any more."""

    UNMANAGED = "unmanaged"
    """Nothing, whatever they are and whatever level they have."""
    STAY = "stay"
    MUTE = "mute"
    REMOVE = "remove"
    BAN = "ban"


@dataclass(frozen=True, slots=True)
class Treatment:
    """A fate with its reason, a sentence. `until`: when it ends (Unix seconds), None for never.

    `gone`: the account does not exist any more, as far as we can see, so that there is nobody to ban.
    """

    fate: Fate
    why: str
    until: float | None = None
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Leaver:
    """Somebody who had a place and is not enrolled any more.

    `unusable`: why the Moodle account is, empty where it can be used, None where nobody needs to know.
    """

    unusable: str | None = None

    @classmethod
    def of(cls, person: Person | None) -> Leaver:
        """From the account, None where Moodle does not show it any more."""
        return cls(GONE if person is None else why_unusable(person))


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What decides beside Moodle's list. Times are Unix seconds.

    `usernames`: as far as they are known, also of people whom the facts do not show. `asked`: who has asked to be in
    the room. `leavers`: who has a place and is not in the facts.
    """

    now: float = 0.0
    unusable_since: Mapping[MoodleUserId, float] = field(default_factory=lambda: MappingProxyType({}))
    usernames: Mapping[MoodleUserId, str] = field(default_factory=lambda: MappingProxyType({}))
    asked: frozenset[MoodleUserId] = frozenset()
    staying_out: frozenset[MoodleUserId] = frozenset()
    """Who has asked to have no place in the rooms of the course."""
    leavers: Mapping[MoodleUserId, Leaver] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class DesiredMember:
    """Somebody who belongs in the room; not `required` means: may be there, is neither invited nor removed.

    `virtual`: a virtual user of ours, wanted only as long as no account of the person's own is there.
    """

    person: MoodleUserId
    level: int
    why: str
    required: bool = True
    virtual: bool = False
    guest: bool = False
    """Not enrolled and not invited: counts while in the room."""
    free: bool = False
    """May join without an invite, so the level is there before the person."""
    welcome: bool = True
    """Is invited where the person asks for it: the accounts on both sides can be used."""


@dataclass(slots=True)
class Members:
    """What became of everybody. `counted`: who counts in the course, enrolled or by a role from above."""

    counted: frozenset[MoodleUserId] = frozenset()
    members: dict[UserId, DesiredMember] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)
    treatments: dict[MoodleUserId, Treatment] = field(default_factory=dict)


def members_of(
    facts: CourseFacts,
    resolutions: Mapping[MoodleUserId, Resolution],
    rules: Rules,
    circumstances: Circumstances,
) -> Members:
    """Everybody who is enrolled, and everybody who had a place."""
    found = Members(counted=frozenset(roles_in(facts, rules)))
    for enrolment in facts.enrolments:
        user_id = enrolment.user_id
        above = _roles_above(user_id, facts, rules)
        names = ", ".join(sorted(enrolment.roles)) or "no role"
        why = f"Active enrolment ({names}){_said_of(above - enrolment.roles)}."
        member = DesiredMember(user_id, level_of(enrolment.roles | above, rules), why)
        _count(member, facts, resolutions.get(user_id), rules, circumstances, found)
    for user_id in _from_above(facts, rules):
        roles = facts.inherited[user_id]
        why = f"Not enrolled; a role in a category above or in the whole site ({', '.join(sorted(roles))})."
        guest = rules.inherited != "invite"
        member = DesiredMember(user_id, level_of(roles, rules), why, required=not guest, guest=guest)
        _count(member, facts, resolutions.get(user_id), rules, circumstances, found)
    for user_id, leaver in circumstances.leavers.items():
        if rules.people.excludes(user_id, circumstances.usernames.get(user_id, "")):
            found.treatments[user_id] = Treatment(Fate.UNMANAGED, "")
        elif leaver.unusable:
            treatment = treatment_of(user_id, leaver.unusable, rules, circumstances)
            waits = treatment.until is not None
            found.treatments[user_id] = treatment if not waits else replace(treatment, fate=Fate.UNMANAGED)
            found.notes.append(Note(user_id, treatment.why, "unusable"))
    return found


def roles_in(facts: CourseFacts, rules: Rules) -> dict[MoodleUserId, frozenset[Role]]:
    """Everybody who counts in the course, with all roles: the enrolled, and who may be there from above."""
    found = {one.user_id: one.roles | _roles_above(one.user_id, facts, rules) for one in facts.enrolments}
    return found | {user_id: facts.inherited[user_id] for user_id in _from_above(facts, rules)}


def level_of(roles: Iterable[Role], rules: Rules) -> int:
    """The highest level that any of these roles gives; unknown roles give 0."""
    return max((rules.levels.get(role, 0) for role in roles), default=0)


def why_unusable(person: Person) -> str:
    """A sentence; empty where the account is usable."""
    if person.usable:
        return ""
    if person.suspended:
        return "The Moodle account is suspended."
    if not person.confirmed:
        return "The Moodle account is not confirmed."
    return "The Moodle account can't sign in (nologin)."


def _said_of(above: frozenset[Role]) -> str:
    return f", and from above ({', '.join(sorted(above))})" if above else ""


def _roles_above(user_id: MoodleUserId, facts: CourseFacts, rules: Rules) -> frozenset[Role]:
    return frozenset() if rules.inherited == "ignore" else facts.inherited.get(user_id, frozenset())


def _from_above(facts: CourseFacts, rules: Rules) -> list[MoodleUserId]:
    """Who is not enrolled and may be there because of a role from above: only one that gives a level counts."""
    if rules.inherited == "ignore":
        return []
    enrolled = {enrolment.user_id for enrolment in facts.enrolments}
    return sorted(
        user_id
        for user_id, roles in facts.inherited.items()
        if user_id not in enrolled and level_of(roles, rules) > 0
    )


def _count(
    member: DesiredMember,
    facts: CourseFacts,
    resolution: Resolution | None,
    rules: Rules,
    circumstances: Circumstances,
    found: Members,
) -> None:
    """See what the Moodle account of somebody who counts allows."""
    user_id = member.person
    person = facts.people.get(user_id)
    username = person.username if person else circumstances.usernames.get(user_id, "")
    if rules.people.excludes(user_id, username):
        found.treatments[user_id] = Treatment(Fate.UNMANAGED, "")
        _note(found, member, "Excluded by people.exclude; not managed by this service.", "excluded")
        return
    if user_id in circumstances.staying_out:
        found.treatments[user_id] = Treatment(Fate.REMOVE, STAYS_OUT)
        _note(found, member, STAYS_OUT, "left")
        return
    if person is None:
        why = member.why if member.guest else "Enrolled, but Moodle did not tell the state of the account."
        found.treatments[user_id] = Treatment(Fate.STAY, why)
        if resolution is None:
            _note(found, member, NOT_TOLD, "unresolved")
        member = replace(member, why=why, required=False)
    elif not person.usable:
        treatment = treatment_of(user_id, why_unusable(person), rules, circumstances)
        found.treatments[user_id] = treatment
        _note(found, member, treatment.why, "unusable")
        if treatment.fate in (Fate.REMOVE, Fate.BAN):
            return
        level = MUTED_LEVEL if treatment.fate is Fate.MUTE else member.level
        member = replace(member, level=level, why=treatment.why, required=False)
    _place(member, resolution, rules, circumstances, found)


def _note(found: Members, member: DesiredMember, text: str, kind: str) -> None:
    """Whom nobody wants to invite is not missed either."""
    if not member.guest:
        found.notes.append(Note(member.person, text, kind))


def _place(
    member: DesiredMember,
    resolution: Resolution | None,
    rules: Rules,
    circumstances: Circumstances,
    found: Members,
) -> None:
    """Give the place to the account that is to have it."""
    person, may_come = member.person, member.required
    if may_come and rules.people.when == "on-request" and person not in circumstances.asked:
        found.notes.append(Note(person, UNASKED, "unasked"))
        may_come = False
    has_note = member.guest or (bool(found.notes) and found.notes[-1].person == person)
    if resolution is None:
        if not has_note:
            found.notes.append(Note(person, NOT_LOOKED_UP, "unresolved"))
        return
    invitable = resolution.invitable is not None
    if not invitable and not has_note:
        found.notes.append(_not_invitable(resolution))
    if resolution.matrix_id is not None:
        level, untrusted = _trusted(member.level, resolution, rules)
        required = may_come and invitable
        if member.guest and resolution.matrix_id in found.members:
            return
        welcome = invitable and person not in found.treatments
        same = (level, required, welcome) == (member.level, member.required, member.welcome)
        # Of thousands nearly all stay as they are, and a copy takes longer than everything else here.
        found.members[resolution.matrix_id] = (
            member if same else replace(member, level=level, required=required, welcome=welcome)
        )
        if untrusted:
            _note(found, member, untrusted, "untrusted")
    if not invitable and not member.guest and resolution.virtual_id is not None:
        found.members[resolution.virtual_id] = DesiredMember(
            person, 0, "Holds the place until the person has an account that can be invited.", may_come, True
        )


def _trusted(level: int, resolution: Resolution, rules: Rules) -> tuple[int, str]:
    """The level that this account may have, and why it is not the one of the roles."""
    needed, trust = rules.identity.trust_for_moderators, resolution.trust
    if level < STAFF_LEVEL or (trust is not None and trust.rank >= needed.rank):
        return level, ""
    how = f"is only {trust}" if trust is not None else "is not known to be the person's"
    return 0, (
        f"The roles in Moodle give level {level}, but the Matrix account {how} and moderators need {needed} or better, "
        "so the level is 0. The person proves the account with the bot's command link; or an administrator sets "
        f"identity.trust_for_moderators: {trust if trust is not None else 'derived'}."
    )


def _not_invitable(resolution: Resolution) -> Note:
    kind = "unresolved" if resolution.matrix_id is None else str(resolution.standing)
    text = resolution.reason or NO_ACCOUNT
    if resolution.virtual_id is not None:
        text += " A virtual user holds the place."
    return Note(resolution.user_id, text, kind)


def treatment_of(
    user_id: MoodleUserId, unusable: str, rules: Rules, circumstances: Circumstances
) -> Treatment:
    """What the institution has decided for somebody whose account is unusable, for the given reason."""
    since = circumstances.unusable_since.get(user_id, circumstances.now)
    ends = since + rules.people.grace_period
    gone = unusable == GONE
    if circumstances.now < ends:
        return Treatment(
            Fate.STAY, f"{unusable} Nothing follows from that before {moment(ends)}.", until=ends, gone=gone
        )
    match rules.people.on_suspend:
        case "mute":
            return Treatment(Fate.MUTE, f"{unusable} Stays in the room and can't write there.", gone=gone)
        case "ban":
            return Treatment(Fate.BAN, unusable, gone=gone)
        case "keep":
            return Treatment(Fate.STAY, f"{unusable} Stays in the room all the same.", gone=gone)
        case _:
            return Treatment(Fate.REMOVE, unusable, gone=gone)
