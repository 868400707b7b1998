"""Whether avatars can follow pictures in Moodle.

Downloads take a switch of the service of our token. Where reports serve, which tell no pictures, a function of its own
tells them, and it silently leaves out whom our account may not see.
"""

from __future__ import annotations

from ..errors import PermanentFailure
from ..moodle.shapes import USERS
from .examined import Examined
from .frame import Caution

FEW_PEOPLE = 20
UNCHANGED = "Avatars stay as they are."


async def check_pictures(at: Examined) -> str:
    """What was found. Raises what keeps avatars from following."""
    service, settings = at.service, at.settings
    info = await service.facts.site_info()
    if not settings.accounts.follow_avatar:
        return "Not read (accounts.follow_avatar)."
    if not info.downloads:
        raise PermanentFailure(
            f"accounts.follow_avatar is on, and the service of our token may not download files. {UNCHANGED}"
        )
    if service.source.reports is None:
        return "Avatars follow them; the service of our token may download files."
    if USERS not in info.functions:
        raise PermanentFailure(
            "accounts.follow_avatar is on, reports tell no pictures, and the service of our token does not hold "
            f"{USERS}, which tells them. {UNCHANGED} Add it to the service."
        )
    people = sorted(await at.some_people())[:FEW_PEOPLE]
    shown = len(await service.picture_list.read(people)) if people else 0
    if shown < len(people):
        raise (Caution if shown else PermanentFailure)(
            f"accounts.follow_avatar is on, and of {len(people)} people whom the reports list, {USERS} shows our "
            f"Moodle account {shown}. The avatars of the others stay as they are. Add moodle/user:viewdetails to the "
            "role of our account."
        )
    return f"Avatars follow them: {USERS} tells them beside the reports, and files may be downloaded."
