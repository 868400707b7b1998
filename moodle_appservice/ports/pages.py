"""What the pages remember: sessions, so that signing out ends them everywhere, links to sign in with, and samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..domain.model import MoodleUserId, UserId


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Whom a session belongs to: a Moodle person, a Matrix account that asked the bot for a link, or both."""

    user_id: MoodleUserId | None
    account: UserId | None = None


class SessionBook(Protocol):
    """Sessions and one-time links. Secrets are stored as hashes only."""

    async def open(self, session_hash: str, who: SignedIn, *, now: float, expires_at: float) -> None:
        """Remember a session; those that have expired are forgotten."""
        ...

    async def find(self, session_hash: str, *, now: float) -> SignedIn | None:
        """Whose session this is; None where it is unknown, closed or too old."""
        ...

    async def close(self, session_hash: str) -> None:
        """End one session."""
        ...

    async def invite(self, secret_hash: str, who: SignedIn, *, now: float, expires_at: float) -> None:
        """Remember a link to sign in with. It takes the place of earlier ones of the same account."""
        ...

    async def accept(self, secret_hash: str, *, now: float) -> SignedIn | None:
        """Use a link up; None where it is unknown, used or too old."""
        ...


class SampleBook(Protocol):
    """Values over time, by name. Times are Unix seconds, whole ones."""

    async def add(self, at: int, values: Mapping[str, float], *, forget_before: int) -> None:
        """Store one sample of each; what is older than `forget_before` goes."""
        ...

    async def since(self, at: int) -> Mapping[str, Sequence[tuple[int, float]]]:
        """Name → (time, value) in order of time."""
        ...
