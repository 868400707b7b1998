"""The words for administrators, about the whole site.

A table: `admin`, `holds`, `why` and `dashboard` do the work. Help and documentation show what stands here, in
this order. Every entry is for administrators (`permissions` in the configuration) and answers only where no
students read along. Whatever `changes` something gets a line in the audit log, which the router writes.
"""

from __future__ import annotations

from ...languages import N_
from ..command import Command, For, Where, Word
from . import admin, dashboard, holds, why
from .for_staff import PERSON

WHAT = Word("what", N_("the number of a course, or all"))
FOR_ADMINS = (
    Command(
        "overview",
        N_("the whole site in numbers"),
        admin.overview,
        For.ADMINS,
        Where.DISCREET,
        examples=("overview",),
    ),
    Command(
        "stuck",
        N_("what does not go on, and why"),
        admin.stuck,
        For.ADMINS,
        Where.DISCREET,
        paged=True,
        examples=("stuck",),
    ),
    Command(
        "held",
        N_("what safety holds"),
        holds.held,
        For.ADMINS,
        Where.DISCREET,
        paged=True,
        examples=("held",),
    ),
    Command(
        "confirm",
        N_("let pass a group of what is held; asks first"),
        holds.confirm,
        For.ADMINS,
        Where.DISCREET,
        words=(
            Word(
                "id",
                N_("the id that held shows"),
            ),
        ),
        changes=True,
        examples=("confirm removals-1a2b3c4d",),
    ),
    Command(
        "pause",
        N_("write nothing for a course, or for the whole site"),
        holds.pause,
        For.ADMINS,
        Where.DISCREET,
        words=(WHAT, Word("why", N_("the reason, for the others"), required=False)),
        changes=True,
        examples=("pause 42", 'pause all "Moodle is being upgraded"'),
    ),
    Command(
        "resume",
        N_("go on after a pause"),
        holds.resume,
        For.ADMINS,
        Where.DISCREET,
        words=(WHAT,),
        changes=True,
        examples=("resume all",),
    ),
    Command(
        "explain",
        N_("why somebody is in rooms, or is not, in all courses"),
        why.explain,
        For.ADMINS,
        Where.DISCREET,
        words=(PERSON,),
        of_course=True,
        paged=True,
        examples=("explain anna", "explain -c 42 anna"),
    ),
    Command(
        "audit",
        N_("the newest lines of the audit log"),
        admin.audit,
        For.ADMINS,
        Where.DISCREET,
        words=(Word("person", N_("only of this person"), required=False, rest=True),),
        of_course=True,
        paged=True,
        examples=("audit", "audit -c 42", "audit anna"),
    ),
    Command(
        "stats",
        N_("what was done within a day and a week"),
        admin.stats,
        For.ADMINS,
        Where.DISCREET,
        paged=True,
        examples=("stats",),
    ),
    Command(
        "doctor",
        N_("check everything that I depend on"),
        admin.doctor,
        For.ADMINS,
        Where.DISCREET,
        paged=True,
        examples=("doctor",),
    ),
    Command(
        "dashboard",
        N_("a link to the pages for administrators"),
        dashboard.run,
        For.ADMINS,
        Where.DIRECT,
        examples=("dashboard",),
    ),
)
