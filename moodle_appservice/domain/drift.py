"""Drift: what people, or accidents, have changed in a room of ours, and what is done about it.

For each kind of change there is a policy. `repair` puts back what was changed; `keep` lets it stand; `report` lets it
stand as well and says so: in the plan, in `doctor`, and once in the audit log. The planner writes a note for each thing
that it lets stand; here these notes become the sentences of the report, which count people and name nobody.

Not everything can be repaired on purpose: who has left by choice is not invited again until somebody asks for it, and a
moderator's ban stands.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from .actions import Note


class Policy(StrEnum):
    """What is done about one kind of change."""

    REPAIR = "repair"
    KEEP = "keep"
    REPORT = "report"


@dataclass(frozen=True, slots=True)
class DriftRules:
    """One policy for each kind of change. Each field is a key of the configuration section `drift`."""

    bot: Policy = Policy.REPAIR
    """The bot was put out of the room, or has lost its level there."""
    power_levels: Policy = Policy.REPAIR
    names: Policy = Policy.KEEP
    settings: Policy = Policy.REPAIR
    """Join rule, history visibility, guest access."""
    strangers: Policy = Policy.KEEP
    """People whom somebody else than this service let in."""
    leaving: Policy = Policy.KEEP
    bans: Policy = Policy.REPORT
    children: Policy = Policy.REPAIR
    """A room was taken out of its space."""
    alias: Policy = Policy.REPAIR


OF_NOTES: Final[Mapping[str, str]] = {
    "put_out": "bot",
    "powerless": "bot",
    "powers": "power_levels",
    "renamed": "names",
    "settings": "settings",
    "stranger": "strangers",
    "guest": "strangers",
    "left": "leaving",
    "banned": "bans",
    "unlisted": "children",
    "alias": "alias",
}
"""Kind of a note → the policy that it comes from."""
CROWDED: Final = "crowded"
"""The kind of note that says that the levels of a room do not fit into one event."""
ALWAYS: Final = frozenset({"put_out", "powerless", "tombstone", "above", CROWDED})
"""Kinds of notes that are reported whatever the policy is: something can't go on without a person."""
_TOGETHER: Final = {"declined": "left"}
"""Kinds of notes that are reported as another kind."""
_COUNTED: Final[Mapping[str, tuple[str, str]]] = {
    "left": ("1 person has left or declined by choice.", "{} people have left or declined by choice."),
    "banned": ("1 person is banned by a moderator.", "{} people are banned by a moderator."),
    "stranger": (
        "1 account is in the room whom this service did not invite.",
        "{} accounts are in the room whom this service did not invite.",
    ),
    "guest": (
        "1 person is in the room without an enrolment, as a guest.",
        "{} people are in the room without an enrolment, as guests.",
    ),
    "above": (
        "1 account is not enrolled any more and as powerful as the bot, so that it can't remove them.",
        "{} accounts are not enrolled any more and as powerful as the bot, so that it can't remove them.",
    ),
}
"""Whole sentences for one and for several, since languages differ in more than the number."""


def reported(notes: Iterable[Note], rules: DriftRules) -> dict[str, str]:
    """Kind of note → what is to be reported of a room by these rules, a sentence without a name."""
    count: Counter[str] = Counter()
    texts: dict[str, str] = {}
    for note in notes:
        kind = _TOGETHER.get(note.kind, note.kind)
        policy = OF_NOTES.get(kind)
        if kind in ALWAYS or (policy is not None and getattr(rules, policy) is Policy.REPORT):
            count[kind] += 1
            texts.setdefault(kind, note.text)
    return {kind: _sentence(kind, number, texts[kind]) for kind, number in sorted(count.items())}


def _sentence(kind: str, number: int, text: str) -> str:
    if kind not in _COUNTED:
        return text
    one, many = _COUNTED[kind]
    return one if number == 1 else many.format(number)
