"""Templates that are filled with what Moodle knows of a person: Matrix ids, and ids at an identity provider.

In a Matrix id each value is first rewritten by the institution's regular expressions, then lower-cased and escaped
without loss (Matrix specification, appendix "Mapping from other character sets"): whatever a localpart may not hold
becomes `=xx` per UTF-8 byte, `=` itself too. So what is different stays different, unless a rewrite rule makes it the
same. An id at an identity provider holds the values as they are.
"""

from __future__ import annotations

import re
from string import Formatter

from .model import Person
from .rules import IdentityRules, Rules

PLACEHOLDERS = frozenset({"username", "idnumber", "email", "email_localpart", "domain"})
PROFILE = "profile_"
"""`{profile_matricno}` is the profile field with the short name `matricno`."""
_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789._-/+")
_PROFILE_PLACEHOLDER = re.compile(r"profile_[A-Za-z0-9_]{1,100}")


class Missing(Exception):
    """A placeholder for which Moodle has no value; its name is the only argument."""


def is_placeholder(name: str) -> bool:
    """Whether a template may have this name in braces."""
    return name in PLACEHOLDERS or _PROFILE_PLACEHOLDER.fullmatch(name) is not None


def placeholders_in(template: str) -> frozenset[str]:
    """The names in braces."""
    return frozenset(name for _, name, _, _ in Formatter().parse(template) if name)


def profile_fields_for(identity: IdentityRules) -> tuple[str, ...]:
    """The short names of all profile fields that must be read to find people's ids."""
    templates = (identity.template, identity.external_id if identity.sso_provider else "")
    named = (name for template in templates for name in placeholders_in(template))
    fields = {name.removeprefix(PROFILE) for name in named if name.startswith(PROFILE)}
    return tuple(sorted(fields | ({identity.profile_field} - {""})))


def escape_localpart(text: str) -> str:
    """Lossless `=xx` escaping of any text, lower-cased first as Moodle's usernames are; no leading underscore."""
    escaped = "".join(
        chr(b) if b in _PLAIN else f"={b:02x}" for b in text.lower().encode("utf-8", "surrogatepass")
    )
    return f"=5f{escaped[1:]}" if escaped.startswith("_") else escaped


def matrix_id_from(person: Person, rules: Rules) -> str:
    """The id template filled; whether that is a valid id is not checked. Raises `Missing`."""
    identity = rules.identity
    values: dict[str, str] = {}
    for name in sorted(placeholders_in(identity.template)):
        value = _value(name, person, rules)
        if name != "domain":
            for rule in identity.rewrite:
                value = re.sub(rule.pattern, rule.replacement, value)
            value = escape_localpart(value)
        values[name] = _present(name, value)
    return identity.template.format(**values)


def external_id_from(person: Person, rules: Rules) -> str:
    """The id at the identity provider. Raises `Missing`, also for what no request could carry."""
    values: dict[str, str] = {}
    for name in sorted(placeholders_in(rules.identity.external_id)):
        value = _value(name, person, rules)
        values[name] = _present(name, "" if _is_torn(value) else value)
    return rules.identity.external_id.format(**values)


def _value(name: str, person: Person, rules: Rules) -> str:
    if name.startswith(PROFILE):
        return person.profile_fields.get(name.removeprefix(PROFILE), "").strip()
    return {
        "username": person.username,
        "idnumber": person.idnumber,
        "email": person.email,
        "email_localpart": person.email.partition("@")[0],
        "domain": rules.domain,
    }[name]


def _present(name: str, value: str) -> str:
    if not value:
        raise Missing(name)
    return value


def _is_torn(value: str) -> bool:
    """Whether it holds half a letter (a surrogate), which UTF-8 can't write."""
    return any("\ud800" <= letter <= "\udfff" for letter in value)
