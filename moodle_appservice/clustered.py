"""What a process of a cluster has beside what every process has: its lease, the queue and the facts of all.

Imported only where `cluster.enabled` is on: its packages are an extra.
"""

from __future__ import annotations

from .engine.cluster import Cluster
from .engine.digests import LastingDigests
from .engine.lease import Lease
from .engine.queues.hall import Hall
from .engine.queues.jobs import Jobs
from .engine.queues.procrastinate import ProcrastinateQueue
from .engine.settled import Settled
from .engine.sharedfacts import SharedFacts
from .engine.worker import Workers
from .errors import AppError
from .ports import FOR_READER, SITE, Clock, Key, Priority
from .source import Source
from .store.board import BoardBook
from .store.books import Books
from .store.db import Db


class Clustered:
    """Built before the service's database, opened after it."""

    def __init__(self, address: str, clock: Clock) -> None:
        self._address = address
        self._clock = clock
        self.lease = Lease()
        self.jobs = Jobs(address)
        self.db = Db(address, shared=True, make_tables=self.jobs.open)
        self.board = BoardBook(self.db)
        self.settled = Settled(self.board)
        self.digests = LastingDigests()
        self.cluster = Cluster(self.board, self.lease, on_read=self._read_now)
        self.hall = Hall(address, self.jobs, self._heard)
        self.queue = ProcrastinateQueue(
            self.jobs,
            clock,
            self.lease,
            for_reader=FOR_READER,
            reads=self.cluster.reads,
            on_beat=self.cluster.beat,
            when_idle=self.hall.echo,
        )
        self._source: Source | None = None
        self._facts: SharedFacts | None = None
        self._workers: Workers | None = None

    def share(self, source: Source, store: Books) -> SharedFacts:
        """The facts of all, out of what the source reads while this process is the reader."""
        self._source = source
        self._facts = SharedFacts(
            source.facts, self.board, store.settings, self._clock, self.cluster.reads, self._look
        )
        return self._facts

    async def _look(self, key: Key) -> AppError | None:
        assert self._workers is not None
        return await self._workers.ask(key, signal="read")

    @property
    def facts(self) -> SharedFacts:
        """What `share` has made."""
        assert self._facts is not None
        return self._facts

    async def open(self, workers: Workers) -> None:
        """Take our place among the others; the workers start after that."""
        self._workers = workers
        await self.hall.open()
        await self.queue.open()

    async def close(self) -> None:
        """Leave the others, after the workers have stopped; safe before `open`."""
        await self.queue.close()
        await self.cluster.leave()
        await self.hall.close()
        await self.jobs.close()

    async def _read_now(self) -> None:
        """We are the reader: go on where the last one stood, and look at everything."""
        assert self._source is not None and self._facts is not None
        await self._source.recall()
        self._facts.begin_to_read()
        await self.queue.add(SITE, priority=Priority.PASS, signal="pass")

    def _heard(self, key: Key, failure: AppError | None) -> None:
        if self._workers is not None:
            self._workers.heard(key, failure)
