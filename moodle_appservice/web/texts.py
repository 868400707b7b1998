"""The one place through which every text of a page goes.

Templates write `{{ _("…") }}`, code writes `_("…")` with the English text as the key, as gettext wants it. Until
there are catalogues a text is its own translation.
"""

from __future__ import annotations


def gettext(message: str) -> str:
    """The text in the reader's language."""
    return message


def ngettext(one: str, many: str, number: int) -> str:
    """The text that goes with a number."""
    return one if number == 1 else many
