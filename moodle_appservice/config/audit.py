"""For how long what has happened is kept."""

from __future__ import annotations

from .section import Section, number


class Audit(Section):
    """For how long this service remembers what it did and was told. Old rows go after each look at the site."""

    keep_days: int = number(
        365,
        "Lines of the audit log older than this are deleted; 0: never.",
        unit="days",
        ge=0,
    )
    keep_commands_days: int = number(
        30,
        "For so long it is known that a message to the bot was answered; its words are forgotten when it is answered, "
        "or too old for an answer.",
        unit="days",
        ge=1,
    )
    keep_messages_days: int = number(
        365,
        "For so long it is known which answers, notices and Moodle messages were sent, without their words.",
        unit="days",
        ge=1,
    )
    keep_requests_days: int = number(
        90,
        "A wish to be in the room of a course is forgotten after this time, unless the person is enrolled there.",
        unit="days",
        ge=1,
    )
