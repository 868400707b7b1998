"""Deleting rooms and writing them down, where the homeserver does not simply do it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import stamina

from moodle_appservice.domain.model import CourseId, RoomId, UserId
from moodle_appservice.domain.rooms import main_room
from moodle_appservice.errors import NoAdminRights, PermanentFailure, TemporaryFailure
from moodle_appservice.matrix import office as module
from moodle_appservice.matrix.admin import AdminApi
from moodle_appservice.matrix.http import HomeserverApi
from moodle_appservice.matrix.office import SynapseOffice
from tests.adapters.scripted_homeserver import Answer, ScriptedHomeserver, refusal
from tests.fakes import FakeClock

ROOM = RoomId("!room:uni.test")
IS_ADMIN = [refusal(404, "M_UNRECOGNIZED"), Answer()]
"""No MAS, and the bot may see its own account by the admin API."""


@pytest.fixture
async def office(homeserver: ScriptedHomeserver, tmp_path: Path) -> AsyncIterator[SynapseOffice]:
    async with aiohttp.ClientSession() as session:
        with stamina.set_testing(True, attempts=2, cap=True):
            api = HomeserverApi(str(homeserver.server.make_url("/")), "token", session=session, timeout=5)
            admin = AdminApi(api, None, bot=UserId("@moodle:uni.test"), clock=FakeClock())
            yield SynapseOffice(api, admin, tmp_path / "exports", "uni")


async def test_a_room_that_is_gone_already_is_purged(
    homeserver: ScriptedHomeserver, office: SynapseOffice
) -> None:
    homeserver.answers = [*IS_ADMIN, refusal(404, "M_NOT_FOUND")]
    await office.purge(ROOM)
    assert [one.method for one in homeserver.seen] == ["GET", "GET", "GET"]


async def test_a_deletion_that_is_under_way_is_not_asked_for_again(
    homeserver: ScriptedHomeserver, office: SynapseOffice
) -> None:
    under_way = Answer(body={"results": [{"status": "purging"}]})
    homeserver.answers = [*IS_ADMIN, Answer(), under_way, Answer(body={"results": [{"status": "complete"}]})]
    await office.purge(ROOM)
    assert "DELETE" not in [one.method for one in homeserver.seen]


async def test_a_deletion_that_failed_says_why(homeserver: ScriptedHomeserver, office: SynapseOffice) -> None:
    failed = Answer(body={"results": [{"status": "failed", "error": "disk full"}]})
    homeserver.answers = [
        *IS_ADMIN,
        Answer(),
        refusal(404, "M_NOT_FOUND"),
        Answer(body={"delete_id": "x"}),
        failed,
    ]
    with pytest.raises(PermanentFailure, match=r"could not delete the room .*disk full"):
        await office.purge(ROOM)


async def test_a_deletion_that_takes_long_is_looked_at_again(
    homeserver: ScriptedHomeserver, office: SynapseOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.5)
    homeserver.answers = [*IS_ADMIN, Answer(), Answer(body={"results": [{"status": "purging"}]})]
    with pytest.raises(TemporaryFailure, match="still deleting"):
        await office.purge(ROOM)


async def test_without_admin_rights_nothing_is_asked_to_be_deleted(
    homeserver: ScriptedHomeserver, office: SynapseOffice
) -> None:
    homeserver.answers = [
        refusal(404, "M_UNRECOGNIZED"),
        refusal(403, "M_FORBIDDEN", "You are not a server admin"),
    ]
    with pytest.raises(NoAdminRights, match="no server administrator"):
        await office.purge(ROOM)
    assert "DELETE" not in [one.method for one in homeserver.seen]


async def test_an_export_takes_every_page_and_leaves_no_half_file(
    homeserver: ScriptedHomeserver, office: SynapseOffice, tmp_path: Path
) -> None:
    key = main_room(CourseId(42))
    homeserver.answers = [
        Answer(body={"chunk": [{"n": 1}, {"n": 2}], "end": "t2"}),
        refusal(403, "M_FORBIDDEN", "You are not in the room"),
    ]
    with pytest.raises(PermanentFailure):
        await office.export(ROOM, key)
    assert list((tmp_path / "exports").iterdir()) == []
    homeserver.answers = [
        Answer(body={"chunk": [{"n": 1}, {"n": 2}], "end": "t2"}),
        Answer(body={"chunk": [{"n": 3}]}),
    ]
    await office.export(ROOM, key)
    (file,) = (tmp_path / "exports").iterdir()
    assert file.name == "uni-course-42-main-room.jsonl"
    assert file.read_text(encoding="utf-8") == '{"n": 1}\n{"n": 2}\n{"n": 3}\n'
    assert homeserver.seen[-1].query == {"dir": "f", "limit": "500", "from": "t2"}


async def test_a_room_that_was_written_down_and_left_since_keeps_its_file_and_can_be_deleted(
    homeserver: ScriptedHomeserver, office: SynapseOffice, tmp_path: Path
) -> None:
    key = main_room(CourseId(42))
    homeserver.answers = [Answer(body={"chunk": [{"n": 1}]})]
    await office.export(ROOM, key)
    # A deletion has put the bot out, and then failed: the next look begins with the export again.
    is_out = refusal(403, "M_FORBIDDEN", "User @moodle:uni.test not in room")
    homeserver.answers = [is_out, *IS_ADMIN, Answer(body={"results": [{"status": "failed"}]})]
    await office.export(ROOM, key)
    (file,) = (tmp_path / "exports").iterdir()
    assert file.read_text(encoding="utf-8") == '{"n": 1}\n'
    homeserver.answers = [refusal(404, "M_NOT_FOUND", "No such room")]
    with pytest.raises(PermanentFailure):
        await office.export(ROOM, key)


async def test_an_older_file_is_no_export_of_a_room_that_somebody_has_put_the_bot_out_of(
    homeserver: ScriptedHomeserver, office: SynapseOffice
) -> None:
    key = main_room(CourseId(42))
    homeserver.answers = [Answer(body={"chunk": [{"n": 1}]})]
    await office.export(ROOM, key)
    # It was used again since, and what was written then would be lost with a deletion.
    is_out = refusal(403, "M_FORBIDDEN", "User @moodle:uni.test not in room")
    homeserver.answers = [is_out, *IS_ADMIN, refusal(404, "M_NOT_FOUND")]
    with pytest.raises(PermanentFailure, match="not in room"):
        await office.export(ROOM, key)


async def test_an_export_into_a_folder_that_can_t_be_made_says_so(
    homeserver: ScriptedHomeserver, office: SynapseOffice, tmp_path: Path
) -> None:
    (tmp_path / "exports").write_text("a file", encoding="utf-8")
    with pytest.raises(PermanentFailure, match="can't be written"):
        await office.export(ROOM, main_room(CourseId(42)))
    assert homeserver.seen == []
