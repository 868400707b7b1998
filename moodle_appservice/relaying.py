"""What the relay is built of, for the composition root: its own Moodle client, its reader, its voice, its loop.

The relay reads as the account of `moodle.content_token`, so it has a client of its own, which makes one request
at a time and takes a share, of its own, of the budget that the facts have. Without that token there is no relay,
but a `scope` all the same, so that people can be told why nothing is relayed. `Rules` say which rooms a course
has, `RelayRules` whether it relays, what is told, and when.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import aiohttp

from .config import Settings
from .domain.deadlines import DateKind
from .domain.model import CategoryId, CourseId
from .domain.quiet import Hours
from .domain.relay_choice import RelayRules
from .domain.rules import Rules
from .engine.announcing import Announcer
from .engine.enclosures import Enclosures
from .engine.relay import Pace, Relay
from .engine.relay_scope import RelayScope
from .engine.relay_sender import Senders
from .engine.relay_words import Wording
from .engine.reminding import Reminders
from .languages import nearest
from .matrix.markup import Markup
from .matrix.relay_messenger import MatrixRelayMessenger
from .moodle.client import MoodleClient, SharedPace
from .moodle.content import MoodleContent
from .moodle.relay_report import ReportDetector
from .ports import Clock, Facts, Matrix, Store

BATCH = 50
"""Courses in one request."""
SHARE = 4
"""The relay takes at most one in so many of the requests that Moodle may be asked per minute."""


@dataclass(frozen=True, slots=True)
class RelayParts:
    """`relay` None: there is no token to read content with. `scope` says which courses would relay all the same."""

    scope: RelayScope
    relay: Relay | None = None
    content: MoodleContent | None = None
    client: MoodleClient | None = None

    @property
    def requests(self) -> int:
        """How many requests were made to Moodle."""
        return self.client.requests if self.client else 0


def relay_rules(settings: Settings) -> RelayRules:
    """The section `relay`."""
    relay = settings.relay
    return RelayRules(
        site=relay.site,
        on_courses=frozenset(map(CourseId, relay.on_courses)),
        off_courses=frozenset(map(CourseId, relay.off_courses)),
        on_categories=frozenset(map(CategoryId, relay.on_categories)),
        off_categories=frozenset(map(CategoryId, relay.off_categories)),
        announcements=relay.announcements,
        deadlines=relay.deadlines,
        wait_for_edit_window=relay.wait_for_edit_window,
        hours=Hours(*relay.hours),
        reminders=tuple(int(one) for one in relay.reminders),
        dates=frozenset(map(DateKind, relay.dates)),
        notify_reminders=relay.notify_reminders,
        most_per_day=relay.most_per_day,
        most_text=relay.max_length,
        upload_types=relay.upload.types if relay.upload.enabled else (),
        upload_max=relay.upload.max_bytes if relay.upload.enabled else 0,
    )


def relay_from(
    settings: Settings,
    rules: Rules,
    *,
    session: aiohttp.ClientSession,
    beside: MoodleClient,
    facts: Facts,
    matrix: Matrix,
    store: Store,
    clock: Clock,
    reads: Callable[[], bool],
) -> RelayParts:
    """Put it together. `beside`: the client of the facts, whose budget is shared."""
    own, is_possible = relay_rules(settings), bool(settings.moodle.content_token.get_secret_value())
    scope = RelayScope(facts, store, own, rules, clock, is_possible=is_possible)
    if not is_possible:
        return RelayParts(scope)
    client = _client(settings, session, beside)
    content = MoodleContent(client)
    messenger = MatrixRelayMessenger(matrix, bot=rules.bot)
    markup = Markup(rules.site_url)
    wording = Wording(nearest(settings.language), markup, rules.site_url, own.most_text)
    senders = Senders(store, bot=rules.bot)
    enclosures = Enclosures(content, messenger, store, own, site=rules.site)
    announcer = Announcer(
        *(messenger, store, markup, wording, senders, enclosures, own, clock),
        site=rules.site,
    )
    reminders = Reminders(messenger, store, wording, own, clock, site=rules.site, bot=rules.bot)
    relay = settings.relay
    pace = Pace(relay.announcements_interval, relay.dates_interval, relay.forums_interval)
    detector = ReportDetector(beside, relay.report) if relay.report else None
    loop = Relay(
        *(content, scope, announcer, reminders, store, own, clock),
        pace=pace,
        zone=settings.timezone,
        detector=detector,
        reads=reads,
    )
    return RelayParts(scope, loop, content, client)


def _client(settings: Settings, session: aiohttp.ClientSession, beside: MoodleClient) -> MoodleClient:
    moodle = settings.moodle
    per_minute = moodle.requests_per_minute
    return MoodleClient(
        moodle.url,
        moodle.content_token.get_secret_value(),
        session=session,
        concurrency=1,
        timeout=moodle.timeout,
        max_bytes=moodle.max_bytes,
        batch=BATCH,
        language=moodle.language,
        pace=SharedPace(max(1, per_minute // SHARE) if per_minute else None, beside.pace),
        raw=False,
    )
