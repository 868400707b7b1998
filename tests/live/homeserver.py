"""What a live test gets around a homeserver: seats for application services, people, and clients for the people.

A `Seat` is a registration that the worker's homeserver knows from its start, with a bot, tokens, namespaces and a
port of its own. Each test that asks gets a seat that nobody has used, so one homeserver serves many tests: a service
that is not running any more gets no events of the next test, and Synapse's growing pauses between attempts to reach
it hurt nobody. A test that wants to restart or misconfigure a homeserver makes its own with `synapse_factory`.
"""

from __future__ import annotations

import itertools
import json
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import nio

from moodle_appservice.demo.homeserver import EmbeddedSynapse
from moodle_appservice.demo.loopback import free_port


@dataclass(frozen=True)
class Seat:
    """One registered application service that is yet to be started on 127.0.0.1:`port`.

    Its exclusive namespaces are users `@moodle_<site>_…` and aliases `#moodle_<site>_…`.
    """

    site: str
    server_name: str
    path: Path
    port: int
    as_token: str = field(repr=False)
    hs_token: str = field(repr=False)

    @property
    def id(self) -> str:
        return f"moodle-{self.site}"

    @property
    def sender_localpart(self) -> str:
        return f"moodlebot_{self.site}"

    @property
    def sender(self) -> str:
        return f"@{self.sender_localpart}:{self.server_name}"

    @property
    def prefix(self) -> str:
        """What the localparts of its users and aliases begin with."""
        return f"moodle_{self.site}_"


def write_registration(
    folder: Path,
    site: str,
    *,
    server_name: str = "uni.test",
    port: int | None = None,
    rate_limited: bool = False,
) -> Seat:
    """Write `<site>.yaml` into `folder`: a registration with random tokens and, if none is given, a free port."""
    seat = Seat(
        site=site,
        server_name=server_name,
        path=folder / f"{site}.yaml",
        port=port or free_port(),
        as_token=secrets.token_hex(16),
        hs_token=secrets.token_hex(16),
    )
    server = server_name.replace(".", r"\.")
    registration = {
        "id": seat.id,
        "url": f"http://127.0.0.1:{seat.port}",
        "as_token": seat.as_token,
        "hs_token": seat.hs_token,
        "sender_localpart": seat.sender_localpart,
        "rate_limited": rate_limited,
        "receive_ephemeral": False,
        "namespaces": {
            "users": [{"regex": f"@{seat.prefix}.*:{server}", "exclusive": True}],
            "aliases": [{"regex": f"#{seat.prefix}.*:{server}", "exclusive": True}],
            "rooms": [],
        },
    }
    # JSON is YAML, and both Synapse and we read YAML.
    seat.path.touch(mode=0o600)
    seat.path.write_text(json.dumps(registration, indent=1), encoding="utf-8")
    return seat


@dataclass(frozen=True)
class Account:
    """A person with an account on a homeserver, not in anybody's namespace."""

    user_id: str
    localpart: str
    password: str = field(repr=False)
    access_token: str = field(repr=False)


SynapseFactory = Callable[..., Awaitable[EmbeddedSynapse]]
"""Starts a homeserver with the arguments of `EmbeddedSynapse`."""


class People:
    """Makes accounts and clients. `close` closes every client."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._unique = secrets.token_hex(3)
        self._clients: list[nio.AsyncClient] = []

    async def register(
        self, synapse: EmbeddedSynapse, name: str = "person", displayname: str | None = None
    ) -> Account:
        """A fresh account whose localpart begins with `name`; never the same twice, in any test."""
        localpart = f"{name}-{self._unique}-{next(self._numbers)}"
        password = secrets.token_hex(8)
        token = await synapse.register(localpart, password, displayname or name.capitalize())
        return Account(f"@{localpart}:{synapse.server_name}", localpart, password, token)

    async def client(self, synapse: EmbeddedSynapse, account: Account) -> nio.AsyncClient:
        """A matrix-nio client that has logged in with the account's password."""
        client = nio.AsyncClient(synapse.url, account.user_id)
        self._clients.append(client)
        answer = await client.login(account.password)
        assert isinstance(answer, nio.LoginResponse), answer
        return client

    async def close(self) -> None:
        for client in self._clients:
            await client.close()
        self._clients.clear()
