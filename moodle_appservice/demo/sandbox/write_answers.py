"""The two functions that change something: profile fields, and messages to people's inboxes.

`core_user_update_users` goes on after a person whom it does not change and says so in a warning, and drops a custom
field that it does not know without a word. `core_message_send_instant_messages` sends what it can; where a batch holds
a message that was sent and one that was not, the answer is an error although the one was sent.
"""

from __future__ import annotations

import html
import re
from typing import Any

from . import rights
from .errors import MoodleError, NotAnswered
from .session import FORMAT_HTML, Session
from .site import Message

_ROW = dict[str, Any]
FORMAT_PLAIN = 2
GUEST = "guest"
_LINK = re.compile(r'<a href="([^"]*)">')


def update_users(session: Session, users: list[_ROW]) -> _ROW:
    """Change profile fields: `{warnings: [{item, itemid, warningcode, message}]}`."""
    session.require(rights.USER_UPDATE)
    warnings = [_update(session, user) for user in users]
    return {"warnings": [warning for warning in warnings if warning is not None]}


def _update(session: Session, user: _ROW) -> _ROW | None:
    number = user["id"]
    person = session.university.people.get(number)
    if person is None:
        return _warning(number, "invaliduserid", "Invalid user ID")
    if number in session.site.administrators:
        return _warning(number, "usernotupdatedadmin", "Cannot update admin accounts")
    if person.username == GUEST:
        return _warning(number, "usernotupdatedguest", "error/usernotupdatedguest")
    if person.deleted:
        return _warning(number, "usernotupdateddeleted", "error/usernotupdateddeleted")
    for field in user.get("customfields", []):
        if field["type"] in session.university.profile_fields:
            person.profile[field["type"]] = field["value"]
    return None


def _warning(number: int, code: str, message: str) -> _ROW:
    return {"item": "user", "itemid": number, "warningcode": code, "message": message}


def send_instant_messages(session: Session, messages: list[_ROW]) -> list[_ROW]:
    """Send messages from the caller, one row each."""
    session.require(rights.SEND_MESSAGE)
    refusals = [_refusal(session, message["touserid"]) for message in messages]
    sent = [
        None if refusal else session.site.deliver(message["touserid"], message["text"])
        for message, refusal in zip(messages, refusals, strict=True)
    ]
    if any(refusals) and any(sent):
        raise MoodleError(
            "moodle_exception", "formatnotsupported", "webservice/formatnotsupported", module="webservice"
        )
    return [
        _sent(session, one, message["textformat"]) if one else _not_sent(refusal)
        for message, refusal, one in zip(messages, refusals, sent, strict=True)
    ]


def _refusal(session: Session, number: int) -> str:
    person = session.university.people.get(number)
    if person is None or person.deleted:
        return f"You cannot send a message to a user ID ({number}) that doesn't exist."
    if not session.allows(rights.MESSAGE_ANY_USER):
        who = person.fullname if session.version.names_who_refuses_messages else "this user"
        return f"You can't message {who} due to their message preferences. Try adding them as a contact."
    return ""


def _sent(session: Session, message: Message, form: int) -> _ROW:
    return {
        "msgid": message.id,
        "text": _html(message.text, form),
        "timecreated": session.now,
        "conversationid": message.conversation,
        "useridfrom": session.user,
        "candeletemessagesforallusers": False,
    }


def _not_sent(reason: str) -> _ROW:
    return {"msgid": -1, "errormessage": reason, "candeletemessagesforallusers": False}


def _html(text: str, form: int) -> str:
    if form == FORMAT_PLAIN:
        return f"<p>{html.escape(text, quote=False)}</p>".replace("\n", "<br>\n")
    if form == FORMAT_HTML:
        return "<p>" + _LINK.sub(r'<a href="\1" target="_blank" rel="noreferrer">', text) + "</p>"
    raise NotAnswered("core_message_send_instant_messages with another format than HTML and plain text")
