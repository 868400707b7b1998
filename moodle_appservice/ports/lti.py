"""What must survive of LTI: the registration with Moodle, invitations to register, and what was used once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Platform:
    """Moodle as an LTI platform that knows us as a tool; the addresses are Moodle's, complete."""

    issuer: str
    client_id: str
    deployment_id: str
    login_url: str
    token_url: str
    keys_url: str


@dataclass(frozen=True, slots=True)
class Invitation:
    """A registration link that has just been used. `replaces`: it may take the place of a registration."""

    replaces: bool


class LtiBook(Protocol):
    """LTI's part of our memory. Secrets are stored as hashes only."""

    async def platform(self) -> Platform | None:
        """Where we are registered, or None."""
        ...

    async def register(self, platform: Platform, *, at: float, replace: bool) -> bool:
        """Store a registration; False, and nothing stored, where there is one that must not be replaced."""
        ...

    async def invite(self, secret_hash: str, *, now: float, expires_at: float, replaces: bool) -> None:
        """Remember a registration link. It takes the place of every earlier one that was not used."""
        ...

    async def accept(self, secret_hash: str, *, now: float) -> Invitation | None:
        """Use a registration link up; None where it is unknown, used or too old."""
        ...

    async def use_once(self, nonce_hash: str, *, now: float, expires_at: float) -> bool:
        """Book that a nonce was used; False where it was used before. Must be kept until `expires_at`."""
        ...

    async def secret(self, name: str, proposal: str) -> str:
        """A secret of this database: what is stored under the name, else the proposal, stored from now on."""
        ...
