"""The composition root: the only place that builds things and knows all of them.

`Service` is everything that runs, put together from settings and a registration; it starts from the bottom of the
house to its top and stops the other way round.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import aiohttp

from .accounts import say_what_is_missing
from .adapters import Adapters, MoodleDesk
from .browsers import Browsers, Parts
from .clock import SystemClock
from .config import Settings
from .control import ControlDoor
from .domain.digest import digest
from .doorway import Doorway
from .dryrun import DryGate, DryPauses, dry_rules, unanswered
from .engine.accounts import AccountKeeper
from .engine.alumni import Alumni
from .engine.apply import Hands, Limits
from .engine.avatars import AvatarKeeper
from .engine.choosing import Choosing
from .engine.course import CourseSync
from .engine.course_images import CourseImages
from .engine.departed import Departed
from .engine.endings import Endings
from .engine.explain import Explainer
from .engine.figures import FigureReader
from .engine.freshness import Freshness
from .engine.gate import Gate
from .engine.holds import Holds
from .engine.lifecycle import Lifecycle
from .engine.linking import Linking
from .engine.notices import Notices
from .engine.observers import Observers
from .engine.operations import Operations
from .engine.pace import Pacing
from .engine.pauses import Pauses
from .engine.people import PersonFinder
from .engine.personal import Outside, Personal
from .engine.picture_turns import PictureTurns
from .engine.planning import CoursePlanner
from .engine.queues.memory import MemoryQueue
from .engine.retention import Retention
from .engine.rooms import RoomFinder
from .engine.sampling import Sampler
from .engine.settled import Settled
from .engine.signals import Pushed, Timer
from .engine.site import SITE_NAME, SitePass
from .engine.space import SpacePlanner, SpaceSync
from .engine.space_status import SpaceReader
from .engine.status import StatusReader
from .engine.tree import SpaceTree
from .engine.troubles import SpaceTroubles, Troubles
from .engine.waiting import WaitingList
from .engine.worker import Workers
from .engine.writeback import WriteBack
from .errors import PermanentFailure
from .machines import Machines
from .matrix.inbox import Inbox
from .matrix.messenger import MatrixMessenger
from .matrix.room_admin import SynapseRooms
from .observation import watched
from .ports import Facts, Queue
from .processes import cluster_of, new_session
from .registration import Registration
from .relaying import relay_from
from .roomkeeping import RoomKeeping
from .rounds import Rounds
from .rulebook import keep_from, rules_from
from .source import Source
from .store import backup
from .store.books import Books
from .store.db import Db
from .store.survey import SurveyBook
from .survey import BOT, Survey
from .switches import Switches
from .talk import Talk, Talkers, invitations_of, readers_of
from .web.admin_inside import Finding
from .web.health import Health
from .web.metrics import Metrics

log = logging.getLogger(__name__)


class Service:
    """Everything that runs. `start` raises `AppError` and leaves nothing behind when it can't."""

    def __init__(self, settings: Settings, registration: Registration, *, dry: bool = False) -> None:
        self.dry = dry
        """Whether everything is done but the writes."""
        self.settings = settings
        self.registration = registration
        rules = rules_from(settings, registration)
        self.rules = dry_rules(rules) if dry else rules
        self.clock = SystemClock()
        self.health = Health(self._remarks)
        self.doctor: Callable[[], Awaitable[Sequence[Finding]]] | None = None
        """Examines this service while it runs; set by whoever knows the checks."""
        self._session: aiohttp.ClientSession | None = None
        self._db_is_open = False
        self._is_built = False
        self._joins = False
        """Whether we work with the other processes of a cluster, and do not only look into their database."""
        self._doorway = Doorway(settings, self.clock)
        address = settings.database.get_secret_value()
        self.clustered = cluster_of(settings, self.clock)
        self._db = self.clustered.db if self.clustered else Db(address)
        self.store = Books(self._db, bot=self.rules.bot, prefix=settings.bot.prefix)
        if dry:
            self.store.pauses = DryPauses(self.store.pauses, self.clock)
        self.queue: Queue = self.clustered.queue if self.clustered else MemoryQueue(self.clock)

    async def start(self, *, timer: bool = True) -> None:
        """Start everything. `timer` False: nothing is looked at until somebody asks."""
        try:
            self._joins = self.clustered is not None
            await self._open()
            await self.listen()
            if self.clustered is not None:
                await self.clustered.open(self.workers)
            if not self.dry:
                await self.matrix.ensure_registered(self.settings.bot.name)
            await self._check_bot()
            await say_what_is_missing(self.accounts, self.rules)
            self.workers.start()
            self.source.moments.start()
            if not self.dry:
                await self.talk.start()
            await self.door.start()
            self.sampler.start()
            if timer:
                self.timer.start()
                self.keeping.slow_audit.start()
                if self.relaying.relay is not None:
                    self.relaying.relay.start()
        except BaseException:
            await self.stop()
            raise
        self.health.ready = True
        log.info("Ready: %s keeps rooms on %s.", self.rules.bot, self.settings.homeserver.address)

    async def prepare(self) -> None:
        """Open the database and build everything, but neither listen nor write: enough to read plans."""
        try:
            await self._open()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop everything, in the opposite order; safe after a start that failed half-way."""
        self.health.ready = False
        if self._is_built:
            await self.timer.stop()
            await self.keeping.slow_audit.stop()
            await self.sampler.stop()
            await self.machines.stop()
            if self.relaying.relay is not None:
                await self.relaying.relay.stop()
            await self.door.stop()
            await self.talk.stop()
            await self.workers.stop()
            if self.clustered is not None and self._joins:
                await self.clustered.close()
            await self.source.close()
            await self.browsers.close()
            self._is_built = False
        await self._doorway.close()
        if self._session is not None:
            await self._session.close()
            self._session = None
        if self._db_is_open:
            await self._db.stop()
            self._db_is_open = False

    async def _open(self) -> None:
        self.build()
        await self._db.start()
        self._db_is_open = True
        await self.source.recall()
        known = await self.store.settings.get(SITE_NAME)
        if known is None:
            await self.store.settings.set(SITE_NAME, self.settings.site)
        elif known != self.settings.site:
            raise PermanentFailure(
                f"This database belongs to the site {known}, the configuration says {self.settings.site}. Nothing was "
                "started. `site` stands in every alias and can't change; use another database for another site."
            )

    def build(self) -> None:
        """Put everything together; nothing is opened, asked or written yet."""
        settings, rules, store, queue, clock = self.settings, self.rules, self.store, self.queue, self.clock
        freshness, troubles = Freshness(), Troubles()
        clustered = self.clustered if self._joins else None
        settled = self.settled = clustered.settled if clustered else Settled()
        digests = clustered.digests if clustered else digest
        self.figures = FigureReader(store, queue, troubles, clock)
        metrics = Metrics(self.figures)
        most = settings.sync.rooms_at_once
        self.pace = Pacing(lambda: clustered.cluster.share(most) if clustered else most)
        observer = Observers(self.figures, metrics, self.pace)
        session = self._session = new_session(
            clustered, trace_configs=[watched(observer, settings.homeserver.address)]
        )
        ends = Adapters(
            *(settings, self.registration, rules, store, clock),
            session=session,
            observer=observer,
            dry=self.dry,
        )
        self.moodle, self.matrix = ends.moodle, ends.matrix
        self.homeserver, self.accounts = ends.homeserver, ends.accounts
        self.source = Source(settings, rules, self.moodle, store, queue, clock)
        self.facts: Facts = clustered.share(self.source, store) if clustered else self.source.facts
        self.waiting = WaitingList(self.accounts, store, queue, rules, clock)
        desk = MoodleDesk(settings, self.moodle, self.facts, store, clock, dry=self.dry)
        self.inbox, self.profile, self.picture_list = desk.inbox, desk.profile, desk.picture_list
        self.write_back = (
            WriteBack(self.profile, store, rules, clock)
            if settings.moodle.write_matrix_id and not self.dry
            else None
        )
        asks_for_pictures = self.source.reports is not None and settings.accounts.follow_avatar
        self.picture_turns = (
            PictureTurns(self.picture_list, store, queue, clock) if asks_for_pictures else None
        )
        name = settings.cluster.name_of(settings.appservice.port) if clustered else ""
        reads = clustered.cluster.reads if clustered else lambda: True
        gate = DryGate if self.dry else Gate
        self.gate = gate(self.matrix, store, rules, process=name, makes_room=reads)
        rooms = RoomFinder(self.matrix, store, rules, clock)
        images = CourseImages(desk.pictures, self.matrix, store.settings)
        self.planner = CoursePlanner(
            self.facts, store, rooms, rules, clock, self.accounts.rights, digests, images
        )
        keeping = self.keeping = RoomKeeping(
            *(self.matrix, SynapseRooms(self.accounts.admin), store, queue, rooms, rules, clock, self.facts),
            compare_every=settings.drift.compare_every,
        )
        limits = Limits(actions=settings.sync.slice_actions)
        messenger = MatrixMessenger(self.matrix, store)
        invitations = invitations_of(settings, store, clock, rules, messenger, self.inbox)
        office = self.accounts.office(settings.life.export_folder, rules.site)
        hands = Hands(
            *(self.matrix, self.accounts, store, rooms, rules, clock, limits, office, observer),
            on_invited=invitations.invited,
        )
        self.pauses = Pauses(store, queue, clock)
        self.retention = Retention(store.audit, keep_from(settings), clock)
        self.alumni = Alumni(self.facts, store, clock)
        notices = Notices(messenger, self.inbox, readers_of(settings, store))
        secret = self.registration.as_token.get_secret_value().encode()
        self.linking = Linking(*(store, queue, self.facts, rules, clock, notices), secret=secret)
        rounds = Rounds(
            *(store, clock, settled, self.source, self.linking, self.retention, self.waiting, self.alumni),
            *(self.pauses, self.write_back, self.picture_turns),
        )
        tree, space_troubles = SpaceTree(self.facts, store, queue, rules, clock), SpaceTroubles()
        self.spaces = SpacePlanner(tree, store, rooms, rules, clock, self.accounts.rights)
        site = SitePass(
            *(self.facts, store, queue, self.gate, rules, clock, freshness, settled),
            Endings(store, queue, rules, clock),
            before_courses=rounds.before_courses,
            after_reading=rounds.after_reading,
            turns=self.source.turns,
            after_pass=rounds.after_pass,
            digests=digests,
            observer=observer,
            tree=tree,
            recovery=keeping.recovery,
        )
        courses = CourseSync(
            *(self.planner, hands, store, queue, self.gate, clock, freshness, troubles, settled),
            keeping.returning,
            Departed(rooms, hands, store, self.gate, troubles, rules, clock),
            observer,
            images,
            tree,
        )
        self.workers = Workers(
            queue,
            store,
            clock,
            site=site,
            people=PersonFinder(
                *(self.facts, store, queue, rules, clock, freshness),
                AccountKeeper(self.accounts, store, rules, clock, inbox=self.inbox),
                AvatarKeeper(self.accounts, desk.pictures, store, rules, self.picture_turns),
            ),
            courses=courses,
            spaces=SpaceSync(
                self.spaces, tree, hands, store, queue, self.gate, clock, space_troubles, keeping.returning
            ),
            number=most,
            urgency=courses.urgency_of,
            pace=self.pace,
            for_people=settings.sync.people_at_once,
            pauses=None if self.dry else self.pauses,
            observer=observer,
            ends=clustered.hall if clustered else None,
            for_others=clustered.facts if clustered else None,
            settled=settled,
        )
        self.figures.watch(self.workers)
        self.sampler = Sampler(self.figures, store.samples, clock)
        status = StatusReader(self.planner, store, troubles, self.facts)
        self.choosing = Choosing(store, self.facts, site, self.workers, rules, clock)
        self.lifecycle = Lifecycle(store, queue, rules, clock)
        self.operations = Operations(
            *(store, queue, self.workers, self.planner, site, status, troubles, self.facts),
            Holds(store, self.facts, queue, clock),
            self.lifecycle,
            SpaceReader(self.spaces, tree, site, self.facts, space_troubles),
            keeping.slow_audit,
        )
        self.explainer = Explainer(
            *(store, self.planner, self.facts, troubles, self.pauses, rules, clock, self.workers)
        )
        self.machines = Machines(
            *(settings, store, queue, self.operations, self.explainer, self.pauses, self.figures, metrics),
            clock,
        )
        book = SurveyBook(self._db, bot=rules.bot, site=rules.site)
        survey = Survey(book, store, self.homeserver, queue, self.pauses, keeping.candidates, rules)
        self.switches = Switches(self.pauses, self.explainer, store, survey.take, self._save, self.lifecycle)
        self.relaying = relay_from(
            *(settings, rules),
            session=session,
            beside=self.moodle,
            facts=self.facts,
            matrix=self.matrix,
            store=store,
            clock=clock,
            reads=reads,
        )
        self.source.beside = lambda: self.relaying.requests
        self.timer = Timer(queue, interval=settings.moodle.interval, turn=self.source.turn, reads=reads)
        parts = Parts(
            *(store, self.facts, queue, rules, clock, self.planner, troubles, self.operations, self.choosing),
            *(self.linking, self.explainer, self.pauses, self.figures, self.sampler, self._examined),
        )
        self.browsers = Browsers(settings, parts, lists=self.source.lists, counted=metrics.launched)
        outside = Outside(self.matrix, self.accounts, hands, self.gate, self.inbox, self.profile)
        self.personal = Personal(
            *(store, queue, clock, self.linking, outside), readers=readers_of(settings, store)
        )
        self.talk = Talk(
            settings,
            Talkers(
                matrix=self.matrix,
                messenger=messenger,
                inbox=self.inbox,
                store=store,
                queue=queue,
                clock=clock,
                rules=rules,
                facts=self.facts,
                gate=self.gate,
                planner=self.planner,
                workers=self.workers,
                troubles=troubles,
                pauses=self.pauses,
                operations=self.operations,
                choosing=self.choosing,
                explainer=self.explainer,
                lifecycle=self.lifecycle,
                linking=self.linking,
                personal=self.personal,
                invitations=invitations,
                relay_scope=self.relaying.scope,
                relay=self.relaying.relay,
                figures=self.figures,
                examine=self._examined,
                dashboard=self.browsers.dashboard.invite,
            ),
        )
        self.room_work = keeping.work(self.planner, site, self.workers, self.choosing)
        self.door = ControlDoor(
            settings.control_socket,
            self.operations,
            self.browsers.registrar,
            self.personal,
            self.source.accept_reports,
            self.switches,
            self.room_work,
            self.figures,
        )
        self.pushed = Pushed(
            store,
            queue,
            self.gate,
            on_commands=self.talk.router.hear,
            on_invites=unanswered if self.dry else self.talk.chats,
        )
        self._is_built = True

    async def listen(self) -> None:
        """Open the door for the homeserver's pushes, and for people where they have pages."""
        hs_token = self.registration.hs_token.get_secret_value()
        inbox = Inbox(hs_token, self.pushed, on_failure=self.gate.close)
        routes = [*inbox.routes(), *self.health.routes(), *self.machines.routes()]
        await self.machines.start()
        if self.browsers.are_served:
            await self.browsers.pages.start()
        await self._doorway.open(routes, self.browsers.pages.hang_into if self.browsers.are_served else None)

    async def _save(self, path: Path) -> str:
        return (await backup.save(self._db, path, at=self.clock.now())).sentence(path)

    async def _examined(self) -> Sequence[Finding]:
        return await self.doctor() if self.doctor is not None else ()

    async def _remarks(self) -> Sequence[str]:
        return await self.pauses.remarks()

    async def _check_bot(self) -> None:
        taken_for = await self.matrix.whoami()
        if taken_for != self.rules.bot:
            raise PermanentFailure(
                f"The homeserver takes us for {taken_for}, the configuration for {self.rules.bot}. "
                "Nothing was changed. Compare `homeserver.domain` and the registration with the homeserver's."
            )
        if await self.store.settings.get(BOT) is None:
            await self.store.settings.set(BOT, self.rules.bot)
