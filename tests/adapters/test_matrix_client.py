"""The bot's hands: each method's request as the homeserver sees it, and what each answer means."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
import stamina

from moodle_appservice.domain.model import EventId, RoomAlias, RoomId, UserId
from moodle_appservice.errors import (
    AliasTaken,
    AlreadyThere,
    AppError,
    NotThere,
    PermanentFailure,
    TemporaryFailure,
)
from moodle_appservice.matrix.client import MatrixClient
from moodle_appservice.matrix.http import HomeserverRefused
from tests.adapters.scripted_homeserver import Answer, ScriptedHomeserver, refusal

BOT = UserId("@moodle:uni.test")
SAM = UserId("@sam:uni.test")
ROOM = RoomId("!abc-DEF_123")
ALIAS = RoomAlias("#moodle_uni_course_42:uni.test")
HTML_404 = Answer(404, "<html>404 Not Found – nginx</html>")
HTML_403 = Answer(403, "<html>403 Forbidden – nginx</html>")


@pytest.fixture
async def matrix(homeserver: ScriptedHomeserver) -> AsyncIterator[MatrixClient]:
    async with aiohttp.ClientSession() as session:
        with stamina.set_testing(True, attempts=2, cap=True):
            yield MatrixClient(
                str(homeserver.server.make_url("/")),
                "token",
                appservice_id="moodle",
                bot=BOT,
                session=session,
            )


Call = Callable[[MatrixClient], Awaitable[Any]]
V3 = "/_matrix/client/v3"
REQUESTS: dict[str, tuple[Call, Answer, list[tuple[str, str, Any]], Any]] = {
    "create_room": (
        lambda one: one.create_room({"name": "x"}),
        Answer(body={"room_id": ROOM}),
        [("POST", f"{V3}/createRoom", {"name": "x"})],
        ROOM,
    ),
    "resolve_alias": (
        lambda one: one.resolve_alias(ALIAS),
        Answer(body={"room_id": ROOM, "servers": ["uni.test"]}),
        [("GET", f"{V3}/directory/room/{ALIAS}", None)],
        ROOM,
    ),
    "delete_alias": (
        lambda one: one.delete_alias(ALIAS),
        Answer(),
        [("DELETE", f"{V3}/directory/room/{ALIAS}", {})],
        None,
    ),
    "get_state": (
        lambda one: one.get_state(ROOM, "m.room.create"),
        Answer(body={"room_version": "12"}),
        [("GET", f"{V3}/rooms/{ROOM}/state/m.room.create/", None)],
        {"room_version": "12"},
    ),
    "set_state": (
        lambda one: one.set_state(ROOM, "m.room.name", "", {"name": "x"}),
        Answer(body={"event_id": "$e"}),
        [("PUT", f"{V3}/rooms/{ROOM}/state/m.room.name/", {"name": "x"})],
        "$e",
    ),
    "invite": (
        lambda one: one.invite(ROOM, SAM),
        Answer(),
        [("POST", f"{V3}/rooms/{ROOM}/invite", {"user_id": SAM})],
        None,
    ),
    "join": (lambda one: one.join(ROOM), Answer(), [("POST", f"{V3}/join/{ROOM}", {})], None),
    "leave": (lambda one: one.leave(ROOM), Answer(), [("POST", f"{V3}/rooms/{ROOM}/leave", {})], None),
    "send": (
        lambda one: one.send(ROOM, {"body": "x"}, "txn"),
        Answer(body={"event_id": "$e"}),
        [("PUT", f"{V3}/rooms/{ROOM}/send/m.room.message/txn", {"body": "x"})],
        "$e",
    ),
    "react": (
        lambda one: one.react(ROOM, EventId("$m"), "✅", "txn"),
        Answer(body={"event_id": "$e"}),
        [
            (
                "PUT",
                f"{V3}/rooms/{ROOM}/send/m.reaction/txn",
                {"m.relates_to": {"rel_type": "m.annotation", "event_id": "$m", "key": "✅"}},
            )
        ],
        "$e",
    ),
    "ping": (
        lambda one: one.ping(),
        Answer(),
        [("POST", "/_matrix/client/v1/appservice/moodle/ping", {})],
        None,
    ),
    "whoami": (
        lambda one: one.whoami(),
        Answer(body={"user_id": BOT}),
        [("GET", f"{V3}/account/whoami", None)],
        BOT,
    ),
}


@pytest.mark.parametrize("name", REQUESTS)
async def test_a_method_is_one_request(
    matrix: MatrixClient, homeserver: ScriptedHomeserver, name: str
) -> None:
    call, answer, expected, result = REQUESTS[name]
    homeserver.answers = [answer]
    assert await call(matrix) == result
    assert [(seen.method, seen.path, seen.body) for seen in homeserver.seen] == expected


@pytest.mark.parametrize("name", REQUESTS)
@pytest.mark.parametrize("answer", [refusal(403, "M_FORBIDDEN", "No"), HTML_403, HTML_404, Answer(500)])
async def test_a_refusal_is_an_error_of_ours_or_an_answer(
    matrix: MatrixClient, homeserver: ScriptedHomeserver, name: str, answer: Answer
) -> None:
    homeserver.answers = [answer]
    try:
        assert await REQUESTS[name][0](matrix) is None
    except AppError:
        pass


async def test_awkward_names_in_a_path_are_quoted(
    matrix: MatrixClient, homeserver: ScriptedHomeserver
) -> None:
    homeserver.answers = [Answer(body={"event_id": "$e"})]
    await matrix.set_state(RoomId("!a/b?c#d"), "org.example/x", "@sam/x?y:uni.test", {})
    assert homeserver.seen[0].path == f"{V3}/rooms/!a/b?c#d/state/org.example/x/@sam/x?y:uni.test"


@pytest.mark.parametrize(
    "answer",
    [
        refusal(400, "M_ROOM_IN_USE", "Room alias already taken"),
        # Of two processes that make the same room at the same moment, the later one hears this from Synapse.
        refusal(409, "M_UNKNOWN", "Room alias #moodle_uni_course_42:uni.test already exists"),
    ],
    ids=["known before", "at the same moment"],
)
async def test_a_taken_alias_is_said(
    matrix: MatrixClient, homeserver: ScriptedHomeserver, answer: Answer
) -> None:
    homeserver.answers = [answer]
    with pytest.raises(AliasTaken, match="moodle_uni_course_42"):
        await matrix.create_room({"room_alias_name": "moodle_uni_course_42"})


async def test_another_conflict_is_no_word_about_an_alias(
    matrix: MatrixClient, homeserver: ScriptedHomeserver
) -> None:
    homeserver.answers = [refusal(409, "M_UNKNOWN", "Something else is in the way")]
    with pytest.raises(AppError) as caught:
        await matrix.create_room({"room_alias_name": "moodle_uni_course_42"})
    assert not isinstance(caught.value, AliasTaken)


async def test_an_alias_that_the_homeserver_does_not_have_is_none(
    matrix: MatrixClient, homeserver: ScriptedHomeserver
) -> None:
    homeserver.answers = [refusal(404, "M_NOT_FOUND", "Room alias not found")]
    assert await matrix.resolve_alias(ALIAS) is None
    await matrix.delete_alias(ALIAS)


@pytest.mark.parametrize(
    "answer", [HTML_404, HTML_403, refusal(404, "M_UNRECOGNIZED", "Unrecognized request")]
)
async def test_an_answer_that_is_not_the_homeserver_s_does_not_make_anything_vanish(
    matrix: MatrixClient, homeserver: ScriptedHomeserver, answer: Answer
) -> None:
    homeserver.answers = [answer]
    calls: list[Call] = [
        lambda one: one.resolve_alias(ALIAS),
        lambda one: one.delete_alias(ALIAS),
        lambda one: one.get_state(ROOM, "m.room.create"),
    ]
    for call in calls:
        with pytest.raises(HomeserverRefused):
            await call(matrix)


@pytest.mark.parametrize(("status", "errcode"), [(404, "M_NOT_FOUND"), (403, "M_FORBIDDEN")])
async def test_state_that_is_not_there_or_not_for_us_is_none(
    matrix: MatrixClient, homeserver: ScriptedHomeserver, status: int, errcode: str
) -> None:
    homeserver.answers = [refusal(status, errcode)]
    assert await matrix.get_state(ROOM, "m.room.create") is None


async def test_an_unknown_token_does_not_look_like_missing_state(
    matrix: MatrixClient, homeserver: ScriptedHomeserver
) -> None:
    homeserver.answers = [refusal(401, "M_UNKNOWN_TOKEN")]
    with pytest.raises(HomeserverRefused, match="as_token"):
        await matrix.get_state(ROOM, "m.room.create")


async def test_who_is_in_the_room_already_is_said(
    matrix: MatrixClient, homeserver: ScriptedHomeserver
) -> None:
    homeserver.answers = [refusal(403, "M_FORBIDDEN", "@sam:uni.test is already in the room.")]
    with pytest.raises(AlreadyThere):
        await matrix.invite(ROOM, SAM)


async def test_who_is_not_in_the_room_any_more_is_said(
    matrix: MatrixClient, homeserver: ScriptedHomeserver
) -> None:
    homeserver.answers = [refusal(403, "M_FORBIDDEN", "The target user is not in the room")]
    with pytest.raises(NotThere):
        await matrix.kick(ROOM, SAM, "No active enrolment in this course.")
    assert homeserver.seen[0].body == {"user_id": SAM, "reason": "No active enrolment in this course."}


async def test_a_ban_says_whom_and_why_and_one_that_is_not_there_can_t_be_lifted(
    matrix: MatrixClient, homeserver: ScriptedHomeserver
) -> None:
    text = "Cannot unban user who was not banned (membership=leave)"
    homeserver.answers = [Answer(200, {}), Answer(200, {}), refusal(403, "M_BAD_STATE", text)]
    await matrix.ban(ROOM, SAM, "Not a member.")
    await matrix.unban(ROOM, SAM)
    with pytest.raises(NotThere):
        await matrix.unban(ROOM, SAM)
    assert [request.body for request in homeserver.seen] == [
        {"user_id": SAM, "reason": "Not a member."},
        {"user_id": SAM},
        {"user_id": SAM},
    ]
    assert [request.path.rsplit("/", 1)[1] for request in homeserver.seen] == ["ban", "unban", "unban"]


@pytest.mark.parametrize(
    "answer",
    [
        refusal(403, "M_FORBIDDEN", "@moodle:uni.test not in room !abc."),
        refusal(403, "M_FORBIDDEN", "You don't have permission to invite users"),
        refusal(403, "M_INVITE_BLOCKED", "This user is not permitted to send invites"),
        refusal(403, "M_BAD_STATE", "Cannot kick user who was banned"),
    ],
)
async def test_other_refusals_are_what_they_are(
    matrix: MatrixClient, homeserver: ScriptedHomeserver, answer: Answer
) -> None:
    homeserver.answers = [answer]
    for call in (matrix.invite(ROOM, SAM), matrix.kick(ROOM, SAM, "x")):
        with pytest.raises(HomeserverRefused, match=f"HTTP 403 {answer.body['errcode']}"):
            await call


async def test_a_room_is_read_as_events_without_what_we_do_not_keep(
    matrix: MatrixClient, homeserver: ScriptedHomeserver
) -> None:
    event = {
        "event_id": "$e",
        "sender": SAM,
        "content": {"name": "x"},
        "state_key": "",
        "origin_server_ts": 5,
    }
    homeserver.answers = [
        Answer(
            body=[
                {**event, "type": "m.room.name"},
                {**event, "type": "org.example.widget"},
                {**event, "type": "m.room.name", "state_key": None},
                {"type": "m.room.name"},
                "no event",
            ]
        )
    ]
    (found,) = await matrix.read_state(ROOM)
    assert (found.room_id, found.type, found.content, found.timestamp) == (
        ROOM,
        "m.room.name",
        {"name": "x"},
        5,
    )
    assert homeserver.seen[0].path == f"{V3}/rooms/{ROOM}/state"


@pytest.mark.parametrize("body", [{}, {"value": "x"}, "{}", 5])
async def test_an_answer_that_is_no_room_is_not_taken_for_an_empty_one(
    matrix: MatrixClient, homeserver: ScriptedHomeserver, body: Any
) -> None:
    homeserver.answers = [Answer(body=body)]
    with pytest.raises(TemporaryFailure, match="is not a list"):
        await matrix.read_state(ROOM)


@pytest.mark.parametrize("name", ["create_room", "resolve_alias", "set_state", "send", "react"])
@pytest.mark.parametrize("body", [{}, [], "5", {"room_id": None, "event_id": 5}])
async def test_a_yes_without_what_was_asked_for_is_an_error_of_ours(
    matrix: MatrixClient, homeserver: ScriptedHomeserver, name: str, body: Any
) -> None:
    homeserver.answers = [Answer(body=body)]
    with pytest.raises(TemporaryFailure):
        await REQUESTS[name][0](matrix)


async def test_a_direct_chat_is_made_and_then_the_person_invited_to_it(
    matrix: MatrixClient, homeserver: ScriptedHomeserver
) -> None:
    homeserver.answers = [Answer(body={"room_id": ROOM}), Answer(body={"event_id": "$e"})]
    assert await matrix.direct_room(SAM) == ROOM
    create, invite = homeserver.seen
    assert (create.method, create.path) == ("POST", f"{V3}/createRoom")
    assert create.body["preset"] == "private_chat" and create.body["is_direct"] is True
    assert "invite" not in create.body
    assert (invite.method, invite.path) == ("PUT", f"{V3}/rooms/{ROOM}/state/m.room.member/{SAM}")
    assert invite.body == {"membership": "invite", "is_direct": True}


async def test_a_direct_chat_is_not_made_twice_when_the_answer_is_lost(
    matrix: MatrixClient, homeserver: ScriptedHomeserver
) -> None:
    homeserver.answers = [Answer(504)]
    with pytest.raises(TemporaryFailure):
        await matrix.direct_room(SAM)
    assert len(homeserver.seen) == 1


async def test_who_can_t_be_invited_to_a_direct_chat_leaves_no_room_behind(
    matrix: MatrixClient, homeserver: ScriptedHomeserver
) -> None:
    homeserver.answers = [Answer(body={"room_id": ROOM}), refusal(403, "M_INVITE_BLOCKED", "No"), Answer()]
    with pytest.raises(HomeserverRefused, match="M_INVITE_BLOCKED"):
        await matrix.direct_room(SAM)
    assert homeserver.seen[-1].path == f"{V3}/rooms/{ROOM}/leave"


async def test_a_homeserver_that_can_t_reach_us_is_a_temporary_failure_that_names_the_remedy(
    matrix: MatrixClient, homeserver: ScriptedHomeserver
) -> None:
    homeserver.answers = [refusal(502, "M_CONNECTION_FAILED", "Connection refused")] * 2
    with pytest.raises(
        TemporaryFailure, match=r"can't reach this service.*Check `url` in the registration"
    ) as failed:
        await matrix.ping()
    assert failed.value.retry_after == 5
    assert len(homeserver.seen) == 2


async def test_a_ping_that_fails_once_is_sent_once_more(
    matrix: MatrixClient, homeserver: ScriptedHomeserver
) -> None:
    homeserver.answers = [
        refusal(502, "M_CONNECTION_FAILED", "AlreadyCalled: Tried to cancel an already-called event."),
        Answer(),
    ]
    await matrix.ping()
    assert len(homeserver.seen) == 2


async def test_a_homeserver_that_does_not_know_us_is_a_permanent_failure(
    matrix: MatrixClient, homeserver: ScriptedHomeserver
) -> None:
    homeserver.answers = [refusal(403, "M_FORBIDDEN", "Wrong application service ID in path")]
    with pytest.raises(PermanentFailure, match="does not know this service under its id"):
        await matrix.ping()


# The bot's own account


async def test_the_bot_is_registered_and_named(matrix: MatrixClient, homeserver: ScriptedHomeserver) -> None:
    homeserver.answers = [Answer(), Answer(body={"displayname": "moodle"}), Answer()]
    await matrix.ensure_registered("Moodle")
    register, profile, name = homeserver.seen
    assert (register.method, register.path, register.query) == ("POST", f"{V3}/register", {"kind": "user"})
    assert register.body == {
        "type": "m.login.application_service",
        "username": "moodle",
        "inhibit_login": True,
    }
    assert (profile.method, profile.path) == ("GET", f"{V3}/profile/{BOT}")
    assert (name.method, name.path, name.body) == (
        "PUT",
        f"{V3}/profile/{BOT}/displayname",
        {"displayname": "Moodle"},
    )


async def test_a_bot_that_is_there_with_its_name_is_left_alone(
    matrix: MatrixClient, homeserver: ScriptedHomeserver
) -> None:
    homeserver.answers = [refusal(400, "M_USER_IN_USE"), Answer(body={"displayname": "Moodle"})]
    await matrix.ensure_registered("Moodle")
    assert [seen.method for seen in homeserver.seen] == ["POST", "GET"]


async def test_a_bot_without_a_profile_gets_its_name(
    matrix: MatrixClient, homeserver: ScriptedHomeserver
) -> None:
    homeserver.answers = [
        refusal(400, "M_USER_IN_USE"),
        refusal(404, "M_NOT_FOUND", "Profile was not found"),
        Answer(),
    ]
    await matrix.ensure_registered("Moodle")
    assert homeserver.seen[-1].body == {"displayname": "Moodle"}


async def test_a_bot_that_can_t_be_registered_is_an_error(
    matrix: MatrixClient, homeserver: ScriptedHomeserver
) -> None:
    homeserver.answers = [refusal(400, "M_EXCLUSIVE", "This user ID is reserved")]
    with pytest.raises(HomeserverRefused, match="M_EXCLUSIVE"):
        await matrix.ensure_registered("Moodle")
