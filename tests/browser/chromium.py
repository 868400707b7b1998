"""A headless Chromium, driven through the Chrome DevTools Protocol over one websocket.

`chromium()` starts one with a fresh profile. `Chromium.page()` opens a page in a browsing context of its own: its own
cookies, storage and service workers, as if it was another person's browser. A `Page` knows nothing of what it shows:
it finds elements by CSS selector and text, clicks where they are and types as a keyboard does. Whatever is not there
yet is waited for in the page, at every frame, never by sleeping here.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import shutil
import signal
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from moodle_appservice.demo.leash import Leash

WAIT = 30.0
"""Seconds after which something that should have appeared is reported as missing."""

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


@dataclass(frozen=True)
class Viewport:
    """The size of a window in CSS pixels."""

    name: str
    width: int
    height: int
    mobile: bool = False


PHONE = Viewport("phone", 390, 844, mobile=True)
DESKTOP = Viewport("desktop", 1280, 800)


class BrowserError(Exception):
    """Chromium refused a command, or the page threw."""


class NotThere(BrowserError):
    """What was waited for did not appear in time."""


class Chromium:
    """One running browser. Use `chromium()` to get one."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._reader = asyncio.create_task(self._read())

    async def page(self, viewport: Viewport) -> Page:
        """A blank page of this size in a context of its own."""
        context = await self.call("Target.createBrowserContext", {"disposeOnDetach": True})
        target = await self.call(
            "Target.createTarget", {"url": "about:blank", "browserContextId": context["browserContextId"]}
        )
        session = await self.call("Target.attachToTarget", {"targetId": target["targetId"], "flatten": True})
        page = Page(self, str(session["sessionId"]), viewport)
        await page.call(
            "Emulation.setDeviceMetricsOverride",
            {
                "width": viewport.width,
                "height": viewport.height,
                "deviceScaleFactor": 2 if viewport.mobile else 1,
                "mobile": viewport.mobile,
            },
        )
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
        return await asyncio.wait_for(answer, WAIT * 2)

    async def close(self) -> None:
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)
        await self._socket.close()

    async def _read(self) -> None:
        async for message in self._socket:
            told = json.loads(message.data)
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


class Page:
    """One page. Selectors are CSS; `text`, where given, must be contained in the element's text."""

    def __init__(self, browser: Chromium, session: str, viewport: Viewport) -> None:
        self.viewport = viewport
        self._browser = browser
        self._session = session

    async def call(self, method: str, parameters: dict[str, Any] | None = None) -> dict[str, Any]:
        return await self._browser.call(method, parameters, self._session)

    async def open(self, url: str) -> None:
        told = await self.call("Page.navigate", {"url": url})
        if told.get("errorText"):
            raise BrowserError(f"{url}: {told['errorText']}")

    async def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression; a promise is waited for."""
        told = await self.call(
            "Runtime.evaluate", {"expression": expression, "awaitPromise": True, "returnByValue": True}
        )
        if "exceptionDetails" in told:
            thrown = told["exceptionDetails"]
            raise BrowserError(str(thrown.get("exception", {}).get("description") or thrown["text"]))
        return told["result"].get("value")

    async def until(self, expression: str, what: str, within: float = WAIT) -> Any:
        """Wait until a JavaScript expression is true; gives its value. `what` names it in the error."""
        deadline = time.monotonic() + within
        while (left := deadline - time.monotonic()) > 0:
            try:
                found = await self.evaluate(_WAIT_IN_PAGE % (expression, left * 1000))
            except BrowserError as error:
                # The page was replaced while we waited in it: go on in the new one.
                if not any(sign in str(error) for sign in ("context", "navigated", "Promise was collected")):
                    raise
                continue
            if found:
                return found
        shown = await self.evaluate("document.body ? document.body.innerText : ''")
        raise NotThere(f"Not seen within {within:.0f} seconds: {what}. The page shows:\n{shown}")

    async def see(self, selector: str, text: str = "", within: float = WAIT) -> str:
        """Wait for a visible element; gives its whole text."""
        found = f"{_find(selector, text)}"
        told = await self.until(f"({found}) && [({found}).innerText]", _name(selector, text), within)
        return str(told[0])

    async def click(self, selector: str, text: str = "") -> None:
        """Click in the middle of an element, once it is there and nothing lies over it."""
        place = await self.until(_PLACE % _find(selector, text), f"a free {_name(selector, text)}")
        at = {"x": place["x"], "y": place["y"], "button": "left", "clickCount": 1}
        for kind in ("mousePressed", "mouseReleased"):
            await self.call("Input.dispatchMouseEvent", {"type": kind, **at})

    async def type(self, selector: str, text: str) -> None:
        """Click into a field and write."""
        await self.click(selector)
        await self.call("Input.insertText", {"text": text})

    async def screenshot(self, target: Path) -> None:
        told = await self.call("Page.captureScreenshot", {"format": "png"})
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(base64.b64decode(told["data"]))


def _find(selector: str, text: str) -> str:
    """JavaScript for the first visible element that fits, or undefined."""
    visible = "(e.checkVisibility() && e.getClientRects().length > 0)"
    fits = f"{visible} && (e.innerText || '').includes({json.dumps(text)})" if text else visible
    return f"[...document.querySelectorAll({json.dumps(selector)})].find(e => {fits})"


def _name(selector: str, text: str) -> str:
    return f"{selector} with “{text}”" if text else selector


_WAIT_IN_PAGE = """new Promise((resolve, reject) => {
  const end = performance.now();
  const look = () => {
    let found;
    try { found = (%s); } catch (error) { reject(error); return; }
    if (found || performance.now() - end > %f) resolve(found || false); else setTimeout(look, 16);
  };
  look();
})"""

_PLACE = """(() => {
  const e = %s;
  if (!e || e.disabled) return false;
  e.scrollIntoView({ block: "center", inline: "center", behavior: "instant" });
  const box = e.getBoundingClientRect();
  const x = box.x + box.width / 2, y = box.y + box.height / 2;
  const top = document.elementFromPoint(x, y);
  return top && (e.contains(top) || top.contains(e)) && { x, y };
})()"""


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
