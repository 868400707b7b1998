"""How the bot speaks: every message once, in the thread of the question, and in one direct chat with each person."""

from __future__ import annotations

import pytest

from moodle_appservice.domain.model import EventId, RoomId
from moodle_appservice.errors import Unreachable
from moodle_appservice.matrix.messenger import MatrixMessenger
from moodle_appservice.store.books import Books
from tests.adapters.store_events import ROOM, SAM
from tests.domain import values
from tests.fakes import FakeHomeserver


@pytest.fixture
def homeserver() -> FakeHomeserver:
    return FakeHomeserver(values.rules({}))


@pytest.fixture
def messenger(homeserver: FakeHomeserver, books: Books) -> MatrixMessenger:
    return MatrixMessenger(homeserver, books)


async def test_a_message_is_sent_once_under_its_key(
    messenger: MatrixMessenger, homeserver: FakeHomeserver
) -> None:
    first = await messenger.notice(ROOM, "Hello", "<b>Hello</b>", key="status:$c")
    assert await messenger.notice(ROOM, "Hello again", "", key="status:$c") == first
    assert await messenger.notice(ROOM, "Other", "", key="status:$d") != first
    assert [body for _, _, body in homeserver.made("send")] == ["Hello", "Other"]


async def test_a_message_whose_answer_was_lost_is_sent_again_under_the_same_transaction(
    messenger: MatrixMessenger, homeserver: FakeHomeserver
) -> None:
    homeserver.refuse("send", error=Unreachable("cut"), times=1)
    with pytest.raises(Unreachable):
        await messenger.notice(ROOM, "Hello", "", key="status:$c")
    await messenger.notice(ROOM, "Hello", "", key="status:$c")
    (_, first, _), (_, second, _) = homeserver.made("send")
    assert first == second


async def test_different_keys_are_different_transactions(
    messenger: MatrixMessenger, homeserver: FakeHomeserver
) -> None:
    for number in range(20):
        await messenger.notice(ROOM, "Hello", "", key=f"key {number} ü/?")
    assert len({transaction for _, transaction, _ in homeserver.made("send")}) == 20


async def test_an_answer_stands_in_the_thread_of_the_question_and_mentions_nobody(
    messenger: MatrixMessenger, homeserver: FakeHomeserver
) -> None:
    await messenger.notice(ROOM, "Hello", "<b>Hello</b>", key="a", thread=EventId("$root"))
    await messenger.notice(ROOM, "Hello", "<b>Hello</b>", key="b")
    in_thread, plain = homeserver.sent
    assert plain == {
        "msgtype": "m.notice",
        "body": "Hello",
        "format": "org.matrix.custom.html",
        "formatted_body": "<b>Hello</b>",
        "m.mentions": {},
    }
    assert in_thread == {**plain, "m.relates_to": {"rel_type": "m.thread", "event_id": "$root"}}


async def test_a_direct_chat_is_opened_once_and_used_again(
    messenger: MatrixMessenger, homeserver: FakeHomeserver, books: Books
) -> None:
    await messenger.direct(SAM, "Welcome", "", key="welcome")
    await messenger.direct(SAM, "News", "", key="news")
    assert homeserver.made("direct_room") == [(SAM,)]
    (room_id,) = await books.mirror.joined_with(SAM)
    assert {room for room, _, _ in homeserver.made("send")} == {room_id}


async def test_the_chat_that_a_person_opened_is_used(
    messenger: MatrixMessenger, homeserver: FakeHomeserver, books: Books
) -> None:
    await books.mirror.set_direct(SAM, RoomId("!theirs"))
    await messenger.direct(SAM, "Welcome", "", key="welcome")
    assert homeserver.made("direct_room") == []
    assert [room for room, _, _ in homeserver.made("send")] == ["!theirs"]


async def test_a_reaction_is_put_once(messenger: MatrixMessenger, homeserver: FakeHomeserver) -> None:
    for _ in range(2):
        await messenger.react(ROOM, EventId("$m"), "👀", key="seen:$m")
    assert [request[:3] for request in homeserver.made("react")] == [(ROOM, "$m", "👀")]
