"""Checks of Moodle: that it answers, what our token may read there, and what the courses show.

Which checks apply depends on the source: custom reports are checked as they were set up (`moodle.reports`), else
the rights of our account are probed in a few courses (`moodle.rights`). What is needed and missing fails. What is
only left out, such as a course or a group that can't be read, is a warning: the service goes on without it and
removes nobody for it. A right that no answer shows is unknown, not missing.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..domain.model import CourseId
from ..errors import PermanentFailure
from ..moodle.rights import State, missing_functions, reason_to_stop, sample
from ..moodle.shapes import COURSE_GROUPS
from .examined import Examined
from .frame import Caution, Check

OLDEST = (4, 1)
"""The oldest release that is supported, Moodle's long-term one."""
CHECK_MOODLE = "Moodle answers"
CHECK_RELEASE = "Release of Moodle"
CHECK_REPORTS = "Reports in Moodle"
CHECK_GROUPS = "Groups, and roles above the courses"
CHECK_LISTING = "Moodle lists its courses"
CHECK_RIGHTS = "Rights in Moodle"
CHECK_HINTS = "Single courses in Moodle"
CHECK_OWN_ROOMS = "Rooms that Moodle made itself"


def _by_reports(at: Examined) -> bool:
    return at.service.source.reports is not None


def _by_courses(at: Examined) -> bool:
    return at.service.source.reports is None


async def _moodle(at: Examined) -> str:
    info = await at.service.facts.site_info()
    if at.service.source.reports is None:
        lacking = [one for one in missing_functions(info.functions) if one.state is State.MISSING]
        if lacking:
            raise PermanentFailure(" ".join(finding.sentence for finding in lacking))
    return f"{info.name}, Moodle {info.release}, at {info.url}; the token may call {len(info.functions)} functions."


async def _release(at: Examined) -> str:
    info = await at.service.facts.site_info()
    if info.version < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise Caution(
            f"Moodle {info.release} is older than {oldest}, the oldest that this service is tested with."
        )
    return f"Moodle {info.release}."


async def _reports(at: Examined) -> str:
    reports = at.service.source.reports
    assert reports is not None
    findings = await reports.check()
    wrong = [finding for finding in findings if finding.state is State.MISSING]
    if wrong:
        raise PermanentFailure(" ".join(" ".join((one.sentence, *one.clicks)) for one in wrong))
    other = [finding.sentence for finding in findings if finding.state is not State.HELD]
    return " ".join(other) or "All are as they should be."


async def _listing(at: Examined) -> str:
    site = await at.service.facts.site(not_older_than=at.service.clock.now())
    unreadable = site.unreadable
    if unreadable:
        raise Caution(f"{len(site.courses)} courses can be read, {len(unreadable)} can not.")
    return f"{len(site.courses)} courses in {len(site.categories)} categories."


async def _rights(at: Examined) -> str:
    site = await at.service.facts.site(not_older_than=0.0)
    findings = await at.service.source.courses.probe_rights(sample(site, await _of_interest(at)))
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


async def _of_interest(at: Examined) -> Sequence[CourseId]:
    if at.no_database is not None or at.running:
        return ()
    return await at.service.source.of_interest()


async def _hints(at: Examined) -> str:
    info = await at.service.facts.site_info()
    lacking = [one.name for one in missing_functions(info.functions) if one.state is State.MISSING]
    if lacking:
        return (
            f"Can't be read by themselves, because the service has no {', '.join(lacking)}: who asks for one "
            "course waits for a look at the whole site."
        )
    return "Can be read by themselves, as far as the functions of the service tell."


async def _own_rooms(at: Examined) -> str:
    site = await at.service.facts.site(not_older_than=0.0)
    own = sorted(course.id for course in site.courses.values() if course.own_room_url)
    if own:
        shown = ", ".join(map(str, own[:20])) + (" …" if len(own) > 20 else "")
        raise Caution(
            f"Moodle itself has made rooms for some courses: {shown}. They get no second one unasked."
        )
    reports = at.service.source.reports
    if reports is not None and not reports.shows_own_rooms:
        return (
            "Reports do not show them. With the function core_course_get_courses_by_field in the service, and "
            "moodle/course:view, they are known."
        )
    return "There are none."


async def _groups_and_roles(at: Examined) -> str:
    """Why groups get no rooms, and which roles from above could not be placed."""
    source = at.service.source
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


async def _field(at: Examined) -> str:
    name = at.service.rules.fields.enabled
    site = await at.service.facts.site(not_older_than=0.0)
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


CHECKS = (
    Check(
        CHECK_MOODLE,
        "Moodle's web services answer our token, and hold the functions that are needed.",
        _moodle,
        "See `moodle.url` and `moodle.token`; the token's user needs the service.",
    ),
    Check(
        CHECK_RELEASE,
        "The release of Moodle is one that this service is tested with.",
        _release,
        "Update Moodle, or test with `plan` and `run --dry-run` first.",
        after=CHECK_MOODLE,
    ),
    Check(
        CHECK_REPORTS,
        "The custom reports are there and as they were set up.",
        _reports,
        "Do what the sentences say.",
        after=CHECK_MOODLE,
        when=_by_reports,
    ),
    Check(
        CHECK_LISTING,
        "All categories and courses can be listed.",
        _listing,
        "Give the web service user the rights that “Rights in Moodle” names, or repair the reports.",
        after=CHECK_MOODLE,
    ),
    Check(
        CHECK_RIGHTS,
        "Our account holds the rights that are needed, those too whose lack Moodle does not show.",
        _rights,
        "Change the user's role and the service.",
        after=CHECK_LISTING,
        when=_by_courses,
    ),
    Check(
        CHECK_HINTS,
        "With reports: a single course can be read by itself.",
        _hints,
        "Add the functions to the service.",
        after=CHECK_MOODLE,
        when=_by_reports,
    ),
    Check(
        CHECK_OWN_ROOMS,
        "Moodle has made no rooms of its own for courses.",
        _own_rooms,
        "Where both are wanted, switch the course on by its field in Moodle; else leave it as it is.",
        after=CHECK_LISTING,
    ),
    Check(
        CHECK_GROUPS,
        "It is known who may see which group, and where roles from above the courses count.",
        _groups_and_roles,
        "What is not known is left out, and nobody is removed for it.",
        after=CHECK_LISTING,
    ),
    Check(
        "The drop-down matrix_enabled",
        "Courses have the field by which teachers switch rooms on and off.",
        _field,
        "Make the course field, visible to everyone.",
        after=CHECK_LISTING,
    ),
)
