"""The planner, case by case: facts, rules, the room as it is and our ledger in; every action and every note out.

`cases/plan/base.yaml` is a room in which all is well; a case is merged into it. `+: …` as the content of a `SetPower`
means: the base's power levels with these changes.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moodle_appservice.domain.actions import Ban, Invite, Join, OfPerson, Plan, Remove, SetPower, Unban
from moodle_appservice.domain.model import MoodleUserId
from moodle_appservice.domain.plan import plan_room
from moodle_appservice.domain.rooms import main_room
from tests.domain import casefiles, values

BASE = casefiles.read(casefiles.FOLDER / "plan" / "base.yaml")
GIVEN = ("facts", "rules", "actual", "ledger", "known", "waiting", "circumstances")
DESERTED = casefiles.merge(
    BASE,
    {
        "facts": {"people": {7: None, 8: None, 9: None}},
        "actual": {
            "members": {"@tess:uni.test": None, "@sam:uni.test": None, "@sue:uni.test": None},
            "state": {"m.room.power_levels": {"users": {"@tess:uni.test": None}}},
        },
        "known": {"@tess:uni.test": None, "@sam:uni.test": None, "@sue:uni.test": None},
        "ledger": {"places": [], "levels": {"@tess:uni.test": None}},
    },
)
"""The same room without anybody but the bot."""


def plan_of(case: dict[str, Any], base: dict[str, Any] = BASE) -> Plan:
    given = casefiles.merge(base, {key: case[key] for key in GIVEN if key in case})
    facts, resolutions = values.course_facts(given["facts"])
    category = given["facts"].get("category")
    rules = values.rules(given["rules"])
    desired = values.desired_room(
        facts,
        category and values.category(category),
        resolutions,
        rules,
        circumstances=values.circumstances(given.get("circumstances")),
    )
    return plan_room(
        desired,
        values.actual_room(given.get("actual")),
        values.ledger(given.get("ledger")),
        values.known(given.get("known")),
        rules,
        waiting=given.get("waiting"),
    )


def expected(action: dict[str, Any]) -> dict[str, Any]:
    content = action.get("content")
    if content is not None and set(content) == {"+"}:
        levels = BASE["actual"]["state"]["m.room.power_levels"]
        return {**action, "content": casefiles.merge(levels, content["+"])}
    return action


@pytest.mark.parametrize("case", casefiles.cases("plan", keys=(*GIVEN, "actions", "notes", "next_look")))
def test_plan(case: dict[str, Any]) -> None:
    plan = plan_of(case)
    assert [values.shown(action) for action in plan.actions] == [expected(one) for one in case["actions"]]
    assert [values.shown_note(note) for note in plan.notes] == case["notes"]
    assert plan.room == main_room(BASE["facts"]["course"]["id"])
    assert plan.next_look == case.get("next_look")


MEMBERSHIPS = st.sampled_from(["invite", "join", "leave", "ban", "knock"])
BOT = "@moodle:uni.test"
ACCOUNTS = [f"@p{number}:uni.test" for number in range(12)]
VIRTUAL = [f"@moodle_uni_{number}:uni.test" for number in range(7, 13)]
POLICIES = st.sampled_from(["remove", "mute", "ban", "keep"])


@st.composite
def scenes(draw: st.DrawFn) -> dict[str, Any]:
    """A course of a few people in a room of a few accounts, with everything that may be known of both."""
    people = {}
    for number in draw(st.sets(st.integers(7, 12))):
        person: dict[str, Any] = {
            "roles": draw(st.lists(st.sampled_from(["student", "teacher", "editingteacher"]), max_size=2)),
            "state": draw(st.sampled_from(["usable", "usable", "usable", "suspended", "unknown"])),
            "trust": draw(st.sampled_from(["derived", "directory", "proven"])),
            "standing": draw(st.sampled_from(["ready", "ready", "waiting", "blocked"])),
        }
        if draw(st.booleans()):
            person["id"] = ACCOUNTS[number - 7]
        if draw(st.booleans()):
            person["virtual"] = f"@moodle_uni_{number}:uni.test"
        people[number] = person
    everybody = st.sampled_from([*ACCOUNTS, *VIRTUAL])
    senders = st.sampled_from([BOT, BOT, "@p1:uni.test", "@p2:uni.test"])
    known = draw(st.dictionaries(st.sampled_from([*ACCOUNTS, BOT]), st.integers(7, 20)))
    known.update({one["id"]: number for number, one in people.items() if "id" in one})
    subset = st.lists(everybody, unique=True)
    leavers = {
        number: draw(st.sampled_from(["", "Gone."])) for number in range(13, 16) if draw(st.booleans())
    }
    return {
        "facts": {"people": people},
        "rules": {
            "identity": {"trust_for_moderators": "directory"},
            "people": {
                "on_suspend": draw(POLICIES),
                "grace_period": draw(st.sampled_from([0, 100])),
                "when": draw(st.sampled_from(["always", "on-request"])),
                "exclude": draw(st.sampled_from([[], ["8", "u9"]])),
            },
        },
        "circumstances": {
            "now": 1000,
            "unusable_since": draw(st.dictionaries(st.integers(7, 15), st.sampled_from([850, 950]))),
            "asked": draw(st.lists(st.integers(7, 12))),
            "leavers": leavers,
        },
        "actual": {"members": draw(st.dictionaries(everybody, st.tuples(MEMBERSHIPS, senders)))},
        "known": known,
        "ledger": {"places": draw(subset), "intended": draw(subset), "bans": draw(subset)},
        "waiting": draw(st.sampled_from([None, 7, 9])),
    }


@given(scenes())
def test_no_plan_touches_the_bot_or_a_stranger_and_each_account_is_in_it_once(scene: dict[str, Any]) -> None:
    plan = plan_of(scene, DESERTED)
    touched = [action.matrix_id for action in plan.actions if isinstance(action, OfPerson)]
    unbanned = [action.matrix_id for action in plan.actions if isinstance(action, Unban)]
    out = {action.matrix_id for action in plan.actions if isinstance(action, Remove | Ban)}
    books = {*scene["ledger"]["places"], *scene["ledger"]["intended"], *VIRTUAL}
    invited_by_us = {user for user, one in scene["actual"]["members"].items() if one == ("invite", BOT)}
    assert BOT not in touched
    assert out <= books | invited_by_us
    assert set(unbanned) <= set(scene["ledger"]["bans"])
    for user in set(touched):
        # A ban of ours that has had its time is lifted, and the person invited: the only two for one account.
        assert touched.count(user) == 1 + (user in unbanned and touched.count(user) > 1)


@given(scenes())
def test_only_who_is_usable_and_ready_is_invited_and_only_virtual_users_join(scene: dict[str, Any]) -> None:
    people = scene["facts"]["people"]
    for action in plan_of(scene, DESERTED).actions:
        match action:
            case Invite(user, person, level):
                one = people[person]
                assert (one["state"], one["standing"], one["id"]) == ("usable", "ready", user)
                assert level < 50 or one["trust"] != "derived"
                # Who knocks asks.
                asks = scene["actual"]["members"].get(user, ("",))[0] == "knock"
                asks = asks or person in scene["circumstances"]["asked"]
                assert asks or scene["rules"]["people"]["when"] == "always"
            case Join(user, person):
                assert user == f"@moodle_uni_{person}:uni.test"
                assert people[person]["state"] == "usable"
                assert "id" not in people[person] or people[person]["standing"] != "ready"


@given(scenes())
def test_nothing_is_taken_from_whom_we_leave_alone_or_know_too_little_of(scene: dict[str, Any]) -> None:
    people = scene["facts"]["people"]
    spared = {number for number, one in people.items() if one["state"] == "unknown"}
    if scene["rules"]["people"]["exclude"]:
        spared |= {8} | ({9} & set(people))
    if scene["rules"]["people"]["grace_period"]:
        since = scene["circumstances"]["unusable_since"]
        suspended = {number for number, one in people.items() if one["state"] == "suspended"}
        spared |= {number for number in suspended if since.get(number, 1000) == 950 or number not in since}
    excluded_only = {8} if scene["rules"]["people"]["exclude"] and 8 not in people else set()
    for action in plan_of(scene, DESERTED).actions:
        if isinstance(action, Remove | Ban) and action.person not in excluded_only:
            assert action.person not in spared, action


@given(scenes())
def test_what_gives_way_does_so_after_what_takes_its_place_and_the_rest_goes_first(
    scene: dict[str, Any],
) -> None:
    members = scene["actual"]["members"]
    actions = plan_of(scene, DESERTED).actions
    order = ["out", "power", "unban", "in"]
    kinds = []
    for number, action in enumerate(actions):
        match action:
            case Remove(person=person, instead=str(instead)):
                comes = [one for one in actions[:number] if isinstance(one, Invite | Join)]
                here = members.get(instead, ("",))[0]
                assert here in ("invite", "join", "leave", "ban") or instead in {
                    one.matrix_id for one in comes
                }
                assert all(one.person == person for one in comes if one.matrix_id == instead)
            case Remove() | Ban():
                kinds.append("out")
            case SetPower():
                kinds.append("power")
            case Unban():
                kinds.append("unban")
            case Invite() | Join():
                kinds.append("in")
    assert [order.index(kind) for kind in kinds] == sorted(order.index(kind) for kind in kinds)
    assert kinds.count("power") <= 1


@given(scenes())
def test_nobody_has_a_level_by_a_virtual_user_and_the_creator_has_none(scene: dict[str, Any]) -> None:
    for action in plan_of(scene, DESERTED).actions:
        if isinstance(action, SetPower):
            assert not {*VIRTUAL, BOT} & set(action.content["users"])


@given(scenes())
def test_a_plan_that_was_carried_out_leaves_nothing_to_do(scene: dict[str, Any]) -> None:
    members = dict(scene["actual"]["members"])
    books = {name: set(users) for name, users in scene["ledger"].items()}
    state: dict[str, Any] = {}
    for action in plan_of(scene, DESERTED).actions:
        match action:
            case Remove(user) | Unban(user):
                members[user] = ("leave", BOT)
                books = {name: users - {user} for name, users in books.items()}
            case Ban(user):
                members[user] = ("ban", BOT)
                books["bans"].add(user)
                books["places"].discard(user)
            case Invite(user):
                members[user] = ("invite", BOT)
                books["places"].add(user)
            case Join(user):
                members[user] = ("join", user)
                books["places"].add(user)
            case SetPower(content):
                state["m.room.power_levels"] = content
            case _:
                raise AssertionError(action)
    after = {
        **scene,
        "actual": {"members": members, "state": state},
        "ledger": {name: sorted(users) for name, users in books.items()},
    }
    assert plan_of(after, DESERTED).actions == ()


def test_waiting_for_somebody_who_is_not_missing_changes_nothing() -> None:
    assert plan_of({"waiting": MoodleUserId(8)}).actions == ()
