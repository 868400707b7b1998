"""Who is in the spaces above courses: invited to that of the site once, and left in peace.

A person is invited to the space of the site when first seen in a room of a course, and never again, whatever becomes
of that invite. Nobody is invited to the space of a category: it lets in whoever is in that of the site. Who is there
stays when the courses end; only an account that can't be used any more goes (`people.on_suspend`), and one that is not
the person's any more, for which the right one gets the place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .members import Circumstances, DesiredMember, Fate, Treatment, treatment_of
from .model import ActualMember, Membership, MoodleUserId, UserId
from .rules import Rules

UNUSABLE = "The Moodle account can't be used any more."
INVITED = "Is in a room of a course, and was never invited to the space of the site."
STAYS = "Was let in once, and stays."
TAKES_OVER = "Another account of this person was in the space."
_PRESENT = frozenset({Membership.INVITE, Membership.JOIN})


@dataclass(frozen=True, slots=True)
class Visitor:
    """What is known of one person. `account`: the one that counts now; `invitable`: it can be invited.

    `unusable_since`: Unix seconds; None while the Moodle account can be used.
    """

    person: MoodleUserId
    account: UserId | None
    invitable: bool = True
    username: str = ""
    unusable_since: float | None = None


@dataclass(slots=True)
class Visitors:
    """The people of one space: whom to invite, who may stay, and what happens to others."""

    members: dict[UserId, DesiredMember] = field(default_factory=dict)
    treatments: dict[MoodleUserId, Treatment] = field(default_factory=dict)
    people: frozenset[MoodleUserId] = frozenset()


def visitors_of(
    present: Mapping[UserId, ActualMember],
    known: Mapping[UserId, MoodleUserId],
    people: Mapping[MoodleUserId, Visitor],
    newcomers: frozenset[MoodleUserId],
    rules: Rules,
    now: float,
    *,
    invites: bool,
) -> Visitors:
    """Sort out everybody. `present`: the members of the space, those who have left too; `newcomers`: whom to invite.

    `invites`: whether anybody is invited to this space at all.
    """
    found = Visitors(people=frozenset({*known.values(), *newcomers}))
    circumstances = Circumstances(
        now=now,
        unusable_since={
            person: one.unusable_since for person, one in people.items() if one.unusable_since is not None
        },
    )
    for user, member in sorted(present.items()):
        person = known.get(user)
        if person is not None and member.membership in _PRESENT:
            _look_at(user, person, people.get(person), found, rules, circumstances)
            if invites:
                _hand_over(user, people.get(person), present, found, rules)
    for person in sorted(newcomers - found.treatments.keys() if invites else ()):
        one = people.get(person)
        if one is not None and _may_come(one, rules) and one.account is not None:
            found.members.setdefault(one.account, DesiredMember(person, 0, INVITED))
    return found


def _look_at(
    user: UserId,
    person: MoodleUserId,
    one: Visitor | None,
    found: Visitors,
    rules: Rules,
    circumstances: Circumstances,
) -> None:
    """Somebody who is there."""
    if one is None or rules.people.excludes(person, one.username):
        found.treatments[person] = Treatment(Fate.UNMANAGED, "")
        return
    if one.unusable_since is not None:
        treatment = treatment_of(person, UNUSABLE, rules, circumstances)
        found.treatments[person] = treatment
        if treatment.fate in (Fate.REMOVE, Fate.BAN):
            return
    account = user if one.account is None else one.account
    found.members.setdefault(account, DesiredMember(person, 0, STAYS, required=False))


def _hand_over(
    user: UserId,
    one: Visitor | None,
    present: Mapping[UserId, ActualMember],
    found: Visitors,
    rules: Rules,
) -> None:
    """Invite the account that counts for a person in place of another one that is there.

    That is no second invite of the person: the place changes hands, and an account that was here before is not asked.
    """
    if one is None or one.account in (user, None) or not _may_come(one, rules):
        return
    if one.account is not None and one.account not in present:
        found.members[one.account] = DesiredMember(one.person, 0, TAKES_OVER)


def _may_come(one: Visitor, rules: Rules) -> bool:
    return (
        one.invitable and one.unusable_since is None and not rules.people.excludes(one.person, one.username)
    )
