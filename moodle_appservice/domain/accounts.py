"""What follows from a person's claim, the account behind it as the homeserver shows it, and `accounts.mode`.

A claim that was only derived takes an account only if nothing speaks against it: not one of a server administrator, not
one that somebody switched off, and where an identity provider is configured only one that signs in with the person's
own id there. What a directory or the person says may be out of order too, but it is theirs: then nobody is invited.
Accounts that we made ourselves were checked when they were made.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from .model import MoodleUserId, Person, Resolution, Standing, Trust, UserId
from .rules import AccountMode, Rules
from .shown import shown

NAME_PLACEHOLDERS = frozenset({"full_name", "username", "idnumber"})
MAX_NAME = 256
"""Synapse's limit of a display name."""
RECOVERY_WINDOW = 120.0
"""Seconds after an intention in which our own request can have made the account, see `is_as_we_left_it`."""
CLOCK_SKEW = 10.0


@dataclass(frozen=True, slots=True)
class Account:
    """An account at our homeserver as the admin API shows it; without admin rights only that it exists."""

    user_id: UserId
    display_name: str = ""
    deactivated: bool = False
    suspended: bool = False
    locked: bool = False
    admin: bool = False
    external_ids: frozenset[tuple[str, str]] = frozenset()
    """(provider, external id)."""
    emails: frozenset[str] = frozenset()
    seen_as_admin: bool = True
    """False: only the public profile was seen, so the fields above say nothing."""
    made_at: float | None = None
    """Unix seconds; None where it was not told."""


@dataclass(frozen=True, slots=True)
class Case:
    """Whose claim is judged, and by what right. `external_id`: what the account must carry; None: nothing is known."""

    claim: Resolution
    is_ours: bool = False
    """We made the account, to its end."""
    was_held: bool = False
    """The account was this person's before this look."""
    was_refused: bool = False
    """The account was kept from this person at the look before this."""
    is_wanted: bool = True
    """The person can sign in to Moodle and is not excluded: only for such ones accounts are made."""
    external_id: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Ruling:
    """`make`: the account is to be made now. `refused`: somebody's account was kept from this person."""

    resolution: Resolution
    make: bool = False
    refused: bool = False


def is_local(matrix_id: UserId, rules: Rules) -> bool:
    """Whether an id is one of our own homeserver."""
    return matrix_id.endswith(f":{rules.domain}")


def is_excluded(person: Person, rules: Rules) -> bool:
    """Whether `people.exclude` names this person, by user name or Moodle id."""
    return rules.people.excludes(person.id, person.username)


def virtual_id_of(user_id: MoodleUserId, rules: Rules) -> UserId:
    """The virtual user of a person: by number, for an id stays in a room's history for ever."""
    return rules.virtual_user(user_id)


def display_name_of(person: Person, rules: Rules) -> str:
    """The display name of an account of ours; by number where Moodle's name has nothing that can be seen."""
    text = rules.accounts.name_template.format(
        full_name=person.full_name, username=person.username, idnumber=person.idnumber
    )
    name = shown(" ".join(text.encode("utf-8", "ignore").decode().split()))[:MAX_NAME]
    return name or f"Moodle {person.id}"


def must_look(case: Case, rules: Rules, *, can_look: bool, can_create: bool) -> bool:
    """Whether the account has to be looked at before the claim can be judged."""
    matrix_id, accounts = case.claim.matrix_id, rules.accounts
    if matrix_id is None:
        return False
    waits = accounts.mode is not AccountMode.EXPECT_SSO or accounts.wait_for_account
    if not is_local(matrix_id, rules):
        return waits
    if accounts.mode is AccountMode.CREATE and can_create and case.is_wanted:
        # Making it tells whether it is there, in one request instead of two.
        is_known = case.was_held or case.is_ours or case.was_refused
        return is_known or case.claim.trust is not Trust.DERIVED
    return waits or can_look


def judge(case: Case, account: Account | None, rules: Rules, *, can_create: bool = False) -> Ruling:
    """What becomes of a claim. `account` None: there is none behind it."""
    claim = case.claim
    if claim.matrix_id is None:
        return Ruling(claim)
    if account is None:
        return _without_account(case, claim.matrix_id, rules, can_create=can_create)
    if case.is_ours or not account.seen_as_admin or claim.trust is not Trust.DERIVED:
        return _unless_blocked(case, account, rules)
    why = _why_not_taken(case, account)
    if why:
        return _refused(claim, claim.matrix_id, why)
    return _unless_blocked(case, account, rules)


def unlooked(case: Case) -> Ruling:
    """Where nobody has to look: the id is invited as it is."""
    return Ruling(replace(case.claim, standing=Standing.READY))


def is_as_we_left_it(account: Account, intended_at: float, *, name: str = "") -> bool:
    """Whether an account that exists after a crash is the one that we were about to make, and untouched since.

    It must be as empty as a new one *and* have been made in the moment after our intention: an account that somebody
    else made in between has nothing in it either, but would let its maker in after we have filled it.
    """
    localpart = account.user_id[1:].split(":", 1)[0]
    is_empty = not (account.external_ids or account.emails or account.admin or account.deactivated)
    in_time = account.made_at is not None and (
        intended_at - CLOCK_SKEW <= account.made_at <= intended_at + RECOVERY_WINDOW
    )
    is_nameless = account.display_name in ("", localpart, name)
    return account.seen_as_admin and is_empty and is_nameless and in_time


def account_exists(claim: Resolution) -> Ruling:
    """The account is there already, and not of our making."""
    assert claim.matrix_id is not None
    why = (
        "there is such an account already, which this service did not make and nothing ties to this person. It was "
        "left untouched. If it is this person's, have it linked with the bot's command link"
    )
    return _refused(claim, claim.matrix_id, why)


def _without_account(case: Case, matrix_id: UserId, rules: Rules, *, can_create: bool) -> Ruling:
    claim, accounts = case.claim, rules.accounts
    if not is_local(matrix_id, rules):
        server = matrix_id.split(":", 1)[1]
        return _waiting(claim, f"The homeserver {server} has no account {matrix_id} (yet).")
    if accounts.mode is AccountMode.EXPECT_SSO and not accounts.wait_for_account:
        return unlooked(case)
    if accounts.mode is AccountMode.CREATE and claim.trust is not Trust.PROVEN:
        if not case.is_wanted:
            return _waiting(
                claim, "No account is made as long as the person can't use Moodle, or is excluded."
            )
        if can_create:
            return Ruling(_waiting(claim, f"The account {matrix_id} is being made.").resolution, make=True)
        return _waiting(
            claim,
            f"There is no account {matrix_id}, and this service has no right to make one (doctor says how to get it).",
        )
    return _waiting(
        claim, f"There is no account {matrix_id} yet. The person is invited as soon as it exists."
    )


def _why_not_taken(case: Case, account: Account) -> str:
    if account.admin:
        return "that account is a server administrator's. It was left untouched"
    if _blocked(account) and not case.was_held:
        return f"that account is {_blocked(account)}. It was left untouched"
    if case.external_id is not None and case.external_id not in account.external_ids:
        provider = case.external_id[0]
        return (
            f"that account does not sign in by {provider} with this person's id. It was left untouched. If it is this "
            "person's all the same, have it linked with the bot's command link"
        )
    return ""


def _unless_blocked(case: Case, account: Account, rules: Rules) -> Ruling:
    blocked = _blocked(account) if account.seen_as_admin else ""
    if blocked:
        reason = _joined(
            case.claim.reason,
            f"The homeserver has {blocked} the account {account.user_id}: nobody is invited.",
        )
        return Ruling(replace(case.claim, standing=Standing.BLOCKED, reason=reason))
    is_create = rules.accounts.mode is AccountMode.CREATE and case.claim.trust is Trust.DERIVED
    if is_create and not (case.is_ours or case.was_held) and case.external_id not in account.external_ids:
        return account_exists(case.claim)
    return unlooked(case)


def _blocked(account: Account) -> str:
    if account.deactivated:
        return "deactivated"
    if account.suspended:
        return "suspended"
    return "locked" if account.locked else ""


def _refused(claim: Resolution, matrix_id: UserId, why: str) -> Ruling:
    reason = _joined(claim.reason, f"{matrix_id} is not taken for this person: {why}.")
    return Ruling(Resolution(claim.user_id, None, None, reason, wanted=matrix_id), refused=True)


def _waiting(claim: Resolution, why: str) -> Ruling:
    return Ruling(replace(claim, standing=Standing.WAITING, reason=_joined(claim.reason, why)))


def _joined(*sentences: str) -> str:
    return " ".join(sentence for sentence in sentences if sentence)
