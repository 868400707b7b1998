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
from itertools import pairwise

from .catalogue import catalogue

_GAP = re.compile(r"\{(\w+)\}")
_END = re.compile(r"(?<=[.?!])\s")
_STOPS = (".", "?", "!", ":")
_LONGEST = 8
"""So many sentences may make one text of the catalogue."""
_MOST_LETTERS = 1600
_VALUE = "(.{0,600}?)"
"""What fills a gap; bounded, because texts come from outside too."""
_KEY = 4
"""So many letters at its start decide where a text is looked for."""


@dataclass(frozen=True, slots=True)
class Template:
    """One text of the catalogue. `weight`: its letters outside the gaps; `is_open`: it ends with a gap.

    `quoted`: for each gap, whether it stands between quotation marks, for somebody else's words.
    """

    text: str
    pattern: re.Pattern[str]
    gaps: Sequence[str]
    weight: int
    is_open: bool
    quoted: Sequence[bool]

    def matches(self, text: str) -> Iterator[re.Match[str]]:
        """How the template stands at the start of a text: up to the first space that fits, and up to its end."""
        for match in (self.pattern.match(text), self.pattern.fullmatch(text)):
            if match is not None:
                yield match


@dataclass(frozen=True, slots=True)
class _Found:
    """A template in a text: what fills its gaps, and the space behind it."""

    template: Template
    values: tuple[str, ...]
    space: str


@lru_cache(maxsize=4096)
def told(text: str, language: str) -> str:
    """The text in another language, as far as its sentences are known."""
    if language == "en" or not text:
        return text
    chunks = _chunks(text)
    parts, start = [], 0
    while start < len(chunks):
        for end in range(min(len(chunks), start + _LONGEST), start, -1):
            piece = "".join(chunks[start:end])
            found = _parsed(piece.strip())
            if found is not None:
                parts.append(piece.replace(piece.strip(), _joined(found, language)))
                start = end
                break
        else:
            parts.append(chunks[start])
            start += 1
    return "".join(parts)


def is_known(text: str) -> bool:
    """Whether the catalogue has the whole text, sentence by sentence."""
    return _parsed(text.strip()) is not None


def _chunks(text: str) -> list[str]:
    """The text cut behind each sentence, with the space behind it."""
    ends = [match.end() for match in _END.finditer(text)]
    return [text[start:end] for start, end in zip([0, *ends], [*ends, len(text)], strict=True) if start < end]


@lru_cache(maxsize=4096)
def _parsed(text: str) -> tuple[_Found, ...] | None:
    """The templates that the whole text is made of, in order; None where it is not made of any."""
    if not text or len(text) > _MOST_LETTERS:
        return None
    for template in _candidates(text[:_KEY]):
        for match in template.matches(text):
            values = tuple(match.groups())
            gaps = zip(values, template.quoted, strict=True)
            if any(_END.search(value) and not quoted and not _known(value) for value, quoted in gaps):
                # It has swallowed a sentence of its own.
                continue
            rest = text[match.end() :]
            if not rest:
                return (_Found(template, values, ""),)
            following = _parsed(rest.strip())
            if following is not None:
                return (_Found(template, values, rest[: len(rest) - len(rest.lstrip())]), *following)
    return None


def _joined(found: Sequence[_Found], language: str) -> str:
    return "".join(_filled(one, language) + one.space for one in found)


def _filled(found: _Found, language: str) -> str:
    values = dict(zip(found.template.gaps, found.values, strict=True))
    text = catalogue(language, "sentences").words.get(found.template.text, "") or found.template.text
    return _GAP.sub(lambda gap: _value(values[gap[1]], language), text)


def _value(value: str, language: str) -> str:
    """A value of a gap; with the space that may stand in front of it."""
    text, known = value.strip(), _known(value)
    if not known:
        return value
    # The stop is where it was in the value, whatever the catalogue has.
    shown = told(known, language).removesuffix("." if known.endswith(".") else "")
    return value.replace(text, shown + ("." if text.endswith(".") else ""))


def _known(value: str) -> str:
    """The value as the catalogue has it, with a stop or without; empty where it has not."""
    text = value.strip()
    bare = text.removesuffix(".")
    forms = (text, bare) if text != bare else (f"{text}.", text)
    return next((form for form in forms if is_known(form)), "")


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
        # What is no whole sentence is only found where nothing follows: as the value of a gap.
        re.compile(pattern + (r"(?=\s|$)" if text.endswith(_STOPS) else r"$"), re.DOTALL),
        gaps,
        sum(map(len, literals)),
        is_open,
        [before.endswith('"') and after.startswith('"') for before, after in pairwise(literals)],
    )
