"""The relay over a room that forgets nothing and a Moodle in memory: told once, kept true, within hours and amounts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from moodle_appservice.domain.deadlines import DateKind
from moodle_appservice.domain.model import CourseId, MoodleUserId, RoomId, UserId
from moodle_appservice.domain.relay import Attachment
from moodle_appservice.domain.rooms import RoomKey, RoomKind
from moodle_appservice.engine.relay import DATES_KEPT, Pace
from moodle_appservice.engine.relay_sender import Senders
from moodle_appservice.errors import PermanentFailure, TemporaryFailure, Unreachable
from moodle_appservice.ports import Chosen, Pause
from tests.engine.relay_desk import COURSE, DAY, HOUR, ROOM, RelayDesk
from tests.engine.world import World

BERLIN = ZoneInfo("Europe/Berlin")
MORNING = datetime(2026, 11, 30, 10, tzinfo=BERLIN).timestamp()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path / "world.db")
    world.clock.time = MORNING
    await world.db.start()
    yield world
    await world.db.stop()


@pytest.fixture
async def desk(world: World) -> RelayDesk:
    desk = RelayDesk(world)
    await desk.begin()
    return desk


async def test_a_post_is_told_edited_and_withdrawn(desk: RelayDesk) -> None:
    desk.post()
    await desk.later()
    await desk.later()
    (told,) = desk.told
    assert told.speech.text == (
        "News 14\nTeach One\n\nText 14\n\nhttps://moodle.uni.test/mod/forum/discuss.php?d=13"
    )
    assert "<h4><a href=" in told.speech.html and not told.speech.notice
    assert (told.edits, told.is_redacted, told.sender) == ([], False, desk.world.rules.bot)
    desk.change(14, html="<p>Another text</p>")
    await desk.later()
    await desk.later()
    assert len(told.edits) == 1 and "Another text" in told.now.text
    desk.delete(14)
    await desk.later()
    await desk.later()
    assert told.is_redacted and len(desk.told) == 1


async def test_what_was_there_before_is_not_told(world: World) -> None:
    desk = RelayDesk(world)
    world.facts.add_course(COURSE)
    desk.content.add_forum(COURSE)
    desk.post(created=MORNING - 100)
    await desk.begin()
    await desk.later()
    assert desk.told == []


async def test_nothing_is_told_twice_after_a_restart_or_a_lost_answer(desk: RelayDesk) -> None:
    desk.post()
    desk.room.loses_answers = True
    with pytest.raises(Unreachable):
        await desk.later()
    desk.room.loses_answers = False
    desk.restart()
    await desk.later()
    await desk.later()
    assert len(desk.told) == 1
    desk.change(14, subject="Other")
    await desk.later()
    assert desk.shown[0].startswith("Other")


async def test_nothing_is_told_twice_after_a_restore_of_the_database(desk: RelayDesk) -> None:
    desk.post()
    await desk.later()
    await desk.world.db.execute("DELETE FROM relay_post")
    desk.restart()
    await desk.later()
    await desk.later()
    assert len(desk.told) == 1
    desk.delete(14)
    await desk.later()
    assert desk.told[0].is_redacted, "it is known again"


async def test_two_services_on_one_database_tell_a_post_once(desk: RelayDesk) -> None:
    other = RelayDesk(desk.world)
    other.content, other.room = desk.content, desk.room
    other.restart()
    desk.post()
    await desk.later()
    await other.relay.cycle()
    assert len(desk.told) == 1


async def test_an_author_with_a_virtual_user_in_the_room_speaks(desk: RelayDesk) -> None:
    virtual = UserId("@moodle_uni_5:uni.test")
    await desk.world.db.execute(
        "INSERT INTO account (matrix_id, moodle_id, kind, state, intended_at) VALUES ($1, 5, 'virtual', 'made', 1.0)",
        virtual,
    )
    await desk.world.synced(43, students=[9])
    room_id = desk.world.room(CourseId(43))
    desk.world.matrix.member(room_id, virtual, "join")
    await desk.world.matrix.push()
    senders = Senders(desk.world.store, bot=desk.world.rules.bot)
    assert await senders.of(MoodleUserId(5), room_id) == virtual
    assert await senders.of(MoodleUserId(6), room_id) == desk.world.rules.bot
    assert await senders.of(MoodleUserId(5), ROOM) == desk.world.rules.bot


async def test_where_the_author_may_not_speak_the_bot_does(
    desk: RelayDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    virtual = UserId("@moodle_uni_5:uni.test")

    async def of(self: Senders, author: MoodleUserId, room_id: RoomId) -> UserId:
        return virtual

    monkeypatch.setattr(Senders, "of", of)
    desk.post(14)
    await desk.later()
    assert (desk.told[0].sender, "Teach One" in desk.told[0].speech.text) == (virtual, False)
    desk.room.silent.add(virtual)
    desk.post(15)
    await desk.later()
    assert (desk.told[1].sender, "Teach One" in desk.told[1].speech.text) == (desk.world.rules.bot, True)


async def test_outside_the_hours_new_things_wait_and_changes_do_not(desk: RelayDesk) -> None:
    desk.post(14)
    await desk.later()
    desk.world.clock.time = datetime(2026, 11, 30, 23, tzinfo=BERLIN).timestamp()
    desk.post(15)
    desk.change(14, html="<p>Changed</p>")
    await desk.later()
    assert len(desk.told) == 1 and "Changed" in desk.shown[0]
    desk.delete(14)
    await desk.later()
    assert desk.shown == []
    desk.world.clock.time = datetime(2026, 12, 1, 7, tzinfo=BERLIN).timestamp()
    await desk.later()
    assert len(desk.shown) == 1 and desk.shown[0].startswith("News 15")


async def test_a_full_day_ends_with_a_list_that_stays_true(world: World) -> None:
    desk = RelayDesk(world, most_per_day=4)
    await desk.begin()
    for number in range(14, 20):
        desk.post(number)
    await desk.later()
    assert [text.split("\n")[0] for text in desk.shown] == [
        "News 14",
        "News 15",
        "4 more announcements in Moodle:",
    ]
    assert "• News 19 (Teach One) https://" in desk.shown[-1]
    desk.post(20)
    desk.change(16, subject="Other")
    desk.delete(17)
    desk.restart()
    await desk.later(HOUR)
    assert len(desk.told) == 3, "the list is edited"
    assert (
        desk.shown[-1].startswith("4 more") and "Other" in desk.shown[-1] and "News 17" not in desk.shown[-1]
    )
    desk.world.clock.advance(DAY)
    desk.post(21)
    await desk.later()
    assert desk.shown[-1].startswith("News 21"), "a new day"


@pytest.mark.parametrize("how", ["paused", "archived", "everything"])
async def test_in_a_paused_or_archived_course_nothing_new_is_said(desk: RelayDesk, how: str) -> None:
    desk.post(14)
    await desk.later()
    store = desk.world.store
    if how == "archived":
        await store.choices.choose(COURSE, "archived", Chosen(True, "bot", 0.0))
    else:
        await store.pauses.add(Pause(COURSE if how == "paused" else None, 0.0, "x", "y"))
    desk.post(15)
    desk.delete(14)
    desk.due(20)
    await desk.later()
    assert len(desk.told) == 1
    assert desk.told[0].is_redacted is (how != "everything"), "what was said stays true"


async def test_files_are_links_unless_they_may_be_uploaded(world: World) -> None:
    address = "https://moodle.uni.test/webservice/pluginfile.php/71/mod_forum"
    files = (
        Attachment("plan.png", f"{address}/post/14/plan.png", "image/png", 70, 0.0),
        Attachment("sheet.pdf", f"{address}/attachment/14/sheet.pdf", "application/pdf", 5, 0.0),
        Attachment("large.png", f"{address}/attachment/14/large.png", "image/png", 5000, 0.0),
    )
    html = f'<p>See <img src="{address}/post/14/plan.png" alt="plan"></p>'
    desk = RelayDesk(world)
    await desk.begin()
    desk.post(html=html, files=files)
    await desk.later()
    assert "webservice" not in desk.told[0].speech.html and "token" not in desk.told[0].speech.html
    assert 'pluginfile.php/71/mod_forum/attachment/14/sheet.pdf">sheet.pdf</a>' in desk.told[0].speech.html
    assert desk.room.uploads == []
    desk.delete(14)
    await desk.later()
    desk.rules = replace(desk.rules, upload_types=("image/png", "application/pdf"), upload_max=1000)
    desk.restart()
    desk.post(15, html=html, files=files)
    await desk.later()
    assert '<img src="mxc://uni.test/1" alt="plan"' in desk.told[1].speech.html
    assert [one.speech.text for one in desk.told[2:]] == ["sheet.pdf"]
    await desk.later(HOUR)
    assert len(desk.room.uploads) == 2, "each once"
    desk.delete(15)
    await desk.later()
    assert [one.is_redacted for one in desk.told] == [True, True, True]


async def test_a_course_that_is_switched_off_and_on_does_not_get_what_came_between(desk: RelayDesk) -> None:
    store = desk.world.store
    await store.choices.choose(COURSE, "relay", Chosen(False, "bot", 0.0))
    await desk.later()
    desk.post(14)
    await desk.later()
    await store.choices.choose(COURSE, "relay", Chosen(True, "bot", 0.0))
    await desk.later()
    desk.post(15)
    await desk.later()
    assert [text.split("\n")[0] for text in desk.shown] == ["News 15"]


async def test_a_reader_that_sees_too_much_stops_everything(
    desk: RelayDesk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.content.too_much = ["It may enter the hidden course 4."]
    desk.restart()
    desk.post()
    desk.due(20)
    await desk.later()
    await desk.later()
    assert (desk.told, await desk.relay.coming_up([COURSE])) == ([], {})
    assert caplog.text.count("hidden course 4") == 1
    desk.content.too_much = []
    await desk.later(HOUR)
    assert len(desk.told) == 2


async def test_news_go_to_the_room_for_announcements_as_soon_as_there_is_one(world: World) -> None:
    world.rules = replace(world.rules, layout="space", announcements=True)
    world.rebuild()
    desk = RelayDesk(world)
    await desk.begin()
    assert await desk.scope.room(COURSE) == ROOM, "it is not made yet"
    news = RoomId("!news")
    await world.store.ledger.adopt(news, RoomKey(RoomKind.ANNOUNCEMENTS, COURSE), at=0.0)
    desk.post()
    await desk.later()
    await desk.later()
    assert [len(desk.room.rooms.get(room_id, {})) for room_id in (news, ROOM)] == [1, 0]
    await world.store.choices.choose(COURSE, "announcements", Chosen(False, "bot", world.clock.now()))
    assert await desk.scope.room(COURSE) == ROOM, "its teachers want none"


async def test_a_forum_that_cannot_be_read_changes_nothing(desk: RelayDesk) -> None:
    desk.post()
    await desk.later()
    desk.content.trouble[desk.content.forums_of[COURSE][0].id] = PermanentFailure("Hidden.")
    desk.delete(14)
    await desk.later()
    assert not desk.told[0].is_redacted


async def test_deletions_beyond_the_newest_are_found(desk: RelayDesk) -> None:
    for number in range(14, 40):
        desk.post(number)
        await desk.later()
    assert len(desk.told) >= 9
    desk.delete(14)
    await desk.later(HOUR)
    assert desk.told[0].is_redacted
    before = desk.content.whole
    desk.delete(20)
    await desk.later(DAY)
    assert desk.content.whole > before


async def test_one_failing_course_holds_up_no_other_and_a_homeserver_that_is_down_all(
    desk: RelayDesk,
) -> None:
    desk.post()
    desk.room.trouble = TemporaryFailure("Busy.")
    await desk.later()
    desk.room.trouble = Unreachable("Down.")
    with pytest.raises(Unreachable):
        await desk.later()
    desk.room.trouble = None
    await desk.later()
    assert len(desk.told) == 1


async def test_dates_are_told_once_a_day_corrected_and_withdrawn(desk: RelayDesk) -> None:
    desk.due(20)
    await desk.later(1200)
    await desk.later(1200)
    (told,) = desk.told
    assert told.speech.notice and told.speech.text == (
        "Coming up (times in Europe/Berlin):\n• Tuesday, 1 Dec 2026, 06:00: Sheet 1 is due"
    )
    desk.due(5, 17, "Quiz")
    await desk.later(1200)
    assert len(desk.told) == 1 and "Quiz is due" in desk.shown[0]
    desk.due(30)
    await desk.later(1200)
    assert (
        "Sheet 1 is due (moved from Tuesday, 1 Dec 2026, 06:00 to Tuesday, 1 Dec 2026, 17:00)"
        in desk.shown[0]
    )
    desk.content.dates_of[COURSE].clear()
    await desk.later(1200)
    assert desk.shown == [] and len(desk.told) == 1


async def test_lists_of_dates_come_once_also_after_crash_and_restore(desk: RelayDesk) -> None:
    desk.due(20)
    desk.room.loses_answers = True
    with pytest.raises(Unreachable):
        await desk.later(1200)
    desk.room.loses_answers = False
    desk.restart()
    await desk.later(1200)
    assert len(desk.told) == 1
    await desk.world.db.execute("DELETE FROM relay_list")
    await desk.world.db.execute("DELETE FROM relay_told")
    desk.restart()
    await desk.later(1200)
    assert len(desk.told) == 1


async def test_the_next_day_has_a_list_of_its_own_and_the_last_one_stays_true(desk: RelayDesk) -> None:
    desk.due(100)
    await desk.later(1200)
    await desk.later(DAY)
    assert len(desk.told) == 1, "nothing new is due"
    desk.due(100)
    await desk.later(1200)
    assert len(desk.told) == 2
    assert all("moved from" in text for text in desk.shown)
    await desk.later(DAY)
    assert len(desk.told) == 2


async def test_reminders_notify_where_the_administrator_wants_it(world: World) -> None:
    desk = RelayDesk(world, notify_reminders=True, dates=frozenset({DateKind.DUE}))
    await desk.begin()
    desk.due(20)
    await desk.later(1200)
    assert not desk.told[0].speech.notice


async def test_whoever_asks_is_told_what_comes_up_and_moodle_is_asked_seldom(desk: RelayDesk) -> None:
    desk.due(20)
    desk.due(400, 18, "Far away")
    desk.world.clock.advance(DATES_KEPT + 1)
    for _ in range(3):
        found = await desk.relay.coming_up([COURSE])
    assert [one.name for one in found[COURSE]] == ["Sheet 1"]
    assert desk.relay.zone_name == "Europe/Berlin"
    assert desk.content.dates_asked <= 2


async def test_the_loop_survives_whatever_happens(desk: RelayDesk, caplog: pytest.LogCaptureFixture) -> None:
    desk.relay._pace = Pace(0.001, 0.001, 0.001)
    desk.content.broken = RuntimeError("a bug")
    desk.content.asked.clear()
    desk.relay.start()
    await desk.content.asked.wait()
    desk.content.broken = None
    desk.content.asked.clear()
    await desk.content.asked.wait()
    await desk.relay.stop()
    assert "a bug of ours" in caplog.text


class Report:
    """Implements `ports.Detector`."""

    def __init__(self) -> None:
        self.answer: frozenset[CourseId] | None = frozenset()
        self.failure: PermanentFailure | None = None

    async def changed(self) -> frozenset[CourseId] | None:
        if self.failure is not None:
            raise self.failure
        return self.answer


async def test_with_a_report_only_changed_courses_are_read_and_all_of_them_once_an_hour(
    desk: RelayDesk, caplog: pytest.LogCaptureFixture
) -> None:
    report = Report()
    desk.relay._detector = report
    await desk.later()
    desk.post(14)
    await desk.later()
    assert desk.told == []
    report.answer = frozenset({COURSE})
    await desk.later()
    assert len(desk.told) == 1
    report.answer = frozenset()
    desk.post(15)
    await desk.later(HOUR)
    assert len(desk.told) == 2
    report.failure = PermanentFailure("There is no such report.")
    desk.post(16)
    await desk.later()
    await desk.later()
    assert len(desk.told) == 3 and caplog.text.count("no such report") == 1
