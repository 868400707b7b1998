"""What a request says, read with limits: each name once, plain text, no files, never more than fits a launch."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl

from aiohttp import web

from .refusals import Refusal, Why

LONGEST = 64 * 1024
"""Bytes of a form. A launch of Moodle has about 4 KiB."""
_MOST_FIELDS = 50


async def read_form(request: web.Request) -> Mapping[str, str]:
    """The fields of a posted form. Raises `Refusal`."""
    if request.content_type != "application/x-www-form-urlencoded":
        raise Refusal(Why.MALFORMED)
    body = bytearray()
    async for chunk in request.content.iter_chunked(LONGEST):
        body += chunk
        if len(body) > LONGEST:
            raise Refusal(Why.MALFORMED)
    try:
        return _once(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS))
    except ValueError:
        raise Refusal(Why.MALFORMED) from None


def read_query(request: web.Request) -> Mapping[str, str]:
    """The parameters of the address. Raises `Refusal`."""
    if len(request.query) > _MOST_FIELDS:
        raise Refusal(Why.MALFORMED)
    return _once(list(request.query.items()))


def text(said: Mapping[str, str], name: str, *, longest: int = 255) -> str:
    """One value, "" where it is not there. Raises `Refusal` where it is too long or holds control characters."""
    value = said.get(name, "")
    if len(value) > longest or any(ord(letter) < 0x20 or ord(letter) == 0x7F for letter in value):
        raise Refusal(Why.MALFORMED)
    return value


def lines(said: Mapping[str, str], name: str, *, longest: int) -> str:
    """The same for a field of several lines, which are divided by line feeds."""
    found = said.get(name, "").replace("\r\n", "\n")
    text({name: found.replace("\n", "")}, name, longest=longest)
    return found


def _once(pairs: list[tuple[str, str]]) -> Mapping[str, str]:
    said = dict(pairs)
    if len(said) != len(pairs):
        # Two readers of the same request must not take different ones.
        raise Refusal(Why.MALFORMED)
    return said
