"""Logging: one handler to standard error, lines for people or JSON for programs, and no secret in either.

Masking happens on the finished text, because only there message, arguments, traceback and notes have come together:
first every secret that the configuration holds, as it is and as it looks in an address, then everything that looks
like a credential by the words around it. What Python itself would print about a failure (an uncaught exception, a
log call with wrong arguments) goes the same way.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import Literal, TextIO
from urllib.parse import quote, quote_plus

MASK = "***"
_SHORTEST_SECRET = 8  # Shorter ones are words, and masking them would make logs unreadable.
_NAMES = r"access_token|as_token|hs_token|wstoken|privatetoken|login_token|refresh_token|id_token|token|password|secret"
_LOOKS_SECRET: tuple[tuple[re.Pattern[str], str], ...] = (
    # token=abc; "token": "abc"; token: a-long-word. A short word behind a colon is prose: "token: it is missing".
    (re.compile(rf"""(\b(?:{_NAMES})["']?\s*=\s*["']?)[^\s"'&,;<>)}}\]]+""", re.IGNORECASE), rf"\1{MASK}"),
    (re.compile(rf"""(\b(?:{_NAMES})["']?\s*:\s*(["']))(?:(?!\2).)+""", re.IGNORECASE), rf"\1{MASK}"),
    (re.compile(rf"""(\b(?:{_NAMES})\s*:\s*)[\w+/=.~-]{{16,}}""", re.IGNORECASE), rf"\1{MASK}"),
    (re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]+", re.IGNORECASE), rf"\1 {MASK}"),
    # Tokens of Synapse and of the Matrix Authentication Service: renewed ones stand in no configuration.
    (re.compile(r"\bsy[tr]_[\w+/]*_[A-Za-z]{20}_\w{6}"), MASK),
    (re.compile(r"\bm(?:at|ar|ct|cr|pt)_[A-Za-z0-9]{30}_\w{6}"), MASK),
    # postgres://user:password@host
    (re.compile(r"(://[^\s/:@]*:)[^\s/@]+@"), rf"\1{MASK}@"),
)
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class Masker:
    """Takes secrets out of text."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        forms: set[str] = set()
        for secret in secrets:
            if len(secret) >= _SHORTEST_SECRET:
                forms |= {
                    secret,
                    quote(secret, safe=""),
                    quote_plus(secret),
                    json.dumps(secret)[1:-1],
                    repr(secret)[1:-1],
                }
        # The longest first: a secret may contain another one.
        ordered = sorted(forms, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def __call__(self, text: str) -> str:
        """The text without secrets."""
        if self._known is not None:
            text = self._known.sub(MASK, text)
        for pattern, replacement in _LOOKS_SECRET:
            text = pattern.sub(replacement, text)
        return text


class TextFormatter(logging.Formatter):
    """`2026-01-31 12:00:00 INFO engine: message`, masked."""

    def __init__(self, mask: Masker) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        self._mask = mask

    def format(self, record: logging.LogRecord) -> str:
        """One line, or more with a traceback."""
        return self._mask(super().format(record))


class JsonFormatter(logging.Formatter):
    """One JSON object per line; what was passed as `extra` becomes keys of its own. Masked."""

    def __init__(self, mask: Masker) -> None:
        super().__init__()
        self._mask = mask

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": self._mask(record.getMessage()),
        }
        for name, value in vars(record).items():
            if name not in _STANDARD and name not in line:
                line[name] = value if isinstance(value, bool | int | float | None) else self._mask(str(value))
        if record.exc_info:
            line["traceback"] = self._mask(self.formatException(record.exc_info))
        if record.stack_info:
            line["stack"] = self._mask(record.stack_info)
        return json.dumps(line, ensure_ascii=False)


class _Handler(logging.StreamHandler[TextIO]):
    """Writes to standard error, and masks even what goes wrong in logging itself."""

    def handleError(self, record: logging.LogRecord) -> None:  # logging's name
        """Say where a log call failed, without its arguments."""
        kind = sys.exc_info()[0]
        reason = kind.__name__ if kind else "error"
        # Where the disk is full, nothing is said, and everything else goes on.
        with suppress(OSError):
            self.stream.write(
                f"A log line of {record.pathname}:{record.lineno} could not be written: {reason}.\n"
            )


def set_up(level: str, style: Literal["text", "json"], secrets: Iterable[str] = ()) -> None:
    """Send all logs to standard error, masked, and uncaught exceptions too. Replaces what was set up before."""
    mask = Masker(secrets)
    handler = _Handler(sys.stderr)
    handler.setFormatter(JsonFormatter(mask) if style == "json" else TextFormatter(mask))
    root = logging.getLogger()
    for old in [old for old in root.handlers if isinstance(old, _Handler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)
    # Says that it tries again, but not what; the last failure is told by whoever asked.
    logging.getLogger("stamina").setLevel(logging.ERROR)
    # It tells of every job.
    logging.getLogger("procrastinate").setLevel(logging.WARNING)
    logging.captureWarnings(True)
    sys.excepthook = _log_uncaught


def _log_uncaught(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    logging.getLogger("moodle_appservice").critical(
        "This is a bug; the service stops.", exc_info=(kind, error, traceback)
    )
