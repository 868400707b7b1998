"""From the plain mappings of a case file to the values of the domain, and from actions back to plain mappings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from moodle_appservice.domain.actions import Action, Note
from moodle_appservice.domain.drift import DriftRules, Policy
from moodle_appservice.domain.ledger import Ledger
from moodle_appservice.domain.mapping import DesiredRoom, desired_course
from moodle_appservice.domain.members import Circumstances, Leaver
from moodle_appservice.domain.model import (
    ActualMember,
    ActualRoom,
    Category,
    CategoryId,
    Course,
    CourseFacts,
    Enrolment,
    GroupId,
    Membership,
    MoodleUserId,
    Person,
    Resolution,
    Role,
    RoomId,
    Standing,
    Trust,
    UserId,
)
from moodle_appservice.domain.rooms import SITE_SPACE, RoomKey, RoomKind
from moodle_appservice.domain.rules import (
    AccountMode,
    AccountRules,
    FieldRules,
    IdentityRules,
    PeopleRules,
    Rewrite,
    Rules,
    SafetyRules,
)
from moodle_appservice.domain.space_rules import SpaceRules

STATES: Mapping[str, Mapping[str, Any]] = {
    "usable": {},
    "suspended": {"suspended": True},
    "unconfirmed": {"confirmed": False},
    "nologin": {"auth": "nologin"},
}


def course(given: Mapping[str, Any]) -> Course:
    """A course; what is not given has Moodle's usual value."""
    defaults = {"shortname": "ALG1", "fullname": "Algebra I", "category_id": 3, "visible": True}
    return Course(**{**defaults, **given})


def category(given: Mapping[str, Any]) -> Category:
    """A category; `path` defaults to itself below the top."""
    path = tuple(CategoryId(number) for number in given.get("path", [given["id"]]))
    parent = path[-2] if len(path) > 1 else None
    return Category(CategoryId(given["id"]), given.get("name", "Mathematics"), parent, path, 0)


def person(user_id: int, **given: Any) -> Person:
    """A Moodle account; a usable one with the username `u<id>` where nothing else is said."""
    usual: dict[str, Any] = {
        "username": f"u{user_id}",
        "full_name": f"Person {user_id}",
        "suspended": False,
        "confirmed": True,
        "auth": "manual",
    }
    return Person(id=MoodleUserId(user_id), **{**usual, **given})


def course_facts(given: Mapping[str, Any]) -> tuple[CourseFacts, dict[MoodleUserId, Resolution]]:
    """Facts and resolutions from `course` and `people`: Moodle user id → roles, state, and id or reason.

    `above`: roles from above; without `roles` the person is not enrolled. `state: unknown`: Moodle did not tell it.
    None of `id`, `reason` and `virtual`: nobody has looked at this person yet. An id is known from a directory, and its
    account ready, where nothing else is said.
    """
    enrolments, people, resolutions, inherited = [], {}, {}, {}
    for number, one in given.get("people", {}).items():
        extra = set(one) - {"roles", "above", "state", "id", "reason", "trust", "standing", "virtual"}
        assert not extra, f"person {number}: unknown keys {extra}"
        user_id = MoodleUserId(number)
        if "above" in one:
            inherited[user_id] = frozenset(Role(role) for role in one["above"])
        if "roles" in one or "above" not in one:
            enrolments.append(Enrolment(user_id, frozenset(Role(role) for role in one.get("roles", ()))))
        state = one.get("state", "usable")
        if state != "unknown":
            people[user_id] = person(number, **STATES[state])
        if {"id", "reason", "virtual"} & set(one):
            resolutions[user_id] = Resolution(
                user_id,
                UserId(one["id"]) if "id" in one else None,
                Trust(one.get("trust", "directory")) if "id" in one else None,
                one.get("reason", ""),
                Standing(one.get("standing", "ready")),
                UserId(one["virtual"]) if "virtual" in one else None,
            )
    facts = CourseFacts(
        course(given["course"]), tuple(enrolments), people, (), read_at=0.0, inherited=inherited
    )
    return facts, resolutions


SECTIONS: Mapping[str, Any] = {
    "identity": IdentityRules,
    "accounts": AccountRules,
    "people": PeopleRules,
    "fields": FieldRules,
    "safety": SafetyRules,
}


def rules(given: Mapping[str, Any]) -> Rules:
    """Rules by the names of their fields; lists become sets where sets are meant."""
    values: dict[str, Any] = {
        "site": "uni",
        "domain": "uni.test",
        "bot": "@moodle:uni.test",
        "site_url": "https://moodle.uni.test",
        **given,
    }
    values["identity"] = {"trust_for_moderators": Trust.DERIVED, **values.get("identity", {})}
    rewrites = values["identity"].get("rewrite", ())
    values["identity"]["rewrite"] = tuple(Rewrite(pattern, new) for pattern, new in rewrites)
    if "mode" in values.get("accounts", {}):
        values["accounts"] = {**values["accounts"], "mode": AccountMode(values["accounts"]["mode"])}
    if "spaces" in values:
        values["spaces"] = space_rules(values["spaces"])
    if isinstance(values.get("drift"), Mapping):
        values["drift"] = DriftRules(**{name: Policy(word) for name, word in values["drift"].items()})
    for name, kind in SECTIONS.items():
        if name in values:
            values[name] = kind(**_sets(values[name]))
    return Rules(**_sets(values))


def _sets(given: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {
        key: frozenset(value) if isinstance(value, list) else value for key, value in given.items()
    }
    if "trust_for_moderators" in found:
        found["trust_for_moderators"] = Trust(found["trust_for_moderators"])
    return found


def actual_room(given: Mapping[str, Any] | None) -> ActualRoom | None:
    """A room. A member is a membership, or `[membership, sender]` and perhaps `admitted` or `declined`.

    State is by type, with an empty state key, or by type, space and state key.
    """
    if given is None:
        return None
    members = {}
    for user, one in given["members"].items():
        membership, sender, *how = (one, None) if isinstance(one, str) else one
        members[UserId(user)] = ActualMember(
            Membership(membership), sender and UserId(sender), how == ["admitted"], how == ["declined"]
        )
    return ActualRoom(
        room_id=RoomId(given["room_id"]),
        version=given["version"],
        creator=UserId(given["creator"]),
        state={_type_and_key(name): content for name, content in given["state"].items()},
        members=members,
    )


def _type_and_key(name: str) -> tuple[str, str]:
    event_type, _, state_key = name.partition(" ")
    return event_type, state_key


def ledger(given: Mapping[str, Any] | None) -> Ledger:
    """What we last wrote in the room."""
    if given is None:
        return Ledger()
    return Ledger(
        name=given.get("name"),
        topic=given.get("topic"),
        levels={UserId(user): level for user, level in given.get("levels", {}).items()},
        places=frozenset(UserId(user) for user in given.get("places", ())),
        intended=frozenset(UserId(user) for user in given.get("intended", ())),
        bans=frozenset(UserId(user) for user in given.get("bans", ())),
        departed=frozenset(UserId(user) for user in given.get("departed", ())),
        kept=frozenset(given.get("kept", ())),
    )


def circumstances(given: Mapping[str, Any] | None) -> Circumstances:
    """What decides beside Moodle's list. `leavers`: Moodle id → why the account is unusable, empty if it is not."""
    values = dict(given or {})
    if "asked" in values:
        values["asked"] = frozenset(values["asked"])
    if "leavers" in values:
        values["leavers"] = {number: Leaver(why) for number, why in values["leavers"].items()}
    return Circumstances(**values)


def known(given: Mapping[str, int] | None) -> dict[UserId, MoodleUserId]:
    """Matrix id → Moodle person."""
    return {UserId(user): MoodleUserId(number) for user, number in (given or {}).items()}


def shown(action: Action) -> dict[str, Any]:
    """An action as a case file writes it: its kind under `do`, and every one of its fields that is set."""
    values = {field.name: getattr(action, field.name) for field in fields(action)}
    given = {name: _plain(value) for name, value in values.items() if value is not None}
    if given.get("counted") is True:
        del given["counted"]
    return {"do": type(action).__name__, **given}


def shown_note(note: Note) -> dict[str, Any]:
    """A note as a case file writes it."""
    return {"person": note.person, "kind": note.kind, "text": note.text}


def _plain(value: Any) -> Any:
    if isinstance(value, RoomKey):
        return str(value)
    return dict(value) if isinstance(value, Mapping) else value


def categories(given: Mapping[int, Mapping[str, Any]]) -> dict[CategoryId, Category]:
    """Categories by their numbers; `path` from the top down to itself."""
    found = {}
    for number, one in given.items():
        path = tuple(CategoryId(above) for above in one.get("path", [number]))
        found[CategoryId(number)] = Category(
            CategoryId(number),
            one.get("name", f"Category {number}"),
            path[-2] if len(path) > 1 else None,
            path,
            one.get("sort_order", 0),
            visible=one.get("visible", True),
            idnumber=one.get("idnumber", ""),
        )
    return found


def space_rules(given: Mapping[str, Any]) -> SpaceRules:
    """Rules for spaces; `levels` is `all` or a list."""
    values: dict[str, Any] = {
        key: frozenset(value) if isinstance(value, list) else value for key, value in given.items()
    }
    if values.get("levels") == "all":
        values["levels"] = None
    return SpaceRules(**values)


def room_key(text: str) -> RoomKey:
    """A key as it writes itself: `site`, `category 3`, `course 42 main`, `course 42 group 7`."""
    words = text.split()
    if words[0] == "site":
        return SITE_SPACE
    if words[0] == "category":
        return RoomKey(RoomKind.CATEGORY, int(words[1]))
    return RoomKey(RoomKind(words[2]), int(words[1]), GroupId(int(words[3]) if len(words) > 3 else 0))


def desired_room(
    facts: CourseFacts,
    category: Category | None,
    resolutions: Mapping[MoodleUserId, Resolution],
    rules: Rules,
    *,
    circumstances: Circumstances | None = None,
) -> DesiredRoom:
    """The main room alone, of a course in which people have chosen nothing."""
    wanted = desired_course(facts, category, resolutions, rules, circumstances=circumstances)
    return next(room for room in wanted.rooms if room.key.kind is RoomKind.MAIN)
