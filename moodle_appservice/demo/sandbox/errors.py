"""The failures that Moodle's web service reports, and how each version words them.

A `MoodleError` says what went wrong; `render` makes the JSON object that a version answers, always with HTTP status
200. With debugging off only the class, the code and a translated sentence are shown. A PHP error (`php_error`) has
no error code at all.
"""

from __future__ import annotations

from .rights import title_of
from .versions import Version

_MOVED = frozenset(
    {
        "moodle_exception",
        "invalid_parameter_exception",
        "required_capability_exception",
        "coding_exception",
        "require_login_exception",
    }
)


class MoodleError(Exception):
    """One failure: PHP class, error code, sentence, the module of the sentence and what debugging adds."""

    def __init__(
        self, kind: str, errorcode: str | None, message: str, *, module: str = "moodle", debuginfo: str = ""
    ) -> None:
        """Say what went wrong in the words of a Moodle without debugging."""
        super().__init__(message)
        self.kind = kind
        self.errorcode = errorcode
        self.message = message
        self.module = module
        self.debuginfo = debuginfo
        self.trail: tuple[str, ...] = ()
        self.discreet: tuple[str, str] | None = None

    def words(self, version: Version, debug: bool) -> tuple[str | None, str]:
        """The error code and the sentence; newer versions say less about a missing record."""
        if self.discreet and version.hides_missing_table and not debug:
            return self.discreet
        return self.errorcode, self.message

    def debug_text(self, version: Version) -> str:
        """What debugging adds; each level of the trail repeats the sentence of the one below it."""
        text = self.debuginfo
        for key in reversed(self.trail):
            below = f"{self.message} ({text})" if version.debug_in_message else self.message
            text = f"{key} => {below}: {text}"
        return text

    def render(self, version: Version, debug: bool) -> dict[str, str]:
        """`{exception, errorcode?, message, debuginfo?}` (Moodle: `webservice_rest_server::generate_error`)."""
        kind = self.kind
        if version.namespaced_exceptions and kind in _MOVED:
            kind = f"core\\exception\\{kind}"
        errorcode, message = self.words(version, debug)
        extra = self.debug_text(version) if debug else ""
        if extra and version.debug_in_message:
            message = f"{message} ({extra})"
        answer = {"exception": kind}
        if errorcode is not None:
            answer["errorcode"] = errorcode
        answer["message"] = message
        if extra:
            answer["debuginfo"] = extra
        return answer

    def render_nested(self, version: Version, debug: bool, site_url: str) -> dict[str, str]:
        """The object that one failed call inside `tool_mobile_call_external_functions` holds."""
        errorcode, message = self.words(version, debug)
        code = errorcode or "generalexceptionmessage"
        return {
            "message": message if errorcode else f"Exception - {message}",
            "errorcode": code,
            "link": f"{site_url}/",
            "moreinfourl": f"https://docs.moodle.org/{version.docs_branch}/en/error/{self.module}/{code}",
        }


class NotAnswered(Exception):
    """A real Moodle would answer this; the sandbox cannot, and says so instead of inventing."""


class MissingRecord(MoodleError):
    """A row that had to exist does not (Moodle: `dml_missing_record_exception`)."""

    def __init__(self, table: str, debuginfo: str = "") -> None:
        """Name the table, which newer versions keep to themselves."""
        message = f"Can't find data record in database table {table}."
        super().__init__("dml_missing_record_exception", "invalidrecord", message, debuginfo=debuginfo)
        self.discreet = ("invalidrecordunknown", "Can't find data record in database.")
        self.table = table


class InvalidParameter(MoodleError):
    """A parameter is missing, unexpected or of a wrong type; `trail` is the path to it, outermost first."""

    def __init__(self, detail: str, trail: tuple[str, ...] = ()) -> None:
        """Keep the detail for debugging only."""
        super().__init__(
            "invalid_parameter_exception",
            "invalidparameter",
            "Invalid parameter value detected",
            module="debug",
            debuginfo=detail,
        )
        self.trail = trail

    def inside(self, key: str) -> InvalidParameter:
        """The same failure seen from one level further out."""
        return InvalidParameter(self.debuginfo, (key, *self.trail))


def access_denied(reason: str) -> MoodleError:
    """Expired token, wrong address, missing protocol right, function not in the service: all look alike."""
    return MoodleError(
        "webservice_access_exception",
        "accessexception",
        "Access control exception",
        module="webservice",
        debuginfo=reason,
    )


def invalid_token() -> MoodleError:
    """No such token."""
    return MoodleError(
        "moodle_exception", "invalidtoken", "Invalid token - token not found", module="webservice"
    )


def no_permission(capability: str) -> MoodleError:
    """A required capability is missing; the message has only its human name."""
    message = f"Sorry, but you do not currently have permissions to do that ({title_of(capability)})."
    return MoodleError("required_capability_exception", "nopermissions", message)


def course_not_valid(course: int, reason: str) -> MoodleError:
    """The caller may not enter the course."""
    message = (
        f"You cannot execute functions in the course context (course id:{course}). "
        f"The context error message was: {reason}"
    )
    return MoodleError("moodle_exception", "errorcoursecontextnotvalid", message, module="webservice")


def login_required(debuginfo: str) -> MoodleError:
    """The course's door is shut (Moodle: `require_login`)."""
    return MoodleError(
        "require_login_exception",
        "requireloginerror",
        "Course or activity not accessible.",
        debuginfo=debuginfo,
    )


def coding_error(hint: str, debuginfo: str = "") -> MoodleError:
    """A call that Moodle's programmers ruled out."""
    message = f"Coding error detected, it must be fixed by a programmer: {hint}"
    return MoodleError("coding_exception", "codingerror", message, module="debug", debuginfo=debuginfo)


def invalid_user_field(name: str) -> MoodleError:
    """An unknown name in `userfields`."""
    return MoodleError("moodle_exception", "invaliduserfield", f"Invalid user field: {name}")


def criteria_error(debuginfo: str) -> MoodleError:
    """A category search that is unknown or not allowed."""
    return MoodleError(
        "moodle_exception",
        "criteriaerror",
        "Missing permissions to search on a criterion.",
        module="webservice",
        debuginfo=debuginfo,
    )


def site_maintenance() -> MoodleError:
    """The site is closed for maintenance."""
    message = "The site is undergoing maintenance and is currently not available"
    return MoodleError("moodle_exception", "sitemaintenance", message, module="admin")


def database_down() -> MoodleError:
    """Moodle cannot reach its database; the sentence is HTML."""
    message = (
        "<p>Error: Database connection failed</p>\n<p>It is possible that the database is overloaded or otherwise "
        "not running properly.</p>\n<p>The site administrator should also check that the database details have "
        "been correctly specified in config.php</p>"
    )
    return MoodleError("dml_connection_exception", "dbconnectionfailed", message)


def php_error(message: str) -> MoodleError:
    """PHP itself gave up in the middle of a function: no error code."""
    return MoodleError("Error", None, message)
