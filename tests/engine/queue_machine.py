"""Signals, workers and time in any order, against a simple model of what the queue's port promises."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from dataclasses import dataclass, field

from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    precondition,
    rule,
)

from moodle_appservice.ports import Key, Priority, Taken
from tests.engine.queue_contract import A, B, C, QueueDesk


@dataclass
class _Pending:
    """What the model knows of a key that waits; its time is the model's own, in seconds since the start."""

    priority: Priority
    not_before: float
    attempt: int
    signals: set[str] = field(default_factory=set)


class QueueMachine(RuleBasedStateMachine):
    """A subclass says how a desk is made and closed."""

    hands = Bundle("hands")

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.time = 0.0
        self.waiting: dict[Key, _Pending] = {}
        self.running: dict[Key, _Pending | None] = {}
        self.numbers = 0

    @abstractmethod
    async def open(self) -> QueueDesk:
        """An empty queue."""

    @abstractmethod
    async def close(self) -> None:
        """No more of it."""

    @initialize()
    def begin(self) -> None:
        self.desk = self.runner.run(self.open())
        self.queue = self.desk.queue

    def _is_due(self, key: Key) -> bool:
        return self.waiting[key].not_before <= self.time

    @rule(
        key=st.sampled_from([A, B, C]),
        priority=st.sampled_from(Priority),
        delay=st.sampled_from([0, 0, 500, 5000]),
    )
    def signal(self, key: Key, priority: Priority, delay: float) -> None:
        self.numbers += 1
        name = f"s{self.numbers}"
        at, not_before = self.time + delay, self.desk.now() + delay if delay else 0.0
        self.runner.run(self.queue.add(key, priority=priority, signal=name, not_before=not_before))
        pending = self.running.get(key) if key in self.running else self.waiting.get(key)
        if pending is None:
            pending = _Pending(priority, at, 0)
            if key in self.running:
                self.running[key] = pending
            else:
                self.waiting[key] = pending
        elif pending.attempt == 0 or priority is Priority.WAITING_PERSON:
            pending.not_before = min(pending.not_before, at)
        pending.priority = min(pending.priority, priority)
        pending.signals.add(name)

    @precondition(lambda self: any(self._is_due(key) for key in self.waiting))
    @rule(target=hands)
    def take(self) -> Taken:
        taken = self.runner.run(self.desk.take_now())
        assert taken.key not in self.running, "with two workers at once"
        assert self._is_due(taken.key), "too early"
        first = min(pending.priority for key, pending in self.waiting.items() if self._is_due(key))
        assert taken.priority is first
        pending = self.waiting.pop(taken.key)
        assert (pending.priority, pending.attempt) == (taken.priority, taken.attempt)
        assert taken.signals == pending.signals, "a signal was lost"
        self.running[taken.key] = None
        return taken

    @precondition(lambda self: not any(self._is_due(key) for key in self.waiting))
    @rule()
    def nothing_is_due(self) -> None:
        assert self.runner.run(self.desk.nothing_due())

    @rule(taken=consumes(hands))
    def done(self, taken: Taken) -> None:
        self.runner.run(self.queue.done(taken))
        again = self.running.pop(taken.key)
        if again is not None:
            self.waiting[taken.key] = again

    @rule(taken=consumes(hands), delay=st.sampled_from([0, 500, 5000]))
    def back_off(self, taken: Taken, delay: float) -> None:
        self.runner.run(self.queue.back_off(taken, delay=delay))
        pending = _Pending(taken.priority, self.time + delay, taken.attempt + 1, set(taken.signals))
        again = self.running.pop(taken.key)
        if again is not None:
            pending.signals |= again.signals
            pending.priority = min(pending.priority, again.priority)
            if again.priority is Priority.WAITING_PERSON:
                pending.not_before = min(pending.not_before, again.not_before)
        self.waiting[taken.key] = pending

    @rule(seconds=st.sampled_from([100, 600, 6000]))
    def time_passes(self, seconds: float) -> None:
        self.time += seconds
        self.runner.run(self.desk.advance(seconds))

    @invariant()
    def depth_counts_each_key_once_that_is_due_or_failed_or_in_hand(self) -> None:
        if hasattr(self, "desk"):
            due = [one for one in self.waiting.values() if one.attempt or one.not_before <= self.time]
            assert self.runner.run(self.desk.depth()) == len(due) + len(self.running)

    def teardown(self) -> None:
        if hasattr(self, "desk"):
            self.runner.run(self.close())
        self.runner.close()
