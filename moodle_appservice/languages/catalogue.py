"""The compiled catalogues of one language, read once. A catalogue holds the texts of one part of the house."""

from __future__ import annotations

import gettext
from collections.abc import Mapping
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent / "catalogues"
CATALOGUES = ("bot", "pages", "sentences")
"""`bot`: what the bot says; `pages`: what pages say; `sentences`: what the engine says, in English, to both."""


class Catalogue(gettext.GNUTranslations):
    """One compiled file. `words`: its texts without those that have a plural, English → translated."""

    _catalog: dict[str | tuple[str, int], str]

    @property
    def words(self) -> Mapping[str, str]:
        """Every text without a plural."""
        return {key: text for key, text in self._catalog.items() if isinstance(key, str) and key}


@cache
def catalogue(language: str, name: str) -> Catalogue:
    """One catalogue of one language. Raises `OSError` where it is not there: then the installation is not whole."""
    with (FOLDER / language / f"{name}.mo").open("rb") as file:
        return Catalogue(file)


@cache
def translations(language: str) -> gettext.NullTranslations:
    """All catalogues of one language as one: what the first does not have, the next has."""
    first, *others = (catalogue(language, name) for name in CATALOGUES)
    for other in others:
        first.add_fallback(other)
    return first
