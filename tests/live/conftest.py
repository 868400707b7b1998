"""Real servers for live tests, each started when first asked for: a homeserver for many tests, a PostgreSQL per worker.

What to ask for:
- `synapse`: the worker's homeserver, shared with many tests: use fresh accounts and a fresh seat, never restart it.
- `seat`: a registered application service of the test's own on `synapse` (see `homeserver.Seat`): start the service
  under test on `127.0.0.1:{seat.port}` with the registration file `seat.path`, or act as it with `seat.as_token`.
- `people`: `await people.register(synapse, "ann")` makes an account, `await people.client(synapse, account)` a
  matrix-nio client that is closed at the end.
- `synapse_factory`: for a test that restarts or kills its homeserver, or wants its own registration or settings:
      seat = write_registration(tmp_path, "mine")
      synapse = await synapse_factory(registrations=[seat.path])
- `house`: a whole installation on `synapse`, with a seat and a Moodle of its own.
- `town`: a seat with its bot, and the adapter of accounts for it; `desk`: one whose bot is an administrator.
- `postgres_url`: a `postgres://` URL of an empty database, dropped at the end; `postgres` is the server behind it.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from moodle_appservice.demo.homeserver import EmbeddedSynapse
from moodle_appservice.demo.sandbox import SandboxMoodle
from moodle_appservice.domain.model import UserId
from tests.accounts_desk import Desk
from tests.live.homeserver import People, Seat, SynapseFactory, write_registration
from tests.live.house import House, small_university
from tests.live.postgres import PostgresServer, postgres_server
from tests.live.town import Town

# Each costs the homeserver time at every event, and a new homeserver costs some seconds.
_SEATS = 12


class Homeservers:
    """The worker's homeserver on SQLite with seats; the next one when all seats of it were used."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count(1)
        self._running: EmbeddedSynapse | None = None
        self.seats: list[Seat] = []

    async def with_a_free_seat(self) -> EmbeddedSynapse:
        if self._running is None or not self.seats:
            await self.stop()
            self.seats = [write_registration(self._folder, f"s{next(self._numbers)}") for _ in range(_SEATS)]
            self._running = EmbeddedSynapse(registrations=[seat.path for seat in self.seats])
            await self._running.start()
        return self._running

    async def stop(self) -> None:
        if self._running is not None:
            await self._running.stop()
            self._running = None


@pytest.fixture(scope="session")
async def homeservers(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Homeservers]:
    made = Homeservers(tmp_path_factory.mktemp("seats"))
    yield made
    await made.stop()


@pytest.fixture
async def synapse(homeservers: Homeservers) -> EmbeddedSynapse:
    """The worker's homeserver. Takes a few seconds, once in `_SEATS` tests."""
    return await homeservers.with_a_free_seat()


@pytest.fixture
def seat(synapse: EmbeddedSynapse, homeservers: Homeservers) -> Seat:
    """A seat on `synapse` that no other test has used or will use."""
    return homeservers.seats.pop()


@pytest.fixture
async def people() -> AsyncIterator[People]:
    made = People()
    yield made
    await made.close()


@pytest.fixture
async def synapse_factory() -> AsyncIterator[SynapseFactory]:
    """`await synapse_factory(**arguments of EmbeddedSynapse)` starts one; all are stopped at the end."""
    made: list[EmbeddedSynapse] = []

    async def make(**arguments: Any) -> EmbeddedSynapse:
        one = EmbeddedSynapse(**arguments)
        made.append(one)
        await one.start()
        return one

    yield make
    for one in made:
        await one.stop()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """The worker's PostgreSQL server. Takes about one second, once."""
    with postgres_server() as running:
        yield running


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> Iterator[str]:
    url = postgres.create_database()
    yield url
    postgres.drop_database(url)


@pytest.fixture
async def house(synapse: EmbeddedSynapse, seat: Seat, tmp_path: Path) -> AsyncIterator[House]:
    """An installation on `synapse` with a small university (see `tests.live.house`); the service is not started."""
    async with SandboxMoodle(small_university()) as moodle:
        one = House(synapse, seat, moodle, tmp_path)
        yield one
        await one.stop()


@pytest.fixture
async def town(synapse: EmbeddedSynapse, seat: Seat) -> AsyncIterator[Town]:
    made = Town(synapse, seat)
    await made.desk().accounts.register_virtual(UserId(seat.sender))
    yield made
    for desk in made.desks:
        await desk.close()


@pytest.fixture
async def desk(town: Town) -> Desk:
    """One whose bot is an administrator."""
    await town.make_bot_admin()
    return town.desk()
