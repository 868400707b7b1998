"""The words for teachers, about their courses.

A table: the other modules do the work. Help and documentation show what stands here, in this order. In a room of
a course these words are for the staff of that course, elsewhere for whoever is staff in any; `which` finds the
course that is meant. Administrators may use them for every course. An entry without `Where` answers where it was
asked, so it holds numbers only where students read along; what lists people, or asks first, is `DISCREET`.
"""

from __future__ import annotations

from ...languages import N_
from ..command import Command, For, Where, Word
from . import announce, choices, holds, life, relay, status, sync, why

TEXT = Word("text", N_("what is to stand there"), rest=True)
PERSON = Word("person", N_("a name, a user name, a Moodle number or a Matrix id"), rest=True)
FOR_STAFF = (
    Command(
        "status",
        N_("who is expected, joined, invited and missing in your course"),
        status.run,
        For.STAFF,
        of_course=True,
        examples=("status", "status MATH101"),
    ),
    Command(
        "missing",
        N_("who is not in the room, why, and what to do"),
        status.missing,
        For.STAFF,
        Where.DISCREET,
        of_course=True,
        paged=True,
        examples=("missing", "missing MATH101 -p 2"),
    ),
    Command(
        "why",
        N_("why somebody is in the room, or is not"),
        why.why,
        For.STAFF,
        Where.DISCREET,
        words=(PERSON,),
        of_course=True,
        paged=True,
        examples=("why Anna Arendt", "why -c MATH101 @anna:example.org"),
    ),
    Command(
        "sync",
        N_("look at the course in Moodle now"),
        holds.sync_some,
        For.STAFF,
        of_course=True,
        changes=True,
        examples=("sync",),
    ),
    Command(
        "plan",
        N_("what a sync would do now"),
        sync.plan,
        For.STAFF,
        Where.DISCREET,
        of_course=True,
        paged=True,
        examples=("plan",),
    ),
    Command(
        "remind",
        N_("invite all again who have not joined, at most once a day"),
        announce.remind,
        For.STAFF,
        of_course=True,
        changes=True,
        examples=("remind",),
    ),
    Command(
        "announce",
        N_("say something in the announcements room"),
        announce.announce,
        For.STAFF,
        words=(TEXT,),
        of_course=True,
        changes=True,
        examples=("announce The test is on Monday.",),
    ),
    Command(
        "name",
        N_("name the room; site: as Moodle says"),
        choices.name,
        For.STAFF,
        words=(TEXT,),
        of_course=True,
        changes=True,
        examples=("name Algebra for beginners",),
    ),
    Command(
        "topic",
        N_("say what the room is about; site: as Moodle says"),
        choices.topic,
        For.STAFF,
        words=(TEXT,),
        of_course=True,
        changes=True,
        examples=("topic Exercises are due on Fridays.",),
    ),
    Command(
        "relay",
        N_("announcements and dates from Moodle in the room: on, off, or as everywhere"),
        relay.relay,
        For.STAFF,
        words=(Word("switch", N_("on, off or site"), required=False),),
        of_course=True,
        changes=True,
        examples=("relay", "relay on"),
    ),
    Command(
        "rooms",
        N_("further rooms: announcements, staff, groups"),
        choices.rooms,
        For.STAFF,
        words=(
            Word("which", N_("announcements, staff or groups"), required=False),
            Word("switch", N_("on, off, or site: as everywhere"), required=False),
        ),
        of_course=True,
        changes=True,
        examples=("rooms", "rooms staff on", "rooms -c MATH101 groups off"),
    ),
    Command(
        "on",
        N_("switch the course's chat on"),
        choices.on,
        For.STAFF,
        of_course=True,
        changes=True,
        examples=("on MATH101",),
    ),
    Command(
        "off",
        N_("switch the course's chat off; asks first"),
        choices.off,
        For.STAFF,
        Where.DISCREET,
        of_course=True,
        changes=True,
        examples=("off MATH101",),
    ),
    Command(
        "reset",
        N_("give the course new, empty rooms; asks first"),
        life.reset,
        For.STAFF,
        Where.DISCREET,
        of_course=True,
        changes=True,
        examples=("reset MATH101",),
    ),
    Command(
        "archive",
        N_("close the rooms of the course, or open them again; asks first"),
        life.archive,
        For.STAFF,
        Where.DISCREET,
        words=(Word("off", N_("off: open them again"), required=False),),
        of_course=True,
        changes=True,
        examples=("archive", "archive off", "archive -c MATH101 off"),
    ),
)
