"""Files of announcements in the homeserver's own media, where the administrator allows it.

Off, files and pictures are links into Moodle, where each reader is asked who they are. On, what is of an allowed type
and size is put into the homeserver's media once: pictures in the text are shown there, attachments follow as messages
of their own. What Moodle does not give, or gives as something else, stays a link.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from ..domain.relay import Announcement, Attachment, PostRow, digest_of
from ..domain.relay_choice import RelayRules
from ..errors import PermanentFailure
from ..ports import Content, RelayMessenger, Store, Upload

log = logging.getLogger(__name__)


class Enclosures:
    """Files of posts."""

    def __init__(
        self, content: Content, messenger: RelayMessenger, store: Store, rules: RelayRules, *, site: str
    ) -> None:
        self._content = content
        self._messenger = messenger
        self._store = store
        self._rules = rules
        self._site = site

    async def pictures(self, post: Announcement, row: PostRow) -> Mapping[str, str]:
        """Addresses of pictures in the text → their addresses in the homeserver's media."""
        found = {}
        for one in post.files:
            if one.address in post.html and one.content_type.startswith("image/") and self._is_allowed(one):
                address = await self._address(one, row)
                if address is not None:
                    found[one.address] = address
        return found

    async def send(self, post: Announcement, row: PostRow) -> None:
        """Show the attachments, each once."""
        for one in post.files:
            if one.address in post.html or not self._is_allowed(one):
                continue
            known = await self._known(one, row)
            if known is not None and known.event_id is not None:
                continue
            try:
                file = await self._content.file(one, most=self._rules.upload_max)
                self._check(file.content_type, one)
                address = known.address if known else await self._messenger.upload(file)
                digest = _digest(one)
                event_id = await self._messenger.post_file(
                    row.room_id,
                    file,
                    address,
                    about={"site": self._site, "file": digest},
                    key=f"{self._site}:file:{post.id}:{digest}",
                    sender=row.sender,
                )
                await self._store.relay.save_upload(Upload(row.id, digest, address, event_id))
            except PermanentFailure as failure:
                log.warning("The file %s of post %d stays a link: %s", one.name, post.id, failure)

    async def withdraw(self, row: PostRow) -> None:
        """Take the attachments back."""
        for upload in await self._store.relay.uploads(row.id):
            if upload.event_id is not None:
                key = f"{self._site}:file-gone:{row.id}:{upload.digest}"
                try:
                    await self._messenger.redact(row.room_id, upload.event_id, key=key, sender=row.sender)
                except PermanentFailure as failure:
                    log.warning("A file of post %d stays in %s: %s", row.id, row.room_id, failure)

    async def _address(self, one: Attachment, row: PostRow) -> str | None:
        known = await self._known(one, row)
        if known is not None:
            return known.address
        try:
            file = await self._content.file(one, most=self._rules.upload_max)
            self._check(file.content_type, one)
            address = await self._messenger.upload(file)
        except PermanentFailure as failure:
            log.warning("The picture %s of post %d stays a link: %s", one.name, row.id, failure)
            return None
        await self._store.relay.save_upload(Upload(row.id, _digest(one), address))
        return address

    async def _known(self, one: Attachment, row: PostRow) -> Upload | None:
        wanted = _digest(one)
        return next(
            (found for found in await self._store.relay.uploads(row.id) if found.digest == wanted), None
        )

    def _is_allowed(self, one: Attachment) -> bool:
        return one.size <= self._rules.upload_max and one.content_type in self._rules.upload_types

    def _check(self, content_type: str, one: Attachment) -> None:
        """Moodle's error pages come with a yes, too."""
        if content_type != one.content_type:
            raise PermanentFailure(f"It came as {content_type or 'nothing'} instead of {one.content_type}.")


def _digest(one: Attachment) -> str:
    return digest_of(one.address, str(one.size), str(one.modified))
