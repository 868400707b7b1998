"""Moodle, read through its web services. `MoodleFacts` is the port, `MoodleClient` its wire.

From the bottom up: `client` makes one call, `answer` tells an answer from an error, `bulk` makes many calls in few
requests, `fields`, `parse` and `shapes` turn JSON into nouns, `rosters` and `courses` see to it that a shortened answer
is never taken for the whole truth, `people` reads accounts, `memory` shares what was read, `read` is the port, and
`rights` tells the administrator which right is missing. Nothing in here writes to Moodle.
"""

from __future__ import annotations

from .client import MoodleClient
from .errors import MoodleError
from .read import MoodleFacts
from .rights import Finding, State

__all__ = ["Finding", "MoodleClient", "MoodleError", "MoodleFacts", "State"]
