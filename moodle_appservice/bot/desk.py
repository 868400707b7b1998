"""What every command may use."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ..domain.model import MoodleUserId, UserId
from ..domain.permissions import Permissions
from ..domain.rules import Rules
from ..engine.choosing import Choosing
from ..engine.explain import Explainer
from ..engine.held import HeldPlans
from ..engine.lifecycle import Lifecycle
from ..engine.linking import Linking
from ..engine.mine import Mine
from ..engine.operations import Operations
from ..engine.overview import Overview
from ..engine.pauses import Pauses
from ..engine.personal import Personal
from ..engine.readers import Readers
from ..engine.relay import Relay
from ..engine.relay_scope import RelayScope
from ..engine.reminders import Reminders
from ..ports import Clock, Messenger, Store
from .chats import Chats
from .pending import Pending


class Finding(Protocol):
    """What one check of `doctor` has found. `state`: ok, failed, warning or unchecked."""

    @property
    def name(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def said(self) -> str: ...
    @property
    def hint(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Desk:
    """What every command may use."""

    operations: Operations
    linking: Linking
    personal: Personal
    explainer: Explainer
    pauses: Pauses
    overview: Overview
    choosing: Choosing
    lifecycle: Lifecycle
    mine: Mine
    reminders: Reminders
    relay_scope: RelayScope
    relay: Relay | None
    """None where there is no token by which announcements and dates can be read."""
    examine: Callable[[], Awaitable[Sequence[Finding]]]
    dashboard: Callable[[UserId, MoodleUserId | None], Awaitable[str]]
    """Makes a link to the dashboard for an administrator's account."""
    messenger: Messenger
    chats: Chats
    store: Store
    rules: Rules
    clock: Clock
    readers: Readers
    permissions: Permissions
    prefix: str
    pending: Pending = field(default_factory=Pending)

    @property
    def held_plans(self) -> HeldPlans:
        """What safety holds, in groups that can be confirmed."""
        return HeldPlans(self.store, self.operations, self.clock)
