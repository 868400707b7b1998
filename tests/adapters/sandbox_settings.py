"""What was different on the recorded site when single answers were recorded.

`SETTINGS` has a change for each recording that was made under other conditions: fewer rights, a hidden column, a
broken database. `ORDINARY` names those that were made with the least privileges on the site as it was. A recording
that is in neither fails the test, so that a new one cannot be forgotten.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from moodle_appservice.demo.sandbox import Fault, Token, rights
from moodle_appservice.demo.sandbox.records import GroupVisibility
from moodle_appservice.demo.sandbox.site import Message
from tests.adapters import sandbox_reports
from tests.adapters.sandbox_recorded import Recorded, load

_USERS = "core_enrol_get_enrolled_users--"
_FIELD = "core_course_get_courses_by_field--"
_SEND = "core_message_send_instant_messages--"
_INFO = "core_webservice_get_site_info--"

Setting = Callable[[Recorded], None]


def _grant(*capabilities: str) -> Setting:
    return lambda site: site.sandbox.rights.grant(*capabilities)


def _revoke(*capabilities: str) -> Setting:
    return lambda site: site.sandbox.rights.revoke(*capabilities)


def _fail(fault: Fault) -> Setting:
    return lambda site: site.sandbox.faults.fail(fault)


def _switch(**columns: Any) -> Setting:
    def apply(site: Recorded) -> None:
        for name, value in columns.items():
            setattr(site.sandbox.site, name, value)

    return apply


def _send_token(token: str) -> Setting:
    def apply(site: Recorded) -> None:
        site.sent_token = token

    return apply


def _expire_token(site: Recorded) -> None:
    site.sandbox.site.token = Token(site.sandbox.token, valid_until=site.university.now() - 1)


def _deleted_token(site: Recorded) -> None:
    site.sandbox.site.token = None


def _restrict_address(site: Recorded) -> None:
    site.sandbox.site.token = Token(site.sandbox.token, address="198.51.100.1")


def _restrict_address_and_debug(site: Recorded) -> None:
    _restrict_address(site)
    site.sandbox.site.debugging = True


def _all_capabilities(site: Recorded) -> None:
    """More rights, and the e-mail addresses that only they show."""
    site.sandbox.rights.grant(
        rights.VIEW_USER_IDENTITY, rights.VIEW_FULL_NAMES, rights.VIEW_HIDDEN_USER_FIELDS, rights.ROLE_REVIEW
    )
    for row in load(site.version, "core_enrol_get_enrolled_users--allcaps-plain")["response"]["json"]:
        site.university.people[row["id"]].email = row["email"]


def _role_in_a_category(site: Recorded) -> None:
    """The role is held in category 2 only, and there is a category of 1,002 courses that it does not reach."""
    held = site.sandbox.rights.system - {rights.REST_USE}
    site.sandbox.rights.only(rights.REST_USE)
    site.sandbox.rights.grant_in_category(2, *held)
    university = site.university
    university.add_category("Bulk", descriptionformat=0)
    for number in range(8, 1010):
        university.add_course(f"B{number}", f"Bulk {number}", 5, id=number)
    university.courses = {149: university.courses[149], **university.courses}
    site.sandbox.site.theme_revision = 1795196024
    first, second = (university.people[site.student(number)] for number in (1, 2))
    first.firstaccess, first.lastaccess = 1795195363, 1795195418
    second.firstaccess, second.lastaccess = 1795195415, 1795195415


def _hide_fields(*capabilities: str) -> Setting:
    """The site hides some columns; student 1 has been there in the meantime."""

    def apply(site: Recorded) -> None:
        site.sandbox.site.hidden_user_fields = {"firstaccess", "lastaccess", "mycourses", "suspended"}
        site.sandbox.rights.grant(*capabilities)
        first = site.university.people[site.student(1)]
        first.firstaccess, first.lastaccess = 1795195363, 1795195418
        site.university.set_last_access(2, first.id, 1795195366)

    return apply


def _groups_of_each_visibility(*capabilities: str) -> Setting:
    def apply(site: Recorded) -> None:
        for number, name, visibility in (
            (4, "Vis members", GroupVisibility.MEMBERS),
            (5, "Vis own", GroupVisibility.OWN),
            (6, "Vis none", GroupVisibility.NONE),
            (7, "Vis all no part", GroupVisibility.ALL),
        ):
            group = site.university.add_group(2, name, id=number, visibility=visibility)
            group.members.add(site.student(1))
        site.sandbox.rights.grant(*capabilities)

    return apply


def _empty_group(site: Recorded) -> None:
    """The list of participants does not show it, so the rebuilt site has it in these recordings alone."""
    site.university.add_group(2, "Empty group", id=3, idnumber="ALG-E", description="<p>G</p>")
    site.university.groups[1].idnumber = "ALG-TUT-A"
    site.sandbox.rights.grant(rights.MANAGE_GROUPS)


def _groups_to_manage(site: Recorded) -> None:
    """Group 7 is the one that the recording shows in full: with an id number, without participation."""
    _empty_group(site)
    _groups_of_each_visibility(rights.MANAGE_GROUPS)(site)
    group = site.university.groups[7]
    group.idnumber, group.participation, group.description, group.descriptionformat = "V0", False, "", 1


def _matrix_id_filled_in(site: Recorded) -> None:
    site.university.people[site.student(1)].profile["matrixid"] = "@student01:lab.example"


def _without_all_details(site: Recorded) -> None:
    site.sandbox.rights.revoke(rights.USER_VIEW_ALL_DETAILS)
    if site.version == "4.4":
        # Another account had filled its field in by then.
        site.university.people[site.other(35)].profile["matrixid"] = "@suspended1:lab.example"


def _php_notice(site: Recorded) -> None:
    """Take the caller's private key from the recording, where a parser that expects JSON did not hide it."""
    site.sandbox.faults.fail(Fault.PHP_NOTICE)
    text = load(site.version, _INFO + "error-php-warning-before-json")["response"]["text"]
    site.sandbox.site.private_access_key = json.loads(text[text.index("{") :])["userprivateaccesskey"]


def _own_chat_room(site: Recorded) -> None:
    site.sandbox.site.communication_enabled = True
    site.university.courses[2].communication = ("Chat room & co", "https://chat.example.org/room")


def _update_users(site: Recorded) -> None:
    site.sandbox.rights.grant(rights.USER_UPDATE)
    site.sandbox.site.administrators = frozenset({2})


def _messages(*earlier: Message, at: int = 0) -> Setting:
    """The caller may write to everybody, and has sent these, of which the last of each matters."""

    def apply(site: Recorded) -> None:
        site.sandbox.rights.grant(rights.MESSAGE_ANY_USER)
        # On 5.1 nobody had sent anything yet.
        if site.version == "4.4":
            site.sandbox.site.messages = list(earlier)
        site.university.clock = lambda: at if site.version == "4.4" else 1795198864

    return apply


_FIRST = Message(45, 1, 3, "")

SETTINGS: dict[str, Setting] = {
    "core_user_update_users--matrixid": _update_users,
    _SEND + "html-ok": _messages(_FIRST, at=1795195209),
    _SEND + "plain-ok": _messages(_FIRST, Message(47, 2, 4, ""), at=1795195209),
    _SEND + "suspended-user": _messages(_FIRST, Message(48, 2, 4, ""), at=1795195210),
    **dict.fromkeys(
        (
            _SEND + "deleted-user",
            _SEND + "messageanyuser",
            _SEND + "missing-user",
            _SEND + "mixed-success-failure-throws",
        ),
        _messages(),
    ),
    **sandbox_reports.SETTINGS,
    "core_course_get_categories--categoryrole": _role_in_a_category,
    "core_course_get_categories--withcategorymanage": _grant(rights.CATEGORY_MANAGE),
    "core_course_get_categories--withcategorymanage-criteria": _grant(rights.CATEGORY_MANAGE),
    "core_course_get_courses--categoryrole-all": _role_in_a_category,
    "core_course_get_courses--withcourseupdate-all": _grant(rights.COURSE_UPDATE),
    _FIELD + "categoryrole-category": _role_in_a_category,
    _FIELD + "communication-customlink": _own_chat_room,
    _FIELD + "degraded-hidden-course": _revoke(rights.VIEW_HIDDEN_COURSES),
    _FIELD + "degraded-missing-course-view": _revoke(rights.COURSE_VIEW),
    _FIELD + "onlyrestuse-all": lambda site: site.sandbox.rights.only(rights.REST_USE),
    _FIELD + "withcourseupdate-category": _grant(rights.COURSE_UPDATE),
    _FIELD + "withcourseupdate-id": _grant(rights.COURSE_UPDATE),
    _USERS + "allcaps-plain": _all_capabilities,
    _USERS + "allcaps-withcapability": _all_capabilities,
    _USERS + "categoryrole-inside": _role_in_a_category,
    _USERS + "categoryrole-outside": _role_in_a_category,
    _USERS + "degraded-missing-accessallgroups-separate-groups": _revoke(rights.ACCESS_ALL_GROUPS),
    _USERS + "degraded-missing-user-viewalldetails": _without_all_details,
    _USERS + "degraded-missing-user-viewdetails": _revoke(rights.USER_VIEW_DETAILS),
    _USERS + "error-course-missing-debug-on": _switch(debugging=True),
    _USERS + "error-hidden-course-missing-viewhiddencourses": _revoke(rights.VIEW_HIDDEN_COURSES),
    _USERS + "error-invalid-parameter-debug-on": _switch(debugging=True),
    _USERS + "error-missing-course-view": _revoke(rights.COURSE_VIEW),
    _USERS + "error-missing-enrolreview": _revoke(rights.ENROL_REVIEW),
    _USERS + "error-missing-enrolreview-onlyactive": _revoke(rights.ENROL_REVIEW),
    _USERS + "error-missing-webservice-rest-use": _revoke(rights.REST_USE),
    _USERS + "group-visibility-leastpriv": _groups_of_each_visibility(),
    _USERS + "group-visibility-withviewhiddengroups": _groups_of_each_visibility(rights.VIEW_HIDDEN_GROUPS),
    "core_group_get_course_groups--group-visibility-withmanagegroups": _groups_to_manage,
    "core_group_get_course_groups--withmanagegroups": _empty_group,
    _USERS + "hiddenuserfields-set": _hide_fields(),
    _USERS + "hiddenuserfields-set-with-viewhiddendetails": _hide_fields(rights.VIEW_HIDDEN_DETAILS),
    _USERS + "hiddenuserfields-set-with-viewhiddenuserfields": _hide_fields(rights.VIEW_HIDDEN_USER_FIELDS),
    _USERS + "userfields-customfields": _matrix_id_filled_in,
    "core_user_get_users_by_field--categoryrole": _role_in_a_category,
    "core_user_get_users_by_field--leastpriv-id-with-matrixid": _matrix_id_filled_in,
    _INFO + "error-database-down": _fail(Fault.DATABASE_DOWN),
    _INFO + "error-empty-token": _send_token(""),
    _INFO + "error-expired-token": _expire_token,
    _INFO + "error-expired-token-second-use": _deleted_token,
    _INFO + "error-fpm-down": _fail(Fault.BAD_GATEWAY),
    _INFO + "error-invalid-token": _send_token("f" * 32),
    _INFO + "error-ip-restricted": _restrict_address,
    _INFO + "error-ip-restricted-debug-on": _restrict_address_and_debug,
    _INFO + "error-maintenance": _switch(maintenance=True),
    _INFO + "error-php-fatal": _fail(Fault.PHP_FATAL),
    _INFO + "error-php-warning-before-json": _php_notice,
    _INFO + "error-rest-protocol-disabled": _switch(rest_enabled=False),
    _INFO + "error-webservices-disabled": _switch(web_services_enabled=False),
}

ORDINARY = frozenset(
    {
        "core_user_update_users--error-missing-capability",
        _SEND + "no-messageanyuser",
        "core_group_get_course_groups--error-missing-capability",
        "core_course_get_categories--leastpriv",
        "core_course_get_courses--leastpriv-all",
        "core_course_get_courses--leastpriv-ids",
        "core_get_nonexistent--error-function-missing",
        "core_role_unassign_roles--error-function-not-in-service",
        "tool_mobile_call_external_functions--bulk3",
        "tool_mobile_call_external_functions--error-function-not-in-service",
        "tool_mobile_call_external_functions--error-in-middle-stops",
        *(
            _FIELD + case
            for case in (
                "error-bad-field",
                "leastpriv-all",
                "leastpriv-category",
                "leastpriv-id",
                "leastpriv-id-missing",
                "leastpriv-idnumber",
                "leastpriv-ids",
                "leastpriv-ids-with-missing",
                "leastpriv-sectionid",
                "leastpriv-settingfilter",
                "leastpriv-settingraw",
                "leastpriv-shortname",
            )
        ),
        *(
            _USERS + case
            for case in (
                "GET-method",
                "HEAD-method",
                "PUT-method",
                "error-both-onlyactive-onlysuspended",
                "error-course-missing",
                "error-invalid-parameter",
                "error-missing-parameter",
                "error-sortby",
                "error-unexpected-parameter",
                "error-userfields-bogus",
                "error-withcapability-no-rolereview",
                "frontpage-course-1",
                "groupid-1",
                "leastpriv-onlyactive",
                "leastpriv-onlyactive-userfields",
                "leastpriv-onlysuspended",
                "leastpriv-plain-alg",
                "leastpriv-plain-db",
                "leastpriv-plain-fut",
                "leastpriv-plain-hid",
                "leastpriv-plain-past",
                "leastpriv-plain-plain",
                "leastpriv-userfields",
                "paging-0-5",
                "paging-20-5",
                "paging-past-end",
                "settingraw",
                "sortby-siteorder",
                "userfields-suspended-auth-confirmed",
                "userfields-with-spaces",
            )
        ),
        *(
            f"core_user_get_users_by_field--{case}"
            for case in (
                "error-field-auth",
                "leastpriv-email",
                "leastpriv-id",
                "leastpriv-idnumber",
                "leastpriv-username",
                "leastpriv-username2",
            )
        ),
        _INFO + "leastpriv",
        _INFO + "no-restformat-xml",
    }
)
"""Recordings made with the least privileges on the unchanged site."""

NOT_REBUILT = {**sandbox_reports.NOT_REBUILT}
