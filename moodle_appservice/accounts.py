"""Which way leads to people's accounts, by what the configuration lends us.

Synapse's admin API is opened by the as_token or by `homeserver.admin_token`; where `homeserver.mas` is set, the Matrix
Authentication Service keeps the accounts. A refresh token is renewed where it comes from, which its first letters tell:
`mar_` is MAS's own, for our client of it; `mcr_` is MAS's too, but speaks the client-server API; others are Synapse's.
"""

from __future__ import annotations

import logging

from aiohttp import ClientSession

from .config import Settings
from .domain.rules import AccountMode, Rules
from .errors import AppError
from .matrix.accounts import MatrixAccounts
from .matrix.admin import AdminApi
from .matrix.admin_token import AdminToken, Renewal, TokenPair, renewal_at
from .matrix.http import HomeserverApi
from .matrix.mas import MasApi
from .matrix.mas_accounts import MasAccounts
from .matrix.synapse_accounts import SynapseAccounts
from .ports import Accounts, Clock, Store
from .registration import Registration

log = logging.getLogger(__name__)


def accounts_from(
    settings: Settings,
    registration: Registration,
    rules: Rules,
    *,
    session: ClientSession,
    store: Store,
    clock: Clock,
) -> MatrixAccounts:
    """The adapter for this configuration; nothing is asked yet."""
    found = settings.homeserver
    timeout = found.timeout
    api = HomeserverApi(
        found.address, registration.as_token.get_secret_value(), session=session, timeout=timeout
    )
    mas: MasApi | None = None
    if found.mas.address:
        secret = found.mas.client_secret.get_secret_value()
        mas = MasApi(found.mas.address, found.mas.client_id, secret, session=session, timeout=timeout)
    key: AdminToken | None = None
    if access := found.admin_token.get_secret_value():
        pair = TokenPair(access, found.admin_refresh_token.get_secret_value())
        own = HomeserverApi(found.address, access, session=session, timeout=timeout)
        key = AdminToken(own, pair, _renewal(settings, pair, mas, session), store.settings)
    admin = AdminApi(api, key, bot=rules.bot, clock=clock)
    synapse = SynapseAccounts(admin, clock)
    real: SynapseAccounts | MasAccounts = synapse
    if mas is not None:
        real = MasAccounts(
            mas,
            synapse,
            admin,
            domain=rules.domain,
            provider=found.mas.provider,
            alias=rules.identity.sso_provider,
        )
    virtual = f"@moodle_{rules.site}_"
    return MatrixAccounts(api, admin, real, domain=rules.domain, virtual=virtual, clock=clock)


async def say_what_is_missing(accounts: Accounts, rules: Rules) -> None:
    """Log once, at start, what can't be done with the rights at hand: a warning where the configuration needs them.

    A homeserver that does not answer is no reason not to start: it is asked again with the next look at a person.
    """
    needed = rules.accounts.mode is AccountMode.CREATE or bool(rules.identity.sso_provider)
    try:
        rights = await accounts.rights()
    except AppError as error:
        log.warning("What we may do about accounts could not be found out: %s", error)
        return
    for sentence in rights.sentences:
        log.log(logging.WARNING if needed else logging.INFO, "%s", sentence)


def _renewal(settings: Settings, pair: TokenPair, mas: MasApi | None, session: ClientSession) -> Renewal:
    if mas is not None and pair.refresh.startswith("mar_"):
        return mas.refresh
    address = settings.homeserver.address
    if mas is not None and pair.refresh.startswith("mcr_"):
        address = settings.homeserver.mas.address
    return renewal_at(HomeserverApi(address, "", session=session, timeout=settings.homeserver.timeout))
