"""Proving that a Matrix account is a Moodle person's: what follows from a code, from an answer and from time.

A code stands for one Moodle person who was signed in. Whoever sends it to the bot is asked whether this account is to
be that person's, and only a `yes` from the same account, in time, makes the `Link`. A code is good for one account:
once somebody was asked, nobody else can use it. What fails counts against the sender, and five failures within an hour
lock the sender for an hour. A link that takes the place of another proven one is told to the old account; where the
person is staff it waits a day, unless the old account says yes to it, and the old account can stop it.

Everything here is decided from values; the books are `store.links`, and what is said and sent is `engine.linking`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum

from .identity import split_user_id
from .model import MoodleUserId, UserId
from .rules import Rules

LETTERS = "ABCDEFGHJKMNPQRSTUVWXYZ"
"""Without I, L and O, which look like others and like digits."""
CODE_LENGTH = 8
CODE_LIFE = 900.0
QUESTION_LIFE = 900.0
MOST_FAILURES = 5
LOCK = 3600.0
CARE = 86_400.0
"""Seconds that a moderator's change of a proven link waits for an objection."""


@dataclass(frozen=True, slots=True)
class Link:
    """One proven link. It counts from `effective_at` on (Unix seconds); until then `previous` does, if anything."""

    user_id: MoodleUserId
    matrix_id: UserId
    proven_at: float
    effective_at: float
    previous: UserId | None = None

    def counts_at(self, now: float) -> UserId | None:
        """The proven id at a moment."""
        return self.matrix_id if now >= self.effective_at else self.previous

    def waits_at(self, now: float) -> bool:
        """Whether it is a change that the old account can still stop."""
        return now < self.effective_at


@dataclass(frozen=True, slots=True)
class Code:
    """A code that was given out, without its letters. `used_at`: when somebody was asked because of it, or it burnt."""

    user_id: MoodleUserId
    expires_at: float
    used_at: float | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """What an account was asked and has not answered; `code_hash` is empty where it is about undoing a link."""

    user_id: MoodleUserId
    code_hash: str
    asked_at: float

    @property
    def undoes(self) -> bool:
        """Whether it asks to undo a link."""
        return not self.code_hash

    def stands_at(self, now: float) -> bool:
        """Whether an answer still counts."""
        return now < self.asked_at + QUESTION_LIFE


@dataclass(frozen=True, slots=True)
class Failures:
    """What an account has tried in vain within the last hour."""

    count: int = 0
    since: float = 0.0
    locked_until: float = 0.0

    def locks_at(self, now: float) -> bool:
        """Whether nothing is taken from this account now."""
        return now < self.locked_until

    def with_another(self, now: float) -> Failures:
        """One more."""
        fresh = self.count == 0 or now >= self.since + LOCK
        count = 1 if fresh else self.count + 1
        if count >= MOST_FAILURES:
            return Failures(0, now, now + LOCK)
        return Failures(count, now if fresh else self.since, self.locked_until)


class Refusal(StrEnum):
    """Why a code or an answer was not taken; the value is the sentence for the audit log, which names nobody."""

    LOCKED = "This account sent too many wrong codes; nothing is taken from it for an hour."
    PUBLIC = "The code was sent in a room, where others read it; it can't be used any more."
    UNFIT = (
        "This account can't be anybody's: it is the service's own, or on a homeserver that is not allowed."
    )
    WRONG = "There is no such code."
    USED = "The code was used before, or sent from another account."
    EXPIRED = "The code is older than 15 minutes."
    HELD = "Another Moodle person has proven this account."
    SAME = "This account is linked to this person already."
    LATE = "The answer came more than 15 minutes after the question."

    @property
    def counts(self) -> bool:
        """Whether it counts as a failure of the sender, on the way to the lock."""
        return self in (Refusal.WRONG, Refusal.USED, Refusal.EXPIRED, Refusal.HELD)


@dataclass(frozen=True, slots=True)
class Attempt:
    """A code on its way in. `code` None: there is none with these letters.

    `asked`: this account was asked because of this very code, and has not answered. `holder`: who has proven this
    account, or is about to. `linked`: the account that the code's person has proven, as it counts now.
    """

    sender: UserId
    now: float
    direct: bool
    code: Code | None
    asked: bool
    failures: Failures
    holder: MoodleUserId | None
    linked: UserId | None = None


def judge(attempt: Attempt, rules: Rules) -> Refusal | None:
    """Why this code is not taken, or None: then the sender is asked."""
    code, now = attempt.code, attempt.now
    if attempt.failures.locks_at(now):
        return Refusal.LOCKED
    if code is None:
        return Refusal.WRONG
    if not attempt.direct:
        return Refusal.PUBLIC
    if unfit(attempt.sender, rules):
        return Refusal.UNFIT
    if code.used_at is not None and not attempt.asked:
        return Refusal.USED
    if now >= code.expires_at:
        return Refusal.EXPIRED
    if attempt.holder not in (None, code.user_id):
        return Refusal.HELD
    if attempt.linked == attempt.sender:
        return Refusal.SAME
    return None


def unfit(account: UserId, rules: Rules) -> str:
    """Why this account can't be anybody's, as a sentence; empty where it can."""
    parts = split_user_id(account)
    if parts is None:
        return "That is no valid Matrix id."
    localpart, server = parts
    if server == rules.domain:
        own = account == rules.bot or localpart.startswith(f"moodle_{rules.site}_")
        return "That account belongs to this service itself." if own else ""
    if "*" in rules.identity.allowed_domains or server in rules.identity.allowed_domains:
        return ""
    return f"Accounts on {server} are not allowed here; use one on {rules.domain}."


def changed(before: Link | None, user_id: MoodleUserId, account: UserId, *, staff: bool, now: float) -> Link:
    """The link after a yes. `staff`: whether the person is a moderator in some course."""
    old = before.counts_at(now) if before else None
    if old is None or old == account:
        return Link(user_id, account, now, now)
    return Link(user_id, account, now, now + CARE if staff else now, old)


def confirmed(link: Link, *, now: float) -> Link:
    """A waiting change after a yes from the old account."""
    return replace(link, effective_at=now)


def stopped(link: Link, *, now: float) -> Link | None:
    """A waiting change after a no from the old account; None where nothing was proven before."""
    return None if link.previous is None else Link(link.user_id, link.previous, link.proven_at, now)


def letters_of(text: str) -> str | None:
    """The eight letters of a code however it was typed, or None where it can't be one."""
    letters = re.sub(r"[\s\-\u2010-\u2015\"'`*_.]", "", text).upper()
    return letters if len(letters) == CODE_LENGTH and set(letters) <= set(LETTERS) else None


def shown(letters: str) -> str:
    """`ABCD-EFGH`."""
    return f"{letters[:4]}-{letters[4:]}"
