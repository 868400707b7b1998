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
_DEEPEST = 6
"""So many sentences may stand within each other. Texts come from outside too, and may look endless."""
_MOST_LETTERS = 4000
_LONGEST_VALUE = 600
"""Letters that fill a gap, but one at the end."""
_KEY = 4
"""So many letters at its start decide where a text is looked for."""


@dataclass(frozen=True, slots=True)
class Template:
    """One text of the catalogue. `literals`: what stands around the gaps; `weight`: how many letters that are.

    `is_open`: it ends with a gap. `is_whole`: it ends as a sentence does, so that another may follow. `quoted`: for
    each gap, whether it stands between quotation marks, for somebody else's words.
    """

    text: str
    gaps: Sequence[str]
    literals: Sequence[str]
    weight: int
    is_open: bool
    is_whole: bool
    quoted: Sequence[bool]

    def matches(self, text: str) -> Iterator[tuple[Sequence[str], int]]:
        """How it stands at the start of a text: what fills the gaps, and where it ends.

        Up to the first space that fits, and up to the text's end. Each gap is as short as it can be; as nothing is
        tried twice, a text from outside can be as odd as it likes.
        """
        first, *others = self.literals
        if not text.startswith(first):
            return
        values: list[str] = []
        start = len(first)
        for literal in others[:-1]:
            found = text.find(literal, start)
            if not 0 <= found - start <= _LONGEST_VALUE:
                return
            values.append(text[start:found])
            start = found + len(literal)
        for end in self._ends(text, start):
            filled = [text[start : end - len(others[-1])]] if others else []
            yield [*values, *filled], end

    def _ends(self, text: str, start: int) -> Iterator[int]:
        """Where the last literal ends, with the last gap from `start` before it."""
        if not self.gaps:
            if start == len(text) or (self.is_whole and text[start].isspace()):
                yield start
            return
        if self.is_open:
            if start < len(text):
                yield len(text)
            return
        last = self.literals[-1]
        found = text.find(last, start) if self.is_whole else -1
        while 0 <= found - start <= _LONGEST_VALUE:
            end = found + len(last)
            if end == len(text) or text[end].isspace():
                yield end
                break
            found = text.find(last, found + 1)
        at_end = len(text) - len(last)
        if at_end != found and text.endswith(last) and 0 <= at_end - start <= _LONGEST_VALUE:
            yield len(text)


@dataclass(frozen=True, slots=True)
class _Found:
    """A template in a text: what fills its gaps, and the space behind it."""

    template: Template
    values: Sequence[str]
    space: str


def told(text: str, language: str) -> str:
    """The text in another language, as far as its sentences are known."""
    return _told(text, language, _DEEPEST)


@lru_cache(maxsize=4096)
def _told(text: str, language: str, deep: int) -> str:
    """`deep`: how many sentences may still stand within each other."""
    if language == "en" or not text:
        return text
    chunks = _chunks(text)
    parts, start = [], 0
    while start < len(chunks):
        for end in range(min(len(chunks), start + _LONGEST), start, -1):
            piece = "".join(chunks[start:end])
            found = _parsed(piece.strip(), deep)
            if found is not None:
                parts.append(piece.replace(piece.strip(), _joined(found, language, deep)))
                start = end
                break
        else:
            parts.append(chunks[start])
            start += 1
    return "".join(parts)


def is_known(text: str) -> bool:
    """Whether the catalogue has the whole text, sentence by sentence."""
    return _parsed(text.strip(), _DEEPEST) is not None


def _chunks(text: str) -> list[str]:
    """The text cut behind each sentence, with the space behind it."""
    ends = [match.end() for match in _END.finditer(text)]
    return [text[start:end] for start, end in zip([0, *ends], [*ends, len(text)], strict=True) if start < end]


@lru_cache(maxsize=4096)
def _parsed(text: str, deep: int, more: int = _LONGEST) -> tuple[_Found, ...] | None:
    """The templates that the whole text is made of, in order, at most `more`; None where it is not made of any."""
    if not text or len(text) > _MOST_LETTERS or deep < 0 or more == 0:
        return None
    for template in _candidates(text[:_KEY]):
        for values, ends in template.matches(text):
            gaps = zip(values, template.quoted, strict=True)
            if any(
                _END.search(value) and not quoted and not _known(value, deep - 1) for value, quoted in gaps
            ):
                # It has swallowed a sentence of its own.
                continue
            rest = text[ends:]
            if not rest:
                return (_Found(template, values, ""),)
            following = _parsed(rest.strip(), deep, more - 1)
            if following is not None:
                return (_Found(template, values, rest[: len(rest) - len(rest.lstrip())]), *following)
    return None


def _joined(found: Sequence[_Found], language: str, deep: int) -> str:
    return "".join(_filled(one, language, deep) + one.space for one in found)


def _filled(found: _Found, language: str, deep: int) -> str:
    values = dict(zip(found.template.gaps, found.values, strict=True))
    text = catalogue(language, "sentences").words.get(found.template.text, "") or found.template.text
    return _GAP.sub(lambda gap: _value(values[gap[1]], language, deep - 1), text)


def _value(value: str, language: str, deep: int) -> str:
    """A value of a gap; with the space that may stand in front of it."""
    text, known = value.strip(), _known(value, deep)
    if not known:
        return value
    # The stop is where it was in the value, whatever the catalogue has.
    shown = _told(known, language, deep).removesuffix("." if known.endswith(".") else "")
    return value.replace(text, shown + ("." if text.endswith(".") else ""))


def _known(value: str, deep: int) -> str:
    """The value as the catalogue has it, with a stop or without; empty where it has not."""
    text = value.strip()
    bare = text.removesuffix(".")
    forms = (text, bare) if text != bare else (f"{text}.", text)
    return next((form for form in forms if _parsed(form, deep) is not None), "")


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
    return Template(
        text,
        gaps,
        literals,
        sum(map(len, literals)),
        is_open=not literals[-1],
        # What is no whole sentence is only found where nothing follows: as the value of a gap.
        is_whole=text.endswith(_STOPS),
        quoted=[before.endswith('"') and after.startswith('"') for before, after in pairwise(literals)],
    )
