"""What the web service says about custom reports: their list, their content, and the filters of the caller.

Whoever is in the audience of a report sees all of it, with no other right than the one to see reports, which every
account has. `core_reportbuilder_set_filters` stores its values per report and account: it changes every later answer
to the same account. Past the end a page is empty, and on newer versions `totalrowcount` is then 0.
"""

from __future__ import annotations

import json
from typing import Any

from . import rights
from .errors import MissingRecord, MoodleError, NotAnswered
from .report_table import Table
from .report_view import View
from .reports import SOURCE_NAMES, UNANSWERED_SOURCES, Report
from .session import Session
from .wire import php_json

_ROW = dict[str, Any]


def list_reports(session: Session, page: int, perpage: int) -> _ROW:
    """`{reports, warnings}`: what the caller may see, by name."""
    if not _may_see_reports(session):
        raise _error(session, "report_access_exception", "errorreportview", "You cannot view this report")
    mine = [report for report in session.site.reports if _may_see(session, report)]
    mine.sort(key=lambda report: (report.name.casefold(), report.id))
    start = max(page, 0) * perpage if perpage > 0 else 0
    part = mine[start : start + perpage if perpage > 0 else None]
    return {"reports": [_details(session, report) for report in part], "warnings": []}


def retrieve_report(session: Session, reportid: int, page: int, perpage: int) -> _ROW:
    """`{details, data: {headers, rows: [{columns}], totalrowcount}, warnings}`."""
    report = _opened(session, reportid)
    table = Table(View(session), report)
    rows, total = table.page(page, perpage)
    if not rows and not session.version.counts_past_end:
        total = 0
    data = {
        "headers": table.headers,
        "rows": [{"columns": cells} for cells in rows],
        "totalrowcount": total,
    }
    return {"details": _details(session, report), "data": data, "warnings": []}


def set_filters(session: Session, reportid: int, parameters: str, values: str) -> bool:
    """Store the caller's filter values for a report; an empty object takes them away."""
    del parameters
    report = _opened(session, reportid)
    try:
        found = json.loads(values)
    except ValueError:
        found = None
    session.site.reports.filter_values[report.id, session.user] = found if isinstance(found, dict) else {}
    return True


def _opened(session: Session, number: int) -> Report:
    """The report, if it exists, its source does, and the caller is in its audience."""
    report = session.site.reports.get(number)
    if report is None:
        raise MissingRecord("reportbuilder_report")
    if not _has_source(session, report):
        raise _error(
            session, "source_invalid_exception", "errorsourceinvalid", "Could not find valid report source"
        )
    if not _may_see_reports(session) or not _may_see(session, report):
        raise _error(session, "report_access_exception", "errorreportview", "You cannot view this report")
    if report.source in UNANSWERED_SOURCES:
        raise NotAnswered(f"core_reportbuilder_retrieve_report of {report.source}")
    return report


def _has_source(session: Session, report: Report) -> bool:
    gone = session.version.reports_lack | session.site.reports.forgotten
    return report.source in SOURCE_NAMES and report.source not in gone


def _may_see_reports(session: Session) -> bool:
    return session.allows(rights.REPORT_VIEW) or session.allows(rights.REPORT_VIEW_ALL)


def _may_see(session: Session, report: Report) -> bool:
    return report.sees(session.user) or session.allows(rights.REPORT_VIEW_ALL)


def _error(session: Session, kind: str, errorcode: str, message: str) -> MoodleError:
    return MoodleError(f"{session.version.report_errors}\\{kind}", errorcode, message, module="reportbuilder")


def _details(session: Session, report: Report) -> _ROW:
    details: _ROW = {
        "name": report.name,
        "source": report.source,
        "type": 0,
        "uniquerows": report.uniquerows,
        "conditiondata": None if report.conditions is None else php_json(report.conditions or []),
        "settingsdata": None,
        "contextid": 1,
        "component": "",
        "area": "",
        "itemid": 0,
        "usercreated": report.usercreated,
        "id": report.id,
        "timecreated": report.timecreated,
        "timemodified": report.timemodified,
        "usermodified": report.usercreated,
        "sourcename": SOURCE_NAMES[report.source] if _has_source(session, report) else None,
    }
    extra: dict[str, Any] = {"tags": [], "customfields": {"data": []}}
    details |= {key: extra[key] for key in session.version.report_details}
    details["modifiedby"] = _author(session, report.usercreated)
    return details


def _author(session: Session, user: int) -> _ROW:
    person = session.university.people[user]
    return {
        "id": person.id,
        "email": person.email,
        "idnumber": person.idnumber,
        "phone1": "",
        "phone2": "",
        "department": person.department,
        "institution": person.institution,
        "fullname": person.fullname,
        "identity": person.email,
        "profileurl": f"{session.site.url}/user/profile.php?id={person.id}",
        "profileimageurl": session.site.picture("f1"),
        "profileimageurlsmall": session.site.picture("f2"),
    }
