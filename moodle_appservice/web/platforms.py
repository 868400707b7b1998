"""Which Moodle we are a tool of: by a registration link, or by hand in the configuration, which then wins."""

from __future__ import annotations

from ..config.web import Web
from ..engine.site import SITE_URL
from ..ports import Facts, LtiBook, Platform, Settings


class Platforms:
    """`fallback`: the address by which we reach Moodle, for headers before we know what Moodle calls itself."""

    def __init__(self, settings: Web, book: LtiBook, known: Settings, facts: Facts, *, fallback: str) -> None:
        self.public_url = settings.public_url
        self._by_hand = settings.lti
        self._book = book
        self._known = known
        self._facts = facts
        self._fallback = fallback

    @property
    def is_by_hand(self) -> bool:
        """Whether the configuration holds the registration."""
        return bool(self._by_hand.client_id)

    async def site_url(self) -> str:
        """What Moodle calls itself, from the last look at it or asked now. Raises what asking raises."""
        known = await self._known.get(SITE_URL)
        return known if known is not None else (await self._facts.site_info()).url

    async def framer(self) -> str:
        """The site that may show our pages about signing in inside its own, without asking it."""
        return await self._known.get(SITE_URL) or self._fallback

    async def platform(self) -> Platform | None:
        """Where we are registered, or None."""
        if not self.is_by_hand:
            return await self._book.platform()
        site = await self.site_url()
        return Platform(
            issuer=site,
            client_id=self._by_hand.client_id,
            deployment_id=self._by_hand.deployment_id,
            login_url=f"{site}/mod/lti/auth.php",
            token_url=f"{site}/mod/lti/token.php",
            keys_url=f"{site}/mod/lti/certs.php",
        )
