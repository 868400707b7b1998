"""One language, as everything that writes for people is handed it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from types import MappingProxyType
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_time, format_timedelta
from babel.lists import format_list

from .catalogue import translations
from .sentences import told

_LOCALES = {"en": Locale("en", "GB"), "de": Locale("de"), "fr": Locale("fr"), "es": Locale("es")}
_JUST_NOW = 90.0


@dataclass(frozen=True, slots=True)
class Language:
    """A language by its code (ISO 639-1), one of `LANGUAGES`."""

    code: str

    @property
    def name(self) -> str:
        """What the language calls itself, as it is written within a sentence."""
        return str(_LOCALES[self.code].language_name)

    def gettext(self, message: str, /, **values: object) -> str:
        """A text of the code, with its placeholders filled. English where the catalogues lack it."""
        text = translations(self.code).gettext(message)
        return text.format_map(values) if values else text

    def ngettext(self, one: str, many: str, number: int, /, **values: object) -> str:
        """A text that goes with a number, which fills `{number}`."""
        text = translations(self.code).ngettext(one, many, number)
        return text.format_map({"number": number, **values})

    def tell(self, sentence: str) -> str:
        """Sentences that the engine has made in English, also stored ones; what is not known stays as it is."""
        return told(sentence, self.code)

    def day(self, at: float, zone: str = "") -> str:
        """A date: `28 Nov 2026`. `at`: Unix seconds; `zone`: an IANA name, empty or unknown for UTC."""
        return str(format_date(_local(at, zone), "medium", _LOCALES[self.code]))

    def moment(self, at: float, zone: str = "") -> str:
        """A date and a time of day, to the minute: `28 Nov 2026, 18:22`; UTC is named where no zone is."""
        local = _local(at, zone)
        time = format_time(local, "short", locale=_LOCALES[self.code])
        return f"{self.day(at, zone)}, {time}" + ("" if known_zone(zone) else " UTC")

    def weekday_moment(self, at: float, zone: str = "") -> str:
        """A date and a time of day with the day of the week: `Saturday, 28 Nov 2026, 18:22`."""
        day = format_date(_local(at, zone), "EEEE", _LOCALES[self.code])
        return f"{day}, {self.moment(at, zone)}"

    def ago(self, seconds: float) -> str:
        """How long ago something was: `3 minutes ago`."""
        if seconds < _JUST_NOW:
            return self.gettext("just now")
        return self._span(-seconds, direction=True)

    def ahead(self, seconds: float) -> str:
        """When something will be: `in 3 minutes`."""
        if seconds < _JUST_NOW:
            return self.gettext("now")
        return self._span(seconds, direction=True)

    def span(self, seconds: float) -> str:
        """How long something takes: `3 minutes`."""
        return self._span(seconds, direction=False)

    def listed(self, items: list[str]) -> str:
        """`a, b and c`."""
        return str(format_list(items, locale=_LOCALES[self.code]))

    def _span(self, seconds: float, *, direction: bool) -> str:
        span = timedelta(seconds=round(seconds))
        locale = _LOCALES[self.code]
        return str(format_timedelta(span, threshold=1.5, add_direction=direction, locale=locale))


LANGUAGES: Mapping[str, Language] = MappingProxyType({code: Language(code) for code in _LOCALES})
ENGLISH = LANGUAGES["en"]


def nearest(code: str, otherwise: Language = ENGLISH) -> Language:
    """The language that is nearest to a code of Moodle (`de_kids`, `fr_ca`) or of a browser (`de-AT`)."""
    return LANGUAGES.get(code.strip().lower().replace("-", "_").partition("_")[0], otherwise)


def known_zone(zone: str) -> tzinfo | None:
    """A time zone by its IANA name; None where nothing is known under it (Moodle's `99` is the server's own)."""
    if not zone or zone.isdigit():
        return None
    try:
        return ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        return None


def _local(at: float, zone: str) -> datetime:
    return datetime.fromtimestamp(at, known_zone(zone) or UTC)
