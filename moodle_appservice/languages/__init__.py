"""The languages in which people read us: English, German, French and Spanish.

A `Language` is a small value that everything which writes for people is handed. It translates texts of the code
(`gettext`, `ngettext`), tells sentences that the engine has made or stored in English (`tell`), and writes dates and
spans of time. Its words come from gettext catalogues, `catalogues/<language>/<catalogue>.po` with the compiled `.mo`
beside it; `make translations` collects the texts from the code into them and compiles, a test fails where one is
missing. Texts have `{placeholders}` and are their own key, in English:

    _ = language.gettext
    _("You are in {course}.", course=name)
    language.ngettext("{number} course", "{number} courses", 3)

A page hands `_=language.gettext`, `ngettext=language.ngettext` and `tell=language.tell` to its template, which writes
`{{ _("Hello, {name}", name=name) }}` and `{{ tell(course.reason) }}`: what comes back is plain text, and is escaped
like any other. Texts that stand in constants are marked with `N_` and translated where they are shown.
"""

from .language import ENGLISH, LANGUAGES, Language, known_zone, nearest

__all__ = ["ENGLISH", "LANGUAGES", "N_", "Language", "known_zone", "nearest"]


def N_(message: str) -> str:
    """Mark a text for the catalogues; it is translated later."""
    return message
