"""The settings: every key with its type, its default and one description, which is also its documentation.

Frozen models, one per section of the file. A description starts with what the key does and ends with a full stop; it
also ends the sentence "Add it: …" when a key is missing. Tokens of the application service are not here but in the
registration, which `appservice.registration` names.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import unquote, urlsplit

from pydantic import Field, PrivateAttr, SecretStr, ValidationInfo, field_validator

from ..domain.permissions import EVERYBODY, Level
from ..errors import Problem
from ..problems import wrong
from .audit import Audit
from .cluster import Cluster
from .drift import Drift
from .homeserver import Homeserver
from .identity import Identity
from .life import Life
from .people import Accounts, Membership, People
from .permissions import PermissionMap
from .relay import Relay
from .roles import Roles
from .rooms import Rooms
from .safety import Safety
from .section import Section, number
from .spaces import Spaces
from .values import (
    BesideFile,
    DatabaseAddress,
    Headers,
    Language,
    ListenAddress,
    ManagementRoom,
    OptionalWebAddress,
    Prefix,
    ReportNames,
    Secret,
    SiteName,
    Size,
    SocketPath,
    TimeZone,
    Upper,
    WebAddress,
    is_loopback,
)
from .web import Web

MIB = 2**20


class Moodle(Section):
    """The Moodle site and how gently it is asked."""

    allow_http: bool = Field(
        default=False,
        description="Allow a Moodle address without TLS that is not this machine: token and names travel readable.",
    )
    url: WebAddress = Field(
        description="The address of Moodle's front page, such as https://moodle.example.org."
    )
    token: Secret = Field(
        description="The token of the web service user, from Moodle's page Site administration > Server > "
        "Web services > Manage tokens."
    )
    content_token: SecretStr = Field(
        default=SecretStr(""),
        description="The token of a second, weaker account that reads announcements and dates as participants see them "
        "(relay); see the page on announcements.",
    )
    source: Literal["courses", "reports", "lti"] = Field(
        default="courses",
        description="Where the facts come from: courses asks course by course, reports reads custom reports that an "
        "administrator of Moodle has made (`doctor --reports` says which): far faster on a large site; lti reads the "
        "lists of the LTI tool, without any right in courses, and knows little (see the page on LTI).",
    )
    reports_prefix: Annotated[str, Field(min_length=1, max_length=100)] = Field(
        default="Matrix",
        description="What the names of those reports begin with: Matrix memberships, Matrix users.",
    )
    reports: ReportNames = Field(
        default={},
        description="Reports that are called otherwise, or whose name stands twice: the kind (memberships, users, "
        "courses, groups, roles, starts, ends) and the report's number or its exact name.",
    )
    report_headers: Headers = Field(
        default={},
        description="The headers of columns with custom fields in those reports, where they are not the fields' short "
        "names: matrix_enabled: Chat room.",
    )
    rows_per_request: Annotated[int, Field(ge=0)] = Field(
        default=0,
        description="Above so many rows a report is read page by page and must be sorted; 0: whole, in one request.",
    )
    interval: int = number(300, "Seconds between two looks at the whole site.", unit="seconds", ge=10)
    slowest_interval: int = number(
        1800,
        "With courses: a course in which nothing changes is looked at less and less often, down to this; "
        "up to interval: every course at every look.",
        unit="seconds",
        ge=1,
    )
    timeout: float = number(60, "Seconds until an answer of Moodle counts as lost.", unit="seconds", gt=0)
    concurrency: int = number(2, "Requests to Moodle at the same time.", ge=1, le=32)
    batch: int = number(20, "Calls that travel in one request, where Moodle offers that.", ge=1, le=50)
    requests_per_minute: int | None = number(
        None,
        "At most so many requests per minute; with courses, each turn reads what fits into it. Unset: no limit.",
        ge=1,
    )
    write_matrix_id: bool = Field(
        default=False,
        description="Write each person's Matrix id into the profile field identity.profile_field. "
        "It takes a strong right: see the page on setting up Moodle.",
    )
    invite_message: bool = Field(
        default=False,
        description="Tell students once for each course, by a message inside Moodle, that their course chat is ready, "
        "with the link. It takes the function core_message_send_instant_messages in the service of the token.",
    )
    language: Language = Field(
        default="en", description="The language in which Moodle is asked, as Moodle spells it: en, de, pt_br."
    )
    max_bytes: Size = Field(
        default=64 * MIB, description="The longest answer of Moodle that is read, in bytes or such as 64 MiB."
    )

    @field_validator("url")
    @classmethod
    def _encrypted(cls, url: str, info: ValidationInfo) -> str:
        if url.startswith("http:") and not is_loopback(url) and info.data.get("allow_http") is False:
            raise wrong(
                "would send the token unencrypted",
                "Write https://, or set moodle.allow_http to on if nobody can listen in between.",
            )
        return url

    @field_validator("content_token")
    @classmethod
    def _weaker(cls, token: SecretStr, info: ValidationInfo) -> SecretStr:
        if token.get_secret_value() and token == info.data.get("token"):
            raise wrong(
                "is moodle.token, which sees hidden courses and every group",
                "Make an account of its own with fewer rights; see the page on announcements.",
            )
        return token


class Appservice(Section):
    """Where the homeserver finds this service. The tokens stand in the registration and nowhere else."""

    registration: BesideFile = Field(
        default=Path("registration.yaml"), description="The registration file, which Synapse reads too."
    )
    hostname: ListenAddress = Field(
        default="127.0.0.1",
        description="Where this service listens for Synapse: 127.0.0.1 for this machine only, 0.0.0.0 for all.",
    )
    port: int = number(29301, "The port on which this service listens.", ge=1, le=65535)
    address: OptionalWebAddress = Field(
        default="",
        description="The address under which Synapse reaches this service, such as http://moodle-appservice:29301; "
        "empty: made from hostname and port.",
    )
    max_body: Size = Field(
        default=50 * MIB,
        description="The largest push from Synapse that is accepted, in bytes or such as 50 MiB.",
    )

    @property
    def url(self) -> str:
        """The address for the registration: `address`, else this machine at our port."""
        if self.address:
            return self.address
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.hostname, self.hostname)
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"


class Bot(Section):
    """The bot that makes the rooms and answers in chats."""

    name: Annotated[str, Field(min_length=1, max_length=100)] = Field(
        default="Moodle", description="The display name of the bot."
    )
    prefix: Prefix = Field(default="!", description="What commands in rooms start with.")
    management_room: ManagementRoom = Field(
        default="",
        description="The room in which administrators (permissions) talk with the bot: a room id or an alias of a room "
        "that the bot is invited to, make for one that it makes itself and invites them to, or empty: they use their "
        "direct chats.",
    )
    invite_message: bool = Field(
        default=False,
        description="Tell students once for each course, in a direct chat, that they are invited to its room, with the "
        "link.",
    )
    commands_at_once: int = number(
        12, "Commands that one person may give one after the other.", ge=1, le=1000
    )
    commands_per_minute: float = number(
        12, "How many more come back each minute; who gives more is told so once, then not heard.", gt=0
    )
    command_max_age: int = number(
        300, "Commands older than this, for example from before an outage, are ignored.", unit="seconds", ge=1
    )


class Sync(Section):
    """How much is done at the same time."""

    rooms_at_once: int = number(
        16,
        "At most so many rooms are written at the same time, one write each; how many of them pay is found out. "
        "In a cluster all processes together.",
        ge=1,
        le=64,
    )
    people_at_once: int = number(
        48,
        "People whose accounts are looked for or made at the same time, beside the rooms: each takes a few short "
        "requests.",
        ge=0,
        le=64,
    )
    slice_actions: int = number(20, "Changes to a room before a newer state of Moodle is looked at.", ge=1)


class Logging(Section):
    """What is logged, to standard error. Secrets are masked."""

    level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], Upper] = Field(
        default="INFO",
        description="The least important lines that are written: DEBUG, INFO, WARNING or ERROR.",
    )
    format: Literal["text", "json"] = Field(
        default="text", description="text for people, json for one JSON object per line."
    )


class Settings(Section):
    """The whole configuration, checked. Build it with `load`."""

    site: SiteName = Field(
        description="A short name for this Moodle site, such as uni; part of every room alias, fixed once rooms exist."
    )
    database: DatabaseAddress = Field(
        default=SecretStr("sqlite:moodle-appservice.db"),
        description="Where this service keeps what it knows: sqlite:<file> or postgres://user:password@host/database.",
    )
    cluster: Cluster = Cluster()
    control_socket: SocketPath = Field(
        default=Path("moodle-appservice.sock"),
        description="The local socket through which the command line talks to the running service.",
    )
    language: Literal["en", "de", "fr", "es"] = Field(
        default="en",
        description="The language of people who have chosen none, neither in Moodle nor with the bot.",
    )
    timezone: TimeZone = Field(
        default="",
        description="The time zone of people whose own is not known, such as Europe/Berlin; empty: UTC.",
    )
    moodle: Moodle
    homeserver: Homeserver
    appservice: Appservice = Appservice()
    identity: Identity = Identity()
    accounts: Accounts = Accounts()
    people: People = People()
    membership: Membership = Membership()
    permissions: PermissionMap = Field(
        default={EVERYBODY: Level.USER},
        description="Who looks after the whole site (admin), who is as everybody (user), whom the bot does not answer "
        "(none): by Moodle user id, Matrix id, homeserver, or * for everybody; the first of these that is named wins. "
        "Rights in a course come from Moodle alone.",
    )
    rooms: Rooms = Rooms()
    spaces: Spaces = Spaces()
    life: Life = Life()
    roles: Roles = Roles()
    safety: Safety = Safety()
    drift: Drift = Drift()
    bot: Bot = Bot()
    relay: Relay = Relay()
    web: Web = Web()
    sync: Sync = Sync()
    audit: Audit = Audit()
    logging: Logging = Logging()

    @field_validator("cluster")
    @classmethod
    def _can_share(cls, cluster: Cluster, info: ValidationInfo) -> Cluster:
        database = info.data.get("database")
        if (
            cluster.enabled
            and database is not None
            and not database.get_secret_value().startswith("postgres")
        ):
            raise wrong(
                "is on, and database is SQLite, which one process has for itself",
                "Set database to postgres://…, or cluster.enabled to off.",
            )
        return cluster

    @field_validator("identity")
    @classmethod
    def _has_field(cls, identity: Identity, info: ValidationInfo) -> Identity:
        moodle = info.data.get("moodle")
        if isinstance(moodle, Moodle) and moodle.write_matrix_id and not identity.profile_field:
            raise wrong(
                "names no profile field, and moodle.write_matrix_id is on",
                "Name the field in identity.profile_field, or switch moodle.write_matrix_id off.",
            )
        return identity

    @field_validator("accounts")
    @classmethod
    def _can_sign_in(cls, accounts: Accounts, info: ValidationInfo) -> Accounts:
        identity = info.data.get("identity")
        is_lost = accounts.mode == "create" and accounts.login == "sso"
        if is_lost and isinstance(identity, Identity) and not identity.sso.provider:
            raise wrong(
                "would make accounts to which nobody can sign in",
                "Name the identity provider in identity.sso.provider, or set accounts.login to password.",
            )
        return accounts

    @field_validator("relay")
    @classmethod
    def _can_read(cls, relay: Relay, info: ValidationInfo) -> Relay:
        moodle = info.data.get("moodle")
        if isinstance(moodle, Moodle) and not moodle.content_token.get_secret_value() and relay.is_wanted:
            raise wrong(
                "is on, and there is no token to read announcements and dates with",
                "Set moodle.content_token, or switch relay off.",
            )
        return relay

    _warnings: tuple[Problem, ...] = PrivateAttr(default=())

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What is not wrong enough to refuse the start; to be logged."""
        return self._warnings

    @property
    def database_shown(self) -> str:
        """The address of the database as it may be shown: without its password."""
        address = self.database.get_secret_value()
        password = urlsplit(address).password
        return address.replace(f":{password}@", ":***@", 1) if password else address

    def secrets(self) -> tuple[str, ...]:
        """Every secret of the configuration, so that logs can mask it."""
        password = urlsplit(self.database.get_secret_value()).password or ""
        found = (
            self.moodle.token.get_secret_value(),
            self.moodle.content_token.get_secret_value(),
            *self.homeserver.secrets(),
            *self.web.secrets(),
            password,
            unquote(password),
        )
        return tuple(dict.fromkeys(secret for secret in found if secret))
