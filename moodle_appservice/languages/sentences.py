"""Sentences that the engine has made in English, in the reader's language.

The engine writes plain English, with values in it, and stores what it wrote; who reads it, and in which language, is
known only later. So a sentence is recognised by the texts of the catalogue: `{removed} of {present} members would be
removed.` matches `12 of 30 members would be removed.`, and its translation is filled with what stood in the gaps. A
value may be a sentence itself, and a text may be several sentences in a row. What no text of the catalogue matches
stays English.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

from .catalogue import catalogue

_GAP = re.compile(r"\{(\w+)\}")
_END = re.compile(r"(?<=[.?!])\s")
_VALUE = "(.{1,600}?)"
"""What fills a gap; bounded, because texts come from outside too."""
_KEY = 4
"""So many letters at its start decide where a text is looked for."""


@dataclass(frozen=True, slots=True)
class Template:
    """One text of the catalogue. `weight`: its letters outside the gaps; `is_open`: it ends with a gap."""

    text: str
    pattern: re.Pattern[str]
    gaps: Sequence[str]
    weight: int
    is_open: bool

    def match(self, text: str, start: int) -> re.Match[str] | None:
        """Where the template stands in a text, from `start` on, up to a space or the end."""
        return self.pattern.match(text, start)


@lru_cache(maxsize=4096)
def told(text: str, language: str) -> str:
    """The text in another language, as far as its sentences are known."""
    if language == "en" or not text:
        return text
    parts, start = [], 0
    while start < len(text):
        found = _best(text, start)
        if found is None:
            boundary = _END.search(text, start)
            end = boundary.end() if boundary else len(text)
            parts.append(text[start:end])
        else:
            template, match = found
            end = match.end()
            parts.append(_filled(template, match, language))
            gap = re.compile(r"\s*").match(text, end)
            assert gap is not None
            parts.append(gap[0])
            end = gap.end()
        start = end
    return "".join(parts)


def is_known(text: str) -> bool:
    """Whether the catalogue has the whole text, sentence by sentence."""
    start = 0
    while start < len(text):
        found = _best(text, start)
        if found is None:
            return False
        start = found[1].end()
        start += len(text[start:]) - len(text[start:].lstrip())
    return bool(text)


def _filled(template: Template, match: re.Match[str], language: str) -> str:
    values = dict(zip(template.gaps, match.groups(), strict=True))
    text = catalogue(language, "sentences").words.get(template.text, "") or template.text
    return _GAP.sub(lambda gap: _value(values[gap[1]], language), text)


def _value(value: str, language: str) -> str:
    return told(value, language) if is_known(value) else value


def _best(text: str, start: int) -> tuple[Template, re.Match[str]] | None:
    """The template with the most letters of its own that stands here."""
    for template in _candidates(text[start : start + _KEY]):
        match = template.match(text, start)
        if match is not None:
            return template, match
    return None


def _candidates(beginning: str) -> Iterator[Template]:
    by_beginning, others = _templates()
    found = [*by_beginning.get(beginning, ()), *others]
    return iter(sorted(found, key=lambda template: (template.is_open, -template.weight)))


@cache
def _templates() -> tuple[Mapping[str, Sequence[Template]], Sequence[Template]]:
    """By the first letters, and those that begin with a gap or are very short."""
    by_beginning: defaultdict[str, list[Template]] = defaultdict(list)
    others = []
    for text in catalogue("en", "sentences").words:
        template = _template(text)
        beginning = text.partition("{")[0][:_KEY]
        if len(beginning) == _KEY:
            by_beginning[beginning].append(template)
        else:
            others.append(template)
    return by_beginning, others


def _template(text: str) -> Template:
    parts = _GAP.split(text)
    literals, gaps = parts[::2], parts[1::2]
    pattern = "".join(re.escape(part) if number % 2 == 0 else _VALUE for number, part in enumerate(parts))
    is_open = not literals[-1]
    if is_open:
        pattern = pattern.removesuffix(_VALUE) + "(.+)"
    return Template(
        text,
        re.compile(pattern + (r"$" if is_open else r"(?=\s|$)"), re.DOTALL),
        gaps,
        sum(map(len, literals)),
        is_open,
    )
