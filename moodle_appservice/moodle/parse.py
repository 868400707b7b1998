"""From Moodle's text to the text that a person reads: one pass, the same for every name.

Course and category names come raw (`moodlewssettingraw=1`: as they stand in the database), because Moodle would
otherwise strip the tags of multi-language markup and glue all languages together; group names and the display values of
custom fields come formatted (tags gone, `&` escaped). Both are right after the same steps in this order: choose the
language, take off tags, unescape once, collapse white space. Letters of every script stay.
"""

from __future__ import annotations

import html
import re
from typing import Final

MAX_TEXT: Final = 10_000
"""Characters of one text that are looked at; no name is longer, a custom text field may be."""

_SPAN = re.compile(
    r"<span\s+(?:lang=\"(?P<a>[\w-]+)\"\s+class=\"multilang\"|class=\"multilang\"\s+lang=\"(?P<b>[\w-]+)\")\s*>"
    r"(?P<text>.*?)</span>",
    re.IGNORECASE | re.DOTALL,
)
_MLANG = re.compile(r"\{mlang\s+(?P<codes>[\w,\- ]+?)\s*\}(?P<text>.*?)\{mlang\}", re.IGNORECASE | re.DOTALL)
_UNSEEN = re.compile(r"<!--.*?-->|<(script|style)\b[^<>]*>.*?</\1\s*>", re.IGNORECASE | re.DOTALL)
_BREAK = re.compile(
    r"</?(?:address|article|blockquote|br|dd|div|dl|dt|figcaption|h[1-6]|hr|li|ol|p|pre|section|table|td|th|tr|ul)\b[^<>]*>",
    re.IGNORECASE,
)
_TAG = re.compile(r"</?[a-zA-Z!?][^<>]*>")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{0,31});")


def plain_text(text: str, language: str = "en") -> str:
    """One line of plain text in `language` (a Moodle code such as `de` or `de_ch`) where the text has several."""
    text = in_language(text[:MAX_TEXT], language)
    text = _TAG.sub("", _BREAK.sub(" ", _UNSEEN.sub(" ", text)))
    # Only entities with a semicolon, as Moodle does: "R&D" and "A&copy" are what their author typed.
    text = _ENTITY.sub(lambda entity: html.unescape(entity.group()), text)
    return collapse(text)


def collapse(text: str) -> str:
    """White space of any kind to one space, none at the ends; control characters and broken halves become spaces."""
    return " ".join(_CONTROL.sub(" ", text).split())


def in_language(text: str, language: str) -> str:
    """Multi-language markup resolved: Moodle's `<span lang class="multilang">` and the common `{mlang}` blocks.

    The order is: the language, its parent (`de` for `de_ch`), then for spans the first of a run as Moodle does, for
    blocks `other`, English, or the first. A name is never left empty for want of a translation.
    """
    if "{mlang" in text.lower():
        text = _choose_blocks(text, language)
    if "multilang" in text.lower():
        text = _choose_spans(text, language)
    return text


def _choose_spans(text: str, language: str) -> str:
    chosen: dict[int, str] = {}
    for run in _runs(text):
        bodies = {_code(span["a"] or span["b"]): span["text"] for span in reversed(run)}
        best = next((bodies[code] for code in _wanted(language) if code in bodies), run[0]["text"])
        chosen[run[0].start()] = best
    return _SPAN.sub(lambda span: chosen.get(span.start(), ""), text)


def _runs(text: str) -> list[list[re.Match[str]]]:
    """Spans with nothing but white space between them are translations of one another."""
    runs: list[list[re.Match[str]]] = []
    for span in _SPAN.finditer(text):
        if runs and not text[runs[-1][-1].end() : span.start()].strip():
            runs[-1].append(span)
        else:
            runs.append([span])
    return runs


def _choose_blocks(text: str, language: str) -> str:
    there = [code for block in _MLANG.finditer(text) for code in _codes(block)]
    if not there:
        return text
    pick = next(code for code in (*_wanted(language), "other", "en", there[0]) if code in there)
    return _MLANG.sub(lambda block: block["text"] if pick in _codes(block) else "", text)


def _codes(block: re.Match[str]) -> list[str]:
    return [_code(code) for code in block["codes"].split(",") if code.strip()]


def _code(code: str) -> str:
    return code.strip().lower().replace("-", "_")


def _wanted(language: str) -> tuple[str, ...]:
    code = _code(language)
    return (code, code.partition("_")[0])
