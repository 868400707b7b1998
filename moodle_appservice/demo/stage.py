"""The stage of the demo: a sandbox Moodle, a homeserver and the service, started in this order in one process.

Everything lies in one temporary folder and goes with it. Only when the play ends in an error the logs stay, so that
there is something to read. What a visitor changes on the sandbox's page is told to the service as a hint, which says
"look again" and nothing more; were a hint lost, the next pass would find the change.
"""

from __future__ import annotations

import logging
import secrets
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from aiohttp import web
from aiohttp.typedefs import Handler

from ..domain.model import MoodleUserId
from ..errors import AppError, PermanentFailure
from ..logs import Masker, TextFormatter
from ..ports import SITE, Priority
from ..service import Service
from . import house
from .homeserver import EmbeddedSynapse
from .loopback import free_port
from .sandbox import SandboxMoodle

DOMAIN = "uni.test"
SITE_NAME = "demo"
MANY_COMMANDS = 200
"""The demo's visitors try out everything at once."""
PASS_EVERY = 10
"""Seconds between two looks at the whole sandbox: the least that the configuration allows."""
LOOK_EVERY = 5
"""Seconds between two looks at announcements."""


class Stage:
    """Use as a context. `sandbox`, `synapse` and `service` run inside it."""

    sandbox: SandboxMoodle
    synapse: EmbeddedSynapse
    service: Service

    def __init__(self, *, port: int = 0, homeserver_port: int = 0) -> None:
        """Port 0 takes a free one."""
        self.folder = Path(tempfile.gettempdir()) / f"moodle-demo-{secrets.token_hex(4)}"
        self._port = port
        self._homeserver_port = homeserver_port
        self._exits = AsyncExitStack()
        self._takes_hints = False

    @property
    def log(self) -> Path:
        """What the service has to say."""
        return self.folder / "service.log"

    @property
    def config(self) -> Path:
        """The service's configuration; other commands work with it while the demo is up."""
        return self.folder / "config.yaml"

    def logs(self) -> list[Path]:
        """The logs that there are; after an error they stay."""
        return sorted(self.folder.glob("*.log"))

    async def __aenter__(self) -> Self:
        try:
            await self._open()
        except BaseException as error:
            await self._exits.__aexit__(type(error), error, error.__traceback__)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._exits.__aexit__(kind, error, trace)

    async def _open(self) -> None:
        _must_be_free(self._port, "--port")
        _must_be_free(self._homeserver_port, "--homeserver-port")
        self.folder.mkdir(mode=0o700)
        self._exits.push(self._clear)
        await self._open_moodle()
        push_port = free_port()
        registration = house.write_registration(self.folder, site=SITE_NAME, domain=DOMAIN, port=push_port)
        await self._open_homeserver(registration)
        house.write_config(
            self.folder,
            site=SITE_NAME,
            moodle_url=self.sandbox.url,
            moodle_token=self.sandbox.token,
            homeserver_url=self.synapse.url,
            domain=DOMAIN,
            port=push_port,
            overrides={
                "moodle": {
                    "interval": PASS_EVERY,
                    "slowest_interval": PASS_EVERY,
                    "content_token": self.sandbox.add_reader().token,
                },
                "relay": {"site": True, "hours": "0-24", "announcements_interval": LOOK_EVERY},
                "bot": {"commands_at_once": MANY_COMMANDS},
            },
        )
        await self._open_service()

    async def _open_moodle(self) -> None:
        self.sandbox = SandboxMoodle()
        self.sandbox.app.middlewares.append(self._notice_changes)
        await self.sandbox.start(port=self._port)
        self._exits.push_async_callback(self.sandbox.stop)

    async def _open_homeserver(self, registration: Path) -> None:
        self.synapse = EmbeddedSynapse(
            server_name=DOMAIN, port=self._homeserver_port, registrations=[registration]
        )
        await self._exits.enter_async_context(self.synapse)
        self._exits.push(self._keep_log_of_homeserver)

    async def _open_service(self) -> None:
        settings, registration = house.read(self.config)
        hidden = (*registration.secrets(), *settings.secrets())
        self._exits.enter_context(_logging_to(self.log, hidden))
        self.service = Service(settings, registration)
        # The first pass is the play's to begin, so that it can show it.
        await self.service.start(timer=False)
        self._exits.push_async_callback(self.service.stop)
        self._takes_hints = True

    @web.middleware
    async def _notice_changes(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        answer = await handler(request)
        changed = request.method == "POST" and request.path.startswith("/course/") and answer.status == 303
        if changed and self._takes_hints:
            user = (await request.post()).get("user")
            with suppress(AppError):
                await self._hint(user if isinstance(user, str) else "")
        return answer

    async def _hint(self, user: str) -> None:
        """Have the whole site looked at now; an account, which is remembered for longer, is read anew."""
        if user.isdecimal():
            now = self.service.clock.now()
            await self.service.facts.person(MoodleUserId(int(user)), not_older_than=now)
        await self.service.queue.add(SITE, priority=Priority.HINT, signal="hook")

    def _keep_log_of_homeserver(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, Exception):
            shutil.copyfile(self.synapse.log, self.folder / "homeserver.log")

    def _clear(self, _: object, error: BaseException | None, __: object) -> None:
        if not isinstance(error, Exception) or not self.logs():
            shutil.rmtree(self.folder, ignore_errors=True)
            return
        for path in self.folder.iterdir():
            if path.suffix != ".log":
                path.unlink(missing_ok=True)


def _must_be_free(port: int, flag: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise PermanentFailure(
                f"Port {port} of this machine can't be used ({error.strerror}). Nothing was started. "
                f"Choose another with {flag}, or leave it out: then a free one is found."
            ) from None


@contextmanager
def _logging_to(path: Path, hidden: tuple[str, ...]) -> Iterator[None]:
    """Send the logs of this process to a file, masked, for as long as the block runs."""
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(TextFormatter(Masker(hidden)))
    root, client = logging.getLogger(), logging.getLogger("nio")
    before = root.level, client.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    # The story's clients are not what somebody looks for in the log of the service.
    client.setLevel(logging.WARNING)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(before[0])
        client.setLevel(before[1])
        handler.close()
