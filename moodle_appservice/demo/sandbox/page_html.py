"""The HTML of the sandbox's page: pure functions from the university to text.

One stylesheet inside the document, no script, no image. The page is written for a phone first and for a screen
reader as much as for eyes: headings and lists carry the structure, every field has a label, states are words and
not only colours. Whatever comes from the university is escaped by `e`; names of courses may hold markup, which
`format_string` takes out and escapes as Moodle's own pages do.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from html import escape as e
from urllib.parse import urlencode

from .records import SITE_COURSE_ID, Category, Course, CourseField, FieldKind, GroupMode, Person
from .text import format_string
from .university import University

STYLE = """
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#57606a;--line:#c9d1d9;--paper:#fff;--card:#f6f8fa;--act:#0b5cad}
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9aa6b2;--line:#3d444d;--paper:#0d1117;--card:#161b22;
--act:#6cb0ff}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:46rem;padding:1rem;background:var(--paper);color:var(--ink);
font:1rem/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
h1{font-size:1.5rem;line-height:1.25;margin:.5rem 0}h2{font-size:1.2rem;margin:2rem 0 .5rem}h3{font-size:1rem;margin:0}
a{color:var(--act)}p{margin:.2rem 0}
ul{list-style:none;margin:0;padding:0}
.card{border:1px solid var(--line);border-radius:.5rem;background:var(--card);padding:.5rem .75rem;margin:.5rem 0;
position:relative}
.soft{color:var(--soft)}.tag{border:1px solid var(--line);border-radius:1rem;padding:0 .5rem;white-space:nowrap}
.done{border-left:.3rem solid var(--act);padding:.5rem .75rem;background:var(--card)}
label,legend{display:block;font-weight:600;margin-top:.6rem}fieldset{border:0;padding:0;margin:.6rem 0 0}
.check{font-weight:400;display:flex;gap:.5rem;align-items:center;min-height:2.75rem;margin:0}
.check input{width:1.25rem;height:1.25rem;min-height:0}
input,select,button,summary{font:inherit;min-height:2.75rem}
input,select{width:100%;padding:.4rem .6rem;border:1px solid var(--soft);border-radius:.4rem;background:var(--paper);
color:inherit}
button{padding:.4rem 1rem;border:1px solid var(--act);border-radius:.4rem;background:var(--paper);color:var(--act);
font-weight:600;cursor:pointer;margin:.6rem .4rem 0 0}
form.line{display:inline}
.unseen{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
summary{cursor:pointer;color:var(--act);display:flex;align-items:center}summary::before{content:"▸";margin-right:.5rem}
details[open]>summary::before{content:"▾"}
:focus-visible{outline:.2rem solid var(--act);outline-offset:.1rem}
""".strip()

STYLE_HASH = "sha256-" + base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()

DONE = {
    "settings": "The course is changed.",
    "enrolled": "The person is enrolled.",
    "unenrolled": "The person is no longer enrolled.",
    "suspended": "The enrolment is suspended.",
    "resumed": "The enrolment is active again.",
    "role": "The roles are changed.",
    "groups": "The groups are changed.",
    "account-suspended": "The account is suspended on the whole site.",
    "account-restored": "The account may be used again.",
}

ASSIGNABLE = ("manager", "editingteacher", "teacher", "student")


def course_address(course: int, **query: str) -> str:
    """The address of a course's page, the same as in Moodle."""
    return f"/course/view.php?{urlencode({'id': course, **query})}"


def document(title: str, body: str) -> str:
    """A whole page."""
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{e(title)}</title>\n'
        f"<style>{STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def missing() -> str:
    """The page for what is not there."""
    return document("Not found", '<main><h1>Not found</h1><p><a href="/">All courses</a></p></main>')


def course_list(university: University) -> str:
    """The start page: every course with its state and its number of people, under its category."""
    name = university.courses[SITE_COURSE_ID].fullname
    parts = [
        f"<header><h1>{e(name)}</h1>",
        "<p>A sandbox Moodle. Change a course or its people and watch the chat rooms follow. "
        "Nothing here is real, and all of it is forgotten when the sandbox stops.</p></header>\n<main>",
    ]
    for category in sorted(university.categories.values(), key=lambda row: row.sortorder):
        courses = [course for course in university.courses.values() if course.category == category.id]
        if courses:
            parts.append(f"<section><h2>{e(_trail(university, category))}</h2><ul>")
            parts += [
                _course_card(university, course) for course in sorted(courses, key=lambda row: row.sortorder)
            ]
            parts.append("</ul></section>")
    return document(f"{name} – courses", "\n".join([*parts, "</main>"]))


def _trail(university: University, category: Category) -> str:
    trail = " › ".join(university.categories[number].name for number in category.path)
    return trail if category.visible else f"{trail} (hidden)"


def _course_card(university: University, course: Course) -> str:
    now = university.now()
    enrolled = list(university.enrolled(course.id))
    active = sum(university.active(course.id, user, now) for user in enrolled)
    counts = [_count(active, "person", "people")]
    if active != len(enrolled):
        counts.append(f"{len(enrolled) - active} not active")
    if groups := university.groups_in(course.id):
        counts.append(_count(len(groups), "group", "groups"))
    return (
        f'<li class="card"><h3><a href="{e(course_address(course.id))}">{format_string(course.fullname)}</a></h3>'
        f'<p class="soft">{e(course.shortname)} · {", ".join(counts)}</p>{_tags(course_states(course, now))}</li>'
    )


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def course_states(course: Course, now: int) -> list[str]:
    """What is special about a course, in words."""
    states = []
    if not course.visible:
        states.append("hidden")
    if course.enddate and course.enddate <= now:
        states.append("ended")
    if course.startdate > now:
        states.append("not started yet")
    if course.groupmode != GroupMode.NONE:
        states.append("separate groups" if course.groupmode == GroupMode.SEPARATE else "visible groups")
    return states


def _tags(words: Iterable[str]) -> str:
    tags = " ".join(f'<span class="tag">{e(word)}</span>' for word in words)
    return f"<p>{tags}</p>" if tags else ""


def course_page(university: University, course: Course, done: str, changed: str) -> str:
    """One course: its people with forms to change them, a form to enrol somebody, and its settings.

    `done` names what was just done; it is told at the person with the id `changed`, else at the top.
    """
    note = f'<p class="done" role="status">{e(DONE[done])}</p>' if done in DONE else ""
    people = sorted(
        (university.people[user] for user in university.enrolled(course.id)),
        key=lambda one: (
            _rank(university, course, one),
            one.lastname.casefold(),
            one.firstname.casefold(),
            one.id,
        ),
    )
    notes = {person.id: note for person in people if str(person.id) == changed}
    cards = "\n".join(_person_card(university, course, person, notes.get(person.id, "")) for person in people)
    states = _tags(course_states(course, university.now()))
    body = (
        f'<header><p><a href="/">All courses</a></p><h1>{format_string(course.fullname)}</h1>'
        f'<p class="soft">{e(course.shortname)}</p>{states}{"" if notes else note}'
        '<nav aria-label="On this page"><p><a href="#enrol">Enrol somebody</a> · '
        '<a href="#settings">Course settings</a></p></nav></header>\n<main>\n'
        f'<section id="people"><h2>People ({len(people)})</h2><ul>\n{cards}\n</ul></section>\n'
        f"{_enrol_form(university, course)}\n{_settings_form(university, course)}\n</main>"
    )
    return document(course.shortname, body)


def _rank(university: University, course: Course, person: Person) -> int:
    """Teachers come first."""
    return min((role.sortorder for role in university.roles_in(course.id, person.id)), default=99)


def person_states(university: University, course: Course, person: Person) -> list[str]:
    """What keeps a person from being an ordinary active participant, in words."""
    now = university.now()
    states = []
    if not university.active(course.id, person.id, now):
        mine = university.enrolments(course.id, person.id)
        if any(one.suspended for one in mine):
            states.append("enrolment suspended")
        elif any(one.timeend and one.timeend <= now for one in mine):
            states.append("enrolment expired")
        elif any(one.timestart >= now for one in mine):
            states.append("enrolment not begun")
        else:
            states.append("enrolment method off")
    if person.suspended:
        states.append("account suspended")
    if not person.confirmed:
        states.append("account not confirmed")
    if person.auth == "nologin":
        states.append("account may not log in")
    return states


def _person_card(university: University, course: Course, person: Person, note: str) -> str:
    roles = [role.title or role.shortname for role in university.roles_in(course.id, person.id)] or [
        "no role"
    ]
    groups = [group.name for group in university.groups_in(course.id, person.id)]
    facts = [person.username, ", ".join(roles), *([f"in {', '.join(groups)}"] if groups else [])]
    suspended = any(one.suspended for one in university.enrolments(course.id, person.id))
    buttons = "".join(
        _button(course, person, action, label)
        for action, label in (
            ("resume", "Resume enrolment") if suspended else ("suspend", "Suspend enrolment"),
            ("unenrol", "Unenrol"),
            ("account", "Restore account" if person.suspended else "Suspend account"),
        )
    )
    return (
        f'<li class="card" id="p{person.id}"><h3>{e(person.fullname)}</h3>'
        f'<p class="soft">{e(" · ".join(facts))}</p>{_tags(person_states(university, course, person))}{note}'
        f'<details><summary><span>Change<span class="unseen"> {e(person.fullname)}</span></span></summary>'
        f"{_role_form(university, course, person)}"
        f"{_group_form(university, course, person)}<div>{buttons}</div></details></li>"
    )


def _button(course: Course, person: Person, action: str, label: str) -> str:
    return (
        f'<form class="line" method="post" action="/course/{course.id}/{action}">'
        f'<input type="hidden" name="user" value="{person.id}"><button>{label}'
        f'<span class="unseen"> {e(person.fullname)}</span></button></form>'
    )


def _role_form(university: University, course: Course, person: Person) -> str:
    held = {role.shortname for role in university.roles_in(course.id, person.id)}
    boxes = "".join(
        _checkbox("role", name, university.roles[name].title, name in held) for name in ASSIGNABLE
    )
    return _boxes_form(course, person, "role", "Roles", "Save roles", boxes)


def _group_form(university: University, course: Course, person: Person) -> str:
    groups = university.groups_in(course.id)
    if not groups:
        return ""
    boxes = "".join(_checkbox("group", str(one.id), one.name, person.id in one.members) for one in groups)
    return _boxes_form(course, person, "groups", "Groups", "Save groups", boxes)


def _boxes_form(course: Course, person: Person, action: str, legend: str, button: str, boxes: str) -> str:
    return (
        f'<form method="post" action="/course/{course.id}/{action}">'
        f'<input type="hidden" name="user" value="{person.id}"><fieldset><legend>{legend}</legend>{boxes}</fieldset>'
        f'<button>{button}<span class="unseen"> {e(person.fullname)}</span></button></form>'
    )


def _checkbox(name: str, value: str, label: str, checked: bool) -> str:
    mark = " checked" if checked else ""
    return f'<label class="check"><input type="checkbox" name="{name}" value="{e(value)}"{mark}>{e(label)}</label>'


def _enrol_form(university: University, course: Course) -> str:
    inside = set(university.enrolled(course.id))
    roles = _options(((name, university.roles[name].title) for name in ASSIGNABLE), "student")
    outside = sum(not person.deleted for person in university.people.values()) - len(inside)
    if outside > 500:
        who = '<label for="username">User name</label><input id="username" name="username" required autocomplete="off">'
    else:
        people = sorted(
            (
                one
                for one in university.people.values()
                if not one.deleted and one.id not in inside and one.id > 1
            ),
            key=lambda one: (one.lastname.casefold(), one.firstname.casefold()),
        )
        options = _options(((str(one.id), f"{one.fullname} ({one.username})") for one in people), "")
        who = f'<label for="user">Person</label><select id="user" name="user">{options}</select>'
    return (
        f'<section id="enrol"><h2>Enrol somebody</h2><form method="post" action="/course/{course.id}/enrol">{who}'
        f'<label for="role">Role</label><select id="role" name="role">{roles}</select><button>Enrol</button>'
        "</form></section>"
    )


def _options(pairs: Iterable[tuple[str, str]], chosen: str) -> str:
    return "".join(
        f'<option value="{e(value)}"{" selected" if value == chosen else ""}>{e(label)}</option>'
        for value, label in pairs
    )


def _settings_form(university: University, course: Course) -> str:
    fields = "".join(
        _custom_field(definition, course.fields.get(definition.shortname))
        for definition in university.course_fields.values()
    )
    visible = _options((("1", "shown to everybody"), ("0", "hidden")), str(int(course.visible)))
    inputs = (
        _text_input("fullname", "Full name", course.fullname),
        _text_input("shortname", "Short name", course.shortname),
        _date_input("startdate", "Start", course.startdate),
        _date_input("enddate", "End (empty: none)", course.enddate),
    )
    return (
        f'<section id="settings"><h2>Course settings</h2><form method="post" action="/course/{course.id}/settings">'
        f'{"".join(inputs)}<label for="visible">Visibility</label>'
        f'<select id="visible" name="visible">{visible}</select>{fields}<button>Save settings</button></form></section>'
    )


def _text_input(name: str, label: str, value: str) -> str:
    return (
        f'<label for="{name}">{label}</label>'
        f'<input id="{name}" name="{name}" value="{e(value)}" required maxlength="254" autocomplete="off">'
    )


def _date_input(name: str, label: str, when: int) -> str:
    day = datetime.fromtimestamp(when, UTC).date().isoformat() if when else ""
    return f'<label for="{name}">{label}</label><input type="date" id="{name}" name="{name}" value="{day}">'


def _custom_field(definition: CourseField, stored: int | str | None) -> str:
    name = f"field_{definition.shortname}"
    label = f'<label for="{name}">{e(definition.name)}</label>'
    if definition.kind in (FieldKind.SELECT, FieldKind.CHECKBOX):
        words = definition.options if definition.kind is FieldKind.SELECT else ("No", "Yes")
        shift = 1 if definition.kind is FieldKind.SELECT else 0
        chosen = str(stored) if stored is not None else ""
        options = _options(
            [("", "not set"), *((str(at + shift), word) for at, word in enumerate(words))], chosen
        )
        return f'{label}<select id="{name}" name="{name}">{options}</select>'
    return f'{label}<input id="{name}" name="{name}" value="{e(str(stored or ""))}" autocomplete="off">'
