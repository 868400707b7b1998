"""Everything that talks with people, put together: the bot, its direct chats, the management room, and the message
that a chat is ready. Part of the composition root.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from .bot.chats import Chats
from .bot.desk import Desk, Finding
from .bot.limits import Limits
from .bot.render import link_to
from .bot.router import Router
from .config import Settings
from .domain.model import MoodleUserId, UserId
from .domain.permissions import Permissions
from .domain.rules import Rules
from .engine.choosing import Choosing
from .engine.direct import DirectChats
from .engine.explain import Explainer
from .engine.figures import FigureReader
from .engine.gate import Gate
from .engine.invitations import Invitations, Ways
from .engine.lifecycle import Lifecycle
from .engine.linking import Linking
from .engine.management import Management
from .engine.mine import Mine
from .engine.operations import Operations
from .engine.overview import Overview
from .engine.pauses import Pauses
from .engine.personal import Personal
from .engine.planning import CoursePlanner
from .engine.readers import Reader, Readers
from .engine.relay import Relay
from .engine.relay_scope import RelayScope
from .engine.reminders import Reminders
from .engine.troubles import Troubles
from .engine.worker import Workers
from .languages import LANGUAGES
from .ports import Clock, Facts, Matrix, Messenger, MoodleInbox, Queue, Store

Examine = Callable[[], Awaitable[Sequence[Finding]]]
Dashboard = Callable[[UserId, MoodleUserId | None], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Talkers:
    """What is there before anybody talks."""

    matrix: Matrix
    messenger: Messenger
    inbox: MoodleInbox
    store: Store
    queue: Queue
    clock: Clock
    rules: Rules
    facts: Facts
    gate: Gate
    planner: CoursePlanner
    workers: Workers
    troubles: Troubles
    pauses: Pauses
    operations: Operations
    choosing: Choosing
    explainer: Explainer
    lifecycle: Lifecycle
    linking: Linking
    personal: Personal
    invitations: Invitations
    relay_scope: RelayScope
    relay: Relay | None
    figures: FigureReader
    examine: Examine
    """What `doctor` finds."""
    dashboard: Dashboard
    """Makes a link to the dashboard."""


def readers_of(settings: Settings, store: Store) -> Readers:
    """How people read; whom nobody knows reads as the site."""
    return Readers(store, Reader(LANGUAGES[settings.language], settings.timezone))


def invitations_of(
    settings: Settings, store: Store, clock: Clock, rules: Rules, messenger: Messenger, inbox: MoodleInbox
) -> Invitations:
    """What tells people that a chat is ready; switched off it does nothing."""
    ways = Ways(
        chat=settings.bot.invite_message,
        moodle=settings.moodle.invite_message,
        link=lambda room_id: link_to(room_id, rules.domain),
    )
    return Invitations(messenger, inbox, store, readers_of(settings, store), clock, ways)


class Talk:
    """Everything that talks."""

    def __init__(self, settings: Settings, parts: Talkers) -> None:
        store, clock, rules = parts.store, parts.clock, parts.rules
        permissions = Permissions(settings.permissions)
        readers = readers_of(settings, store)
        self.overview = Overview(
            *(store, parts.queue, parts.workers, parts.troubles, parts.facts, clock),
            interval=settings.moodle.interval,
            figures=parts.figures,
        )
        self.desk = Desk(
            operations=parts.operations,
            lifecycle=parts.lifecycle,
            linking=parts.linking,
            personal=parts.personal,
            explainer=parts.explainer,
            pauses=parts.pauses,
            overview=self.overview,
            choosing=parts.choosing,
            mine=Mine(store, parts.workers),
            reminders=Reminders(
                *(parts.matrix, store, parts.planner, parts.gate, parts.pauses, readers, clock),
            ),
            relay_scope=parts.relay_scope,
            relay=parts.relay,
            examine=parts.examine,
            dashboard=parts.dashboard,
            messenger=parts.messenger,
            chats=Chats(parts.messenger, store, readers, rules, clock),
            store=store,
            rules=rules,
            clock=clock,
            readers=readers,
            permissions=permissions,
            prefix=settings.bot.prefix,
        )
        limits = Limits(settings.bot.commands_at_once, settings.bot.commands_per_minute)
        self.router = Router(self.desk, max_age=settings.bot.command_max_age, limits=limits)
        self.chats = DirectChats(parts.matrix, store, rules, clock, on_chat=self.router.meet)
        self.management = Management(parts.matrix, store, rules, permissions, settings.bot.management_room)
        self.invitations = parts.invitations

    async def start(self) -> None:
        """Begin to answer."""
        await self.management.settle()
        self.invitations.start()
        await self.router.start()

    async def stop(self) -> None:
        """Fall silent."""
        await self.router.stop()
        await self.invitations.stop()
