"""A small gateway before several processes, as an installation with many has one: connections go round among them.

A process that does not take a connection is passed over. Bytes are passed on unread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

CHUNK = 65536


class Gateway:
    """Listens on `port` of 127.0.0.1 and passes connections on to `ports`, one after the other."""

    def __init__(self, port: int, ports: Sequence[int]) -> None:
        self.port = port
        self.ports = list(ports)
        self._next = 0
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Gateway:
        self._server = await asyncio.start_server(self._pass_on, "127.0.0.1", self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await self._connect()
        except OSError:
            writer.close()
            return
        async with asyncio.TaskGroup() as group:
            group.create_task(_copy(reader, back))
            group.create_task(_copy(there, writer))

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        for _ in self.ports:
            port = self.ports[self._next % len(self.ports)]
            self._next += 1
            with suppress(OSError):
                return await asyncio.open_connection("127.0.0.1", port)
        raise ConnectionRefusedError("no process takes the connection")


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
    writer.close()
