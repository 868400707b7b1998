"""What many ask of the database in the same moment, asked in one go.

Each trip to a database costs more than a small query. Where hundreds of people are looked for at once, each of them
asks the same few questions: those that are asked before the event loop has gone round once travel together. Nobody gets
an answer that is older than the question.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Generic, TypeVar

from ..errors import TemporaryFailure

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")
Key = TypeVar("Key")
Value = TypeVar("Value")


class Together(Generic[Asked, Answer]):
    """`work` answers all questions that have come together, in their order, all of them or none."""

    def __init__(self, work: Callable[[Sequence[Asked]], Awaitable[Sequence[Answer]]]) -> None:
        self._work = work
        self._waiting: list[tuple[Asked, asyncio.Future[Answer]]] = []
        self._next: asyncio.Task[None] | None = None

    async def ask(self, asked: Asked) -> Answer:
        """The answer to one question, or what `work` raises for it. Goes on to its end when the caller is cancelled."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((asked, answer))
        if self._next is None:
            self._next = asyncio.create_task(self._go())
        task = self._next
        try:
            return await answer
        except asyncio.CancelledError:
            await asyncio.wait([task])
            raise

    async def _go(self) -> None:
        await asyncio.sleep(0)
        waiting, self._waiting, self._next = self._waiting, [], None
        if await self._answered(waiting, is_last_try=len(waiting) == 1):
            return
        # One of them can't be answered: the others don't suffer from it.
        for one in waiting:
            await self._answered([one], is_last_try=True)

    async def _answered(
        self, waiting: Sequence[tuple[Asked, asyncio.Future[Answer]]], *, is_last_try: bool
    ) -> bool:
        try:
            answers = await self._work([asked for asked, _ in waiting])
        except Exception as error:  # noqa: BLE001 (each who asked gets it)
            if not is_last_try and not isinstance(error, TemporaryFailure):
                return False
            for _, answer in waiting:
                if not answer.done():
                    answer.set_exception(error)
            return True
        for (_, answer), found in zip(waiting, answers, strict=True):
            if not answer.done():
                answer.set_result(found)
        return True


def look_ups(
    ask: Callable[[Collection[Key]], Awaitable[Mapping[Key, Value]]],
) -> Together[Collection[Key], Mapping[Key, Value]]:
    """Questions for some keys each; the answer has those that there are."""

    async def work(asked: Sequence[Collection[Key]]) -> Sequence[Mapping[Key, Value]]:
        found = await ask(dict.fromkeys(key for keys in asked for key in keys))
        return [{key: found[key] for key in keys if key in found} for keys in asked]

    return Together(work)
