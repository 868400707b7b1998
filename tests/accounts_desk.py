"""The adapter of accounts, put together by hand for tests: against a scripted, a made-up or a real homeserver."""

from __future__ import annotations

import hashlib

from aiohttp import ClientSession

from moodle_appservice.domain.model import UserId
from moodle_appservice.matrix.accounts import MatrixAccounts
from moodle_appservice.matrix.admin import AdminApi
from moodle_appservice.matrix.admin_token import AdminToken, TokenPair, renewal_at
from moodle_appservice.matrix.http import HomeserverApi
from moodle_appservice.matrix.mas import MasApi
from moodle_appservice.matrix.mas_accounts import MasAccounts
from moodle_appservice.matrix.synapse_accounts import SynapseAccounts
from tests.fakes import FakeClock


class MemorySettings:
    """`ports.Settings` in memory."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    async def get(self, name: str) -> str | None:
        return self.values.get(name)

    async def set(self, name: str, value: str) -> None:
        self.values[name] = value

    async def next_number(self, name: str) -> int:
        number = int(self.values.get(name, "0")) + 1
        self.values[name] = str(number)
        return number


class Desk:
    """Everything that `accounts_from` would make, with the parts at hand. `close` ends the session."""

    def __init__(
        self,
        address: str,
        *,
        bot: str = "@moodle:uni.test",
        as_token: str = "as-token-that-nobody-may-see",
        admin: TokenPair | None = None,
        mas: str = "",
        provider: str = "",
        alias: str = "oidc",
        virtual: str = "@moodle_uni_",
        settings: MemorySettings | None = None,
    ) -> None:
        self.clock = FakeClock()
        self.settings = settings or MemorySettings()
        self.session = ClientSession()
        self.api = HomeserverApi(address, as_token, session=self.session, timeout=20)
        self.mas: MasApi | None = None
        renew = renewal_at(HomeserverApi(address, "", session=self.session, timeout=20))
        if mas:
            self.mas = MasApi(mas, CLIENT_ID, CLIENT_SECRET, session=self.session, timeout=20)
            if admin is not None and admin.refresh.startswith("mar_"):
                renew = self.mas.refresh
        self.token: AdminToken | None = None
        if admin is not None:
            own = HomeserverApi(address, admin.access, session=self.session, timeout=20)
            self.token = AdminToken(own, admin, renew, self.settings)
        self.admin = AdminApi(self.api, self.token, bot=UserId(bot), clock=self.clock)
        synapse = SynapseAccounts(self.admin, self.clock)
        domain = bot.partition(":")[2]
        real: SynapseAccounts | MasAccounts = synapse
        if self.mas is not None:
            real = MasAccounts(self.mas, synapse, self.admin, domain=domain, provider=provider, alias=alias)
        self.accounts = MatrixAccounts(
            self.api, self.admin, real, domain=domain, virtual=virtual, clock=self.clock
        )

    async def close(self) -> None:
        await self.session.close()


CLIENT_ID = "01J44RKQYM4G3TNVANTMTDYTX6"
CLIENT_SECRET = "client-secret-that-nobody-may-see"


def ulid(name: str) -> str:
    """An id as MAS makes them, the same for the same name."""
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:16])
    digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    return "".join(digits[(number >> (5 * place)) & 31] for place in range(25, -1, -1))
