"""What every page of ours must be, as a browser sees it: nothing forbidden, no error in the console, usable by all.

axe-core, which the browser runs in the page past its policy, looks for what screen readers and keyboards
stumble over.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from tests.browser.hydrogen_user import SCREENSHOTS
from tests.browser.page import Page

_SOURCE = Path(__file__).parent / "axe"
_BUILD = Path(__file__).parent.parent.parent / "build" / "axe"
SERIOUS = ("serious", "critical")
RULES = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]},
    "preload": False,
}


@cache
def axe_source() -> str:
    """The script, from its npm package, fetched once."""
    done = _BUILD / "axe.min.js"
    if not done.exists():
        if shutil.which("npm") is None:
            raise RuntimeError("The browser tests fetch axe-core with npm. Debian: apt install nodejs npm")
        _BUILD.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=_BUILD, prefix="unfinished-") as folder:
            for name in ("package.json", "package-lock.json"):
                shutil.copy(_SOURCE / name, folder)
            told = subprocess.run(
                ["npm", "ci"],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=300,
            )
            if told.returncode != 0:
                raise RuntimeError(f"npm ci failed:\n{told.stdout}{told.stderr}")
            shutil.copy(Path(folder, "node_modules", "axe-core", "axe.min.js"), done)
    return done.read_text(encoding="utf-8")


async def is_sound(page: Page, name: str) -> None:
    """Leave a picture of the whole page, and check it."""
    await page.complete()
    await page.screenshot(SCREENSHOTS / f"{name}-{page.viewport.name}.png", whole=True)
    assert await page.violations() == []
    assert page.complaints == []
    assert await page.evaluate("getComputedStyle(document.querySelector('main')).maxWidth") != "none"
    assert await wider(page) == [], "wider than the window"
    found = await problems(page)
    assert found == [], json.dumps(found, indent=1)


async def wider(page: Page) -> list[str]:
    """What makes the page wider than the window. A phone widens its own window then: `innerWidth` tells nothing."""
    width = page.viewport.width
    needed = await page.evaluate("Math.max(document.documentElement.scrollWidth, window.innerWidth)")
    if needed <= width:
        return []
    sticking_out = (
        f"[...document.body.querySelectorAll('*')].filter(e => e.getBoundingClientRect().right > {width})"
    )
    found = await page.evaluate(f"{sticking_out}.map(e => e.outerHTML.slice(0, 100))")
    return [f"{needed} > {width}", *found]


async def problems(page: Page) -> list[Any]:
    """What axe-core finds that is serious or worse."""
    await page.evaluate(axe_source())
    told = await page.evaluate(
        f"axe.run(document, {json.dumps(RULES)}).then(r => JSON.stringify(r.violations))"
    )
    return [
        {"id": one["id"], "impact": one["impact"], "nodes": [node["html"] for node in one["nodes"]][:5]}
        for one in json.loads(told)
        if one["impact"] in SERIOUS
    ]
