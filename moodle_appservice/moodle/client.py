"""One call of one Moodle web service function, or one file, over HTTP.

A call is a POST to `/webservice/rest/server.php`; the token travels in the body, never in the address, because
addresses end up in logs. Calls are bounded in number, in time (the whole exchange, so that a slow drip ends too) and in
size (after decompression). Redirects are not followed. A call whose connection broke, or that met 502, 503 or 504, is
made again a few times, after the wait that the server asked for if that is short; a call that would then do something
twice is made `once`. What lasts longer is the caller's to wait for.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import timedelta
from typing import Final, TypeVar

import aiohttp
import stamina

from ..ports import UNOBSERVED, Observer
from . import errors
from .answer import File, Json, Reply, read_answer, text_decoder

MAX_VALUES: Final = 500
"""Values in one request. PHP drops what exceeds its `max_input_vars` (1000 by default) without a word."""

LARGE: Final = 1024 * 1024
"""Characters of an answer that is decoded in a thread, so that everything else goes on meanwhile."""

FILES: Final = "webservice/pluginfile.php"
"""Moodle's file server for web services, which takes the place of a function in our errors."""

_LONGEST_WAIT: Final = 30.0
"""Seconds of `Retry-After` that a call sits out itself."""

Parameters = Mapping[str, Json]
Answer = TypeVar("Answer")


class Pace:
    """Spreads requests evenly, `per_minute` at most; None for no limit."""

    def __init__(
        self,
        per_minute: int | None,
        *,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._gap = 60.0 / per_minute if per_minute else 0.0
        self._next = 0.0
        self._now = now
        self._sleep = sleep

    async def turn(self) -> None:
        """Wait until the next request may go."""
        if self._gap:
            now = self._now()
            start = max(now, self._next)
            self._next = start + self._gap
            if start > now:
                await self._sleep(start - now)


class SharedPace(Pace):
    """The pace of somebody who takes a part of another one's budget: both have to let a request go."""

    def __init__(self, per_minute: int | None, whole: Pace) -> None:
        super().__init__(per_minute)
        self._whole = whole

    async def turn(self) -> None:
        """Wait for the own turn first, so as not to hold up the others."""
        await super().turn()
        await self._whole.turn()


class MoodleClient:
    """Calls Moodle's functions with one token. `requests` and `bytes_received` (decompressed) count everything.

    `timeout`: seconds for one exchange; `max_bytes`: of one answer; `batch`: calls in one bulk request;
    `attempts`: tries of one call where the connection breaks, 1 for none but the first. `language`: Moodle's code of
    the language that Moodle formats names and messages in. `raw`: texts come as they stand in Moodle's database; else
    as Moodle shows them, cleaned and run through the site's text filters.
    """

    def __init__(
        self,
        base_url: str,
        token: str,
        *,
        session: aiohttp.ClientSession,
        concurrency: int = 2,
        timeout: float = 60.0,
        max_bytes: int = 256 * 1024 * 1024,
        batch: int = 20,
        requests_per_minute: int | None = None,
        attempts: int = 3,
        language: str = "en",
        pace: Pace | None = None,
        raw: bool = True,
        observer: Observer = UNOBSERVED,
    ) -> None:
        self._observer = observer
        self.raw = raw
        self.base_url = base_url.rstrip("/")
        self.batch = min(max(batch, 1), MAX_VALUES // 5)
        self.concurrency = concurrency
        self.language = language
        self.requests = 0
        self.bytes_received = 0
        self._token = token
        self._session = session
        self._slots = asyncio.Semaphore(concurrency)
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._max_bytes = max_bytes
        self.pace = pace or Pace(requests_per_minute)
        self._attempts = attempts
        self._noticed: set[str] = set()

    @property
    def session(self) -> aiohttp.ClientSession:
        """What carries the requests."""
        return self._session

    def __repr__(self) -> str:
        return f"<MoodleClient {self.base_url}>"

    async def call(
        self,
        function: str,
        params: Parameters | None = None,
        *,
        compact: bool = False,
        once: bool = False,
    ) -> Json:
        """What the function answers, decoded. Raises the `MoodleError` that fits, `ValueError` for too many values.

        `params` may nest; it is flattened as PHP reads it, `options[0][name]`. Names come raw, see `parse`. `compact`:
        rows of a report come as `answer.read_answer` says. Large answers are decoded in a thread. `once`: the call
        is not made again, whatever the connection did: it may have arrived.
        """
        values = list(flatten(params or {}))
        if len(values) > MAX_VALUES:
            raise ValueError(f"{function}: {len(values)} values in one request, at most {MAX_VALUES}")
        async for attempt in stamina.retry_context(
            on=_worth_another_try,
            attempts=1 if once else self._attempts,
            timeout=None,
            wait_initial=0.5,
            wait_max=10.0,
        ):
            with attempt:
                return await self._observed(function, values, compact=compact)
        raise AssertionError("stamina ends with an answer or an error")

    async def _observed(self, function: str, values: list[tuple[str, str]], *, compact: bool) -> Json:
        began = time.monotonic()
        try:
            reply = await self._call(function, values)
            if len(reply.text) < LARGE:
                answer = read_answer(function, reply, self._noticed, compact=compact)
            else:
                answer = await asyncio.to_thread(read_answer, function, reply, self._noticed, compact=compact)
        except errors.MoodleError as error:
            self._observer.asked_moodle(function, type(error).__name__, time.monotonic() - began)
            raise
        self._observer.asked_moodle(function, "ok", reply.seconds)
        return answer

    async def download(self, path: str, *, max_bytes: int) -> File:
        """A file behind `webservice/pluginfile.php/`, tried once.

        Raises the `MoodleError` of the way there, `AnswerTooLarge` for more than `max_bytes`, and what is said instead
        of a file.
        """
        address = f"{self.base_url}/{FILES}/{path}"
        limit = min(max_bytes, self._max_bytes)

        async def get() -> tuple[File, Reply]:
            async with self._post(address, [("token", self._token)]) as response:
                data = b"".join([part async for part in self._parts(FILES, response, limit)])
                reply = _reply(response, data.decode("utf-8", "surrogateescape"))
                return File(response.content_type, data), reply

        file, reply = await self._exchange(FILES, get)
        if reply.status != 200 or file.content_type == "application/json":
            read_answer(FILES, reply, self._noticed)
        return file

    async def _call(self, function: str, values: list[tuple[str, str]]) -> Reply:
        form = [
            ("wstoken", self._token),
            ("wsfunction", function),
            ("moodlewsrestformat", "json"),
            ("moodlewssettinglang", self.language),
            ("moodlewssettingtimezone", "UTC"),
            ("moodlewssettingraw", str(int(self.raw))),
            *([] if self.raw else [("moodlewssettingfilter", "1")]),
            *values,
        ]

        async def ask() -> Reply:
            began = time.monotonic()
            async with self._post(f"{self.base_url}/webservice/rest/server.php", form) as response:
                reply = _reply(response, await self._read(function, response))
            return replace(reply, seconds=time.monotonic() - began)

        return await self._exchange(function, ask)

    async def _exchange(self, function: str, exchange: Callable[[], Awaitable[Answer]]) -> Answer:
        async with self._slots:
            await self.pace.turn()
            self.requests += 1
            try:
                return await exchange()
            except TimeoutError:
                raise errors.TimedOut(
                    function, detail=f"nothing whole after {self._timeout.total:g} s"
                ) from None
            except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError) as error:
                raise errors.CertificateRefused(function, detail=self._hide(error)) from None
            except (aiohttp.ClientError, OSError) as error:
                raise errors.ConnectionLost(function, detail=self._hide(error)) from None

    def _post(
        self, address: str, form: list[tuple[str, str]]
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        return self._session.post(
            address,
            data=form,
            headers={"Accept": "application/json, image/*;q=0.9", "Accept-Encoding": "gzip"},
            allow_redirects=False,
            raise_for_status=False,
            timeout=self._timeout,
        )

    async def _read(self, function: str, response: aiohttp.ClientResponse) -> str:
        decoder = text_decoder()
        text = ""
        async for part in self._parts(function, response, self._max_bytes):
            # CPython lets a text that only we hold grow where it is.
            text += decoder.decode(part)
        return text + decoder.decode(b"", final=True)

    async def _parts(
        self, function: str, response: aiohttp.ClientResponse, limit: int
    ) -> AsyncIterator[bytes]:
        size = 0
        async for part in response.content.iter_any():
            size += len(part)
            self.bytes_received += len(part)
            if size > limit:
                response.close()
                raise errors.AnswerTooLarge(function, detail=f"more than {limit} bytes")
            yield part

    def _hide(self, error: BaseException) -> str:
        """Words for an error of the transport, without the token wherever they came from."""
        words = str(error) or type(error).__name__
        return (words.replace(self._token, "…") if self._token else words)[:300]


def _reply(response: aiohttp.ClientResponse, text: str) -> Reply:
    return Reply(
        status=response.status,
        text=text,
        reason=response.reason or "",
        location=response.headers.get("Location", ""),
        retry_after=_seconds(response.headers.get("Retry-After", "")),
    )


def flatten(value: Json | Parameters, name: str = "") -> Iterator[tuple[str, str]]:
    """Form fields as PHP reads nested arrays; booleans become 1 and 0, None is left out."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from flatten(inner, f"{name}[{key}]" if name else key)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from flatten(inner, f"{name}[{index}]")
    elif isinstance(value, bool):
        yield name, "1" if value else "0"
    elif value is not None:
        yield name, str(value)


def _worth_another_try(error: Exception) -> bool | timedelta:
    if not isinstance(error, (errors.ConnectionLost, errors.GatewayFailed)):
        return False
    if error.retry_after is None:
        return True
    return timedelta(seconds=error.retry_after) if error.retry_after <= _LONGEST_WAIT else False


def _seconds(value: str) -> float | None:
    """`Retry-After` in seconds; the form with a date is not worth a clock here."""
    return float(value) if value.strip().isascii() and value.strip().isdigit() else None
