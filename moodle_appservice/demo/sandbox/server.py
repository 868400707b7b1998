"""The sandbox as a running server: one object that holds the model, the rights, the accidents and the counters.

    async with SandboxMoodle(version="5.1") as moodle:
        moodle.rights.revoke("moodle/user:viewdetails")
        moodle.university.unenrol(user, course)
        ...  # ask moodle.url with moodle.token

Everything can be changed while it runs. Nothing is stored: stopping it forgets the university.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable
from types import TracebackType

from aiohttp import web

from . import report_seed
from .activities import Activities
from .faults import Faults
from .files import FileServer
from .page import Page
from .reports import Reports
from .rights import CONTENT_READER, Rights
from .seed import small_university
from .service import RestService
from .site import CONTENT_FUNCTIONS, ContentReader, ExternalService, Site, Token
from .university import University
from .versions import VERSIONS

REST_PATH = "/webservice/rest/server.php"
SERVICE_USER = "matrixsync"
CONTENT_USER = "matrixreader"
_MAX_BODY = 64 * 1024 * 1024


class SandboxMoodle:
    """A Moodle's web service and a page to play with its university; see the module's docstring."""

    def __init__(
        self,
        university: University | None = None,
        *,
        version: str = "5.1",
        token: str | None = None,
        clock: Callable[[], float] | None = None,
        site_url: str = "",
    ) -> None:
        """Set up but do not listen.

        Without `university` the small seeded one is used. `version` is "4.4" or "5.1". `site_url` is the address
        that the site believes to have (Moodle's wwwroot); by default the one that it listens on.
        """
        if university is None:
            university = small_university() if clock is None else small_university(clock)
        elif clock is not None:
            university.clock = clock
        self.university = university
        self.rights = Rights()
        self.faults = Faults()
        self.token = token or secrets.token_hex(16)
        self.site = Site(
            university, self.rights, VERSIONS[version], Token(self.token), _service_user(university), site_url
        )
        report_seed.install(self.site)
        self._url = ""
        self._knows_its_url = bool(site_url)
        self._runner: web.AppRunner | None = None
        self.service = RestService(self.site, self.faults)
        self.app = web.Application(client_max_size=_MAX_BODY)
        self.app.router.add_route("*", REST_PATH, self.service.answer)
        FileServer(self.service).add_to(self.app)
        Page(university).add_to(self.app)

    def add_reader(self) -> ContentReader:
        """A second account with a token of its own, which sees what a participant without groups sees."""
        if self.site.reader is None:
            user = self.university.add_person(CONTENT_USER, "Matrix", "Reader", auth="webservice").id
            service = ExternalService(functions=list(CONTENT_FUNCTIONS))
            self.site.reader = ContentReader(user, secrets.token_hex(16), Rights(CONTENT_READER), service)
        return self.site.reader

    @property
    def activities(self) -> Activities:
        """Forums and dates in the courses."""
        return self.site.activities

    @property
    def url(self) -> str:
        """Where the site answers, without a slash at the end; empty while it does not listen."""
        return self._url

    @property
    def reports(self) -> Reports:
        """The custom reports of the site."""
        return self.site.reports

    def upgrade(self, version: str) -> None:
        """Become another version of Moodle: reports lose, without a word, what the new one does not have."""
        self.site.version = VERSIONS[version]

    @property
    def counts(self) -> Counter[str]:
        """HTTP requests by function name."""
        return self.service.counts

    @property
    def calls(self) -> Counter[str]:
        """Function calls by name, those inside a bulk call included."""
        return self.service.runner.calls

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen; port 0 takes a free one."""
        # No access log: a GET request carries the token in its address.
        runner = web.AppRunner(self.app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError:
            await runner.cleanup()
            raise
        self._runner = runner
        bound = runner.addresses[0][1]
        self._url = f"http://{f'[{host}]' if ':' in host else host}:{bound}"
        if not self._knows_its_url:
            self.site.url = self._url

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
            self._url = ""

    async def __aenter__(self) -> SandboxMoodle:
        """Listen on a free port."""
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening."""
        await self.stop()


def _service_user(university: University) -> int:
    """The id of the account behind the token; made when the university has none."""
    for person in university.people.values():
        if person.username == SERVICE_USER:
            return person.id
    return university.add_person(SERVICE_USER, "Matrix", "Sync", auth="webservice").id
