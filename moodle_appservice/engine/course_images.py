"""Pictures of courses on their way from Moodle's files into the homeserver's media, each once.

Where Moodle has a picture and when it was changed is its name (`Course.image`); what it is called at the homeserver is
kept under that name. A picture that can't be taken is remembered too, and not asked for again before it changes. No
membership waits for a picture: what is down is tried again with the next look at the course.
"""

from __future__ import annotations

import logging

from ..errors import PermanentFailure, TemporaryFailure
from ..ports import Matrix, Pictures, Settings

NOT_TAKEN = "-"
log = logging.getLogger(__name__)


class CourseImages:
    """Finds, and fetches, the picture of a course at the homeserver."""

    def __init__(self, pictures: Pictures, matrix: Matrix, settings: Settings) -> None:
        self._pictures = pictures
        self._matrix = matrix
        self._settings = settings

    async def known(self, source: str) -> str | None:
        """The picture's address at the homeserver (`mxc://…`); empty: it can't be taken; None: nobody has tried."""
        found = await self._settings.get(_name(source)) if source else ""
        return "" if found == NOT_TAKEN else found

    async def fetch(self, source: str) -> bool:
        """Download and upload it; whether something is known about it now."""
        try:
            picture = await self._pictures.read(source)
            uri = await self._matrix.upload(picture.data, picture.content_type)
        except TemporaryFailure as failure:
            log.info("The picture %s was not taken over yet: %s", source, failure)
            return False
        except PermanentFailure as failure:
            log.warning("The picture %s is not taken over: %s", source, failure)
            uri = NOT_TAKEN
        await self._settings.set(_name(source), uri)
        return True


def _name(source: str) -> str:
    return f"image:{source}"
