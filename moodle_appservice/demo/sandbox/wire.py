"""The outer form of requests and answers: PHP's reading of form fields, PHP's JSON and Moodle's XML.

PHP turns `options[0][name]=x` into nested arrays, lets a later field replace an earlier one of the same name, and
silently stops reading after `max_input_vars` fields. Its JSON escapes `/` and everything beyond ASCII, which is why
a recorded answer can be compared byte by byte.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import TypeAlias, Union
from xml.sax.saxutils import escape

Form: TypeAlias = dict[str, Union[str, "Form"]]

_KEYS = re.compile(r"\[([^\]]*)\]")


def parse_form(fields: Iterable[tuple[str, str]], limit: int) -> Form:
    """Build PHP's `$_GET` or `$_POST`; the fields after the first `limit` are lost without a word."""
    form: Form = {}
    for place, (name, value) in enumerate(fields):
        if place >= limit:
            break
        _put(form, _path(name), value)
    return form


def _path(name: str) -> list[str]:
    """`options[0][name]` → `["options", "0", "name"]`; PHP replaces blanks and dots in the first part."""
    head, bracket, rest = name.lstrip(" ").partition("[")
    head = head.replace(".", "_").replace(" ", "_")
    if not bracket:
        return [head]
    keys: list[str] = []
    at = 0
    text = bracket + rest
    while match := _KEYS.match(text, at):
        keys.append(match.group(1))
        at = match.end()
    return [head, *keys] if keys else [f"{head}_{rest}"]


def _put(form: Form, path: list[str], value: str) -> None:
    """Store a value; an empty key (`a[]`) takes the next free number."""
    here = form
    for key in path[:-1]:
        key = key or _next_number(here)
        below = here.get(key)
        if not isinstance(below, dict):
            below = here[key] = {}
        here = below
    here[path[-1] or _next_number(here)] = value


def _next_number(form: Form) -> str:
    numbers = [int(key) for key in form if key.isdecimal()]
    return str(max(numbers) + 1) if numbers else "0"


def php_json(value: object) -> str:
    """PHP's `json_encode` without flags."""
    return json.dumps(value, ensure_ascii=True, separators=(",", ":")).replace("/", "\\/")


def answer_xml(value: object) -> str:
    """An answer for a caller that did not ask for JSON (Moodle: `webservice_rest_server::xmlize_result`)."""
    return f'<?xml version="1.0" encoding="UTF-8" ?>\n<RESPONSE>\n{_xml(value)}</RESPONSE>\n'


def error_xml(error: dict[str, str]) -> str:
    """The same failure as `errors.MoodleError.render` gives, as XML."""
    lines = [f'<EXCEPTION class="{error["exception"]}">']
    lines += [
        f"<{key.upper()}>{_text(error[key])}</{key.upper()}>"
        for key in ("errorcode", "message", "debuginfo")
        if key in error
    ]
    return '<?xml version="1.0" encoding="UTF-8" ?>\n' + "\n".join(lines) + "\n</EXCEPTION>\n"


def _xml(value: object) -> str:
    if isinstance(value, dict):
        keys = "".join(f'<KEY name="{key}">{_xml(item)}</KEY>\n' for key, item in value.items())
        return f"<SINGLE>\n{keys}</SINGLE>\n"
    if isinstance(value, list):
        return f"<MULTIPLE>\n{''.join(_xml(item) for item in value)}</MULTIPLE>\n"
    if value is None:
        return '<VALUE null="null"/>\n'
    return f"<VALUE>{_text(value)}</VALUE>\n"


def _text(value: object) -> str:
    return escape(str(int(value) if isinstance(value, bool) else value), {'"': "&quot;"})
