"""The site around the university: its settings, the web service, and the token that opens it.

A `Site` is what an administrator sets up: name and address, debugging, maintenance, which protocols are on, which
functions the service holds, who may use it. Everything is mutable while the sandbox runs.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from .activities import Activities
from .records import Person
from .reports import Reports
from .rights import Rights
from .university import University
from .versions import Version

CONTENT_FUNCTIONS = (
    "core_webservice_get_site_info",
    "mod_forum_get_forums_by_courses",
    "mod_forum_get_forum_discussions",
    "core_course_get_contents",
    "tool_mobile_call_external_functions",
    "tool_mobile_get_config",
)
DEFAULT_FUNCTIONS = (
    "core_webservice_get_site_info",
    "core_course_get_courses",
    "core_course_get_courses_by_field",
    "core_course_get_categories",
    "core_enrol_get_enrolled_users",
    "core_user_get_users_by_field",
    "tool_mobile_call_external_functions",
    "core_reportbuilder_list_reports",
    "core_reportbuilder_retrieve_report",
)

_FIRST_USER_CONTEXT = 100_000
"""What is added to the id of a user for the id of that user's context."""
UNANSWERED_FUNCTIONS = frozenset(
    {
        "core_role_unassign_roles",
        "core_role_assign_roles",
        "core_group_get_course_groupings",
        "core_group_get_group_members",
        "core_cohort_get_cohorts",
        "core_user_get_users",
        "core_enrol_get_users_courses",
        "core_enrol_get_course_enrolment_methods",
        "core_enrol_get_enrolled_users_with_capability",
    }
)
"""Functions that a Moodle has and the sandbox cannot answer: outside the service they are refused as Moodle does."""


@dataclass
class ExternalService:
    """An external service; with `restricted` only listed users get in."""

    functions: list[str] = field(default_factory=lambda: list(DEFAULT_FUNCTIONS))
    enabled: bool = True
    restricted: bool = True
    user_listed: bool = True
    downloadfiles: int = 0
    uploadfiles: int = 0


@dataclass
class Token:
    """The web service token; `valid_until` 0 means for ever, `address` empty means from anywhere."""

    value: str
    valid_until: int = 0
    address: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """A message in somebody's inbox."""

    id: int
    conversation: int
    to: int
    text: str


@dataclass
class ContentReader:
    """The account of the weaker token."""

    user: int
    token: str
    rights: Rights
    service: ExternalService


@dataclass
class Site:
    """One Moodle site as seen through its web service."""

    university: University
    rights: Rights
    version: Version
    token: Token | None
    service_user: int
    url: str = ""
    service: ExternalService = field(default_factory=ExternalService)
    theme_revision: int = 1700000000
    private_access_key: str = "sandboxprivateaccesskey000000000"
    web_services_enabled: bool = True
    rest_enabled: bool = True
    maintenance: bool = False
    debugging: bool = False
    max_input_vars: int = 1000
    extended_usernames: bool = True
    communication_enabled: bool = False
    hidden_user_fields: set[str] = field(default_factory=set)
    identity_fields: tuple[str, ...] = ("email",)
    contact_roles: frozenset[str] = frozenset({"editingteacher"})
    timezone: str = "UTC"
    administrators: frozenset[int] = frozenset()
    messages: list[Message] = field(default_factory=list)
    """Everything that was sent by the web service, oldest first."""
    reader: ContentReader | None = None
    """A second account with a weaker token, which reads what participants read."""
    reports: Reports = field(init=False)
    activities: Activities = field(init=False)

    def __post_init__(self) -> None:
        """Start without reports and activities."""
        self.reports = Reports(self.university.now)
        self.activities = Activities(self.university)

    def seen_with(self, token: str) -> Site:
        """The site as the owner of a token has it: the reader has rights and a service of its own."""
        reader = self.reader
        if reader is None or not token or token != reader.token:
            return self
        own = replace(
            self,
            rights=reader.rights,
            service=reader.service,
            token=Token(reader.token),
            service_user=reader.user,
            reader=None,
        )
        own.activities = self.activities
        return own

    def deliver(self, to: int, text: str) -> Message:
        """Put a message into an inbox; people have one conversation with the caller each."""
        conversations = {message.to: message.conversation for message in self.messages}
        conversation = conversations.get(to, max(conversations.values(), default=0) + 1)
        number = max((message.id for message in self.messages), default=0) + 1
        self.messages.append(Message(number, conversation, to, text))
        return self.messages[-1]

    def person_in_context(self, context: int) -> Person | None:
        """Whose a user context is."""
        return self.university.people.get(context - _FIRST_USER_CONTEXT)

    def picture(self, size: str, person: Person | None = None) -> str:
        """The address of a person's own picture, or of the theme's; `size` is `f1` (large) or `f2` (small)."""
        if person is not None and person.picture is not None:
            place = f"{_FIRST_USER_CONTEXT + person.id}/user/icon/boost/{size}"
            return f"{self.url}/pluginfile.php/{place}?rev={person.picture_revision}"
        return f"{self.url}/theme/image.php/boost/core/{self.theme_revision}/u/{size}"
