"""The kinds of values that stand in the configuration, each with its check in plain words.

Every scalar arrives as the text that was written (see `yamlfile`), so a check may look at the text itself. A check
that needs to know where the file lies reads `folder` from the validation context; without one, paths stay as written.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path
from string import Formatter
from typing import Annotated
from urllib.parse import quote, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationInfo

from ..domain.accounts import NAME_PLACEHOLDERS
from ..domain.identity import NO_LOGIN, SELF_REGISTERED, split_user_id
from ..domain.template import PLACEHOLDERS as IDENTITY_PLACEHOLDERS
from ..domain.template import is_placeholder
from ..languages import known_zone
from ..problems import either, wrong

ROOM_PLACEHOLDERS = frozenset({"shortname", "fullname", "idnumber", "category", "site", "url"})
_PROFILE = "profile_x"
_SPANS = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]*)", re.IGNORECASE)
_UNITS = {"": 1, "b": 1, "kib": 2**10, "mib": 2**20, "gib": 2**30, "kb": 10**3, "mb": 10**6, "gb": 10**9}
_SIZE = re.compile(r"(\d+)\s*([a-z]*)", re.IGNORECASE)
_HOST = re.compile(r"[^\s/?#@%\\\x00-\x1f]+")
_LONGEST_SOCKET_PATH = 107  # what Linux' sockaddr_un holds


def _version(value: str) -> str:
    if value not in ("10", "11", "12"):
        raise wrong("is not a room version that this service knows", "Write 10, 11 or 12.")
    return value


def _site(value: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9]{0,15}", value):
        raise wrong(
            "can't be a site name",
            "Write 1 to 16 small letters and digits, a letter first, such as uni.",
        )
    return value


def _size(value: object) -> object:
    match = _SIZE.fullmatch(str(value).strip())
    if match is None or match[2].lower() not in _UNITS or int(match[1]) == 0:
        raise wrong("is not a size", "Write a number of bytes, or one with a unit, such as 50 MiB.")
    return int(match[1]) * _UNITS[match[2].lower()]


def check_web_address(value: str) -> str:
    """An http or https address without anything behind the path; a slash at the end is cut off.

    Raises `PydanticCustomError` for anything else.
    """
    right = "Write it as https://www.example.org."
    try:
        parts = urlsplit(value.strip())
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise wrong("is not a web address", right) from None
    if parts.scheme not in ("http", "https") or not host or not _HOST.fullmatch(host):
        raise wrong("is not a web address", right)
    if parts.username is not None:
        raise wrong("holds a name or password", "Write the address without what stands before the @.")
    if parts.query or parts.fragment or re.search(r"\s", parts.path):
        raise wrong("has more than an address should have", "Leave out spaces and all from ? or # on.")
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def is_loopback(address: str) -> bool:
    """Whether a web address leads to this machine itself."""
    host = urlsplit(address).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _optional_address(value: str) -> str:
    return check_web_address(value) if value else ""


def _domain(value: str) -> str:
    right = "Write only the name behind the colon of your user ids: example.org for @anna:example.org."
    if split_user_id(f"@a:{value}") is None:
        raise wrong("is not a server name", right)
    return value


def _listen_address(value: str) -> str:
    if not _HOST.fullmatch(value):
        raise wrong("is not a host name or IP address", "Write 127.0.0.1 for this machine, 0.0.0.0 for all.")
    return value


def placeholders(
    template: str, known: Collection[str], *, also: Callable[[str], bool] | None = None
) -> frozenset[str]:
    """The placeholders of a template, after a check that it has none but the known ones, plainly written.

    `also`: names that are good beside the known ones. Raises `PydanticCustomError` for any other, for one that is not
    plainly written and for a brace without its partner.
    """
    right = f"Use {either('{' + name + '}' for name in sorted(known))}; write a brace itself as {{{{ or }}}}."
    try:
        parts = [part[1:] for part in Formatter().parse(template) if part[1] is not None]
    except ValueError:
        raise wrong("has a brace without its partner", right) from None
    for name, spec, conversion in parts:
        if not (name in known or (also and also(str(name)))) or spec or conversion:
            raise wrong("has a placeholder that does not exist", right)
    return frozenset(str(name) for name, _, _ in parts)


def _room_template(value: str) -> str:
    if not value.strip():
        raise wrong("is empty", "Write a text such as {shortname}: {fullname}.")
    placeholders(value, ROOM_PLACEHOLDERS)
    return value


def _personal(template: str) -> frozenset[str]:
    shown = {*IDENTITY_PLACEHOLDERS, _PROFILE}
    return placeholders(template, shown, also=is_placeholder) - {"domain"}


def _identity_template(value: str) -> str:
    used = _personal(value)
    right = 'Write it like "@{username}:{domain}", in quotes and with small letters only.'
    if not used:
        raise wrong("would give everybody the same Matrix id", right)
    if split_user_id(value.format_map(dict.fromkeys(used, "x") | {"domain": "example.org"})) is None:
        raise wrong("does not give Matrix ids", right)
    return value


def _external_id_template(value: str) -> str:
    if not _personal(value):
        raise wrong("would give everybody the same id", "Write a placeholder, such as {username}.")
    return value


def _name_template(value: str) -> str:
    if not placeholders(value, NAME_PLACEHOLDERS):
        raise wrong("would give everybody the same name", "Write a placeholder, such as {full_name}.")
    return value


def _rewrites(value: Mapping[str, str]) -> Mapping[str, str]:
    for pattern, replacement in value.items():
        try:
            re.compile(pattern).sub(replacement, "")
        except (re.error, IndexError) as error:
            right = "Write it as Python's re has it; mind that YAML wants a \\ doubled in double quotes."
            raise wrong(f"has a regular expression that can't be read ({error})", right) from None
    return value


def _auth_method(value: str) -> str:
    method = value.strip().lower()
    if method == NO_LOGIN:
        raise wrong(
            "is not a method to sign in with: nobody can use such an account",
            "Leave it out: nothing is derived for these accounts.",
        )
    if method in SELF_REGISTERED:
        raise wrong(
            "is a method with which people choose their own user name",
            "Leave it out: whoever registers with a professor's user name would be taken for the professor.",
        )
    return method


def _moment(value: object) -> object:
    if value is None or not str(value).strip():
        return None
    try:
        found = datetime.fromisoformat(str(value).strip())
    except ValueError:
        raise wrong("is not a date", "Write it as 2026-09-01, or 2026-09-01T12:00:00+02:00.") from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _duration(value: object) -> object:
    match = _SPAN.fullmatch(str(value).strip())
    unit = match[2].lower() if match else "?"
    names = {"seconds": "s", "second": "s", "minutes": "m", "minute": "m", "hours": "h", "hour": "h"}
    names |= {"days": "d", "day": "d", "weeks": "w", "week": "w"}
    unit = names.get(unit, unit)
    if match is None or unit not in _SPANS:
        raise wrong(
            "is not a time", "Write a number of seconds, or one with a unit, such as 14 days or 12 h."
        )
    return float(match[1]) * _SPANS[unit]


def _delay(value: object) -> object:
    return None if value is None or str(value).strip().lower() == "never" else _duration(value)


def _allowed_domain(value: str) -> str:
    return value if value == "*" else _domain(value)


def _shortname(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_]{0,100}", value):
        raise wrong(
            "can't be the short name of a Moodle field",
            "Write letters, digits and underscores, as Moodle shows it.",
        )
    return value


def _language(value: str) -> str:
    if not re.fullmatch(r"[a-z]{2,3}(_[a-z0-9]+)*", value):
        raise wrong("is not one of Moodle's language codes", "Write it as Moodle does: en, de or pt_br.")
    return value


def _management_room(value: str) -> str:
    if value not in ("", "make") and not re.fullmatch(r"![^\s:]+(:\S+)?|#[^\s:]+:\S+", value):
        raise wrong(
            "is neither a room nor make",
            'Write a room id such as "!abc", an alias such as "#admins:example.org", make, or nothing.',
        )
    return value


def _zone(value: str) -> str:
    if value and known_zone(value) is None:
        raise wrong(
            "is no time zone that this machine knows",
            "Write it such as Europe/Berlin, or leave it empty for UTC.",
        )
    return value


def _prefix(value: str) -> str:
    if not re.fullmatch(r"\S{1,8}", value) or value.startswith("/"):
        # Clients take a line that starts with a slash for a command of their own and never send it.
        raise wrong(
            "can't start a command", "Write 1 to 8 characters without spaces and without a slash in front."
        )
    return value


def _lower(value: str) -> str:
    return value.strip().lower()


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


def _word(value: str) -> str:
    return value.strip().casefold()


def _folder(info: ValidationInfo) -> Path | None:
    folder = (info.context or {}).get("folder")
    return folder if isinstance(folder, Path) else None


def _beside_file(value: Path, info: ValidationInfo) -> Path:
    folder = _folder(info)
    return folder / value if folder else value


def _socket(value: Path) -> Path:
    if len(str(value).encode()) > _LONGEST_SOCKET_PATH:
        raise wrong(
            f"is too long for a socket (the whole path may have {_LONGEST_SOCKET_PATH} bytes)",
            "Name a shorter path, such as /run/moodle-appservice/control.sock.",
        )
    return value


def _database(value: SecretStr, info: ValidationInfo) -> SecretStr:
    scheme, _, rest = value.get_secret_value().strip().partition(":")
    right = "Write sqlite:moodle-appservice.db or postgres://user:password@host/database."
    if scheme == "sqlite" and rest.strip("/") and not re.match(r"//(?!/)", rest):
        return SecretStr(f"sqlite:{_sqlite_path(rest, _folder(info))}")
    if scheme in ("postgres", "postgresql") and rest.startswith("//"):
        try:
            parts = urlsplit(f"{scheme}:{rest}")
            # Reading the port is what checks it.
            complete = bool(parts.path.strip("/")) and (parts.port or 1) > 0
        except ValueError:
            complete = False
        if complete:
            return SecretStr(f"postgres:{rest}")
    raise wrong("is not the address of a database", right)


def _sqlite_path(rest: str, folder: Path | None) -> str:
    if rest == ":memory:":
        return rest
    path = rest[2:] if rest.startswith("///") else rest
    return quote(str(folder / path), safe="/") if folder else path


def _levels(value: object) -> object:
    if not isinstance(value, Mapping):
        return value
    return {**DEFAULT_LEVELS, **value}


REPORT_KINDS = ("memberships", "users", "courses", "groups", "roles", "starts", "ends")


def _report_names(value: Mapping[str, str]) -> Mapping[str, str]:
    unknown = sorted(set(value) - set(REPORT_KINDS))
    if unknown:
        raise wrong(
            f"names a kind of report that does not exist: {unknown[0]}", f"Use {either(REPORT_KINDS)}."
        )
    if not all(name.strip() for name in value.values()):
        raise wrong("names a report without a name", "Write the report's number or its exact name.")
    return value


def split_person(said: str) -> tuple[str, str]:
    """Person and role of an entry of `roles.extra`: “anna” is a manager, “anna as teacher” a teacher."""
    person, found, role = said.rpartition(" as ")
    return (person.strip(), role.strip()) if found else (said.strip(), "manager")


def _extra_role(value: str) -> str:
    person, role = split_person(value)
    if not person or not re.fullmatch(r"[A-Za-z0-9_.-]{1,100}", role):
        raise wrong("names no person, or no role by its short name", "Write anna, id:7, or anna as teacher.")
    return value


DEFAULT_LEVELS: Mapping[str, int] = {"manager": 60, "editingteacher": 60, "teacher": 50, "student": 0}

RoomVersion = Annotated[str, AfterValidator(_version)]
SiteName = Annotated[str, AfterValidator(_site)]
Size = Annotated[int, BeforeValidator(_size)]
WebAddress = Annotated[str, AfterValidator(check_web_address)]
OptionalWebAddress = Annotated[str, AfterValidator(_optional_address)]
ServerName = Annotated[str, AfterValidator(_domain)]
ListenAddress = Annotated[str, AfterValidator(_listen_address)]
RoomTemplate = Annotated[str, AfterValidator(_room_template)]
IdentityTemplate = Annotated[str, AfterValidator(_identity_template)]
FieldName = Annotated[str, AfterValidator(_shortname)]
Language = Annotated[str, AfterValidator(_language)]
ManagementRoom = Annotated[str, AfterValidator(_management_room)]
TimeZone = Annotated[str, AfterValidator(_zone)]
Prefix = Annotated[str, AfterValidator(_prefix)]
Localparts = tuple[Annotated[str, AfterValidator(_lower)], ...]
ExternalIdTemplate = Annotated[str, AfterValidator(_external_id_template)]
NameTemplate = Annotated[str, AfterValidator(_name_template)]
Rewrites = Annotated[Mapping[str, str], AfterValidator(_rewrites)]
AuthMethods = tuple[Annotated[str, AfterValidator(_auth_method)], ...]
Moment = Annotated[float | None, BeforeValidator(_moment)]
Duration = Annotated[float, BeforeValidator(_duration)]
Delay = Annotated[float | None, BeforeValidator(_delay)]
Usernames = tuple[Annotated[str, AfterValidator(_lower)], ...]
AllowedDomains = tuple[Annotated[str, AfterValidator(_allowed_domain)], ...]
Words = tuple[Annotated[str, AfterValidator(_word)], ...]
Upper = BeforeValidator(_upper)
Ids = tuple[Annotated[int, Field(ge=1)], ...]
Secret = Annotated[SecretStr, Field(min_length=1)]
BesideFile = Annotated[Path, AfterValidator(_beside_file)]
SocketPath = Annotated[Path, AfterValidator(_beside_file), AfterValidator(_socket)]
DatabaseAddress = Annotated[SecretStr, AfterValidator(_database)]
Levels = Annotated[Mapping[str, Annotated[int, Field(ge=0, le=99)]], BeforeValidator(_levels)]
ExtraRoles = Mapping[str, tuple[Annotated[str, AfterValidator(_extra_role)], ...]]
ReportNames = Annotated[Mapping[str, str], AfterValidator(_report_names)]
Headers = Mapping[str, str]
