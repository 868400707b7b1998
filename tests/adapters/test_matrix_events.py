"""From JSON to events: nothing that a stranger writes stops a push, and what is kept can be stored."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from moodle_appservice.domain.model import CourseId, EventId, RoomId, UserId
from moodle_appservice.domain.power import CANARY, MARKER
from moodle_appservice.domain.rooms import main_room
from moodle_appservice.matrix.events import LATEST, MIRRORED, parse_event, parse_state, wanted
from moodle_appservice.ports import Event
from moodle_appservice.store.books import Books
from moodle_appservice.store.db import to_json

ROOM = RoomId("!room")
WHOLE: dict[str, Any] = {
    "event_id": "$e",
    "room_id": "!room",
    "type": "m.room.name",
    "sender": "@sam:uni.test",
    "content": {"name": "Algebra"},
    "origin_server_ts": 1_700_000_000_000,
    "state_key": "",
    "unsigned": {"replaces_state": "$d"},
}
TEXT = st.text(st.characters(), max_size=8)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=8,
)
KEYS = ["body", "msgtype", "m.relates_to", "membership", "room_version", "counter", "site", "moodle_id"]
ALMOST = st.fixed_dictionaries(
    {},
    optional={
        **{key: JSON | st.just(value) for key, value in WHOLE.items()},
        "type": JSON | st.sampled_from(sorted(MIRRORED)) | st.just("m.room.message"),
        "content": JSON
        | st.dictionaries(
            st.sampled_from(
                [
                    "body",
                    "msgtype",
                    "m.relates_to",
                    "membership",
                    "room_version",
                    "counter",
                    "site",
                    "moodle_id",
                ]
            ),
            JSON
            | st.just("m.text")
            | st.fixed_dictionaries({"rel_type": st.just("m.thread"), "event_id": TEXT}),
        ),
        "state_key": JSON | st.just("") | TEXT,
    },
)


def test_a_whole_event_is_kept_whole() -> None:
    assert parse_event(WHOLE) == Event(
        event_id=EventId("$e"),
        room_id=ROOM,
        type="m.room.name",
        sender=UserId("@sam:uni.test"),
        content={"name": "Algebra"},
        timestamp=1_700_000_000_000,
        state_key="",
        replaces=EventId("$d"),
    )


@pytest.mark.parametrize("key", ["event_id", "room_id", "type", "sender", "content"])
@pytest.mark.parametrize("value", [None, 5, [], "a\0b", "\ud800", "x" * 1025])
def test_an_event_without_one_of_its_parts_is_none(key: str, value: Any) -> None:
    assert parse_event({**WHOLE, key: value}) is None
    assert parse_event({name: one for name, one in WHOLE.items() if name != key}) is None


@pytest.mark.parametrize("value", [5, [], True, "a\0b", "\ud800", "x" * 1025])
def test_an_event_with_an_odd_state_key_is_none(value: Any) -> None:
    assert parse_event({**WHOLE, "state_key": value}) is None


def test_an_answer_about_a_room_need_not_name_the_room() -> None:
    event = parse_event({key: value for key, value in WHOLE.items() if key != "room_id"}, room_id=ROOM)
    assert event is not None and event.room_id == ROOM


@pytest.mark.parametrize(
    ("sent", "kept"),
    [(5, 5), (0, 0), (-1, 0), (2**70, LATEST), (None, 0), ("5", 0), (5.5, 0), ([], 0), (float("nan"), 0)],
)
def test_a_time_that_makes_no_sense_is_bounded(sent: Any, kept: int) -> None:
    event = parse_event({**WHOLE, "origin_server_ts": sent})
    assert event is not None and event.timestamp == kept


@pytest.mark.parametrize(
    "unsigned", [None, [], "x", {}, {"replaces_state": None}, {"replaces_state": "a\0"}, {"age": 5}]
)
def test_an_event_need_not_say_what_it_replaced(unsigned: Any) -> None:
    event = parse_event({**WHOLE, "unsigned": unsigned})
    assert event is not None and event.replaces is None


@pytest.mark.parametrize(
    ("prev", "told"),
    [
        ({"membership": "invite"}, "invite"),
        ({"membership": 5}, None),
        ({"membership": "a\0b"}, None),
        ({"membership": "\ud800"}, None),
        ({}, None),
        ([], None),
        (None, None),
    ],
)
def test_a_pushed_event_may_say_which_membership_was_before_it(prev: Any, told: str | None) -> None:
    event = parse_event({**WHOLE, "unsigned": {"prev_content": prev}})
    assert event is not None and event.prev_membership == told


def test_the_text_of_a_message_is_made_storable() -> None:
    content = {"msgtype": "m.text", "body": "!moodle\0 sta\ud800tus"}
    event = parse_event({**WHOLE, "type": "m.room.message", "state_key": None, "content": content})
    assert event is not None and event.content["body"] == "!moodle sta?tus"
    assert content["body"] == "!moodle\0 sta\ud800tus"


def message(**content: Any) -> dict[str, Any]:
    text = {"msgtype": "m.text", "body": "!status", **content}
    return {**WHOLE, "type": "m.room.message", "state_key": None, "content": text}


@pytest.mark.parametrize("odd", ["\0", "$root\0", "\ud800", "x" * 1025])
def test_a_thread_that_no_database_takes_is_left_out_and_the_message_stays(odd: str) -> None:
    event = parse_event(message(**{"m.relates_to": {"rel_type": "m.thread", "event_id": odd}}))
    assert event is not None
    assert event.content == {"msgtype": "m.text", "body": "!status"}


def test_a_thread_is_kept() -> None:
    relation = {"rel_type": "m.thread", "event_id": "$root"}
    event = parse_event(message(**{"m.relates_to": relation}))
    assert event is not None and event.content["m.relates_to"] == relation


@pytest.mark.parametrize("relation", [None, "$root", [], {}, {"event_id": 5}, {"event_id": None}])
def test_a_relation_of_an_odd_shape_stops_nothing(relation: object) -> None:
    assert parse_event(message(**{"m.relates_to": relation})) is not None


def test_only_messages_and_state_that_decides_something_are_wanted() -> None:
    def is_wanted(event_type: str, **given: Any) -> bool:
        event = parse_event({**WHOLE, "type": event_type, **given})
        assert event is not None
        return wanted(event)

    assert is_wanted("m.room.message", state_key=None)
    assert is_wanted(MARKER) and is_wanted(CANARY) and is_wanted("m.room.member", state_key="@sam:uni.test")
    assert not is_wanted("m.room.message")
    assert not is_wanted("m.room.name", state_key=None)
    assert not is_wanted("org.example.widget") and not is_wanted("m.reaction", state_key=None)


@given(JSON | ALMOST)
@example({**WHOLE, "content": {"membership": []}, "type": "m.room.member"})
def test_no_json_is_too_odd_and_every_text_that_is_kept_can_be_stored(raw: Any) -> None:
    event = parse_event(raw)
    if event is None:
        return
    for text in (event.event_id, event.room_id, event.type, event.sender, event.state_key, event.replaces):
        if text is not None:
            assert "\0" not in text
            text.encode()
    assert 0 <= event.timestamp < 2**63
    assert isinstance(wanted(event), bool)
    # Content goes into a column as ASCII.
    assert to_json(dict(event.content)).isascii()


@given(st.lists(JSON | ALMOST, max_size=4))
def test_an_answer_of_any_shape_is_a_list_of_state(raw: list[Any]) -> None:
    for event in parse_state(raw, ROOM):
        assert event.state_key is not None and event.type in MIRRORED


async def check_any_events_can_be_stored(books: Books, raw: list[Any]) -> None:
    await books.ledger.adopt(ROOM, main_room(CourseId(42)), at=0.0)
    # As it comes over the wire: what JSON can't say does not come.
    raw = json.loads(json.dumps(raw))
    events = [event for event in map(parse_event, raw) if event is not None and wanted(event)]
    await books.mirror.take_in(events)
    for room_id in {event.room_id for event in events}:
        await books.mirror.room(room_id)


PROPERTY = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


def pushed() -> st.SearchStrategy[list[Any]]:
    """Whole events, of types that we keep, by the bot or somebody else, with any content."""
    thread = st.fixed_dictionaries(
        {"rel_type": st.just("m.thread"), "event_id": TEXT | st.text(max_size=2000)}
    )
    content = st.dictionaries(
        st.sampled_from([*KEYS, "generation", "is_direct"]),
        JSON | st.just("m.text") | st.just("!moodle") | thread | st.just("uni"),
        max_size=6,
    )
    event = st.fixed_dictionaries(
        {
            "event_id": TEXT.map(lambda text: f"$e{text}"),
            "room_id": st.sampled_from(["!room", "!other"]),
            "type": st.sampled_from(sorted(MIRRORED)) | st.just("m.room.message"),
            "sender": st.sampled_from(["@moodle:uni.test", "@sam:uni.test"]),
            "content": content,
            "origin_server_ts": st.integers(),
        },
        optional={
            "state_key": st.sampled_from(["", "@moodle:uni.test", "@sam:uni.test"]) | TEXT,
            "unsigned": JSON | st.fixed_dictionaries({"replaces_state": TEXT}),
        },
    )
    return st.lists(event, max_size=5)


@PROPERTY
@given(pushed())
async def test_whatever_was_kept_of_a_push_the_store_takes_it(books: Books, raw: list[Any]) -> None:
    await check_any_events_can_be_stored(books, raw)


async def test_a_push_that_is_nested_as_deeply_as_json_may_be_is_stored(books: Books) -> None:
    depth = 400
    deep = json.loads("[" * depth + "]" * depth)
    made = {**WHOLE, "type": "m.room.create", "sender": "@moodle:uni.test", "content": {"room_version": "12"}}
    named = {**WHOLE, "event_id": "$f", "content": {"name": "x", "deep": deep}}
    async with asyncio.timeout(30):
        await check_any_events_can_be_stored(books, [made, named])
    room = await books.mirror.room(ROOM)
    assert room is not None and room.content("m.room.name")["deep"] == deep
