"""Avatars of accounts of ours: written when the picture in Moodle is another one, and at no other time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from moodle_appservice.domain.model import MoodleUserId, Standing, UserId
from moodle_appservice.domain.rules import AccountMode, AccountRules, IdentityRules
from moodle_appservice.engine.people import RETRY_AVATAR
from moodle_appservice.errors import AppError, NoAdminRights, PermanentFailure, TemporaryFailure
from moodle_appservice.ports import Key, Priority, Taken, person_key
from tests.engine.world import World
from tests.fake_accounts import FakePictureList

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


# Where the facts tell no pictures: asked in turns


def ask_apart(world: World, accounts: AccountRules = VIRTUAL, at_once: int = 200) -> FakePictureList:
    world.picture_list = FakePictureList(at_once)
    world.use(identity=IdentityRules(sso_provider="oidc"), accounts=accounts, existing_courses=True)
    world.accounts.admin()
    return world.picture_list


async def turn(world: World) -> None:
    assert world.picture_turns is not None
    await world.picture_turns.run()
    world.clock.advance(1)
    await world.work()


async def test_pictures_that_are_asked_for_apart_are_written_once_changed_and_taken_away(
    world: World,
) -> None:
    listing = ask_apart(world)
    await world.synced(students=[8, 9])
    for picture in (ONE, ONE, TWO, "", "", ONE):
        listing.pictures[SAM] = picture
        await turn(world)
    assert avatars(world) == [("@moodle_uni_8:uni.test", one) for one in (ONE, TWO, "", ONE)]
    assert listing.asked == [[8, 9]] * 6


async def test_the_avatar_of_nobody_whose_account_is_not_ours_is_asked_for(world: World) -> None:
    listing = ask_apart(world, CREATE)
    world.accounts.add("p8", external_ids=frozenset({("oidc", "p8")}))
    await world.synced(students=[8, 9])
    listing.pictures |= {SAM: ONE, MoodleUserId(9): TWO}
    await turn(world)
    assert (listing.asked, avatars(world)) == ([[9]], [("@p9:uni.test", TWO)])


async def test_everybody_has_a_turn_and_who_is_new_comes_first(world: World) -> None:
    listing = ask_apart(world, at_once=2)
    await world.synced(students=[1, 2, 3, 4, 5, 6, 7])
    await turn(world)
    assert listing.asked == [[1, 2], [3, 4]]
    await world.synced(43, students=[9])
    await turn(world)
    assert listing.asked[2:] == [[5, 6], [7, 9]]
    await turn(world)
    assert listing.asked[4:] == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    "trouble", [TemporaryFailure("Moodle is down."), PermanentFailure("We may not.")], ids=["down", "refused"]
)
async def test_a_list_of_pictures_that_fails_holds_up_nothing_and_is_told_once(
    world: World, trouble: AppError, caplog: pytest.LogCaptureFixture
) -> None:
    listing = ask_apart(world)
    await world.synced(students=[8])
    listing.pictures[SAM], listing.trouble = ONE, trouble
    await turn(world)
    await turn(world)
    assert (caplog.text.count(str(trouble)), avatars(world)) == (1, [])
    listing.trouble = None
    await turn(world)
    assert len(avatars(world)) == 1


async def test_what_is_missing_for_it_in_moodle_is_said_and_nothing_is_asked(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    listing = ask_apart(world)
    await world.synced(students=[8])
    listing.missing = "The service of our token may not download files."
    await turn(world)
    assert listing.asked == [] and listing.missing in caplog.text


async def test_who_is_not_shown_keeps_the_avatar(world: World) -> None:
    listing = ask_apart(world)
    await world.synced(students=[8])
    listing.pictures[SAM] = ONE
    await turn(world)
    del listing.pictures[SAM]
    await turn(world)
    assert len(avatars(world)) == 1


async def test_a_picture_that_fails_for_good_is_tried_again_after_a_start_or_with_another_one(
    world: World,
) -> None:
    listing = ask_apart(world)
    await world.synced(students=[8])
    listing.pictures[SAM] = ONE
    world.pictures.trouble[ONE] = PermanentFailure("It is too large.")
    for _ in range(3):
        await turn(world)
    assert world.pictures.downloads == [ONE]
    world.rebuild()
    await turn(world)
    assert world.pictures.downloads == [ONE, ONE]


async def test_a_picture_that_is_asked_for_apart_and_fails_for_now_is_tried_again(world: World) -> None:
    listing = ask_apart(world)
    await world.synced(students=[8])
    listing.pictures[SAM] = ONE
    world.pictures.trouble[ONE] = TemporaryFailure("Moodle is down.")
    await turn(world)
    world.pictures.trouble.clear()
    world.clock.advance(RETRY_AVATAR)
    await world.work()
    assert avatars(world) == [("@moodle_uni_8:uni.test", ONE)]


async def test_whoever_is_woken_by_a_picture_finds_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    listing = ask_apart(world)
    await world.synced(students=[8])
    listing.pictures[SAM] = ONE
    turns = world.picture_turns
    assert turns is not None
    found: list[str | None] = []

    async def taken_at_once(key: Key, **more: object) -> None:
        found.append(turns.of(MoodleUserId(key.number)))

    monkeypatch.setattr(world.queue, "add", taken_at_once)
    await turns.run()
    assert found == [ONE]
