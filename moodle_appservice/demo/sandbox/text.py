"""How Moodle shows names and descriptions: `format_string` and `format_text` as far as the sandbox needs them.

A name loses its tags and has its bare ampersands and angle brackets escaped; a description keeps harmless markup and
loses scripts. The caller can ask for the raw text with `moodlewssettingraw=1`, except where Moodle forgets to look
at that setting (names of groups, values of custom fields).
"""

from __future__ import annotations

import re

_BARE_AMPERSAND = re.compile(r"&(?![a-zA-Z0-9#]{1,8};)")
_TAG = re.compile(r"<(?=[a-zA-Z/!?])[^>]*>?")
_BARE_LESS = re.compile(r"<(?![a-zA-Z/!?])")
_SCRIPT = re.compile(r"<(script|style|iframe|object)\b.*?(?:</\1\s*>|$)", re.IGNORECASE | re.DOTALL)
_HANDLER = re.compile(r"\s+on\w+\s*=\s*(?:\"[^\"]*\"|'[^']*'|[^\s>]+)", re.IGNORECASE)


def format_string(text: str) -> str:
    """A name without tags, escaped (Moodle: `format_string` with the default `formatstringstriptags`)."""
    escaped = _BARE_AMPERSAND.sub("&amp;", text)
    return _TAG.sub("", escaped).replace("<", "&lt;").replace(">", "&gt;")


def format_text(text: str) -> str:
    """A description without scripts and with bare signs escaped (Moodle: `format_text` of FORMAT_HTML)."""
    harmless = _HANDLER.sub("", _SCRIPT.sub("", text))
    return _BARE_LESS.sub("&lt;", _BARE_AMPERSAND.sub("&amp;", harmless))
