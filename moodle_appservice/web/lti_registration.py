"""How Moodle gets to know us: by a link from the command line that an administrator pastes into Moodle, once.

Moodle calls the link with the address of its configuration and a token. Everything that we then believe about
Moodle must lie below the address by which the web service has known it all along; so neither a stolen link nor a
made-up configuration can lead us to another server. A registration that exists is only replaced by a link made for
that.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from typing import Any

from ..errors import AppError, PermanentFailure, Refused
from ..languages import N_
from ..ports import Clock, Journal, LtiBook, Platform
from .cookies import hashed
from .lti_choice import CHOOSE
from .lti_choice import MESSAGE as CHOICE
from .lti_launch import LAUNCH
from .lti_token import MESSAGE
from .origins import is_below, is_safe_site
from .platform_http import PlatformHttp
from .platforms import Platforms
from .refusals import Advice, Refusal, Why

INVITATION_LASTS = 3600
_CONFIGURATION = "https://purl.imsglobal.org/spec/lti-tool-configuration"
_SCOPE = "https://purl.imsglobal.org/spec/lti-nrps/scope/contextmembership.readonly"
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")
_IDENTIFIER = re.compile(r"[A-Za-z0-9._~-]{1,255}")
_ADDRESSES = ("authorization_endpoint", "token_endpoint", "jwks_uri", "registration_endpoint")


class LtiRegistrar:
    """Makes links and carries out what they are for."""

    def __init__(
        self, platforms: Platforms, book: LtiBook, http: PlatformHttp, journal: Journal, clock: Clock
    ) -> None:
        self._platforms = platforms
        self._book = book
        self._http = http
        self._journal = journal
        self._clock = clock

    async def invite(self, *, replace: bool) -> str:
        """A link for Moodle's page, good once and for an hour. Raises `Refused` with what to do instead."""
        if not self._platforms.public_url:
            raise Refused(
                "There are no pages: web.public_url is empty. No link was made. Set it, then restart."
            )
        if self._platforms.is_by_hand:
            raise Refused(
                "The registration stands in the configuration (web.lti). No link was made. "
                "Take client_id and deployment_id out there, restart, and ask again."
            )
        if await self._book.platform() is not None and not replace:
            raise Refused(
                "Moodle has registered this service already. No link was made. "
                "To register again, for example after a move of Moodle: moodle-appservice lti invite --replace"
            )
        secret, now = secrets.token_urlsafe(32), self._clock.now()
        await self._book.invite(hashed(secret), now=now, expires_at=now + INVITATION_LASTS, replaces=replace)
        await self._journal.note(
            "LtiInvited", at=now, why="A registration link was made on the command line."
        )
        return f"{self._platforms.public_url}/lti/register/{secret}"

    async def register(self, secret: str, configuration: str, token: str) -> Platform:
        """Use a link: what Moodle says about itself is checked, then we tell it about us. Raises `Refusal`."""
        if not _SECRET.fullmatch(secret) or not configuration or not token:
            raise Refusal(Why.INVITATION, Advice.INVITATION)
        invitation = await self._book.accept(hashed(secret), now=self._clock.now())
        if invitation is None:
            raise Refusal(Why.INVITATION, Advice.INVITATION)
        if self._platforms.is_by_hand:
            raise Refusal(
                Why.BY_HAND, Advice.INVITATION, detail=N_("The registration stands in the configuration.")
            )
        if not invitation.replaces and await self._book.platform() is not None:
            raise Refusal(
                Why.ALREADY_REGISTERED, Advice.INVITATION, detail=N_("There is a registration already.")
            )
        site = await self._site()
        if not is_below(site, configuration):
            raise _wrong(Why.FOREIGN_ADDRESS, site)
        endpoints = await self._endpoints(site, configuration)
        answer = await self._tell_moodle(endpoints["registration_endpoint"], token)
        platform = _platform(site, endpoints, answer)
        now = self._clock.now()
        if not await self._book.register(platform, at=now, replace=invitation.replaces):
            raise Refusal(Why.ALREADY_REGISTERED, Advice.INVITATION)
        await self._journal.note("LtiRegistered", at=now, why="Moodle used a registration link.")
        return platform

    async def _site(self) -> str:
        try:
            site = await self._platforms.site_url()
        except AppError:
            raise Refusal(Why.REGISTRATION_UNREAD, Advice.LATER) from None
        if not is_safe_site(site):
            raise Refusal(
                Why.UNSAFE_SITE, Advice.INVITATION, detail=N_("Moodle must be reached by https:// for this.")
            )
        return site

    async def _endpoints(self, site: str, configuration: str) -> Mapping[str, str]:
        try:
            said = await self._http.get(configuration)
        except AppError as failure:
            raise Refusal(Why.REGISTRATION_UNREAD, Advice.INVITATION, detail=str(failure)) from None
        if said.get("issuer") != site:
            raise _wrong(Why.ISSUER, site)
        found = {name: said.get(name) for name in _ADDRESSES}
        if not all(is_below(site, url) for url in found.values()):
            raise _wrong(Why.FOREIGN_ADDRESS, site)
        return {name: str(url) for name, url in found.items()}

    async def _tell_moodle(self, url: str, token: str) -> Mapping[str, Any]:
        try:
            return await self._http.post(url, tool(self._platforms.public_url), bearer=token)
        except PermanentFailure as failure:
            raise Refusal(Why.REGISTRATION_UNREAD, Advice.INVITATION, detail=str(failure)) from None
        except AppError:
            raise Refusal(Why.REGISTRATION_UNREAD, Advice.LATER) from None


def tool(public_url: str) -> Mapping[str, Any]:
    """What we tell Moodle about ourselves (LTI Dynamic Registration 1.0). `sub` is the Moodle user id."""
    host = public_url.partition("://")[2]
    return {
        "application_type": "web",
        "response_types": ["id_token"],
        "grant_types": ["implicit", "client_credentials"],
        "initiate_login_uri": f"{public_url}/lti/login",
        "redirect_uris": [f"{public_url}{LAUNCH}"],
        "client_name": "Matrix chat",
        "jwks_uri": f"{public_url}/lti/jwks.json",
        "token_endpoint_auth_method": "private_key_jwt",
        "scope": _SCOPE,
        _CONFIGURATION: {
            "domain": host,
            "target_link_uri": f"{public_url}{LAUNCH}",
            "description": "The chat rooms of this course",
            "custom_parameters": {"username": "$User.username"},
            "claims": ["iss", "sub", "name"],
            "messages": [
                {"type": MESSAGE},
                {"type": CHOICE, "target_link_uri": f"{public_url}{CHOOSE}", "placements": ["ContentArea"]},
            ],
        },
    }


def _platform(site: str, endpoints: Mapping[str, str], answer: Mapping[str, Any]) -> Platform:
    ours = answer.get(_CONFIGURATION)
    client, deployment = (
        answer.get("client_id"),
        ours.get("deployment_id") if isinstance(ours, dict) else None,
    )
    for identifier in (client, deployment):
        if not isinstance(identifier, str) or not _IDENTIFIER.fullmatch(identifier):
            raise _wrong(Why.REGISTRATION_WRONG, site)
    return Platform(
        issuer=site,
        client_id=str(client),
        deployment_id=str(deployment),
        login_url=endpoints["authorization_endpoint"],
        token_url=endpoints["token_endpoint"],
        keys_url=endpoints["jwks_uri"],
    )


def _wrong(why: Why, site: str) -> Refusal:
    detail = N_("Only the Moodle that calls itself {site} can register here.")
    return Refusal(why, Advice.INVITATION, detail=detail, site=site)
