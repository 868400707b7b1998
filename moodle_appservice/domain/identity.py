"""From a Moodle person to a Matrix id, or to a sentence that says why there is none.

The sources are asked in the order of their trust. *Proven*: a link that the person has proven. *Directory*: the account
that signs in with the person's id at the identity provider; a profile field that people can't change themselves; an
institution's own rules. *Derived*: the account with the person's e-mail address; the template. What can only be found
out by asking stands in `Sources`; all else follows from the person and the rules alone.

A source that names an account which may not be taken ends the search, so that a lesser one does not step in for it. A
source that is not believed leaves a remark, and the search goes on. That two people never share an id is the store's
to enforce.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from hashlib import sha256

from .model import Claim, Person, Resolution, Trust, UserId
from .rules import OwnRule, Rules
from .template import Missing, escape_localpart, matrix_id_from

MAX_USER_ID_BYTES = 255
SELF_REGISTERED = frozenset({"email", "none", "lti"})
"""`auth` methods with which people choose their own user name: nothing is ever derived from it."""
NO_LOGIN = "nologin"
"""The `auth` method of accounts that nobody can sign in to."""
UNKNOWN_AUTH = "unknown"
"""How the configuration calls it where the source of facts does not tell `auth`."""
_LOCALPART = re.compile(r"[a-z0-9._=\-/+]+")
_SERVER = re.compile(
    r"(?:\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9](?:[A-Za-z0-9.-]{0,228}[A-Za-z0-9])?)(?::[0-9]{1,5})?"
)
__all__ = [
    "FieldSeen",
    "Sources",
    "derives",
    "escape_localpart",
    "fingerprint",
    "print_of_rules",
    "resolve",
    "settle",
    "split_user_id",
    "still_holds",
]


@dataclass(frozen=True, slots=True)
class FieldSeen:
    """What a person's profile field was seen to hold. `value` is the last that was not empty, None before any look.

    `since`: the earliest moment at which that value can have been set, that is the last look at which it was another
    one; None where the first look found it there.
    """

    value: str | None = None
    since: float | None = None

    def seen_again(self, value: str, *, last_look: float | None) -> FieldSeen:
        """What is known after one more look. `last_look`: when the person's field was looked at before this."""
        if self.value is None or last_look is None:
            return FieldSeen(value, None)
        if value in ("", self.value):
            # Emptied and filled with the same again is the same: it may only not have been readable meanwhile.
            return self
        return FieldSeen(value, last_look)


UNSEEN = FieldSeen()


@dataclass(frozen=True, slots=True)
class Sources:
    """What has to be asked for: our own books and the homeserver. Empty: they know nothing, or were not asked."""

    linked: UserId | None = None
    """By a proven link that counts now."""
    signs_in: UserId | None = None
    """The account that signs in with the person's id at the identity provider; counts only where `derives`, for that id
    is made of the user name."""
    has_email: UserId | None = None
    """The account that has proven the person's e-mail address to the homeserver."""
    field: FieldSeen = UNSEEN
    written: str = ""
    """What we wrote into the profile field ourselves."""


def split_user_id(text: str) -> tuple[str, str] | None:
    """Localpart and server name of a valid Matrix id, else None (specification, "User identifiers")."""
    # Both parts are ASCII, so that characters are bytes.
    if not text.startswith("@") or ":" not in text or len(text) > MAX_USER_ID_BYTES:
        return None
    localpart, server = text[1:].split(":", 1)
    if not _LOCALPART.fullmatch(localpart) or not _SERVER.fullmatch(server):
        return None
    return localpart, server


NOT_ASKED = Sources()


def resolve(person: Person, rules: Rules, sources: Sources = NOT_ASKED) -> Resolution:
    """The Matrix id that the rules give this person. Uniqueness among people is the store's to enforce."""
    remarks: list[str] = []
    for claim, is_final in _claims(person, rules, sources):
        if claim.matrix_id is not None:
            said = claim.matrix_id == _stated(person, rules, sources)
            # A field that is not believed but says the same needs no remark.
            return Resolution(person.id, claim.matrix_id, claim.trust, "" if said else " ".join(remarks))
        remarks.append(claim.reason)
        if is_final:
            break
    return Resolution(person.id, None, None, " ".join(remarks))


def settle(before: Resolution | None, fresh: Resolution) -> Resolution:
    """What to keep when a person is looked at again, where what was found before `still_holds`.

    A derived id stays for good: a rename in Moodle must not make a second person, nor give the old id to whoever gets
    the old username. A surer source replaces it; a source that has fallen silent changes nothing but the reason.
    """
    if before is None or before.matrix_id is None or before.trust is None:
        return fresh
    if fresh.matrix_id is None or fresh.trust is None:
        return Resolution(before.user_id, before.matrix_id, before.trust, fresh.reason)
    if fresh.trust is Trust.DERIVED or fresh.trust.rank < before.trust.rank:
        return Resolution(before.user_id, before.matrix_id, before.trust, fresh.reason)
    return fresh


def still_holds(before: Resolution, person: Person, rules: Rules, sources: Sources) -> bool:
    """Whether what was found earlier may stay: not where its source is not believed any more, or rules forbid it."""
    if before.matrix_id is None:
        return False
    if _refuse(before.matrix_id, rules, reserved=before.trust is not Trust.PROVEN):
        return False
    match before.trust:
        case Trust.PROVEN:
            return sources.linked == before.matrix_id
        case Trust.DIRECTORY:
            return sources.signs_in == before.matrix_id or _directory_may_say(
                before.matrix_id, person, rules, sources
            )
        case _:
            return _may_derive(person, rules)


def derives(person: Person, rules: Rules) -> bool:
    """Whether the person's `auth` method is one whose user names are the homeserver's too."""
    auth = person.auth or UNKNOWN_AUTH
    return auth in rules.identity.same_directory_auth and auth not in SELF_REGISTERED | {NO_LOGIN}


def print_of_rules(rules: Rules) -> str:
    """Changes when any rule changes by which people get their ids and accounts."""
    identity = rules.identity
    own = tuple(rule.name for rule in identity.own_rules)
    sets = (identity.same_directory_auth, identity.reserved, identity.allowed_domains, rules.people.exclude)
    parts = (
        (rules.site, rules.domain, rules.bot),
        (identity.profile_field, identity.field_is_locked, identity.locked_since, identity.template),
        tuple((rule.pattern, rule.replacement) for rule in identity.rewrite),
        (identity.by_email, identity.sso_provider, identity.external_id, own),
        tuple(tuple(sorted(names)) for names in sets),
        astuple(rules.accounts),
    )
    return sha256(repr(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def fingerprint(person: Person, rules: str = "") -> str:
    """Changes when anything changes that could change the person's Matrix id or account; `rules`: `print_of_rules`."""
    fields = sorted(person.profile_fields.items())
    parts = (
        (person.username, person.full_name, person.email, person.idnumber, person.language, repr(fields)),
        (person.auth, str(person.usable), rules),
        # Left out where it is not known, so that nobody is looked at anew for it.
        *(() if person.picture is None else (person.picture,)),
        *((person.timezone,) if person.timezone else ()),
    )
    return sha256(repr(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _claims(person: Person, rules: Rules, sources: Sources) -> Iterator[tuple[Claim, bool]]:
    """What each source says, the surest first, and whether a refusal of it ends the search."""
    if sources.linked is not None:
        yield _taken(sources.linked, Trust.PROVEN, "The linked account", rules), False
    may_derive = derives(person, rules)
    if sources.signs_in is not None and may_derive:
        yield (
            _taken(sources.signs_in, Trust.DIRECTORY, "The account that signs in as this person", rules),
            True,
        )
    stated = _stated(person, rules, sources)
    if stated:
        refusal = _why_not_believed(person, rules, stated, sources)
        field = f"The profile field {rules.identity.profile_field}"
        claim = Claim(None, reason=refusal) if refusal else _taken(stated, Trust.DIRECTORY, field, rules)
        yield claim, not refusal
    for rule in rules.identity.own_rules:
        own = _by_own_rule(rule, person, rules)
        if own is not None and (may_derive or own.trust is not Trust.DERIVED or own.matrix_id is None):
            yield own, False
    if not may_derive:
        yield Claim(None, reason=_why_not_derived(person)), True
        return
    if sources.has_email is not None:
        yield _taken(sources.has_email, Trust.DERIVED, "The account with this e-mail address", rules), True
    yield _by_template(person, rules), True


def _stated(person: Person, rules: Rules, sources: Sources) -> str:
    """What the profile field says, unless we wrote it there ourselves."""
    field = rules.identity.profile_field
    said = person.profile_fields.get(field, "").strip() if field else ""
    return "" if said == sources.written else said


def _may_derive(person: Person, rules: Rules) -> bool:
    # Where the source of facts tells the method only now and then, nobody loses an account for it.
    return not person.auth or derives(person, rules)


def _directory_may_say(matrix_id: UserId, person: Person, rules: Rules, sources: Sources) -> bool:
    """Whether a directory that is silent now may be where this id came from."""
    identity = rules.identity
    if _stated(person, rules, sources) == matrix_id and _why_not_believed(person, rules, matrix_id, sources):
        return False
    is_locked = bool(identity.profile_field) and identity.field_is_locked
    signs_in = bool(identity.sso_provider) and _may_derive(person, rules)
    return is_locked or signs_in or bool(identity.own_rules)


def _why_not_believed(person: Person, rules: Rules, stated: str, sources: Sources) -> str:
    """Why the profile field counts for nothing; empty where it is believed."""
    identity = rules.identity
    if not identity.field_is_locked:
        return (
            f"The profile field {identity.profile_field} is not believed: people may fill it in themselves. Prove the "
            "account with the bot's command link; or have an administrator lock the field in Moodle and then set "
            "identity.profile_field_locked."
        )
    seen, since = sources.field, identity.locked_since
    if person.auth in SELF_REGISTERED and (seen.value != stated or seen.since is None):
        # Moodle lets whoever signs up fill in a field that is locked, where it is on the sign-up page.
        return (
            f"The profile field {identity.profile_field} is not believed: this person made the account in Moodle "
            f"({person.auth}), and may have filled the field in on the sign-up page. Prove the account with the bot's "
            "command link; or have an administrator put another value there, wait for a pass, and put the right one "
            "back."
        )
    if since is not None and (seen.value != stated or seen.since is None or seen.since < since):
        return (
            f"The profile field {identity.profile_field} is not believed: it may have been filled in before "
            "identity.locked_since, by the person. Prove the account with the bot's command link; or have an "
            "administrator put another value there, wait for a pass, and put the right one back."
        )
    return ""


def _by_own_rule(rule: OwnRule, person: Person, rules: Rules) -> Claim | None:
    try:
        claim = rule.find(person)
    except Exception as error:  # noqa: BLE001 (somebody else's code: the other sources go on)
        return Claim(None, reason=f"The rule {rule.name} failed ({type(error).__name__}: {error}).")
    if claim is None:
        return None
    if not isinstance(claim, Claim):
        return Claim(None, reason=f"The rule {rule.name} gave no claim but {type(claim).__name__}.")
    if claim.matrix_id is None:
        return Claim(None, reason=claim.reason or f"The rule {rule.name} gives no id.")
    trust = Trust.DERIVED if claim.trust is Trust.DERIVED else Trust.DIRECTORY
    return _taken(str(claim.matrix_id), trust, f"The rule {rule.name}", rules)


def _why_not_derived(person: Person) -> str:
    if not person.auth:
        return (
            "Moodle does not tell how this person signs in, so nothing is derived from the user name. List unknown in "
            "identity.same_directory_auth if nobody can register at Moodle without your directory; or prove the "
            "account with the bot's command link."
        )
    if person.auth == NO_LOGIN:
        return (
            "Nobody can sign in to this Moodle account (nologin), so nothing is derived from its user name. Give it "
            "another authentication method in Moodle if somebody is to use it."
        )
    if person.auth in SELF_REGISTERED:
        return (
            f"People who sign in to Moodle with {person.auth} may choose their user name, so nothing is derived from "
            "it. Prove the account with the bot's command link."
        )
    return (
        f"Nothing is derived for people who sign in to Moodle with {person.auth}: identity.same_directory_auth does "
        "not list it. List it if its user names are the homeserver's too; or prove the account with the bot's command "
        "link."
    )


def _by_template(person: Person, rules: Rules) -> Claim:
    try:
        candidate = matrix_id_from(person, rules)
    except Missing as missing:
        return Claim(None, reason=f"The id template needs {missing}, which is empty in Moodle.")
    parts = split_user_id(candidate)
    if parts is None:
        reason = "The id template does not give a valid Matrix id (too long, or odd characters)."
        return Claim(None, reason=reason)
    refusal = _refuse_localpart(*parts, rules)
    return Claim(None, reason=refusal) if refusal else Claim(UserId(candidate))


def _taken(stated: str, trust: Trust, source: str, rules: Rules) -> Claim:
    parts = split_user_id(stated)
    if parts is None:
        return Claim(None, reason=f"{source} does not hold a valid Matrix id.")
    allowed = rules.identity.allowed_domains
    if parts[1] != rules.domain and "*" not in allowed and parts[1] not in allowed:
        reason = f"{source} names an account on {parts[1]}, which identity.allowed_domains does not list."
        return Claim(None, reason=reason)
    refusal = _refuse_localpart(*parts, rules, reserved=trust is not Trust.PROVEN)
    return Claim(None, reason=refusal) if refusal else Claim(UserId(stated), trust)


def _refuse(matrix_id: UserId, rules: Rules, *, reserved: bool) -> str:
    trust = Trust.DIRECTORY if reserved else Trust.PROVEN
    return _taken(matrix_id, trust, "It", rules).reason


def _refuse_localpart(localpart: str, server: str, rules: Rules, *, reserved: bool = True) -> str:
    if server != rules.domain:
        return ""
    if f"@{localpart}:{server}" == rules.bot or localpart.startswith(f"moodle_{rules.site}_"):
        return f"The account name {localpart} belongs to this service itself."
    if localpart.isdigit():
        return (
            f"Synapse makes no account whose name is digits only ({localpart}). Let identity.template put something "
            "before it, such as @u{username}:{domain}, or give the person another id in Moodle."
        )
    if reserved and localpart in rules.identity.reserved:
        return f"The account name {localpart} is reserved (identity.reserved)."
    return ""
