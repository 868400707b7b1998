"""Names as other people see them: every script stays, what could deceive or hide goes.

Taken out are control characters and those with which a name could turn the text around it (Unicode's embeddings,
overrides and isolates). Joiners stay: scripts and emoji need them.
"""

from __future__ import annotations

import unicodedata

_NOT_SHOWN = frozenset(map(chr, (*range(0x20), 0x7F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))))


def shown(text: str) -> str:
    """The text without them, without space at its ends; nothing where no letter, number or sign would be seen."""
    kept = "".join(letter for letter in text if letter not in _NOT_SHOWN).strip()
    return kept if any(unicodedata.category(letter)[0] not in "CZM" for letter in kept) else ""
