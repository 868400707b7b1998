"""A TCP proxy that a test makes worse on purpose: it delays, cuts, resets, duplicates, corrupts, or answers by itself.

Each connection that begins while a `Trouble` stands suffers from it; what is open already is cut where the trouble is
about connections. Only answers are corrupted, and only into bytes that no JSON holds: whatever the other side was asked
to do it was asked to do, for without TLS nobody could tell.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

CHUNK = 65536


class Trouble(StrEnum):
    """What happens to connections."""

    NONE = "none"
    DELAY = "delay"
    CUT = "cut"
    """The answer ends in its middle."""
    LOSE = "lose"
    """The request arrives, the answer is lost."""
    RESET = "reset"
    """Nothing arrives."""
    DUPLICATE = "duplicate"
    """The request arrives twice, the second time somewhat later."""
    CORRUPT = "corrupt"
    TOO_MANY = "429"
    FAILURE = "500"
    GATEWAY = "502"


_ANSWERS = {
    Trouble.TOO_MANY: (
        429,
        "application/json",
        '{"errcode":"M_LIMIT_EXCEEDED","error":"Too fast","retry_after_ms":300}',
    ),
    Trouble.FAILURE: (500, "application/json", '{"errcode":"M_UNKNOWN","error":"Internal server error"}'),
    Trouble.GATEWAY: (502, "text/html", "<html><body>Bad Gateway</body></html>"),
}


@dataclass
class Proxy:
    """Listens on 127.0.0.1:`port` and passes on to `target`. `struck` counts connections that suffered."""

    target: int
    chance: random.Random
    trouble: Trouble = Trouble.NONE
    port: int = 0
    struck: int = 0

    def __post_init__(self) -> None:
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._suffering: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, port: int = 0) -> None:
        """Listen; `port` 0 finds a free one."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close everything."""
        if self._server is not None:
            self._server.close()
        self.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Reset whatever is open."""
        for writer in list(self._open):
            with suppress(Exception):
                writer.transport.abort()

    def heal(self) -> None:
        """No more trouble: a connection that suffers would go on to."""
        self.trouble = Trouble.NONE
        for writer in list(self._suffering):
            with suppress(Exception):
                writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._open.add(writer)
        try:
            await self._serve(reader, writer)
        except (OSError, asyncio.CancelledError, asyncio.IncompleteReadError):
            pass
        finally:
            self._tasks.discard(task)
            self._open.discard(writer)
            self._suffering.discard(writer)
            with suppress(Exception):
                writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while first := await reader.read(CHUNK):
            trouble = self.trouble
            if trouble is not Trouble.NONE:
                self.struck += 1
                self._suffering.add(writer)
            if trouble is Trouble.RESET:
                return
            if trouble in _ANSWERS:
                writer.write(_answer(trouble))
                await writer.drain()
                return
            if trouble is Trouble.DELAY:
                await asyncio.sleep(self.chance.uniform(0.05, 0.8))
            if trouble is Trouble.DUPLICATE:
                self._again(first)
            if not await self._pass_on(first, reader, writer, trouble):
                return

    async def _pass_on(
        self, first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, trouble: Trouble
    ) -> bool:
        """Send on to the other side, and both ways until one of them has enough."""
        back, forth = await asyncio.open_connection("127.0.0.1", self.target)
        self._open.add(forth)
        try:
            forth.write(first)
            await forth.drain()
            upload = asyncio.create_task(_copy(reader, forth))
            upload.add_done_callback(lambda _: forth.transport.abort())
            try:
                await self._answer_back(back, writer, trouble)
            finally:
                upload.cancel()
                with suppress(asyncio.CancelledError, OSError):
                    await upload
        finally:
            self._open.discard(forth)
            with suppress(Exception):
                forth.transport.abort()
        return False

    async def _answer_back(
        self, back: asyncio.StreamReader, writer: asyncio.StreamWriter, trouble: Trouble
    ) -> None:
        while data := await back.read(CHUNK):
            if trouble is Trouble.LOSE:
                return
            if trouble is Trouble.CUT:
                writer.write(data[: max(1, len(data) // 2)])
                await writer.drain()
                return
            if trouble is Trouble.CORRUPT:
                data = _spoiled(data, self.chance)
            writer.write(data)
            await writer.drain()

    def _again(self, request: bytes) -> None:
        delay = self.chance.uniform(0.0, 0.5)

        async def send() -> None:
            await asyncio.sleep(delay)
            with suppress(OSError):
                reader, writer = await asyncio.open_connection("127.0.0.1", self.target)
                writer.write(request)
                await writer.drain()
                with suppress(TimeoutError):
                    async with asyncio.timeout(5):
                        await reader.read(CHUNK)
                writer.transport.abort()

        task = asyncio.create_task(send())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(CHUNK):
        writer.write(data)
        await writer.drain()


def _answer(trouble: Trouble) -> bytes:
    status, kind, body = _ANSWERS[trouble]
    return (
        f"HTTP/1.1 {status} Trouble\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        f"Connection: close\r\n\r\n{body}"
    ).encode()


def _spoiled(data: bytes, chance: random.Random) -> bytes:
    """The body with bytes that are no UTF-8 in it; headers stay, so that it is an answer at all."""
    head, separator, body = data.partition(b"\r\n\r\n")
    if not separator or len(body) < 8:
        return data
    at = chance.randrange(len(body) - 4)
    return head + separator + body[:at] + b"\xff\xfe\x00\xff" + body[at + 4 :]
