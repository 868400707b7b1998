"""Moodle, read through its web services. `MoodleFacts` is the port, `MoodleClient` its wire.

From the bottom up: `client` makes one call, `answer` tells an answer from an error, `bulk` makes many calls in few
requests, `fields`, `parse` and `shapes` turn JSON into nouns, `rosters` and `courses` see to it that a shortened answer
is never taken for the whole truth, `people` reads accounts, `memory` shares what was read, `read` is the port, and
`rights` tells the administrator which right is missing, `site_facts` keeps what was found out about the site.
Nothing in here writes to Moodle.

`reports` is the same port out of Moodle's report builder, for a whole site at once. Below it, from the bottom up:
`report_cells` and `report_columns` read cells, `report_kinds` says what reports there must be, `report_layout` which
column is which, `report_fetch` finds and reads them whole, `report_tables` and `report_lists` turn rows into nouns,
`report_snapshot` puts one reading together, `own_rooms` adds what only the listing of courses shows, and `report_check`
tells the administrator what is missing and what to click.
"""

from __future__ import annotations

from .client import MoodleClient
from .errors import MoodleError
from .read import MoodleFacts
from .reports import ReportFacts
from .rights import Finding, State

__all__ = ["Finding", "MoodleClient", "MoodleError", "MoodleFacts", "ReportFacts", "State"]
