"""Whether announcements and dates can be told: the reader's functions, and that it sees no more than participants."""

from __future__ import annotations

from ..errors import PermanentFailure
from ..moodle.content import OPTIONAL
from ..moodle.content_shapes import CONFIG, NEEDED
from .examined import Examined
from .frame import Caution, Check
from .moodle import CHECK_MOODLE

CHECK_RELAY = "Announcements and dates"


async def _relay(at: Examined) -> str:
    parts = at.service.relaying
    if parts.relay is None or parts.content is None:
        return "Off: there is no moodle.content_token."
    reader = await parts.content.reader()
    excess = await parts.relay.excess(with_books=at.no_database is None and not at.running)
    if excess:
        raise PermanentFailure(
            f"The account of moodle.content_token sees more than a participant. {' '.join(excess)} Nothing is told "
            "in any room."
        )
    more = sorted(reader.functions - set(NEEDED) - OPTIONAL)
    if more:
        raise Caution(
            f"The service of moodle.content_token holds functions that are not needed: {', '.join(more[:10])}. Take "
            "them out."
        )
    zone = at.settings.timezone or (await parts.content.time_zone() if CONFIG in reader.functions else "")
    if not zone:
        raise Caution(
            "Nobody tells the site's time zone, so times are told in UTC. Set `timezone`, or add "
            f"{CONFIG} to the service of moodle.content_token."
        )
    return f"Their reader sees what participants see. Times are told in {zone}."


CHECKS = (
    Check(
        CHECK_RELAY,
        "Announcements and dates can be read, by an account that sees no more than participants do.",
        _relay,
        "See the page on announcements and dates: which role, functions and user.",
        after=CHECK_MOODLE,
    ),
)
