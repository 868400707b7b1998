"""What strangers may write into an event, and what of it gets as far as the database."""

from __future__ import annotations

from typing import Any

import pytest

from moodle_appservice.matrix.events import parse_event

ODD_TEXTS = ["\0", "$root\0", "\ud800", "x" * 1025]


def message(**content: Any) -> dict[str, Any]:
    return {
        "event_id": "$e",
        "room_id": "!r",
        "type": "m.room.message",
        "sender": "@a:uni.test",
        "origin_server_ts": 1,
        "content": {"msgtype": "m.text", "body": "!status", **content},
    }


@pytest.mark.parametrize("odd", ODD_TEXTS)
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
