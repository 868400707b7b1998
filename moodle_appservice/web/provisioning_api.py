"""The OpenAPI description of the interface for programs. It says what `provisioning` does, and is served by it.

It is written by hand; the answers are made in `machines`, `show` and `engine.explain`, and tests send whatever it
allows. Limits that the description and the check of a request share are constants here. An answer may hold more
than is named: what is in a plan and a report is only described as objects. It tells nothing of this installation
but the version, and is served without the secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import __version__

PATH = "/_matrix/provision/v1"
HIGHEST = 2**53 - 1
LONGEST_PERSON = 255
_COURSE: Mapping[str, Any] = {"type": "integer", "minimum": 1, "maximum": HIGHEST}
_TEXT: Mapping[str, Any] = {"type": "string"}
_NUMBER: Mapping[str, Any] = {"type": "integer", "minimum": 0}
_TIME: Mapping[str, Any] = {"type": ["number", "null"], "description": "Unix seconds"}


def described() -> dict[str, Any]:
    """The whole description, OpenAPI 3.1."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "moodle-appservice",
            "version": __version__,
            "description": "What an administrator may see and do on the command line, for programs.",
        },
        "security": [{"secret": []}],
        "paths": {f"{PATH}/{name}": operations for name, operations in _paths().items()},
        "components": {
            "securitySchemes": {"secret": {"type": "http", "scheme": "bearer"}},
            "schemas": _schemas(),
        },
    }


def _paths() -> dict[str, Any]:
    course = {"name": "course", "in": "query", "schema": _COURSE, "description": "Only this Moodle course."}
    schema = {"type": "string", "minLength": 1, "maxLength": LONGEST_PERSON, "pattern": "^[!-~]+$"}
    person = {
        "name": "person",
        "in": "query",
        "required": True,
        "schema": schema,
        "description": "A Moodle user id, a Moodle user name or a Matrix id.",
    }
    status, plan = "How the service, or one course, stands.", "What a sync would do now. Nothing is changed."
    why = "Why somebody is, or is not, in the rooms, in sentences."
    return {
        "status": {"get": _operation("status", status, "Status", parameters=[course])},
        "plan": {"get": _operation("plan", plan, "Plan", parameters=[course])},
        "explain": {"get": _operation("explain", why, "Explanation", parameters=[person, course])},
        "sync": {"post": _sync()},
    }


def _operation(name: str, summary: str, schema: str, *, parameters: list[Any]) -> dict[str, Any]:
    return {
        "operationId": name,
        "summary": summary,
        "parameters": parameters,
        "responses": {"200": _answer("Done.", schema), **_errors()},
    }


def _sync() -> dict[str, Any]:
    body = {
        "type": "object",
        "properties": {
            "course": {"type": ["integer", "null"], "minimum": 1, "maximum": HIGHEST},
            "wait": {"type": "boolean", "description": "Wait for the end, up to a minute."},
        },
        "additionalProperties": False,
    }
    return {
        "operationId": "sync",
        "summary": "Look at everything, or at one course, now.",
        "requestBody": {"required": False, "content": {"application/json": {"schema": body}}},
        "responses": {
            "200": _answer("It has ended; this is how.", "Report"),
            "202": _answer("It goes on.", "Accepted"),
            **_errors(),
        },
    }


def _answer(words: str, schema: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"description": words, "content": content}


def _errors() -> dict[str, Any]:
    words = {
        "400": "What was sent does not fit this description.",
        "401": "The secret is missing or wrong.",
        "404": "There is no such course or person.",
        "429": "Too many wrong secrets.",
        "502": "Moodle or the homeserver does not answer.",
        "503": "It can't be done at the moment.",
    }
    return {status: _answer(text, "Error") for status, text in words.items()}


def _object(properties: Mapping[str, Any], *, optional: frozenset[str] = frozenset()) -> dict[str, Any]:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": dict(properties), "required": required}


def _list(items: Any) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _schemas() -> dict[str, Any]:
    anything = {"type": "object"}
    return {
        "Error": _object({"errcode": _TEXT, "error": _TEXT}),
        "Accepted": _object({"accepted": {"const": True}}),
        "Status": {"oneOf": [_site_status(), _course_status()]},
        "Plan": _object(
            {
                "courses": _list(anything),
                "spaces": _list(anything),
                "actions": _NUMBER,
                "held": _NUMBER,
                "groups": _list(anything),
            }
        ),
        "Report": _object(
            {
                "courses": _NUMBER,
                "failures": _list(anything),
                "held": _list(anything),
                "groups": _list(anything),
                "note": _TEXT,
            }
        ),
        "Explanation": _object(
            {
                "person": _NUMBER,
                "name": _TEXT,
                "account": _list(_TEXT),
                "courses": _list(_object({"course": _NUMBER, "shortname": _TEXT, "sentences": _list(_TEXT)})),
            }
        ),
    }


def _site_status() -> dict[str, Any]:
    numbers = ("courses", "rooms", "people", "expected", "joined", "invited", "held_plans", "stuck_keys")
    return _object(
        {
            "site": _TEXT,
            "version": _TEXT,
            **dict.fromkeys(numbers, _NUMBER),
            "quarantined_people": _NUMBER,
            "queue_depth": _NUMBER,
            "queue_oldest_seconds": {"type": "number", "minimum": 0},
            "last_pass": _TIME,
            "paused": _list(_TEXT),
            "spaces": _list(_space_status()),
        }
    )


def _space_status() -> dict[str, Any]:
    return _object(
        {
            "space": _TEXT,
            "name": _TEXT,
            "room_id": {"type": ["string", "null"]},
            "above": {"type": ["string", "null"]},
            "rooms": _list(_TEXT),
            "joined": _NUMBER,
            "invited": _NUMBER,
            "to_do": _NUMBER,
            "held": _TEXT,
            "trouble": _TEXT,
        }
    )


def _course_status() -> dict[str, Any]:
    room = _object(
        {
            "room": _TEXT,
            "name": _TEXT,
            "room_id": {"type": ["string", "null"]},
            "expected": _NUMBER,
            "joined": _NUMBER,
            "invited": _NUMBER,
            "declined": _NUMBER,
            "left": _NUMBER,
            "banned": _NUMBER,
            "no_account": _NUMBER,
            "failed": _NUMBER,
            "to_do": _NUMBER,
            "held": _TEXT,
        }
    )
    return _object(
        {
            "course": _COURSE,
            "shortname": _TEXT,
            "on": {"type": "boolean"},
            "reason": _TEXT,
            "paused": _TEXT,
            "rooms": _list(room),
            "missing": _list(_object({"person": _NUMBER, "name": _TEXT, "reason": _TEXT})),
            "last_sync": _TIME,
            "last_error": _TEXT,
            "last_error_at": _TIME,
        }
    )
