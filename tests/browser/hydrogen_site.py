"""Hydrogen as a web site: built once from npm packages, then served on 127.0.0.1 for one homeserver.

The build lands in `build/hydrogen/<fingerprint of what it is made of>/` and is taken from there the next time. It is
made beside that place and moved there when it is complete, so a build that was cut short is never used.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

_ROOT = Path(__file__).parent.parent.parent
_SOURCE = Path(__file__).parent / "hydrogen"
_BUILDS = _ROOT / "build" / "hydrogen"
_SITE = "site"


def build_hydrogen() -> Path:
    """The folder of the built site. Takes a few seconds the first time."""
    files = sorted(path for path in _SOURCE.iterdir() if path.is_file())
    fingerprint = hashlib.sha256(b"".join(path.name.encode() + path.read_bytes() for path in files))
    done = _BUILDS / fingerprint.hexdigest()[:16]
    if done.exists():
        return done
    if shutil.which("npm") is None:
        raise RuntimeError("The browser tests build Hydrogen with npm. Debian: apt install nodejs npm")
    _BUILDS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_BUILDS, prefix="unfinished-") as folder:
        work = Path(folder)
        for path in files:
            shutil.copy(path, work)
        _npm(work, "ci")
        _npm(work, "run", "build")
        _collect(work)
        try:
            os.rename(work / _SITE, done)
        except OSError:
            # Another test run was quicker; its site is as good.
            if not done.exists():
                raise
    return done


@asynccontextmanager
async def served_hydrogen(homeserver_url: str) -> AsyncIterator[str]:
    """Serve the site for this homeserver; gives its address."""
    site = build_hydrogen()
    config = {"defaultHomeServer": homeserver_url, "themeManifests": []}

    async def index(_: web.Request) -> web.FileResponse:
        return web.FileResponse(site / "index.html")

    async def settings(_: web.Request) -> web.Response:
        return web.json_response(config)

    app = web.Application()
    app.router.add_get("/", index)
    app.router.add_get("/config.json", settings)
    app.router.add_static("/", site)
    # Chromium keeps connections open; there is nothing to wait for at the end.
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


def _npm(work: Path, *arguments: str) -> None:
    told = subprocess.run(
        ["npm", *arguments], cwd=work, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600
    )
    if told.returncode != 0:
        raise RuntimeError(f"npm {' '.join(arguments)} failed:\n{told.stdout}{told.stderr}")


def _collect(work: Path) -> None:
    """Put beside the bundle what it fetches while it runs."""
    site, packages = work / _SITE, work / "node_modules"
    shutil.copy(work / "index.html", site)
    shutil.copytree(packages / "hydrogen-view-sdk" / "asset-build" / "assets", site / "assets")
    shutil.copy(packages / "hydrogen-view-sdk" / "lib-build" / "sw.js", site)
    (site / "olm").mkdir()
    for name in ("olm.js", "olm.wasm", "olm_legacy.js"):
        shutil.copy(packages / "@matrix-org" / "olm" / name, site / "olm")
