"""Links between a Moodle person and a Matrix account that the person has proven with a one-time code."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from ..domain.model import MoodleUserId, UserId


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


class LinkBook(Protocol):
    """The proven links. Two people never have the same account: the database refuses it."""

    async def of(self, user_ids: Collection[MoodleUserId]) -> Mapping[MoodleUserId, Link]:
        """The links of these people; who has none is absent."""
        ...
