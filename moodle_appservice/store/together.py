"""What many ask of the database in the same moment, asked in one go.

Each trip to a database costs more than a small query. Where hundreds of people are looked for at once, each of them
asks the same few questions: those of one kind that come while the last ones are under way travel together. Nobody gets
an answer that is older than the question, and whoever asks alone waits for nobody.
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
        self._at_work: asyncio.Task[None] | None = None

    async def ask(self, asked: Asked) -> Answer:
        """The answer to one question, or what `work` raises for it. Goes on to its end when the caller is cancelled."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((asked, answer))
        if self._at_work is None:
            self._at_work = asyncio.create_task(self._answer_all())
        try:
            return await asyncio.shield(answer)
        except asyncio.CancelledError:
            await asyncio.wait([answer])
            raise

    async def _answer_all(self) -> None:
        asked: list[tuple[Asked, asyncio.Future[Answer]]] = []
        try:
            while self._waiting:
                # Let those come who ask in the same moment.
                await asyncio.sleep(0)
                asked, self._waiting = self._waiting, []
                await self._answer(asked)
        finally:
            self._at_work = None
            for _, answer in (*asked, *self._waiting):
                # Only where we were stopped there are any that are not done.
                answer.cancel()

    async def _answer(self, asked: Sequence[tuple[Asked, asyncio.Future[Answer]]]) -> None:
        if await self._answered(asked, is_last_try=len(asked) == 1):
            return
        # One of them can't be answered: the others don't suffer from it.
        for one in asked:
            await self._answered([one], is_last_try=True)

    async def _answered(
        self, asked: Sequence[tuple[Asked, asyncio.Future[Answer]]], *, is_last_try: bool
    ) -> bool:
        try:
            answers = await self._work([question for question, _ in asked])
        except Exception as error:  # noqa: BLE001 (each who asked gets it)
            if not is_last_try and not isinstance(error, TemporaryFailure):
                return False
            for _, answer in asked:
                answer.set_exception(error)
            return True
        for (_, answer), found in zip(asked, answers, strict=True):
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
