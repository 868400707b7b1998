"""Every refusal: what the audit log says, what the visitor reads, and the number that ties the two together.

The visitor learns what to do next, never which check failed. The audit log gets the reason, in fixed words: nothing
that a stranger sent stands in it, and a flood of refusals leaves a bounded number of lines.
"""

from __future__ import annotations

import logging
import secrets
from enum import Enum, StrEnum

from ..languages import N_
from ..ports import Clock, Journal

LINES_PER_HOUR = 100
"""Refusals an hour that the audit log takes in; the rest is counted."""
_HOUR = 3600.0
log = logging.getLogger(__name__)


class Advice(Enum):
    """What the visitor reads: status, what happened, what to do next."""

    AGAIN = (
        403,
        N_("This link was used already, or waited too long."),
        N_("Go back to Moodle and click it again."),
    )
    REFUSED = (
        403,
        N_("What your browser brought here can't be accepted."),
        N_(
            "Go back to Moodle and try it once more. If it stays like this, tell the number below to whoever looks "
            "after the chat."
        ),
    )
    COOKIES = (
        403,
        N_("Your browser did not send back the cookie that this page had set."),
        N_("Allow cookies for this site, or open the link in Moodle in a new window."),
    )
    NOT_READY = (
        503,
        N_("The chat is not connected with this Moodle."),
        N_("Tell the number below to whoever looks after the chat."),
    )
    LATER = (503, N_("Moodle does not answer at the moment."), N_("Try it again in a few minutes."))
    NOT_NOW = (
        503,
        N_("This page can't be made at the moment."),
        N_(
            "Try it again in a few minutes. If it stays like this, tell the number below to whoever looks "
            "after the chat."
        ),
    )
    INVITATION = (
        403,
        N_("This link to register is not valid, was used already, or is older than an hour."),
        N_("Make a new one on the machine of the service: moodle-appservice lti invite"),
    )
    NO_RIGHT = (
        403,
        N_("You do not have the right to see or do this."),
        N_("If your role in Moodle has changed a moment ago, try it again in a few minutes."),
    )
    ENTRY = (
        403,
        N_("This link was used already, or is older than five minutes."),
        N_("Ask the bot for a new one: dashboard"),
    )
    SLOWER = (
        429,
        N_("More requests came from your address within a minute than can be answered."),
        N_("Wait a minute, then load this page again."),
    )
    SHORTER = (
        413,
        N_("What your browser sent is too long to be read here."),
        N_("Go back, shorten it, and send it again."),
    )
    SIGN_IN = (
        401,
        N_("You are not signed in here any more."),
        N_("Open the chat from your course in Moodle."),
    )

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.value[0]

    @property
    def happened(self) -> str:
        """What happened, in English: a key of the catalogue."""
        return self.value[1]

    @property
    def next(self) -> str:
        """What to do next, in English: a key of the catalogue."""
        return self.value[2]


class Why(StrEnum):
    """The reasons, for the audit log."""

    MALFORMED = "The request was malformed, too long, or said something twice."
    NOT_REGISTERED = "No registration with Moodle is known here."
    ISSUER = "The issuer is not the Moodle that we know."
    CLIENT = "The client id is not ours."
    DEPLOYMENT = "The deployment is not ours."
    TARGET = "The target is not an address of ours."
    STATE = "The state was not made by us, or was changed."
    STATE_OLD = "The state is older than ten minutes."
    NO_COOKIE = "The browser sent no cookie with the launch."
    OTHER_BROWSER = "The state was given to another browser."
    PLATFORM_ERROR = "Moodle answered the sign-in with an error."
    TOKEN = "The token can't be read."
    ALGORITHM = "The token is not signed with RS256."
    KEY = "The token names a key that Moodle does not publish."
    SIGNATURE = "The token's signature is wrong."
    AUDIENCE = "The token is meant for somebody else."
    TIME = "The token has expired, is from the future, or is valid for too long."
    NONCE = "The token does not belong to this sign-in."
    REPLAY = "The token was used before."
    SUBJECT = "The token is about somebody else than who signs in, or about nobody."
    MESSAGE = "The token is no launch of a link."
    KEYS_UNREAD = "Moodle's keys could not be read."
    INVITATION = "The registration link is unknown, used or too old."
    BY_HAND = "The registration stands in the configuration; a link may not replace it."
    ALREADY_REGISTERED = "There is a registration already, and the link may not replace it."
    UNSAFE_SITE = "Moodle's own address has no TLS."
    FOREIGN_ADDRESS = "An address of the registration is not below Moodle's own."
    REGISTRATION_UNREAD = "Moodle did not give its configuration, or did not take the registration."
    REGISTRATION_WRONG = "Moodle's answer to the registration is not usable."
    FORM = "The form was not made in this session."
    NO_RIGHT = "The person has no right to this page, or to what was asked of it."
    NO_COURSE = "There is no such course."
    ENTRY = "The link to the dashboard is unknown, used or too old."
    NO_SESSION = "The session has ended, or was not opened by us."

    @property
    def word(self) -> str:
        """Its name, such as `other-browser`: what the audit log can be searched and counted by."""
        return self.name.lower().replace("_", "-")


class Refusal(Exception):
    """Nothing was done and nobody was signed in. `detail` is shown: only to who holds a registration link.

    `values` fill its placeholders.
    """

    def __init__(
        self, why: Why, advice: Advice = Advice.REFUSED, *, detail: str = "", **values: object
    ) -> None:
        super().__init__(why.value)
        self.why = why
        self.advice = advice
        self.detail = detail
        self.values = values


class Refusals:
    """Books refusals."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock
        self._hour = 0.0
        self._lines = 0
        self._left_out = 0

    async def book(self, refusal: Refusal) -> str:
        """Write it down, with the name of the reason as its signal, and return its reference number."""
        reference = secrets.token_hex(4)
        log.info("Refused [%s]: %s", reference, refusal.why.value)
        now = self._clock.now()
        if now - self._hour >= _HOUR:
            left_out, self._hour, self._lines, self._left_out = self._left_out, now, 0, 0
            if left_out:
                why = f"{left_out} more were refused in the hour before; the log has them."
                await self._journal.note("LtiRefused", at=now, why=why, result="refused")
        if self._lines < LINES_PER_HOUR:
            self._lines += 1
            await self._journal.note(
                "LtiRefused",
                at=now,
                why=refusal.why.value,
                result="refused",
                signal=refusal.why.word,
                reference=reference,
            )
        else:
            self._left_out += 1
        return reference
