"""What an explanation says about a person's account and about a course without a room: from rows to sentences."""

from __future__ import annotations

from collections.abc import Iterable

from ..domain.linking import Link
from ..domain.model import MoodleUserId, Resolution, Standing, Trust
from ..domain.moments import moment
from ..domain.rules import Rules
from ..ports import CourseRow, PersonRow

HOW_SURE = {
    Trust.DERIVED: "derived from what Moodle says about the person (trust: derived)",
    Trust.DIRECTORY: "vouched for by the directory, the sign-on or a locked profile field (trust: directory)",
    Trust.PROVEN: "proven by the person with a code (trust: proven)",
}


def listed(words: Iterable[str]) -> str:
    """Words in order, or that there are none."""
    return ", ".join(sorted(words)) or "none"


def of_account(
    user_id: MoodleUserId, name: str, row: PersonRow | None, link: Link | None, rules: Rules, *, now: float
) -> list[str]:
    """Who this is, which account is theirs, and how we know."""
    told = [f"Moodle user {user_id}{f': {name}' if name else ''}{_username(row)}."]
    if rules.people.excludes(user_id, row.username if row else ""):
        told.append("Excluded by people.exclude: never invited, never removed.")
    if row is None:
        return [*told, "The person was never looked at, so no Matrix account is known."]
    told += _of_resolution(row.resolution)
    if link is not None and link.waits_at(now):
        told.append(
            f"{link.matrix_id} was proven with a code and counts from {moment(link.effective_at)}; until then "
            f"{link.previous}."
        )
    if row.unusable_since is not None:
        told.append(
            f"The Moodle account can't be used since {moment(row.unusable_since)} or before; what follows says "
            f"people.on_suspend: {rules.people.on_suspend}."
        )
    if row.looked_at is not None:
        told.append(f"Moodle last showed us the account at {moment(row.looked_at)}.")
    return told


def of_no_room(row: CourseRow) -> str:
    """Why a course has no room that is kept."""
    if row.gone:
        return "Moodle does not list the course any more, so its rooms are left as they are."
    return f"The course is off, so nobody is invited or removed. {row.reason}".strip()


def _username(row: PersonRow | None) -> str:
    return f" ({row.username})" if row is not None and row.username else ""


def _of_resolution(found: Resolution) -> list[str]:
    if found.matrix_id is None:
        told = ["No Matrix account is known for the person."]
    else:
        how = HOW_SURE[found.trust] if found.trust is not None else "not sure to be the person's"
        told = [f"The Matrix account is {found.matrix_id}, {how}."]
        match found.standing:
            case Standing.WAITING:
                told.append("That account does not exist yet; it is waited for.")
            case Standing.BLOCKED:
                told.append("The homeserver has deactivated, suspended or locked that account.")
            case Standing.READY:
                pass
    if found.reason:
        told.append(found.reason)
    if found.wanted is not None:
        told.append(f"{found.wanted} would be taken as soon as nobody else holds it.")
    if found.virtual_id is not None:
        told.append(f"Meanwhile the virtual user {found.virtual_id} holds the person's places.")
    return told
