"""What can be wrong with a report of Moodle's report builder; everything else is in `errors`.

A report is made by a person in a few dozen clicks, and an upgrade of Moodle drops columns and conditions from it
without a word. So each class says what is missing where, and a report that is not what was set up holds the whole
source (`whole_site`): nothing read from it is used, and nobody is removed on the strength of it.
"""

from __future__ import annotations

from .errors import MoodlePermanent, MoodleTemporary

SETUP = "`moodle-appservice doctor --reports` prints the clicks that repair it."


class ReportFailure(MoodlePermanent):
    """Something about a report that a person has to put right."""

    happened = "A Moodle report can't be used"
    hint = SETUP
    whole_site = True


class ReportMissing(ReportFailure):
    """No report of this name or number among those that our account may see."""

    happened = "A Moodle report that we need is not there"


class ReportAmbiguous(ReportFailure):
    """Two reports have the name that we look for."""

    happened = "Two Moodle reports have the same name"
    hint = "Rename one of them, or write the number of the right one into the configuration."


class ReportIncomplete(ReportFailure):
    """A column or a condition is missing, or a condition is there that hides somebody. `problems`: a sentence each."""

    happened = "A Moodle report is not set up as it must be"

    def __init__(self, function: str, problems: tuple[str, ...], *, about: str = "") -> None:
        self.problems = problems
        super().__init__(function, about=about, detail=" ".join(problems).rstrip("."))


class ReportChanged(ReportFailure):
    """Columns, conditions or the source of a report differ from what was set up: an edit, or an upgrade of Moodle."""

    happened = "A Moodle report is not the one that was set up any more, so nothing is read from it"
    hint = (
        "Put it back as it was. If it was changed on purpose, accept it as it is now with `moodle-appservice doctor "
        f"--reports --accept`. {SETUP}"
    )


class ReportUnreadable(ReportFailure):
    """A cell that does not hold what its column holds: several things in one cell, or an unknown form."""

    happened = "A Moodle report has a cell that can't be read, so nothing of it is used"


class ReportNotSorted(ReportFailure):
    """A report without a fixed order can't be read page by page: rows would come twice or never."""

    happened = "A Moodle report has no fixed order, so it can't be read page by page"
    hint = "Sort it by course, then by user, or raise the number of rows in one request."


class ReportMoved(MoodleTemporary):
    """Pages of one report that do not fit together: it changed while it was read."""

    happened = "A Moodle report changed while it was read page by page"
    hint = "It is read again by itself."
