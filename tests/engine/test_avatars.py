"""Avatars of accounts of ours: written when the picture in Moodle is another one, and at no other time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from moodle_appservice.domain.model import MoodleUserId, Standing, UserId
from moodle_appservice.domain.rules import AccountMode, AccountRules, IdentityRules
from moodle_appservice.engine.people import RETRY_AVATAR
from moodle_appservice.errors import NoAdminRights, PermanentFailure, TemporaryFailure
from moodle_appservice.ports import Priority, Taken, person_key
from tests.engine.world import World

SAM = MoodleUserId(8)
ID = UserId("@p8:uni.test")
CREATE = AccountRules(mode=AccountMode.CREATE, follow_avatar=True)
VIRTUAL = AccountRules(mode=AccountMode.VIRTUAL, follow_avatar=True)
ONE, TWO = "100/user/icon/f3?rev=1", "100/user/icon/f3?rev=2"


def use(world: World, accounts: AccountRules, picture: str | None = ONE) -> None:
    world.use(identity=IdentityRules(sso_provider="oidc"), accounts=accounts, existing_courses=True)
    world.accounts.admin()
    world.accounts.add("root", admin=True)
    world.facts.add_person(8, picture=picture)


async def look(world: World) -> Standing:
    await world.people.run(Taken(person_key(SAM), Priority.PERSON, 0, frozenset()))
    return (await world.store.people.look_up([SAM]))[SAM].resolution.standing


def show(world: World, picture: str | None) -> None:
    world.facts.people[SAM] = replace(world.facts.people[SAM], picture=picture)


def avatars(world: World) -> list[tuple[str, ...]]:
    return [request[1:] for request in world.accounts.requests if request[0] == "set_avatar"]


@pytest.mark.parametrize(
    ("accounts", "whose"),
    [(CREATE, ID), (VIRTUAL, UserId("@moodle_uni_8:uni.test"))],
    ids=["real", "virtual"],
)
async def test_an_avatar_is_written_once_changed_and_taken_away(
    world: World, accounts: AccountRules, whose: UserId
) -> None:
    use(world, accounts)
    for picture in (ONE, ONE, TWO, TWO, None, TWO, "", "", None, ONE):
        show(world, picture)
        await look(world)
    assert avatars(world) == [(whose, ONE), (whose, TWO), (whose, ""), (whose, ONE)]
    assert world.pictures.downloads == [ONE, TWO, ONE]


@pytest.mark.parametrize(
    ("accounts", "picture"),
    [(replace(CREATE, follow_avatar=False), ONE), (CREATE, None), (CREATE, "")],
    ids=["switched off", "not told", "without a picture"],
)
async def test_nothing_is_written_where_there_is_nothing_to_follow(
    world: World, accounts: AccountRules, picture: str | None
) -> None:
    use(world, accounts, picture)
    assert await look(world) is Standing.READY
    assert (avatars(world), world.pictures.downloads) == ([], [])


async def test_an_account_that_we_did_not_make_keeps_its_avatar(world: World) -> None:
    use(world, CREATE)
    world.accounts.add("p8", external_ids=frozenset({("oidc", "p8")}))
    assert await look(world) is Standing.READY
    assert (avatars(world), world.pictures.downloads) == ([], [])


async def test_a_picture_that_fails_holds_up_nobody_and_is_tried_again(world: World) -> None:
    use(world, CREATE)
    world.pictures.trouble[ONE] = TemporaryFailure("Moodle is down.")
    assert await look(world) is Standing.READY
    assert world.queue._waiting[person_key(SAM)].not_before == world.clock.now() + RETRY_AVATAR
    world.pictures.trouble.clear()
    await look(world)
    assert avatars(world) == [(ID, ONE)]


async def test_a_homeserver_that_is_busy_at_the_avatar_is_asked_again(world: World) -> None:
    use(world, CREATE)
    world.accounts.trouble["set_avatar"] = TemporaryFailure("Busy.")
    assert await look(world) is Standing.READY
    assert world.queue._waiting[person_key(SAM)].not_before == world.clock.now() + RETRY_AVATAR


@pytest.mark.parametrize("failure", [PermanentFailure("It is too large."), NoAdminRights("We may not.")])
async def test_what_would_fail_again_waits_for_another_picture(
    world: World, failure: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    use(world, CREATE)
    world.pictures.trouble[ONE] = failure
    assert await look(world) is Standing.READY
    assert str(failure) in caplog.text and ID in caplog.text
    assert world.queue.depth() == 0
    show(world, TWO)
    await look(world)
    assert avatars(world) == [(ID, TWO)]


async def test_a_new_picture_wakes_the_person_and_no_course(world: World) -> None:
    use(world, VIRTUAL)
    await world.synced(students=[8, 9])
    await world.pass_over_site()
    await world.work()
    await world.pass_over_site()
    assert await world.due() == {}, "nothing has changed"
    show(world, TWO)
    await world.pass_over_site()
    assert await world.due() == {person_key(SAM): frozenset({"picture"})}
    await look(world)
    assert avatars(world)[-1] == ("@moodle_uni_8:uni.test", TWO)
    await world.pass_over_site()
    assert await world.due() == {}


async def test_a_picture_that_changed_while_we_were_stopped_is_found_after_the_start(world: World) -> None:
    use(world, VIRTUAL)
    await world.synced(students=[8])
    show(world, TWO)
    world.rebuild()
    await world.pass_over_site()
    await world.work()
    assert avatars(world)[-1] == ("@moodle_uni_8:uni.test", TWO)
