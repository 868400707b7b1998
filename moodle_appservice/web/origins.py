"""Which addresses we send a browser or a request of ours to: those below Moodle's own, as Moodle writes it.

Compared letter by letter against what Moodle calls itself, so that no two readers of an address can disagree on
which host it names.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from ..config.values import is_loopback

_LONGEST = 500
_PATH = re.compile(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+")


def is_safe_site(site: str) -> bool:
    """Whether a site's address may carry sign-ins: with TLS, or on this machine."""
    parts = urlsplit(site)
    if not parts.hostname or parts.username is not None or parts.query or parts.fragment:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(site))


def is_below(site: str, url: object) -> bool:
    """Whether `url` is an address below the site's: same origin, same folder, plain path, nothing behind it."""
    if not isinstance(url, str) or len(url) > _LONGEST or not is_safe_site(site):
        return False
    return url.startswith(f"{site}/") and _PATH.fullmatch(url[len(site) :]) is not None


def origin(url: str) -> str:
    """Scheme, host and port."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
