"""What the web service says about forums: `mod_forum_get_forums_by_courses` and `mod_forum_get_forum_discussions`.

Courses that the caller may not enter are left out without a word, forums that may not be read likewise. A discussion
of a group is there for its members and for who may see all groups; with visible groups, for everybody. One before or
after its time is there for who may see timed posts. Pinned ones come first, whatever the order.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from . import rights
from .activities import FROM_ALL, Activity, Discussion, Enclosure
from .errors import MoodleError, login_required
from .records import GroupMode
from .session import Session

_ROW = dict[str, Any]
_PLACE = "@@PLUGINFILE@@/"
_EMPTY = re.compile(r"<(img|br|hr)\b([^<>]*?)\s*/?>")
_FORUM = {
    "introformat": 1,
    "introfiles": [],
    "lang": "",
    "duedate": 0,
    "cutoffdate": 0,
    "assessed": 0,
    "assesstimestart": 0,
    "assesstimefinish": 0,
    "scale": 0,
    "grade_forum": 0,
    "grade_forum_notify": 0,
    "maxbytes": 512000,
    "maxattachments": 1,
    "forcesubscribe": 1,
    "trackingtype": 1,
    "rsstype": 0,
    "rssarticles": 0,
    "timemodified": 0,
    "warnafter": 0,
    "blockafter": 0,
    "blockperiod": 0,
    "completiondiscussions": 0,
    "completionreplies": 0,
    "completionposts": 0,
    "cmid": 0,
    "numdiscussions": 0,
    "cancreatediscussions": False,
    "lockdiscussionafter": 0,
    "istracked": False,
}


def get_forums_by_courses(session: Session, courseids: list[int]) -> list[_ROW]:
    """The forums that the caller may read, course by course; without courses those of the caller's own."""
    rows = []
    for number in courseids:
        course = session.university.courses.get(number)
        if course is None:
            continue
        try:
            session.enter(course)
        except MoodleError:
            continue
        if not session.allows(rights.VIEW_DISCUSSION, course):
            continue
        shelf = session.activities
        if course.newsitems:
            shelf.announcements(number)
        rows += [
            _forum(session, one)
            for one in shelf.inside(number)
            if one.kind == "forum" and _may_open(session, one)
        ]
    return rows


def _forum(session: Session, forum: Activity) -> _ROW:
    intro = "General news and announcements" if forum.type == "news" else forum.more.get("intro", "")
    counted = [one for one in _all(session, forum) if _is_seen(session, forum, one)]
    return {
        "id": forum.instance,
        "course": forum.course,
        "type": forum.type,
        "name": session.name(forum.name),
        "intro": intro,
        **_FORUM,
        **{key: value for key, value in forum.more.items() if key in _FORUM},
        "timemodified": forum.timemodified,
        "cmid": forum.id,
        "numdiscussions": len(counted),
    }


def get_forum_discussions(
    session: Session, forumid: int, sortorder: int, page: int, perpage: int, groupid: int
) -> _ROW:
    """A page of a forum's discussions; `groupid` -1: those for all, 0: all that the caller sees."""
    del sortorder
    forum = session.activities.forum(forumid)
    if forum is None:
        words = f"Unable to find forum with id {forumid}"
        raise MoodleError("moodle_exception", words, f"error/{words}", module="error")
    course = session.university.courses[forum.course]
    session.enter(course)
    if not _may_open(session, forum):
        raise login_required("Activity is hidden")
    if not session.allows(rights.VIEW_DISCUSSION, course):
        words = "You do not have permission to view discussions in this forum."
        raise MoodleError("moodle_exception", "noviewdiscussionspermission", words, module="forum")
    seen = [one for one in _all(session, forum) if _is_seen(session, forum, one) and _is_of(one, groupid)]
    seen.sort(key=lambda one: (not one.pinned, -max(one.created, one.timestart), -one.id))
    if perpage > 0 and page >= 0:
        seen = seen[page * perpage : (page + 1) * perpage]
    return {"discussions": [_row(session, forum, one) for one in seen], "warnings": []}


def _all(session: Session, forum: Activity) -> list[Discussion]:
    return list(session.activities.in_forum(forum.instance))


def _is_of(discussion: Discussion, group: int) -> bool:
    return group == 0 or discussion.group in (FROM_ALL, group)


def _may_open(session: Session, forum: Activity) -> bool:
    course = session.university.courses[forum.course]
    return forum.visible or session.allows(rights.VIEW_HIDDEN_ACTIVITIES, course)


def _is_seen(session: Session, forum: Activity, discussion: Discussion) -> bool:
    course = session.university.courses[forum.course]
    is_on_time = discussion.timestart <= session.now and (
        not discussion.timeend or discussion.timeend > session.now
    )
    if not is_on_time and not session.allows(rights.VIEW_HIDDEN_TIMED_POSTS, course):
        return False
    if discussion.group == FROM_ALL or forum.groupmode is not GroupMode.SEPARATE:
        return True
    group = session.university.groups.get(discussion.group)
    is_member = group is not None and session.user in group.members
    return is_member or session.allows(rights.ACCESS_ALL_GROUPS, course)


def _row(session: Session, forum: Activity, one: Discussion) -> _ROW:
    inline = [_file(session, forum, one, file) for file in one.files if file.inline]
    attached = [_file(session, forum, one, file) for file in one.files if not file.inline]
    return {
        **_post(session, forum, one),
        **({"messageinlinefiles": inline} if inline else {}),
        "attachment": bool(attached),
        **({"attachments": attached} if attached else {}),
        **_standing(session, one),
    }


def _post(session: Session, forum: Activity, one: Discussion) -> _ROW:
    return {
        "id": one.post,
        "name": session.name(one.subject),
        "groupid": one.group,
        "timemodified": one.timemodified,
        "usermodified": one.usermodified,
        "timestart": one.timestart,
        "timeend": one.timeend,
        "discussion": one.id,
        "parent": 0,
        "userid": one.user,
        "created": one.created,
        "modified": one.modified,
        "mailed": one.mailed,
        "subject": session.name(one.subject),
        "message": _message(session, forum, one),
        "messageformat": 1,
        "messagetrust": 0,
    }


def _standing(session: Session, one: Discussion) -> _ROW:
    people = session.university.people
    return {
        "totalscore": 0,
        "mailnow": 0,
        "userfullname": people[one.user].fullname,
        "usermodifiedfullname": people[one.usermodified].fullname,
        "userpictureurl": session.site.picture("f2", people[one.user]),
        "usermodifiedpictureurl": session.site.picture("f2", people[one.usermodified]),
        "numreplies": one.numreplies,
        "numunread": 0,
        "pinned": one.pinned,
        "locked": False,
        "starred": False,
        "canreply": False,
        "canlock": False,
        "canfavourite": True,
    }


def _message(session: Session, forum: Activity, one: Discussion) -> str:
    """Addresses of files are filled in always, the text is cleaned (as XHTML) unless it is wanted raw."""
    text = one.message.replace(_PLACE, f"{_address(session, forum)}/post/{one.post}/")
    if session.raw:
        return text
    return _EMPTY.sub(r"<\1\2 />", session.description(text, 1)[0])


def _address(session: Session, forum: Activity) -> str:
    return f"{session.site.url}/webservice/pluginfile.php/{forum.context}/mod_forum"


def _file(session: Session, forum: Activity, one: Discussion, file: Enclosure) -> _ROW:
    area = "post" if file.inline else "attachment"
    return {
        "filename": file.name,
        "filepath": "/",
        "filesize": len(file.data),
        "fileurl": f"{_address(session, forum)}/{area}/{one.post}/{quote(file.name)}",
        "timemodified": file.timemodified or one.modified,
        "mimetype": file.content_type,
        "isexternalfile": False,
        "icon": file.icon,
    }
