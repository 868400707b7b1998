"""The words that everybody may write: about the own courses, the own account, and answers to questions."""

from __future__ import annotations

from ...languages import N_
from ..command import Command, For, Where, Word
from . import courses, deadlines, help, link, me

FOR_PEOPLE = (
    Command(
        "help",
        N_("what I can do for you"),
        help.run,
        For.KNOWN,
        words=(Word("command", N_("one command"), required=False),),
        examples=("help", "help courses"),
    ),
    Command(
        "courses",
        N_("your courses, their rooms, and whether you are in them"),
        courses.courses,
        For.PEOPLE,
        Where.DIRECT,
        paged=True,
        examples=("courses",),
    ),
    Command(
        "invite",
        N_("invite you to the room of a course (again)"),
        courses.invite,
        For.PEOPLE,
        Where.DIRECT,
        of_course=True,
        changes=True,
        examples=("invite MATH101",),
    ),
    Command(
        "leave",
        N_("keep you out of a course's rooms, until you ask for an invite"),
        courses.leave,
        For.PEOPLE,
        Where.DIRECT,
        of_course=True,
        changes=True,
        examples=("leave MATH101",),
    ),
    Command(
        "link",
        N_("say that this account is yours, with a code from Moodle"),
        link.link,
        For.ANYBODY,
        Where.DIRECT,
        words=(Word("code", N_("the code, as Moodle shows it"), required=False, rest=True),),
        changes=True,
        examples=("link ABCD-EFGH",),
    ),
    Command(
        "unlink", N_("undo that"), link.unlink, For.ANYBODY, Where.DIRECT, changes=True, examples=("unlink",)
    ),
    Command(
        "whoami",
        N_("whom I take you for, and why"),
        me.whoami,
        For.PEOPLE,
        Where.DIRECT,
        examples=("whoami",),
    ),
    Command(
        "language",
        N_("the language in which I speak with you"),
        me.language,
        For.PEOPLE,
        Where.DIRECT,
        words=(Word("language", N_("en, de, fr, es, or moodle for your setting there"), required=False),),
        changes=True,
        examples=("language de", "language moodle"),
    ),
    Command(
        "deadlines",
        N_("the next 14 days: what is due, opens or closes"),
        deadlines.deadlines,
        For.PEOPLE,
        of_course=True,
        paged=True,
        examples=("deadlines", "deadlines -c MATH101"),
    ),
    Command(
        "privacy",
        N_("what I store about you; as a file too"),
        me.privacy,
        For.PEOPLE,
        Where.DIRECT,
        words=(Word("export", N_("export: send all of it as a file"), required=False),),
        paged=True,
        examples=("privacy", "privacy export"),
    ),
)
ANSWERS = (
    Command(
        "yes",
        N_("agree to what I asked"),
        link.yes,
        For.ANYBODY,
        words=(Word("word", N_("the word that I named"), required=False),),
        listed=False,
    ),
    Command("no", N_("disagree with what I asked"), link.no, For.ANYBODY, listed=False),
)
