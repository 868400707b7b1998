"""Which checks `doctor` runs on a service that is put together but not started.

While the real service runs it owns the database and the port; then those two checks say so instead of failing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from .config import Settings
from .control import is_running
from .doctor import Caution, Check
from .domain.identity import UNKNOWN_AUTH, derives
from .domain.model import CourseId, MoodleUserId, Person
from .errors import AppError, PermanentFailure
from .moodle.rights import State, missing_functions, reason_to_stop, sample
from .moodle.shapes import COURSE_GROUPS
from .picture_check import check_pictures
from .registration import Registration
from .service import Service

FEW_COURSES = 5
"""Courses whose people are looked at."""
CHECK_MOODLE = "Moodle answers"
CHECK_REPORTS = "Reports in Moodle"
CHECK_GROUPS = "Groups, and roles above the courses"
CHECK_LISTING = "Moodle lists its courses"
CHECK_RIGHTS = "Rights in Moodle"
CHECK_HINTS = "Single courses in Moodle"
CHECK_OWN_ROOMS = "Rooms that Moodle made itself"
CHECK_PICTURES = "Pictures in Moodle"
CHECK_HOMESERVER = "The homeserver knows us"


class Examination:
    """The checks of one installation."""

    def __init__(
        self, settings: Settings, found: Registration, service: Service, no_database: AppError | None
    ) -> None:
        self._settings = settings
        self._found = found
        self._service = service
        self._no_database = no_database

    def checks(self) -> Sequence[Check]:
        """In the order in which they make sense."""
        return (
            Check(
                "Registration", self._registration, "Change it here and in Synapse's copy, then restart both."
            ),
            Check("Database", self._database, "See `database` in the configuration."),
            Check(
                CHECK_MOODLE,
                self._moodle,
                "See `moodle.url` and `moodle.token`; the token's user needs the service.",
            ),
            *self._of_the_source(),
            Check(
                "The drop-down matrix_enabled",
                self._field,
                "Make the course field, visible to everyone.",
                after=CHECK_LISTING,
            ),
            Check(
                "Messages in Moodle",
                self._messages,
                "Add core_message_send_instant_messages to the service, and moodle/site:messageanyuser to the role.",
                after=CHECK_MOODLE,
            ),
            Check(
                "Writing into Moodle's profiles",
                self._writing,
                "See “Matrix ids in people's profiles” in the page on setting up Moodle.",
                after=CHECK_MOODLE,
            ),
            Check(
                CHECK_PICTURES,
                lambda: check_pictures(self._service, self._settings, self._some_people),
                "Tick “Can download files” in the service of the token, or switch accounts.follow_avatar off.",
                after=CHECK_MOODLE,
            ),
            Check(
                CHECK_HOMESERVER,
                self._homeserver,
                "List the registration in homeserver.yaml under app_service_config_files and restart Synapse.",
                unreachable="Is Synapse running? See `homeserver.address` in the configuration.",
            ),
            Check(
                "The homeserver reaches us",
                self._ping,
                "`url` in the registration must lead to this service; then restart Synapse.",
                after=CHECK_HOMESERVER,
            ),
            Check(
                "Rights over accounts",
                self._account_rights,
                "Whatever these rights are not needed for works without them.",
                after=CHECK_HOMESERVER,
            ),
        )

    def _of_the_source(self) -> Sequence[Check]:
        """What the chosen source of facts needs: reports that are as they should be, or rights."""
        if self._service.source.reports is not None:
            return (
                Check(CHECK_REPORTS, self._reports, "Do what the sentences say.", after=CHECK_MOODLE),
                Check(CHECK_LISTING, self._listing, "See the reports above.", after=CHECK_REPORTS),
                Check(CHECK_HINTS, self._hints, "Add them to the service.", after=CHECK_MOODLE),
                *self._of_any_source(),
            )
        return (
            Check(
                CHECK_LISTING,
                self._listing,
                "Give the web service user the rights above.",
                after=CHECK_MOODLE,
            ),
            Check(
                CHECK_RIGHTS,
                self._rights,
                "Change the user's role and the service.",
                after=CHECK_LISTING,
            ),
            *self._of_any_source(),
        )

    def _of_any_source(self) -> Sequence[Check]:
        return (
            Check(
                CHECK_OWN_ROOMS,
                self._own_rooms,
                "Where both are wanted, switch the course on by its field in Moodle; else leave it as it is.",
                after=CHECK_LISTING,
            ),
            Check(
                CHECK_GROUPS,
                self._groups_and_roles,
                "What is not known is left out, and nobody is removed for it.",
                after=CHECK_LISTING,
            ),
            Check(
                "How people sign in",
                self._sign_in,
                "List a method in identity.same_directory_auth if its user names are the homeserver's too; others "
                "prove their accounts with the bot's command link.",
                after=CHECK_LISTING,
            ),
        )

    async def _reports(self) -> str:
        reports = self._service.source.reports
        assert reports is not None
        findings = await reports.check()
        wrong = [finding for finding in findings if finding.state is State.MISSING]
        if wrong:
            raise PermanentFailure(" ".join(" ".join((one.sentence, *one.clicks)) for one in wrong))
        other = [finding.sentence for finding in findings if finding.state is not State.HELD]
        return " ".join(other) or "All are as they should be."

    async def _groups_and_roles(self) -> str:
        """Why groups get no rooms, and which roles from above could not be placed."""
        source = self._service.source
        if source.reports is not None:
            said = source.reports.left_out
        else:
            courses = sorted((await source.courses.site(not_older_than=0.0)).courses)
            if COURSE_GROUPS in await source.courses.functions() and courses:
                # Whether the right to list groups is there shows in a course.
                await source.courses.course_facts(courses[0], not_older_than=0.0)
            said = source.courses.extra.left_out
            why = source.courses.groups.why_unknown()
            said = (why, *said) if why else said
        if said:
            raise Caution(" ".join(said))
        return "It is known who may see which group, and where every role from above counts."

    async def _registration(self) -> str:
        if self._found.rate_limited:
            raise Caution(
                "Synapse limits the bot's rate: a course of 100 takes hours. Write rate_limited: false."
            )
        return f"{self._found.id}, bot {self._service.rules.bot}, not rate limited."

    async def _database(self) -> str:
        if await is_running(self._settings.control_socket):
            return f"{self._settings.database_shown} is in use by the running service."
        if self._no_database is not None:
            raise self._no_database
        return f"{self._settings.database_shown} can be opened and written."

    async def _moodle(self) -> str:
        info = await self._service.facts.site_info()
        if self._service.source.reports is None:
            lacking = [one for one in missing_functions(info.functions) if one.state is State.MISSING]
            if lacking:
                raise PermanentFailure(" ".join(finding.sentence for finding in lacking))
        return f"{info.name}, Moodle {info.release}, at {info.url}; the token may call {len(info.functions)} functions."

    async def _listing(self) -> str:
        site = await self._service.facts.site(not_older_than=self._service.clock.now())
        unreadable = site.unreadable
        if unreadable:
            raise Caution(f"{len(site.courses)} courses can be read, {len(unreadable)} can not.")
        return f"{len(site.courses)} courses in {len(site.categories)} categories."

    async def _rights(self) -> str:
        site = await self._service.facts.site(not_older_than=0.0)
        findings = await self._service.source.courses.probe_rights(sample(site, await self._of_interest()))
        missing = [finding.sentence for finding in findings if finding.state is State.MISSING]
        if missing:
            if reason_to_stop(findings):
                missing.append("Until then the service reads no course and removes nobody.")
            raise PermanentFailure(" ".join(missing))
        other = [finding.sentence for finding in findings if finding.state in (State.OPTIONAL, State.EXCESS)]
        unknown = [finding.name for finding in findings if finding.state is State.UNKNOWN]
        if unknown:
            other.append(f"All that could be seen are there; not shown by any course: {', '.join(unknown)}.")
        if any(finding.state in (State.OPTIONAL, State.EXCESS) for finding in findings):
            raise Caution(" ".join(other))
        return " ".join(other) or "All are there."

    async def _of_interest(self) -> Sequence[CourseId]:
        if self._no_database is not None or await is_running(self._settings.control_socket):
            return ()
        return await self._service.source.of_interest()

    async def _hints(self) -> str:
        info = await self._service.facts.site_info()
        lacking = [one.name for one in missing_functions(info.functions) if one.state is State.MISSING]
        if lacking:
            return (
                f"Can't be read by themselves, because the service has no {', '.join(lacking)}: who asks for one "
                "course waits for a look at the whole site."
            )
        return "Can be read by themselves, as far as the functions of the service tell."

    async def _own_rooms(self) -> str:
        site = await self._service.facts.site(not_older_than=0.0)
        own = sorted(course.id for course in site.courses.values() if course.own_room_url)
        if own:
            shown = ", ".join(map(str, own[:20])) + (" …" if len(own) > 20 else "")
            raise Caution(
                f"Moodle itself has made rooms for some courses: {shown}. They get no second one unasked."
            )
        reports = self._service.source.reports
        if reports is not None and not reports.shows_own_rooms:
            return (
                "Reports do not show them. With the function core_course_get_courses_by_field in the service, and "
                "moodle/course:view, they are known."
            )
        return "There are none."

    async def _field(self) -> str:
        name = self._service.rules.fields.enabled
        site = await self._service.facts.site(not_older_than=0.0)
        kinds = {
            course.custom_field_types[name]
            for course in site.courses.values()
            if name in course.custom_field_types
        }
        if not name:
            return "Not used (rooms.fields.enabled is empty)."
        if not kinds:
            raise Caution(f"No course shows a field {name}: teachers can't switch rooms on or off in Moodle.")
        if kinds == {"checkbox"}:
            raise Caution(
                f"{name} is a checkbox: only changes of it count. A drop-down “as the site | on | off” says more."
            )
        return f"Courses have the field {name}."

    async def _messages(self) -> str:
        if not await self._service.inbox.is_on():
            return "Off: the function is not in the service. Codes are shown on the command line only."
        return (
            "On: codes and notices of changed links can go to people's inboxes. Without moodle/site:messageanyuser "
            "only to those who take messages from everybody."
        )

    async def _writing(self) -> str:
        profile = self._service.profile
        has_function = await profile.is_on()
        if not self._settings.moodle.write_matrix_id:
            if has_function:
                raise Caution(
                    "Off (moodle.write_matrix_id), but the service of our token holds core_user_update_users. Take it "
                    "out: who has the token and the right moodle/user:update can change people's accounts."
                )
            return "Off (moodle.write_matrix_id)."
        if not has_function:
            raise PermanentFailure(
                "moodle.write_matrix_id is on, and core_user_update_users is not in the service of our token. "
                "Nothing is written."
            )
        if not await profile.may_write():
            raise PermanentFailure(
                "moodle.write_matrix_id is on, and our Moodle account lacks moodle/user:update. Nothing is written."
            )
        return (
            "On. Our account holds moodle/user:update: with the token everything can be changed in every account "
            "but the administrators', password and e-mail address included. Guard it: restrict it to this "
            "machine's address."
        )

    async def _homeserver(self) -> str:
        taken_for = await self._service.matrix.whoami()
        if taken_for != self._service.rules.bot:
            raise PermanentFailure(f"The homeserver takes us for {taken_for}, not {self._service.rules.bot}.")
        return f"{self._settings.homeserver.address} takes us for {taken_for}."

    async def _account_rights(self) -> str:
        rights = await self._service.accounts.rights()
        if rights.sentences:
            raise Caution(" ".join(rights.sentences))
        return "Accounts can be looked up with their sign-on ids, made and changed."

    async def _sign_in(self) -> str:
        """By which methods people of a few courses sign in to Moodle, and for which of them no id is derived."""
        people = await self._some_people()
        left_out = Counter(
            person.auth or UNKNOWN_AUTH
            for person in people.values()
            if person.usable and not derives(person, self._service.rules)
        )
        if left_out:
            listed = ", ".join(f"{auth} ({number})" for auth, number in sorted(left_out.items()))
            raise Caution(f"For people who sign in to Moodle with these methods no id is derived: {listed}.")
        return f"From each of {len(people)} people that were looked at an id may be derived."

    async def _some_people(self) -> dict[MoodleUserId, Person]:
        """The people of a few courses."""
        site = await self._service.facts.site(not_older_than=0.0)
        people: dict[MoodleUserId, Person] = {}
        for course_id in sorted(site.courses)[:FEW_COURSES]:
            facts = await self._service.facts.course_facts(course_id, not_older_than=0.0)
            people.update(facts.people)
        return people

    async def _ping(self) -> str:
        if await is_running(self._settings.control_socket):
            await self._service.matrix.ping()
            return f"It reached the running service at {self._found.url}."
        await self._service.listen()
        await self._service.matrix.ping()
        return f"It reached this program at {self._found.url}."


async def prepared(settings: Settings, found: Registration) -> tuple[Service, AppError | None]:
    """A service that can be examined, and what keeps it from its database, if anything."""
    service = Service(settings, found)
    if await is_running(settings.control_socket):
        service.build()
        return service, None
    try:
        await service.prepare()
    except AppError as failure:
        service.build()
        return service, failure
    return service, None
