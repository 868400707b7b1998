"""Accounts behind people: made once and only by us, kept like Moodle, waited for, held by virtual users meanwhile."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from moodle_appservice.domain.model import CourseId, MoodleUserId, Resolution, Standing, Trust, UserId
from moodle_appservice.domain.rules import AccountMode, AccountRules, IdentityRules, PeopleRules
from moodle_appservice.engine.accounts import AccountKeeper
from moodle_appservice.engine.people import REFUSED
from moodle_appservice.errors import PermanentFailure, TemporaryFailure, Unreachable
from moodle_appservice.ports import (
    AccountKind,
    AccountRow,
    AccountState,
    Attributes,
    Key,
    Priority,
    Taken,
    course_key,
    person_key,
)
from tests.engine.world import World

SAM = MoodleUserId(8)
ID = UserId("@p8:uni.test")
SSO = IdentityRules(sso_provider="oidc")
CREATE = AccountRules(mode=AccountMode.CREATE)
SIGNS_IN = frozenset({("oidc", "p8")})


class Inbox:
    """Moodle's messages."""

    def __init__(self, *, is_on: bool = True, failure: Exception | None = None) -> None:
        self.sent: list[tuple[MoodleUserId, str]] = []
        self._is_on = is_on
        self._failure = failure

    async def is_on(self) -> bool:
        return self._is_on

    async def send(self, user_id: MoodleUserId, text: str, *, key: str) -> None:
        assert "p8" not in key
        if self._failure is not None:
            raise self._failure
        self.sent.append((user_id, text))


class Crash(BaseException):
    """The process ends here."""


@pytest.fixture
def made(world: World) -> World:
    """We make accounts that sign in by SSO, with admin rights; the homeserver knows an administrator and the bot."""
    world.use(identity=SSO, accounts=CREATE)
    world.accounts.admin()
    world.accounts.add("root", admin=True)
    world.facts.add_person(8)
    return world


async def look(world: World, *signals: str, person: MoodleUserId = SAM) -> Resolution:
    await world.people.run(Taken(person_key(person), Priority.PERSON, 0, frozenset(signals)))
    return (await world.store.people.look_up([person]))[person].resolution


async def refusals(world: World, person: MoodleUserId = SAM) -> list[str]:
    """What the audit log says of what was kept from this person, oldest first."""
    lines = await world.store.journal.audit(person=person)
    return [line.why for line in reversed(lines) if line.kind == REFUSED]


async def due(world: World) -> set[Key]:
    return set(await world.due())


# Making one


async def test_an_account_takes_two_requests_and_is_ours(made: World) -> None:
    await look(made)
    made.accounts.requests.clear()
    found = await look(made, person=made.facts.add_person(9, full_name="Nine"))
    assert (found.matrix_id, found.standing, found.reason) == ("@p9:uni.test", Standing.READY, "")
    assert made.accounts.requests == [("create", "@p9:uni.test"), ("fill", "@p9:uni.test")]
    assert made.accounts.filled[UserId("@p9:uni.test")] == Attributes("Nine", (("oidc", "p9"),))
    row = await made.store.accounts.get(UserId("@p9:uni.test"))
    assert row is not None and (row.state, row.kind, row.user_id) == (
        AccountState.MADE,
        AccountKind.REAL,
        MoodleUserId(9),
    )


async def test_an_account_that_appears_between_list_and_put_is_not_touched(made: World) -> None:
    made.accounts.appears = "p8"
    found = await look(made)
    assert (found.matrix_id, found.wanted) == (None, ID)
    assert "does not sign in by oidc with this person's id" in found.reason
    assert [kind for kind, *_ in made.accounts.writes] == ["create"]
    assert await made.store.accounts.get(ID) is None
    assert len(await refusals(made)) == 1


@pytest.mark.parametrize("given", [{}, {"admin": True}, {"deactivated": True}, {"locked": True}])
async def test_a_user_named_like_an_account_does_not_get_it(world: World, given: dict[str, bool]) -> None:
    world.use(accounts=replace(CREATE, login="password"))
    world.accounts.admin()
    for name in ("admin2", "p8"):
        world.accounts.add(name, **given)
    world.facts.add_person(8, username="admin2", email="evil@uni.test")
    found = await look(world)
    assert (found.matrix_id, found.wanted) == (None, "@admin2:uni.test")
    assert "left untouched" in found.reason
    assert [kind for kind, *_ in world.accounts.writes if kind != "create"] == []
    assert await refusals(world) != []
    await look(world)
    assert len(await refusals(world)) == 1, "a refusal is booked once, not at every look"


async def test_a_crash_at_any_step_leaves_one_account_that_is_finished_later(made: World) -> None:
    steps = ("create", "fill")
    for number, step in enumerate(steps, start=20):
        person = made.facts.add_person(number)
        made.accounts.trouble[step] = Crash()  # type: ignore[assignment]
        with pytest.raises(Crash):
            await look(made, person=person)
        made.accounts.trouble.clear()
        made.rebuild()
        found = await look(made, person=person)
        assert found.invitable == made.user(number), step
        assert list(made.accounts.filled).count(made.user(number)) == 1


async def test_an_answer_that_got_lost_after_the_account_was_made_is_made_up_for(made: World) -> None:
    real = made.accounts.create

    async def loses(user_id: UserId, *, display_name: str = "") -> bool:
        await real(user_id, display_name=display_name)
        raise Unreachable("lost")

    made.accounts.create = loses  # type: ignore[method-assign]
    with pytest.raises(Unreachable):
        await look(made)
    made.accounts.create = real  # type: ignore[method-assign]
    assert (await look(made)).invitable == ID
    assert ID in made.accounts.filled


async def test_an_account_that_somebody_made_during_a_crash_is_not_filled(made: World) -> None:
    made.accounts.trouble["create"] = Crash()  # type: ignore[assignment]
    with pytest.raises(Crash):
        await look(made)
    made.accounts.trouble.clear()
    made.clock.advance(3600)
    made.accounts.add("p8")
    made.rebuild()
    found = await look(made)
    assert found.matrix_id is None and found.wanted == ID
    assert made.accounts.filled == {}


async def test_an_external_id_that_is_taken_is_found_by_the_next_look(made: World) -> None:
    await look(made)
    person = made.facts.add_person(9)
    other = made.accounts.add("nine", external_ids=frozenset({("oidc", "p9")}))
    made.accounts.trouble["fill", "@p9:uni.test"] = PermanentFailure("Another account signs in with it.")
    found = await look(made, person=person)
    assert (found.standing, found.reason) == (Standing.WAITING, "Another account signs in with it.")
    found = await look(made, person=person)
    assert (found.invitable, found.trust) == (other, Trust.DIRECTORY)


async def test_of_two_who_want_one_account_only_the_first_has_it_made(made: World) -> None:
    made.use(identity=replace(SSO, template="@same_{domain}:{domain}"))
    await look(made)
    made.facts.add_person(9)
    assert (await look(made, person=MoodleUserId(9))).matrix_id is None
    assert [kind for kind, *_ in made.accounts.writes] == ["create", "fill"]


@pytest.mark.parametrize("given", [{"suspended": True}, {"confirmed": False}, {"auth": "nologin"}])
async def test_no_account_is_made_for_who_can_not_use_moodle_and_one_is_when_they_can(
    made: World, given: dict[str, Any]
) -> None:
    made.facts.add_person(8, **given)
    assert (await look(made)).invitable is None
    assert made.accounts.writes == []
    made.facts.add_person(8)
    assert (await look(made)).invitable == ID


async def test_no_account_is_made_for_who_is_excluded(made: World) -> None:
    made.use(people=PeopleRules(exclude=frozenset({"p8"})))
    await look(made)
    assert made.accounts.writes == []


async def test_without_the_right_to_make_accounts_the_person_waits(world: World) -> None:
    world.use(identity=SSO, accounts=CREATE)
    world.facts.add_person(8)
    found = await look(world)
    assert (found.matrix_id, found.standing) == (ID, Standing.WAITING)
    assert "doctor says how" in found.reason
    assert world.accounts.writes == []


# Signing in with a password


async def test_with_a_password_login_the_address_is_set_and_no_password(world: World) -> None:
    world.use(accounts=replace(CREATE, login="password"))
    world.accounts.admin()
    world.facts.add_person(8, email="sam@uni.test")
    await look(world)
    assert world.accounts.filled[ID] == Attributes("Person 8", (), "sam@uni.test", None)


async def test_without_an_address_nobody_could_sign_in_so_nothing_is_made(world: World) -> None:
    world.use(accounts=replace(CREATE, login="password"))
    world.accounts.admin()
    world.facts.add_person(8)
    found = await look(world)
    assert (found.standing, world.accounts.writes) == (Standing.WAITING, [])
    assert "without an e-mail address" in found.reason


async def test_a_random_password_is_handed_out_once(world: World, caplog: pytest.LogCaptureFixture) -> None:
    inbox = Inbox()
    world.use(accounts=replace(CREATE, login="password", hand_out_password=True))
    world.accounts.admin()
    world.facts.add_person(8, email="sam@uni.test")
    world.people._accounts = AccountKeeper(world.accounts, world.store, world.rules, world.clock, inbox=inbox)
    await look(world)
    await look(world)
    ((user_id, text),) = inbox.sent
    password = world.accounts.filled[ID].password
    assert password is not None and len(password) >= 16
    assert user_id == SAM and ID in text and password in text
    assert password not in caplog.text


@pytest.mark.parametrize(("is_on", "failure"), [(False, None), (True, Unreachable("down"))])
async def test_who_gets_no_message_has_an_account_all_the_same(
    world: World, is_on: bool, failure: Exception | None, caplog: pytest.LogCaptureFixture
) -> None:
    inbox = Inbox(is_on=is_on, failure=failure)
    world.use(accounts=replace(CREATE, login="password", hand_out_password=True))
    world.accounts.admin()
    world.facts.add_person(8, email="sam@uni.test")
    world.people._accounts = AccountKeeper(world.accounts, world.store, world.rules, world.clock, inbox=inbox)
    assert (await look(world)).invitable == ID
    password = world.accounts.filled[ID].password
    assert (password is None) is not is_on
    assert ("forgot password" in caplog.text) is is_on
    assert password is None or password not in caplog.text


# Following Moodle


async def test_only_what_has_changed_is_written_and_only_to_accounts_of_ours(made: World) -> None:
    made.use(accounts=replace(CREATE, follow_email=True))
    made.facts.add_person(8, email="a@uni.test")
    await look(made)
    made.accounts.requests.clear()
    await look(made)
    assert made.accounts.writes == []
    made.facts.add_person(8, email="b@uni.test", full_name="Sam Married")
    await look(made)
    written = [("set_name", ID, "Sam Married"), ("set_email", ID, "b@uni.test")]
    assert made.accounts.writes == written
    other = made.accounts.add("p9", external_ids=frozenset({("oidc", "p9")}))
    made.facts.add_person(9, email="c@uni.test", full_name="Nine")
    made.rebuild()
    assert (await look(made, person=MoodleUserId(9))).invitable == other
    assert made.accounts.writes == written


async def test_what_is_switched_off_does_not_follow(made: World) -> None:
    made.use(accounts=replace(CREATE, follow_name=False))
    await look(made)
    made.facts.add_person(8, email="b@uni.test", full_name="Sam Married")
    await look(made)
    assert [kind for kind, *_ in made.accounts.writes] == ["create", "fill"]


async def test_an_address_that_another_account_has_keeps_nobody_out(made: World) -> None:
    made.use(accounts=replace(CREATE, follow_email=True))
    await look(made)
    made.facts.add_person(8, email="b@uni.test")
    made.accounts.trouble["set_email"] = PermanentFailure("It belongs to another account.")
    assert (await look(made)).invitable == ID


# By the identity provider


async def test_the_account_that_signs_in_as_the_person_is_theirs_whatever_its_name(world: World) -> None:
    world.use(identity=SSO, accounts=AccountRules(mode=AccountMode.MAP_ONLY))
    world.accounts.admin()
    other = world.accounts.add("eight", external_ids=SIGNS_IN)
    world.accounts.add("p8")
    world.facts.add_person(8)
    found = await look(world)
    assert (found.invitable, found.trust) == (other, Trust.DIRECTORY)


async def test_where_accounts_are_made_one_that_signs_in_already_is_taken_instead(made: World) -> None:
    other = made.accounts.add("eight", external_ids=SIGNS_IN)
    found = await look(made)
    assert (found.invitable, found.trust) == (other, Trust.DIRECTORY)
    assert made.accounts.writes == []


async def test_a_self_registered_user_with_a_professors_name_gets_nothing(world: World) -> None:
    world.use(identity=replace(SSO, by_email=True), accounts=AccountRules(mode=AccountMode.MAP_ONLY))
    world.accounts.admin()
    world.accounts.add("p8", external_ids=SIGNS_IN, emails=frozenset({"prof@uni.test"}))
    world.facts.add_person(8, auth="email", email="prof@uni.test")
    found = await look(world)
    assert (found.matrix_id, world.accounts.requests) == (None, [])
    assert "may choose their user name" in found.reason
    assert len(await refusals(world)) == 1


async def test_a_profile_field_that_names_a_strangers_id_is_refused_and_booked(world: World) -> None:
    world.use(identity=IdentityRules(profile_field="matrix"))
    world.facts.add_person(8, profile_fields={"matrix": "@professor:uni.test"})
    found = await look(world)
    assert (found.invitable, found.trust) == (ID, Trust.DERIVED)
    (line,) = await refusals(world)
    assert "is not believed" in line and "professor" not in line


async def test_a_field_that_was_locked_is_believed_once_it_was_seen_to_change_since(world: World) -> None:
    locked_since = world.clock.now()
    world.use(identity=IdentityRules(profile_field="matrix", field_is_locked=True, locked_since=locked_since))
    world.facts.add_person(8, profile_fields={"matrix": "@professor:uni.test"})
    world.facts.add_person(9)
    nine = MoodleUserId(9)
    assert (await look(world)).matrix_id == ID
    assert (await look(world, person=nine)).matrix_id == world.user(9)
    world.clock.advance(60)
    for number in (8, 9):
        world.facts.add_person(number, profile_fields={"matrix": f"@sure{number}:uni.test"})
        world.clock.advance(60)
        found = await look(world, person=MoodleUserId(number))
        assert (found.matrix_id, found.trust) == (f"@sure{number}:uni.test", Trust.DIRECTORY)


async def test_what_this_service_wrote_into_moodle_makes_nothing_surer(world: World) -> None:
    world.use(identity=IdentityRules(profile_field="matrix", field_is_locked=True))
    world.facts.add_person(8)
    await look(world)
    await world.store.people.wrote_field(SAM, ID)
    world.facts.add_person(8, profile_fields={"matrix": ID})
    found = await look(world)
    assert (found.matrix_id, found.trust, found.reason) == (ID, Trust.DERIVED, "")


async def test_the_account_with_the_persons_address_is_theirs_where_that_is_switched_on(world: World) -> None:
    world.use(identity=IdentityRules(by_email=True), accounts=AccountRules(mode=AccountMode.MAP_ONLY))
    world.accounts.admin()
    other = world.accounts.add("eight", emails=frozenset({"sam@uni.test"}))
    world.facts.add_person(8, email="sam@uni.test")
    found = await look(world)
    assert (found.invitable, found.trust) == (other, Trust.DERIVED)


# Waiting


@pytest.mark.parametrize(
    "rules",
    [
        AccountRules(mode=AccountMode.MAP_ONLY),
        AccountRules(mode=AccountMode.VIRTUAL),
        AccountRules(wait_for_account=True),
    ],
    ids=["map-only", "virtual", "expect-sso that waits"],
)
@pytest.mark.parametrize("admin", [True, False])
async def test_who_waits_is_looked_at_when_the_account_appears(
    world: World, rules: AccountRules, admin: bool
) -> None:
    world.use(accounts=rules)
    world.accounts.may_look = admin
    await world.synced(42)
    world.facts.add_person(8)
    found = await look(world)
    assert (found.matrix_id, found.standing, found.invitable) == (ID, Standing.WAITING, None)
    await world.waiting.look()
    world.accounts.add("p8")
    world.clock.advance(301)
    await world.due()
    await world.waiting.look()
    assert person_key(SAM) in await due(world)
    assert (await look(world)).invitable == ID
    world.clock.advance(100_000)
    await world.waiting.look()
    assert await due(world) == set()


async def test_where_nobody_waits_the_waiting_list_costs_no_request(world: World) -> None:
    world.accounts.may_look = True
    world.facts.add_person(8)
    await look(world)
    world.accounts.requests.clear()
    await world.waiting.look()
    assert world.accounts.requests == []


async def test_a_waiting_list_costs_one_request_however_many_wait(world: World) -> None:
    world.use(accounts=AccountRules(mode=AccountMode.MAP_ONLY))
    world.accounts.may_look = True
    for number in range(20):
        await look(world, person=world.facts.add_person(100 + number))
    world.accounts.requests.clear()
    await world.waiting.look()
    assert world.accounts.requests == [("newest", "100")]


async def test_a_profile_is_asked_for_less_and_less_often(world: World) -> None:
    world.use(accounts=AccountRules(mode=AccountMode.MAP_ONLY))
    world.facts.add_person(8)
    await look(world)
    asked: list[float] = []
    for _ in range(200):
        await world.waiting.look()
        if person_key(SAM) in await due(world):
            asked.append(world.clock.now())
        world.clock.advance(300)
    pauses = [later - earlier for earlier, later in pairwise(asked)]
    assert pauses == sorted(pauses) and pauses[0] < pauses[-1] <= 6 * 3600
    assert len(asked) < 12


async def test_an_account_that_is_blocked_is_not_looked_at_in_a_loop(world: World) -> None:
    world.use(accounts=AccountRules(mode=AccountMode.MAP_ONLY))
    world.accounts.may_look = True
    world.facts.add_person(8)
    world.accounts.add("p8")
    await look(world)
    world.accounts.add("p8", locked=True)
    assert (await look(world)).standing is Standing.BLOCKED
    for _ in range(24):
        world.clock.advance(3500)
        await world.waiting.look()
        assert await due(world) == set()
    await world.waiting.look(at_once=True)
    assert await due(world) == {person_key(SAM)}


async def test_more_accounts_than_one_look_shows_are_not_missed(world: World) -> None:
    world.use(accounts=AccountRules(mode=AccountMode.MAP_ONLY))
    world.accounts.may_look = True
    world.facts.add_person(8)
    await look(world)
    await world.waiting.look()
    world.accounts.add("p8")
    for number in range(150):
        world.accounts.add(f"x{number}")
    await world.waiting.look()
    assert await due(world) == {person_key(SAM)}


async def test_a_homeserver_that_does_not_answer_does_not_stop_the_pass(world: World) -> None:
    world.use(accounts=AccountRules(mode=AccountMode.MAP_ONLY))
    world.accounts.may_look = True
    world.facts.add_person(8)
    await look(world)
    world.accounts.trouble["newest"] = Unreachable("down")
    await world.waiting.look()
    assert await due(world) == set()


async def test_who_was_just_looked_at_for_one_course_is_not_looked_at_again_for_another(world: World) -> None:
    world.use(accounts=AccountRules(mode=AccountMode.MAP_ONLY))
    world.facts.add_person(8)
    await look(world, "course:42")
    world.accounts.requests.clear()
    await world.due()
    await look(world, "course:43")
    assert world.accounts.requests == []
    assert await due(world) == {course_key(CourseId(43))}
    await look(world, "course:43", "account")
    assert world.accounts.requests == [("look", ID)]


# Virtual users


async def test_a_virtual_user_holds_the_place_until_the_account_is_there(world: World) -> None:
    world.use(accounts=AccountRules(mode=AccountMode.VIRTUAL))
    world.facts.add_person(8)
    virtual = UserId("@moodle_uni_8:uni.test")
    found = await look(world, "course:42")
    assert (found.invitable, found.virtual_id, found.matrix_id) == (None, virtual, ID)
    assert world.accounts.writes == [("register_virtual", virtual), ("set_name", virtual, "Person 8")]
    assert course_key(CourseId(42)) in await due(world)
    world.accounts.requests.clear()
    assert (await look(world)).virtual_id == virtual
    assert world.accounts.writes == []
    world.accounts.add("p8")
    found = await look(world)
    assert (found.invitable, found.virtual_id) == (ID, None)


async def test_who_has_no_id_at_all_is_held_a_place_too(world: World) -> None:
    world.use(
        accounts=AccountRules(mode=AccountMode.VIRTUAL), identity=IdentityRules(reserved=frozenset({"p8"}))
    )
    world.facts.add_person(8)
    found = await look(world)
    assert (found.matrix_id, found.virtual_id) == (None, "@moodle_uni_8:uni.test")


async def test_a_virtual_user_follows_a_new_name(world: World) -> None:
    world.use(accounts=AccountRules(mode=AccountMode.VIRTUAL))
    world.facts.add_person(8)
    await look(world)
    world.accounts.requests.clear()
    world.facts.add_person(8, full_name="Sam Married")
    await look(world)
    assert world.accounts.writes == [("set_name", "@moodle_uni_8:uni.test", "Sam Married")]


async def test_another_mode_needs_no_virtual_users(world: World) -> None:
    world.use(accounts=AccountRules(mode=AccountMode.VIRTUAL))
    world.facts.add_person(8)
    await look(world)
    world.use(accounts=AccountRules(mode=AccountMode.MAP_ONLY))
    assert (await look(world)).virtual_id is None


# What goes wrong


async def test_a_homeserver_elsewhere_that_is_down_is_this_persons_trouble_alone(world: World) -> None:
    world.use(
        identity=IdentityRules(
            profile_field="matrix", field_is_locked=True, allowed_domains=frozenset({"far.test"})
        ),
        accounts=AccountRules(mode=AccountMode.MAP_ONLY),
    )
    world.facts.add_person(8, profile_fields={"matrix": "@sam:far.test"})
    world.accounts.trouble["look"] = Unreachable("down")
    found = await look(world)
    assert (found.matrix_id, found.standing) == ("@sam:far.test", Standing.WAITING)
    assert "could not be asked" in found.reason
    assert world.queue._waiting[person_key(SAM)].not_before > world.clock.now()
    world.accounts.trouble.clear()
    world.accounts.add("@sam:far.test")
    assert (await look(world)).invitable == "@sam:far.test"
    world.accounts.trouble["look"] = Unreachable("down")
    assert (await look(world)).invitable == "@sam:far.test", "who was found stays"


async def test_our_own_homeserver_that_is_down_keeps_no_course_waiting(world: World) -> None:
    world.use(accounts=AccountRules(mode=AccountMode.MAP_ONLY))
    world.facts.add_person(8)
    world.accounts.trouble["look"] = Unreachable("down")
    with pytest.raises(TemporaryFailure):
        await look(world, "course:42")
    row = (await world.store.people.look_up([SAM]))[SAM]
    assert row.resolution.invitable is None and "could not be found out" in row.resolution.reason
    assert course_key(CourseId(42)) in await due(world)


async def test_a_profile_that_is_not_shown_is_a_reason(world: World) -> None:
    world.use(accounts=AccountRules(mode=AccountMode.MAP_ONLY))
    world.facts.add_person(8)
    world.accounts.trouble["look"] = PermanentFailure("Its profile is not shown to us.")
    found = await look(world)
    assert (found.standing, found.reason) == (Standing.WAITING, "Its profile is not shown to us.")


async def test_an_account_of_ours_that_was_removed_is_made_again(made: World) -> None:
    await look(made)
    del made.accounts.accounts[ID]
    made.accounts.requests.clear()
    assert (await look(made)).invitable == ID
    assert [kind for kind, *_ in made.accounts.writes] == ["create", "fill"]


async def test_who_was_erased_is_left_alone_and_no_course_waits_for_them(made: World) -> None:
    await made.store.people.exclude(SAM, at=1.0)
    course_id = await made.course(42, students=[8, 9])
    await made.sync(course_id)
    assert SAM not in await made.store.people.look_up([SAM])
    assert [kind for kind, who, *_ in made.accounts.writes if who == ID] == []


# Who makes room for whom


async def test_something_surer_takes_an_id_and_who_had_it_is_told_why(world: World) -> None:
    world.use(identity=IdentityRules(profile_field="matrix", field_is_locked=True))
    world.facts.add_person(8)
    await look(world)
    nine = world.facts.add_person(9, profile_fields={"matrix": ID})
    found = await look(world, person=nine)
    assert (found.invitable, found.trust) == (ID, Trust.DIRECTORY)
    assert person_key(SAM) in await due(world)
    displaced = await look(world)
    assert (displaced.matrix_id, displaced.wanted) == (None, ID)
    assert displaced.reason.startswith("Quarantined")
    assert len(await refusals(world)) >= 1


async def test_who_wants_an_id_gets_it_when_it_is_given_up(world: World) -> None:
    world.use(identity=IdentityRules(profile_field="matrix", field_is_locked=True))
    for number in (8, 9):
        world.facts.add_person(number, profile_fields={"matrix": "@same:uni.test"})
    await look(world)
    nine = MoodleUserId(9)
    assert (await look(world, person=nine)).wanted == "@same:uni.test"
    world.facts.add_person(8, profile_fields={"matrix": "@sam:uni.test"})
    await look(world)
    assert await due(world) == {person_key(nine)}
    assert (await look(world, person=nine)).invitable == "@same:uni.test"


async def test_an_account_that_we_made_stays_with_its_person_whatever_the_rules_become(made: World) -> None:
    await look(made)
    made.facts.add_person(8, auth="email")
    assert (await look(made)).invitable == ID


async def test_an_account_of_ours_whose_link_was_undone_stays_but_is_not_proven_any_more(made: World) -> None:
    await look(made)
    proven = Resolution(SAM, ID, Trust.PROVEN)
    await made.store.people.save(made.facts.people[SAM], proven, at=2.0)
    found = await look(made)
    assert (found.invitable, found.trust) == (ID, Trust.DERIVED)


async def test_without_its_link_a_proven_account_of_somebodys_own_is_let_go(world: World) -> None:
    world.facts.add_person(8)
    proven = Resolution(SAM, UserId("@private:uni.test"), Trust.PROVEN)
    await world.store.people.save(world.facts.people[SAM], proven, at=2.0)
    found = await look(world)
    assert (found.invitable, found.trust) == (ID, Trust.DERIVED)


async def test_changed_rules_make_everybody_due_and_unchanged_ones_nobody(world: World) -> None:
    room_id = await world.synced(42, students=[8])
    del room_id
    await world.look(CourseId(42))
    assert person_key(SAM) not in await due(world)
    world.use(identity=IdentityRules(template="@u{username}:{domain}"))
    await world.look(CourseId(42))
    assert person_key(SAM) in await due(world)
    await look(world)
    await world.due()
    await world.look(CourseId(42))
    assert person_key(SAM) not in await due(world)


async def test_an_account_of_our_making_is_the_only_one_that_is_written_to(world: World) -> None:
    world.use(identity=SSO, accounts=AccountRules(mode=AccountMode.MAP_ONLY, follow_email=True))
    world.accounts.admin()
    world.accounts.add("p8", external_ids=SIGNS_IN)
    for name in ("A", "B"):
        world.facts.add_person(8, full_name=name, email=f"{name}@uni.test")
        assert (await look(world)).invitable == ID
    assert world.accounts.writes == []
    await world.store.accounts.put(AccountRow(ID, MoodleUserId(77), AccountKind.REAL, AccountState.MADE, 1.0))
    await look(world)
    assert world.accounts.writes == [], "made for somebody else"
