"""Files on their way into the homeserver's media (client-server API, "Content repository")."""

from __future__ import annotations

from mautrix.api import MediaPath, Method

from ..errors import TemporaryFailure
from .http import HomeserverApi


async def upload(api: HomeserverApi, data: bytes, content_type: str) -> str:
    """`POST /_matrix/media/v3/upload`; the address that it has from then on, `mxc://…`.

    Raises `TemporaryFailure` where the answer has none.
    """
    reply = await api.ask(Method.POST, MediaPath.v3.upload, data, content_type=content_type)
    uri = reply.body.get("content_uri")
    if not isinstance(uri, str) or not uri.startswith("mxc://"):
        raise TemporaryFailure(
            "The homeserver took a picture without saying where it is. The avatar was not changed; it is tried again."
        )
    return uri
