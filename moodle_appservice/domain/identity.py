"""From a Moodle person to a Matrix id, or to a sentence that says why there is none.

A profile field wins over the template. Escaping is lossless (Matrix specification, appendix "Mapping from other
character sets"): whatever a localpart may not hold becomes `=xx` per UTF-8 byte, `=` itself too, so two different
usernames can never become one id by the template; the store's unique constraint catches what remains (a profile
field that names somebody else's id) and the second person is quarantined.
"""

from __future__ import annotations

import re
from hashlib import sha256
from string import Formatter

from .model import MoodleUserId, Person, Resolution, Trust, UserId
from .rules import Rules

MAX_USER_ID_BYTES = 255
PLACEHOLDERS = frozenset({"username", "idnumber", "email_localpart", "domain"})
_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789._-/+")
_LOCALPART = re.compile(r"[a-z0-9._=\-/+]+")
_SERVER = re.compile(
    r"(?:\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9](?:[A-Za-z0-9.-]{0,228}[A-Za-z0-9])?)(?::[0-9]{1,5})?"
)


def escape_localpart(text: str) -> str:
    """Lossless `=xx` escaping of any text, lower-cased first as Moodle's usernames are; no leading underscore."""
    escaped = "".join(
        chr(b) if b in _PLAIN else f"={b:02x}" for b in text.lower().encode("utf-8", "surrogatepass")
    )
    return f"=5f{escaped[1:]}" if escaped.startswith("_") else escaped


def split_user_id(text: str) -> tuple[str, str] | None:
    """Localpart and server name of a valid Matrix id, else None (specification, "User identifiers")."""
    # Both parts are ASCII, so that characters are bytes.
    if not text.startswith("@") or ":" not in text or len(text) > MAX_USER_ID_BYTES:
        return None
    localpart, server = text[1:].split(":", 1)
    if not _LOCALPART.fullmatch(localpart) or not _SERVER.fullmatch(server):
        return None
    return localpart, server


def resolve(person: Person, rules: Rules) -> Resolution:
    """The Matrix id that the rules give this person. Uniqueness among people is the store's to enforce."""
    stated = person.profile_fields.get(rules.identity.profile_field, "").strip()
    if rules.identity.profile_field and stated:
        refusal = _refuse_stated(stated, rules)
        if refusal:
            return _unresolved(person.id, refusal)
        return Resolution(person.id, UserId(stated), Trust.DIRECTORY)
    return _derive(person, rules)


def settle(before: Resolution | None, fresh: Resolution) -> Resolution:
    """What to keep when a person is looked at again.

    A derived id stays for good: a rename in Moodle must not make a second person, nor give the old id to whoever gets
    the old username. What the profile field states replaces it; a field that has become unusable changes nothing but
    the reason.
    """
    if before is None or before.matrix_id is None:
        return fresh
    if fresh.matrix_id is None:
        return Resolution(before.user_id, before.matrix_id, before.trust, fresh.reason)
    if fresh.trust is Trust.DERIVED:
        return Resolution(before.user_id, before.matrix_id, before.trust)
    return fresh


def fingerprint(person: Person) -> str:
    """Changes when anything changes that could change the person's Matrix id or how we address them."""
    fields = sorted(person.profile_fields.items())
    parts = (person.username, person.full_name, person.email, person.idnumber, person.language, repr(fields))
    return sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _derive(person: Person, rules: Rules) -> Resolution:
    values = {
        "username": escape_localpart(person.username),
        "idnumber": escape_localpart(person.idnumber),
        "email_localpart": escape_localpart(person.email.partition("@")[0]),
        "domain": rules.domain,
    }
    needed = {name for _, name, _, _ in Formatter().parse(rules.identity.template) if name}
    for name in sorted(needed):
        if not values[name]:
            return _unresolved(person.id, f"The id template needs {name}, which is empty in Moodle.")
    candidate = rules.identity.template.format(**values)
    parts = split_user_id(candidate)
    if parts is None:
        return _unresolved(
            person.id, "The id template does not give a valid Matrix id (too long, or odd characters)."
        )
    refusal = _refuse_localpart(*parts, rules)
    if refusal:
        return _unresolved(person.id, refusal)
    return Resolution(person.id, UserId(candidate), Trust.DERIVED)


def _refuse_stated(stated: str, rules: Rules) -> str:
    parts = split_user_id(stated)
    if parts is None:
        return f"The profile field {rules.identity.profile_field} does not hold a valid Matrix id."
    allowed = rules.identity.allowed_domains
    if parts[1] != rules.domain and "*" not in allowed and parts[1] not in allowed:
        return (
            f"The profile field names an account on {parts[1]}, which identity.allowed_domains does not list."
        )
    return _refuse_localpart(*parts, rules)


def _refuse_localpart(localpart: str, server: str, rules: Rules) -> str:
    if server != rules.domain:
        return ""
    if f"@{localpart}:{server}" == rules.bot or localpart.startswith(f"moodle_{rules.site}_"):
        return f"The account name {localpart} belongs to this service itself."
    if localpart.isdigit():
        return (
            f"Synapse makes no account whose name is digits only ({localpart}). Let identity.template put something "
            "before it, such as @u{username}:{domain}, or give the person another id in Moodle."
        )
    if localpart in rules.identity.reserved:
        return f"The account name {localpart} is reserved (identity.reserved)."
    return ""


def _unresolved(user_id: MoodleUserId, reason: str) -> Resolution:
    return Resolution(user_id, None, None, reason)
