"""People's own pictures, from Moodle's file server for web services.

The token travels in the body, as with every call. The service of the token has to allow downloads; where it does not,
`read` tells of no pictures at all, so that nobody's is asked for. A person without a picture has the theme's, which is
nobody's own. What comes is only taken for a picture if its first bytes are those of the type that Moodle names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from ..domain.model import MoodleUserId
from ..errors import PermanentFailure
from ..ports import Facts, Picture
from . import errors
from .client import MoodleClient
from .people import read_pictures
from .shapes import USERS

MAX_BYTES: Final = 1024 * 1024
"""Of one picture. Moodle makes them 512 × 512 points at most, some 300 kB as PNG."""

_BEGINNINGS: Final = {
    "image/png": (b"\x89PNG\r\n\x1a\n",),
    "image/jpeg": (b"\xff\xd8\xff",),
    "image/gif": (b"GIF87a", b"GIF89a"),
    "image/webp": (b"RIFF",),
}


class MoodlePictureList:
    """Implements `ports.PictureList`. `facts`: they know what our token may do."""

    def __init__(self, client: MoodleClient, facts: Facts) -> None:
        self._client = client
        self._facts = facts

    async def lacks(self) -> str:
        """A sentence about what is missing in the service of our token. Raises `MoodleError` for a missing listing."""
        info = (await self._facts.site(not_older_than=0.0)).site
        missing = [] if USERS in info.functions else [f"does not hold {USERS}"]
        if not info.downloads:
            missing.append("may not download files")
        return f"The service of our token {' and '.join(missing)}." if missing else ""

    async def read(self, user_ids: Sequence[MoodleUserId]) -> Mapping[MoodleUserId, str]:
        """`core_user_get_users_by_field`."""
        return await read_pictures(self._client, user_ids)


class MoodlePictures:
    """Implements `ports.Pictures`. `max_bytes`: of one picture."""

    def __init__(self, client: MoodleClient, *, max_bytes: int = MAX_BYTES) -> None:
        self._client = client
        self._max_bytes = max_bytes

    async def read(self, source: str) -> Picture:
        """Download one picture. Raises `PermanentFailure` for what is none, is too large or is not given to us."""
        try:
            file = await self._client.download(source, max_bytes=self._max_bytes)
        except errors.AnswerTooLarge:
            raise PermanentFailure(
                f"The picture {source} in Moodle has more than {self._max_bytes} bytes. It was not taken."
            ) from None
        except errors.AccessDenied:
            raise PermanentFailure(
                f"Moodle does not let us download the picture {source}. Nothing was changed. Tick “Can download "
                "files” in the service of our token."
            ) from None
        except (errors.Redirected, errors.NotAMoodle, errors.RecordMissing):
            raise PermanentFailure(
                f"Moodle has no picture {source}, or does not show it to us. Nothing was changed."
            ) from None
        if not file.data.startswith(_BEGINNINGS.get(file.content_type, ())):
            raise PermanentFailure(
                f"What Moodle has as the picture {source} is no PNG, JPEG, GIF or WebP. It was not taken."
            )
        return Picture(source, file.content_type, file.data)
