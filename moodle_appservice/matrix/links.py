"""Links out of Moodle as they may stand in a room.

Everybody in a room reads a link, so it carries no token: Moodle's own addresses lose every parameter that signs
somebody in, and its file server for web services gives way to the one for browsers, where each reader is asked who they
are. A link into Matrix would be shown as a person or a room by clients, so it is none.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

SCHEMES: Final = frozenset({"http", "https", "mailto", "ftp"})
LONGEST: Final = 1500
_SECRET = re.compile(r"token|sesskey|privatetoken|wstoken|password|accesskey|^key$", re.IGNORECASE)
_TOKEN_FILE = re.compile(r"/tokenpluginfile\.php/[^/?#]+")
_MATRIX_HOSTS: Final = frozenset({"matrix.to", "www.matrix.to"})


class Links:
    """`site_url`: the address of Moodle."""

    def __init__(self, site_url: str) -> None:
        self._site_url = site_url.rstrip("/") + "/"
        self._host = (urlsplit(self._site_url).hostname or "").lower()

    def shown(self, address: str) -> str | None:
        """The address as it may be shown, None for what may not be."""
        address = address.strip()
        if not address or len(address) > LONGEST or any(ord(letter) < 33 for letter in address):
            return None
        try:
            parts = urlsplit(urljoin(self._site_url, address))
            host = (parts.hostname or "").lower().rstrip(".")
            # Reading the port is what checks it.
            _ = parts.port
        except ValueError:
            return None
        if parts.scheme.lower() not in SCHEMES or host in _MATRIX_HOSTS:
            return None
        if parts.scheme.lower() == "mailto":
            return address if "@" in parts.path else None
        if not host or parts.username is not None or parts.password is not None:
            return None
        if host != self._host:
            return urlunsplit(parts)
        path = _TOKEN_FILE.sub("/pluginfile.php", parts.path).replace(
            "/webservice/pluginfile.php", "/pluginfile.php"
        )
        query = parts.query
        if _SECRET.search(query):
            kept = [
                (key, value)
                for key, value in parse_qsl(query, keep_blank_values=True)
                if not _SECRET.search(key)
            ]
            query = urlencode(kept)
        return urlunsplit(parts._replace(path=path, query=query, fragment=_without_secret(parts.fragment)))


def _without_secret(fragment: str) -> str:
    return "" if _SECRET.search(fragment) else fragment
