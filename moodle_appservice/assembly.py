"""What is built of what: everything that runs, put together from the bottom of the house to its top.

Nothing is opened, asked or written here. Each method builds one floor out of the floors below it: measures, the ends
that speak with the world, what is known of Moodle, rooms, people, the way of a look, what people and programs ask,
pages, bot, and the doors.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp

from .adapters import Adapters, MoodleDesk
from .browsers import Browsers, Parts
from .clock import SystemClock
from .config import Settings
from .control import ControlDoor
from .domain.digest import digest
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
from .engine.pace import AHEAD, Pacing
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
from .engine.site import SitePass
from .engine.space import SpacePlanner, SpaceSync
from .engine.space_status import SpaceReader
from .engine.status import StatusReader
from .engine.tree import SpaceTree
from .engine.troubles import SpaceTroubles, Troubles
from .engine.waiting import WaitingList
from .engine.waves import Waves
from .engine.worker import Workers
from .engine.writeback import WriteBack
from .machines import Machines
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
from .survey import Survey
from .switches import Switches
from .talk import Talk, Talkers, invitations_of, readers_of
from .web.admin_inside import Finding
from .web.health import Health
from .web.metrics import Metrics

if TYPE_CHECKING:
    from .clustered import Clustered


class Assembly:
    """The parts of a service. Until `build` there are only the database, the queue, the rules and the clock."""

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
        self._is_built = False
        self._joins = False
        """Whether we work with the other processes of a cluster, and do not only look into their database."""
        self.clustered = cluster_of(settings, self.clock)
        self._db = self.clustered.db if self.clustered else Db(settings.database.get_secret_value())
        self.store = Books(self._db, bot=self.rules.bot, prefix=settings.bot.prefix)
        if dry:
            self.store.pauses = DryPauses(self.store.pauses, self.clock)
        self.queue: Queue = self.clustered.queue if self.clustered else MemoryQueue(self.clock)

    def build(self) -> None:
        """Put everything together; nothing is opened, asked or written yet."""
        self._build_measures()
        session = self._session = new_session(
            self._together, trace_configs=[watched(self._observer, self.settings.homeserver.address)]
        )
        self._build_ends(session)
        self._build_source()
        self._build_rooms()
        self._build_people()
        self._build_courses()
        self._build_site()
        self._build_workers()
        self._build_answers()
        self._build_relay(session)
        self._build_pages()
        self._build_talk()
        self._build_doors()
        self._is_built = True

    @property
    def _together(self) -> Clustered | None:
        """Our part of a cluster, where we work in one."""
        return self.clustered if self._joins else None

    def _reads(self) -> bool:
        return self._together.cluster.reads() if self._together else True

    def _share(self) -> int:
        most = self.settings.sync.rooms_at_once
        return self._together.cluster.share(most) if self._together else most

    def _build_measures(self) -> None:
        together = self._together
        self._freshness, self._troubles, self._space_troubles = Freshness(), Troubles(), SpaceTroubles()
        self.settled = together.settled if together else Settled()
        self._digests = together.digests if together else digest
        self.figures = FigureReader(self.store, self.queue, self._troubles, self.clock)
        self._metrics = Metrics(self.figures)
        self.pace = Pacing(self._share)
        self._observer = Observers(self.figures, self._metrics, self.pace)

    def _build_ends(self, session: aiohttp.ClientSession) -> None:
        ends = Adapters(
            *(self.settings, self.registration, self.rules, self.store, self.clock),
            session=session,
            observer=self._observer,
            dry=self.dry,
        )
        self.moodle, self.matrix = ends.moodle, ends.matrix
        self.homeserver, self.accounts = ends.homeserver, ends.accounts
        self._messenger = MatrixMessenger(self.matrix, self.store)

    def _build_source(self) -> None:
        settings, store, queue, clock = self.settings, self.store, self.queue, self.clock
        self.source = Source(settings, self.rules, self.moodle, store, queue, clock)
        together = self._together
        self.facts: Facts = together.share(self.source, store) if together else self.source.facts
        desk = MoodleDesk(settings, self.moodle, self.facts, store, clock, dry=self.dry)
        self.inbox, self.profile = desk.inbox, desk.profile
        self.picture_list, self._pictures = desk.picture_list, desk.pictures
        writes = settings.moodle.write_matrix_id and not self.dry
        self.write_back = WriteBack(self.profile, store, self.rules, clock) if writes else None
        asks = self.source.reports is not None and settings.accounts.follow_avatar
        self.picture_turns = PictureTurns(self.picture_list, store, queue, clock) if asks else None

    def _build_rooms(self) -> None:
        settings, rules, store, queue, clock = self.settings, self.rules, self.store, self.queue, self.clock
        name = settings.cluster.name_of(settings.appservice.port) if self._together else ""
        gate = DryGate if self.dry else Gate
        self.gate = gate(self.matrix, store, rules, process=name, makes_room=self._reads)
        self._rooms = RoomFinder(self.matrix, store, rules, clock)
        self.keeping = RoomKeeping(
            *(
                self.matrix,
                SynapseRooms(self.accounts.admin),
                store,
                queue,
                self._rooms,
                rules,
                clock,
                self.facts,
            ),
            compare_every=settings.drift.compare_every,
        )
        self._images = CourseImages(self._pictures, self.matrix, store.settings)
        self._tree = SpaceTree(self.facts, store, queue, rules, clock)
        self.planner = CoursePlanner(
            *(self.facts, store, self._rooms, rules, clock),
            *(self.accounts.rights, self._digests, self._images),
        )
        self.spaces = SpacePlanner(self._tree, store, self._rooms, rules, clock, self.accounts.rights)

    def _build_people(self) -> None:
        settings, rules, store, queue, clock = self.settings, self.rules, self.store, self.queue, self.clock
        self.waiting = WaitingList(self.accounts, store, queue, rules, clock)
        self._invitations = invitations_of(settings, store, clock, rules, self._messenger, self.inbox)
        self.alumni = Alumni(self.facts, store, clock)
        notices = Notices(self._messenger, self.inbox, readers_of(settings, store))
        secret = self.registration.as_token.get_secret_value().encode()
        self.linking = Linking(*(store, queue, self.facts, rules, clock, notices), secret=secret)
        self._people = PersonFinder(
            *(self.facts, store, queue, rules, clock, self._freshness),
            AccountKeeper(self.accounts, store, rules, clock, inbox=self.inbox),
            AvatarKeeper(self.accounts, self._pictures, store, rules, self.picture_turns),
        )

    def _build_courses(self) -> None:
        settings, rules, store, queue, clock = self.settings, self.rules, self.store, self.queue, self.clock
        self._hands = Hands(
            *(self.matrix, self.accounts, store, self._rooms, rules, clock),
            Limits(actions=settings.sync.slice_actions),
            self.accounts.office(settings.life.export_folder, rules.site),
            Waves(lambda: self.pace.limit, lambda: self.pace.most, over=self.pace.wave_over),
            self._observer,
            on_invited=self._invitations.invited,
        )
        self._courses = CourseSync(
            *(self.planner, self._hands, store, queue, self.gate, clock),
            *(self._freshness, self._troubles, self.settled, self.keeping.returning),
            Departed(self._rooms, self._hands, store, self.gate, self._troubles, rules, clock),
            *(self._observer, self._images, self._tree),
            is_crowded=lambda: self.pace.is_crowded,
        )

    def _build_site(self) -> None:
        rules, store, queue, clock = self.rules, self.store, self.queue, self.clock
        self.pauses = Pauses(store, queue, clock)
        self.retention = Retention(store.audit, keep_from(self.settings), clock)
        rounds = Rounds(
            *(store, clock, self.settled, self.source, self.linking, self.retention, self.waiting),
            *(self.alumni, self.pauses, self.write_back, self.picture_turns),
        )
        self._site = SitePass(
            *(self.facts, store, queue, self.gate, rules, clock, self._freshness, self.settled),
            Endings(store, queue, rules, clock),
            before_courses=rounds.before_courses,
            after_reading=rounds.after_reading,
            turns=self.source.turns,
            after_pass=rounds.after_pass,
            digests=self._digests,
            observer=self._observer,
            tree=self._tree,
            recovery=self.keeping.recovery,
        )

    def _build_workers(self) -> None:
        store, queue, clock, sync = self.store, self.queue, self.clock, self.settings.sync
        together = self._together
        spaces = SpaceSync(
            *(self.spaces, self._tree, self._hands, store, queue, self.gate, clock),
            *(self._space_troubles, self.keeping.returning),
        )
        self.workers = Workers(
            *(queue, store, clock),
            site=self._site,
            people=self._people,
            courses=self._courses,
            spaces=spaces,
            number=AHEAD * sync.rooms_at_once,
            urgency=self._courses.urgency_of,
            pace=self.pace,
            for_people=sync.people_at_once,
            pauses=None if self.dry else self.pauses,
            observer=self._observer,
            ends=together.hall if together else None,
            for_others=together.facts if together else None,
            settled=self.settled,
        )
        self.figures.watch(self.workers)
        self.sampler = Sampler(self.figures, store.samples, clock)
        self.timer = Timer(
            queue, interval=self.settings.moodle.interval, turn=self.source.turn, reads=self._reads
        )

    def _build_answers(self) -> None:
        rules, store, queue, clock = self.rules, self.store, self.queue, self.clock
        self.choosing = Choosing(store, self.facts, self._site, self.workers, rules, clock)
        self.lifecycle = Lifecycle(store, queue, rules, clock)
        self.operations = Operations(
            *(store, queue, self.workers, self.planner, self._site),
            StatusReader(self.planner, store, self._troubles, self.facts),
            *(self._troubles, self.facts),
            Holds(store, self.facts, queue, clock),
            self.lifecycle,
            SpaceReader(self.spaces, self._tree, self._site, self.facts, self._space_troubles),
            self.keeping.slow_audit,
        )
        self.explainer = Explainer(
            *(store, self.planner, self.facts, self._troubles, self.pauses, rules, clock, self.workers)
        )
        book = SurveyBook(self._db, bot=rules.bot, site=rules.site)
        survey = Survey(book, store, self.homeserver, queue, self.pauses, self.keeping.candidates, rules)
        self.switches = Switches(self.pauses, self.explainer, store, survey.take, self._save, self.lifecycle)
        outside = Outside(self.matrix, self.accounts, self._hands, self.gate, self.inbox, self.profile)
        self.personal = Personal(
            *(store, queue, clock, self.linking, outside), readers=readers_of(self.settings, store)
        )
        self.room_work = self.keeping.work(self.planner, self._site, self.workers, self.choosing)

    def _build_relay(self, session: aiohttp.ClientSession) -> None:
        self.relaying = relay_from(
            *(self.settings, self.rules),
            session=session,
            beside=self.moodle,
            facts=self.facts,
            matrix=self.matrix,
            store=self.store,
            clock=self.clock,
            reads=self._reads,
        )
        self.source.beside = lambda: self.relaying.requests

    def _build_pages(self) -> None:
        parts = Parts(
            *(self.store, self.facts, self.queue, self.rules, self.clock, self.planner, self._troubles),
            *(self.operations, self.choosing, self.linking, self.explainer, self.pauses),
            *(self.figures, self.sampler, self._examined),
        )
        self.browsers = Browsers(
            self.settings, parts, lists=self.source.lists, counted=self._metrics.launched
        )

    def _build_talk(self) -> None:
        talkers = Talkers(
            matrix=self.matrix,
            messenger=self._messenger,
            inbox=self.inbox,
            store=self.store,
            queue=self.queue,
            clock=self.clock,
            rules=self.rules,
            facts=self.facts,
            gate=self.gate,
            planner=self.planner,
            workers=self.workers,
            troubles=self._troubles,
            pauses=self.pauses,
            operations=self.operations,
            choosing=self.choosing,
            explainer=self.explainer,
            lifecycle=self.lifecycle,
            linking=self.linking,
            personal=self.personal,
            invitations=self._invitations,
            relay_scope=self.relaying.scope,
            relay=self.relaying.relay,
            figures=self.figures,
            examine=self._examined,
            dashboard=self.browsers.dashboard.invite,
        )
        self.talk = Talk(self.settings, talkers)

    def _build_doors(self) -> None:
        store, queue, clock = self.store, self.queue, self.clock
        self.machines = Machines(
            *(self.settings, store, queue, self.operations, self.explainer, self.pauses),
            *(self.figures, self._metrics, clock),
        )
        self.door = ControlDoor(
            *(self.settings.control_socket, self.operations, self.browsers.registrar, self.personal),
            *(self.source.accept_reports, self.switches, self.room_work, self.figures),
        )
        on_invites = unanswered if self.dry else self.talk.chats
        self.pushed = Pushed(
            store, queue, self.gate, on_commands=self.talk.router.hear, on_invites=on_invites
        )

    async def _save(self, path: Path) -> str:
        return (await backup.save(self._db, path, at=self.clock.now())).sentence(path)

    async def _examined(self) -> Sequence[Finding]:
        return await self.doctor() if self.doctor is not None else ()

    async def _remarks(self) -> Sequence[str]:
        return await self.pauses.remarks()
