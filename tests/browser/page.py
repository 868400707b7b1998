"""One page of a browser, and what a person can do with it.

A `Page` knows nothing of what it shows: it finds elements by CSS selector and text, clicks where they are and types as
a keyboard does. Whatever is not there yet is waited for inside the page, at every frame, never by sleeping here.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WAIT = 30.0
"""Seconds after which something that should have appeared is reported as missing."""

Call = Callable[[str, dict[str, Any]], Awaitable[dict[str, Any]]]
"""Sends one command of the DevTools protocol to the page and gives its result."""


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


class Page:
    """One page. Selectors are CSS; `text`, where given, must be contained in the element's text."""

    def __init__(self, call: Call, viewport: Viewport) -> None:
        self.viewport = viewport
        self.complaints: list[str] = []
        """What `watch` has heard in the console, errors only, since the last page was opened by `open`."""
        self._call = call

    def hear(self, method: str, told: Mapping[str, Any]) -> None:
        """The browser tells what happens in the page."""
        entry = told.get("entry", {})
        if method == "Log.entryAdded" and entry.get("level") == "error":
            # That the page itself was a refusal is no error of the page.
            if not entry.get("text", "").startswith(
                "Failed to load resource: the server responded with a status"
            ):
                self.complaints.append(str(entry.get("text")))
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(str(told["exceptionDetails"].get("text")))
        elif method == "Runtime.consoleAPICalled" and told.get("type") in ("error", "assert"):
            self.complaints.append(str(told.get("args")))

    async def open(self, url: str) -> None:
        told = await self._call("Page.navigate", {"url": url})
        if told.get("errorText"):
            raise BrowserError(f"{url}: {told['errorText']}")
        await self.complete()

    async def complete(self) -> None:
        """Wait until the page and what belongs to it, its stylesheet above all, is there."""
        await self.until('document.readyState === "complete"', "a complete page")

    async def watch(self) -> None:
        """From the next page on, collect what its content security policy forbids, and what it complains of."""
        await self._call("Page.enable", {})
        await self._call("Log.enable", {})
        await self._call("Runtime.enable", {})
        await self._call("Page.addScriptToEvaluateOnNewDocument", {"source": _WATCH})

    async def violations(self) -> list[str]:
        """What the policy of this page has forbidden since it was opened."""
        return list(await self.evaluate("window.forbidden"))

    async def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression; a promise is waited for."""
        told = await self._call(
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
        """Click in the middle of an element, once it is there, keeps still, and nothing lies over it."""
        place = await self.until(_PLACE % _find(selector, text), f"a free {_name(selector, text)}")
        at = {"x": place["x"], "y": place["y"], "button": "left", "clickCount": 1}
        for kind in ("mousePressed", "mouseReleased"):
            await self._call("Input.dispatchMouseEvent", {"type": kind, **at})

    async def type(self, selector: str, text: str) -> None:
        """Click into a field and write."""
        await self.click(selector)
        await self._call("Input.insertText", {"text": text})

    async def prefer(self, language: str = "en", *, dark: bool = False) -> None:
        """Ask for pages in this language, and for dark ones."""
        await self._call("Network.enable", {})
        await self._call("Network.setExtraHTTPHeaders", {"headers": {"Accept-Language": language}})
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self._call("Emulation.setEmulatedMedia", {"features": [scheme]})

    async def choose(self, selector: str, value: str) -> None:
        """Choose an entry of a list by its value."""
        await self.see(selector)
        found = f"document.querySelector({json.dumps(selector)})"
        chosen = await self.evaluate(f"({found}.value = {json.dumps(value)}, {found}.value)")
        if chosen != value:
            raise NotThere(f"{selector} has no entry {value}")

    async def fill(self, selector: str, text: str) -> None:
        """Write into a field in the place of what stands there."""
        await self.click(selector)
        await self.evaluate(f"document.querySelector({json.dumps(selector)}).select()")
        await self._call("Input.insertText", {"text": text})

    async def screenshot(self, target: Path, *, whole: bool = False) -> None:
        """A picture of what is seen, or of the whole page."""
        told = await self._call(
            "Page.captureScreenshot",
            {"format": "png", "captureBeyondViewport": whole} | (await self._clip() if whole else {}),
        )
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(base64.b64decode(told["data"]))

    async def _clip(self) -> dict[str, Any]:
        height = await self.evaluate("document.documentElement.scrollHeight")
        return {"clip": {"x": 0, "y": 0, "width": self.viewport.width, "height": height, "scale": 1}}


_WATCH = """
window.forbidden = [];
document.addEventListener("securitypolicyviolation", (e) => forbidden.push(`${e.violatedDirective}: ${e.blockedURI}`));
"""


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

# A page that is not complete has no stylesheet yet, and one that was just scrolled or laid out may still move: a place
# counts when it is the same in two looks, one after the other.
_PLACE = """(() => {
  const before = window.placeSeen;
  window.placeSeen = null;
  if (document.readyState !== "complete") return false;
  const e = %s;
  if (!e || e.disabled) return false;
  e.scrollIntoView({ block: "center", inline: "center", behavior: "instant" });
  const box = e.getBoundingClientRect();
  const x = box.x + box.width / 2, y = box.y + box.height / 2;
  const top = document.elementFromPoint(x, y);
  if (!top || !(e.contains(top) || top.contains(e))) return false;
  if (before && before.e === e && before.x === x && before.y === y) return { x, y };
  window.placeSeen = { e, x, y };
  return false;
})()"""
