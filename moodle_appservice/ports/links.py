"""The books of proving an account: codes given out, questions asked, failures counted, and the links themselves."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from ..domain.linking import Code, Failures, Link, Question
from ..domain.model import MoodleUserId, UserId


class LinkBook(Protocol):
    """The proven links and what leads to them. Two people never have the same account: the database refuses it."""

    async def of(self, user_ids: Collection[MoodleUserId]) -> Mapping[MoodleUserId, Link]:
        """The links of these people; who has none is absent."""
        ...

    async def holder(self, account: UserId, *, now: float) -> MoodleUserId | None:
        """Who has proven this account: it is theirs, will be soon, or still is until a change takes effect."""
        ...

    async def waiting(self, account: UserId, *, now: float) -> Link | None:
        """The change that would take this account from its person, as long as it can be stopped."""
        ...

    async def due(self, *, now: float) -> Sequence[MoodleUserId]:
        """People whose link counts, but whose row names another account or none."""
        ...

    async def save(self, link: Link, *, now: float) -> bool:
        """Store a link in place of the person's earlier one; False, and nothing stored, where it is another's."""
        ...

    async def remove(self, user_id: MoodleUserId) -> None:
        """Forget the link of a person."""
        ...

    async def give_code(self, code_hash: str, code: Code, *, now: float) -> None:
        """Store a new code; earlier ones of the person can't be used any more, and those of days ago are forgotten."""
        ...

    async def code(self, code_hash: str) -> Code | None:
        """A code by the hash of its letters."""
        ...

    async def burn(self, code_hash: str, *, at: float) -> None:
        """A code can't be used any more."""
        ...

    async def ask(self, account: UserId, question: Question) -> bool:
        """Book that an account is asked, and its code as used: False where the code was used in the same moment."""
        ...

    async def question(self, account: UserId) -> Question | None:
        """What an account was asked last and has not answered."""
        ...

    async def take_question(self, account: UserId) -> Question | None:
        """The same, and it is answered now: a second answer finds nothing."""
        ...

    async def failures(self, account: UserId) -> Failures:
        """What an account has tried in vain."""
        ...

    async def set_failures(self, account: UserId, failures: Failures) -> None:
        """Remember it; none at all is forgotten."""
        ...
