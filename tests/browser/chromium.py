"""A headless Chromium, driven through the Chrome DevTools Protocol over one websocket.

`chromium()` starts one with a fresh profile. `Chromium.page()` opens a page in a browsing context of its own: its own
cookies, storage and service workers, as if it was another person's browser.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import shutil
import signal
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp

from moodle_appservice.demo.leash import Leash
from tests.browser.page import WAIT, BrowserError, Page, Viewport

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
    "--remote-debugging-port=0",
)


class Chromium:
    """One running browser. Use `chromium()` to get one."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._pages: dict[str, Page] = {}
        """By the session of the protocol: who is told of what happens in the page."""
        self._reader = asyncio.create_task(self._read())

    async def page(self, viewport: Viewport) -> Page:
        """A blank page of this size in a context of its own."""
        context = await self.call("Target.createBrowserContext", {"disposeOnDetach": True})
        target = await self.call(
            "Target.createTarget", {"url": "about:blank", "browserContextId": context["browserContextId"]}
        )
        session = await self.call("Target.attachToTarget", {"targetId": target["targetId"], "flatten": True})
        in_page = partial(self.call, session=str(session["sessionId"]))
        await in_page(
            "Emulation.setDeviceMetricsOverride",
            {
                "width": viewport.width,
                "height": viewport.height,
                "deviceScaleFactor": 2 if viewport.mobile else 1,
                "mobile": viewport.mobile,
            },
        )
        page = self._pages[str(session["sessionId"])] = Page(in_page, viewport)
        return page

    async def call(
        self, method: str, parameters: dict[str, Any] | None = None, session: str | None = None
    ) -> dict[str, Any]:
        """Send one command and wait for its result."""
        number = next(self._numbers)
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        command: dict[str, Any] = {"id": number, "method": method, "params": parameters or {}}
        if session is not None:
            command["sessionId"] = session
        await self._socket.send_json(command)
        # Longer than a page waits for what it was told to wait for.
        return await asyncio.wait_for(answer, WAIT * 2)

    async def close(self) -> None:
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)
        await self._socket.close()

    async def _read(self) -> None:
        async for message in self._socket:
            told = json.loads(message.data)
            if "method" in told and told.get("sessionId") in self._pages:
                self._pages[told["sessionId"]].hear(told["method"], told["params"])
            answer = self._waiting.pop(told.get("id", 0), None)
            if answer is None or answer.done():
                continue
            if "error" in told:
                answer.set_exception(BrowserError(str(told["error"].get("message"))))
            else:
                answer.set_result(told["result"])
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(BrowserError("Chromium closed the connection."))


@asynccontextmanager
async def chromium() -> AsyncIterator[Chromium]:
    """Start a browser with a fresh profile; end it and all its processes afterwards."""
    program = next((found for name in _NAMES if (found := shutil.which(name))), None)
    if program is None:
        raise RuntimeError("The browser tests need Chromium. Debian: apt install chromium")
    with tempfile.TemporaryDirectory(
        prefix="moodle-appservice-chromium-", ignore_cleanup_errors=True
    ) as folder:
        profile, log = Path(folder, "profile"), Path(folder, "chromium.log")
        command = [program, *_FLAGS, f"--user-data-dir={profile}", "about:blank"]
        process = Leash(command, log=log, end_with=signal.SIGKILL)
        try:
            address = await _debugging_address(process, profile / "DevToolsActivePort", log)
            async with (
                aiohttp.ClientSession() as http,
                http.ws_connect(address, max_msg_size=0, heartbeat=None) as socket,
            ):
                browser = Chromium(socket)
                try:
                    yield browser
                finally:
                    await browser.close()
        finally:
            process.kill()


async def _debugging_address(process: Leash, told: Path, log: Path) -> str:
    """Chromium chooses a free port itself and writes it, with the path, into its profile."""
    deadline = time.monotonic() + WAIT
    while process.running and time.monotonic() < deadline:
        lines = told.read_text().splitlines() if told.exists() else []
        if len(lines) >= 2:
            return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
        await asyncio.sleep(0.05)
    raise BrowserError(f"Chromium did not start:\n{log.read_text(errors='replace')[-2000:]}")
