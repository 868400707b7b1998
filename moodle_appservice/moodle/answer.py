"""From one HTTP reply to a JSON value, or to the error that it really is.

Moodle says almost everything with status 200, so the body decides before the status does: an object with `exception`
or `errorcode` is an error whatever the status, and the class of the error comes from `errorcode` alone (exception
class names changed with Moodle 4.5, messages are translated).

PHP may print a notice in front of an answer. It is taken off only where it is a whole notice, warning or deprecation
as PHP itself formats them, and where valid JSON then runs to the very end of the body: such an answer is complete, and
refusing it would stop the whole service because of a plugin's typo. Anything else around the JSON is an error.
"""

from __future__ import annotations

import codecs
import json
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn, TypeAlias

from . import errors
from .parse import plain_text

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"

logger = logging.getLogger(__name__)

_NO_UTF8: Final = re.compile("[\udc80-\udcff]")

MAX_QUOTE: Final = 300
"""Characters of Moodle's own words in one of our messages."""

_BY_CODE: Final[Mapping[str, type[errors.MoodleTemporary | errors.MoodlePermanent]]] = {
    "invalidtoken": errors.InvalidToken,
    "accessexception": errors.AccessDenied,
    "servicenotavailable": errors.AccessDenied,
    "invalidrecord": errors.RecordMissing,
    "invalidrecordunknown": errors.RecordMissing,
    "filenotfound": errors.RecordMissing,
    "errorcoursecontextnotvalid": errors.CourseNotAccessible,
    "nopermissions": errors.MissingCapability,
    "errorreportview": errors.ReportNotShared,
    "invalidparameter": errors.InvalidParameter,
    "invaliduserfield": errors.InvalidParameter,
    "codingerror": errors.InvalidParameter,
    "invalidresponse": errors.InvalidResponse,
    "generalexceptionmessage": errors.PhpException,
    "sitemaintenance": errors.Maintenance,
    "upgraderunning": errors.Maintenance,
    "dbconnectionfailed": errors.DatabaseDown,
    "dmlreadexception": errors.DatabaseDown,
    "dmlwriteexception": errors.DatabaseDown,
    "dmltransactionexception": errors.DatabaseDown,
    "usernotconfirmed": errors.AccountUnusable,
    "wsaccessuserdeleted": errors.AccountUnusable,
    "wsaccessuserunconfirmed": errors.AccountUnusable,
    "wsaccessusersuspended": errors.AccountUnusable,
    "wsaccessuserexpired": errors.AccountUnusable,
    "wsaccessusernologin": errors.AccountUnusable,
}

# With html_errors: "<br />\n<b>Warning</b>:  text in <b>file</b> on line <b>3</b><br />\n";
# without: "\nWarning: text in file on line 3\n".
_PHP_NOTICE: Final = re.compile(
    r"\s*(?:<br\s*/?>\s*)?(?:<b>)?(?:PHP )?(?:Warning|Notice|Deprecated|Strict Standards)(?:</b>)?:"
    r"[^\0]{1,4000}? on line (?:<b>)?\d+(?:</b>)?(?:<br\s*/?>)?[ \t]*(?:\r?\n|$)"
)


@dataclass(frozen=True, slots=True)
class Reply:
    """What came over the wire: the body as text, see `text_decoder`; header values are empty where there was none."""

    status: int
    text: str
    reason: str = ""
    location: str = ""
    retry_after: float | None = None
    seconds: float = 0.0
    """How long the exchange took."""


@dataclass(frozen=True, slots=True)
class File:
    """A file as Moodle's file server gave it. `content_type` is what it said, without parameters."""

    content_type: str
    data: bytes


def text_decoder() -> codecs.IncrementalDecoder:
    """Makes text of a body, piece by piece as it comes, so that a large one is in memory once and not three times.

    Bytes that are no UTF-8 become lone surrogates, for whoever reads the text to judge.
    """
    return codecs.getincrementaldecoder("utf-8-sig")("surrogateescape")


def read_answer(function: str, reply: Reply, noticed: set[str], *, compact: bool = False) -> Json:
    """The JSON value of a reply. Raises the `MoodleError` that the reply is, or that its body names.

    `noticed` holds the functions whose PHP notices were spoken of already, and takes up new ones. `compact`: rows of a
    report (`{"columns": […]}`) come as tuples whose cells are shared, which takes a fifth of the memory.
    """
    if 300 <= reply.status < 400:
        raise errors.Redirected(function, detail=f"to {_quote(reply.location.partition('?')[0])}")
    if reply.status != 200 and not reply.text.lstrip().startswith("{"):
        _raise_for_status(function, reply)
    if not reply.text.isascii() and _NO_UTF8.search(reply.text):
        raise errors.WrongCharset(function)
    answer = _decode(function, reply.text, noticed, compact)
    if isinstance(answer, dict) and ("exception" in answer or "errorcode" in answer):
        raise named_error(function, answer, retry_after=reply.retry_after)
    if reply.status != 200:
        _raise_for_status(function, reply)
    return answer


def named_error(
    function: str, answer: Mapping[str, Json], *, retry_after: float | None = None
) -> errors.MoodleError:
    """The error that an exception object names; only `errorcode` decides (`external_api::call_external_function`)."""
    code = answer.get("errorcode")
    said = _said(answer)
    if not code:
        return errors.PhpException(function, said=said)
    kind = _BY_CODE.get(str(code), errors.OtherException)
    if issubclass(kind, errors.MoodleTemporary):
        return kind(function, said=said, retry_after=retry_after)
    if kind is errors.OtherException:
        return kind(function, said=f"{_quote(str(code))}: {said}" if said else _quote(str(code)))
    return kind(function, said=said)


def _said(answer: Mapping[str, Json]) -> str:
    # The file server calls it `error`.
    message = answer.get("message", answer.get("error"))
    if not isinstance(message, str):
        return ""
    debug = answer.get("debuginfo")
    if isinstance(debug, str) and debug:
        # Moodle up to 4.4 appends the debugging output to the message.
        message = message.replace(f" ({debug})", "").replace(debug, "")
    return _quote(re.split(r"\n#0 |Stack trace:|\[array \(", message, maxsplit=1)[0])


def _quote(text: str) -> str:
    plain = plain_text(text).replace('"', "'").rstrip(". ")
    return plain if len(plain) <= MAX_QUOTE else plain[:MAX_QUOTE].rstrip() + "…"


def _raise_for_status(function: str, reply: Reply) -> NoReturn:
    detail = f"HTTP {reply.status}"
    match reply.status:
        case 403 if not reply.text.strip():
            raise errors.WebServicesOff(function, detail=detail)
        case 401 | 403:
            raise errors.AccessBlocked(function, detail=detail)
        case 404 | 410:
            raise errors.NotAMoodle(function, detail=detail)
        case 429:
            raise errors.TooManyRequests(function, detail=detail, retry_after=reply.retry_after)
        case 503 if "maintenance" in reply.reason.lower() or "maintenance" in reply.text[:20_000].lower():
            raise errors.Maintenance(function, detail=detail, retry_after=reply.retry_after)
        case 502 | 503 | 504:
            raise errors.GatewayFailed(function, detail=detail, retry_after=reply.retry_after)
        case status if status >= 500:
            raise errors.ServerCrashed(function, detail=detail, retry_after=reply.retry_after)
    raise errors.UnexpectedStatus(function, detail=detail)


def _decode(function: str, text: str, noticed: set[str], compact: bool) -> Json:
    try:
        return _json(text, compact)
    except ValueError:
        text = text.strip()
    if not text:
        raise errors.EmptyAnswer(function)
    rest = _without_notices(text)
    if rest is not None:
        try:
            answer = _json(rest, compact)
        except ValueError:
            raise errors.NotJson(function, detail="a PHP message, and no complete answer after it") from None
        _warn_once(function, noticed)
        return answer
    lowered = text[:200].lower()
    if lowered.startswith("<?xml"):
        raise errors.XmlInsteadOfJson(function)
    if lowered.startswith("<"):
        raise errors.HtmlInsteadOfJson(function, detail=_title(text))
    if lowered.startswith(("{", "[")):
        raise errors.AnswerCutShort(function)
    raise errors.NotJson(function)


def _json(text: str, compact: bool) -> Json:
    """Raises ValueError for what is not JSON, nesting that no answer has included."""
    try:
        hook = _compact_rows() if compact else None
        answer: Json = json.loads(text, parse_constant=_no_constant, object_pairs_hook=hook)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return answer


def _compact_rows() -> Callable[[list[tuple[str, Any]]], Any]:
    shared: dict[object, object] = {}
    share = shared.setdefault

    def decoded(pairs: list[tuple[str, Any]]) -> Any:
        if len(pairs) == 1 and pairs[0][0] == "columns" and isinstance(pairs[0][1], list):
            try:
                return tuple([share(cell, cell) for cell in pairs[0][1]])
            except TypeError:  # A cell that is no single value: `report_fetch` refuses it.
                pass
        return dict(pairs)

    return decoded


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _without_notices(text: str) -> str | None:
    """The text after PHP's leading notices, or None where it does not begin with one."""
    position = 0
    while found := _PHP_NOTICE.match(text, position):
        position = found.end()
    return text[position:].strip() if position else None


def _title(page: str) -> str:
    found = re.search(r"<title[^>]*>([^<]{1,200})", page[:20_000], re.IGNORECASE)
    return f"its title is '{_quote(found.group(1))}'" if found else ""


def _warn_once(function: str, noticed: set[str]) -> None:
    if function not in noticed:
        noticed.add(function)
        logger.warning(
            "Moodle printed a PHP notice in front of the answer of %s. The answer was complete and is used; the notice"
            " stands in Moodle's PHP log and should be repaired there. This is said once for each function.",
            function,
        )
