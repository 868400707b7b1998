"""The registration: the file in which Synapse and this service agree on tokens, address and namespaces.

`make` invents one with random tokens, `write` puts it into a file that only its owner reads, `read` checks a file as
strictly as Synapse does and beyond: it must also cover every alias that this service will use. Both sides read the
same file, so whoever changes it restarts both.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import quote, urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError

from . import privatefile
from .domain.identity import split_user_id
from .domain.model import UserId
from .errors import ConfigError, Problem
from .languages import N_
from .problems import PLACEHOLDER, Origin, explain, wrong
from .yamlfile import Place, Tree, spell, without_unset
from .yamlfile import read as read_yaml

DEFAULT_ID = "moodle"
DEFAULT_LOCALPART = "moodlebot"
_TOKEN = re.compile(r"[\x21-\x7e]+")
_TOKEN_BYTES = 32


@dataclass(frozen=True, slots=True)
class Namespace:
    """One line of a namespace: ids that match `regex` from their start; `exclusive` = nobody else may take them."""

    regex: str
    exclusive: bool = True

    def covers(self, name: str) -> bool:
        """Whether Synapse counts this id as ours alone."""
        return self.exclusive and re.match(self.regex, name) is not None


@dataclass(frozen=True, slots=True)
class Registration:
    """A checked registration. `warnings` are what works but works badly."""

    id: str
    url: str
    as_token: SecretStr
    hs_token: SecretStr
    sender_localpart: str
    users: tuple[Namespace, ...]
    aliases: tuple[Namespace, ...]
    rate_limited: bool = False
    warnings: tuple[Problem, ...] = ()

    def bot_user_id(self, domain: str) -> UserId:
        """The Matrix id of the bot."""
        return UserId(f"@{self.sender_localpart}:{domain}")

    def secrets(self) -> tuple[str, str]:
        """Both tokens, so that logs can mask them."""
        return self.as_token.get_secret_value(), self.hs_token.get_secret_value()


def make(*, site: str, domain: str, url: str) -> Registration:
    """A new registration with random tokens."""
    server = re.escape(domain).replace(r"\-", "-")
    return Registration(
        id=DEFAULT_ID,
        url=url,
        as_token=SecretStr(secrets.token_urlsafe(_TOKEN_BYTES)),
        hs_token=SecretStr(secrets.token_urlsafe(_TOKEN_BYTES)),
        sender_localpart=DEFAULT_LOCALPART,
        users=(Namespace(f"@{DEFAULT_LOCALPART}:{server}"), Namespace(f"@moodle_{site}_.*:{server}")),
        aliases=(Namespace(f"#moodle_{site}_.*:{server}"),),
    )


def render(registration: Registration) -> str:
    """The text of the file, tokens included."""
    return f"""\
# The agreement between Synapse and moodle-appservice. Both read this file; restart both after a change.
# It holds secrets: only Synapse and this service should be able to read it.

# Two services on one homeserver need different ids and different bots.
id: {registration.id}
sender_localpart: {registration.sender_localpart}

# Where Synapse reaches this service.
url: {registration.url}

as_token: '{registration.as_token.get_secret_value()}'
hs_token: '{registration.hs_token.get_secret_value()}'

# With rate limits Synapse lets the bot invite only a few people per minute.
rate_limited: {str(registration.rate_limited).lower()}
# Typing and presence are of no use to this service.
receive_ephemeral: false

namespaces:
  users:{_render_namespaces(registration.users)}
  aliases:{_render_namespaces(registration.aliases)}
  rooms: []
"""


def _render_namespaces(namespaces: tuple[Namespace, ...]) -> str:
    return "".join(
        f"\n    - exclusive: {str(namespace.exclusive).lower()}\n      regex: '{namespace.regex}'"
        for namespace in namespaces
    )


def write(registration: Registration, path: Path, *, force: bool = False) -> None:
    """Write the file with mode 0600. Raises `Refused` where there is one already, unless `force`."""
    privatefile.write(path, render(registration), force=force)


def _token(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if PLACEHOLDER in text:
        raise wrong("is still the text of the example", "Let `moodle-appservice -g` make random ones.")
    if not _TOKEN.fullmatch(text):
        raise wrong("is empty or has spaces or special letters", "Use a long random word, as `-g` makes it.")
    return value


def _url(value: str) -> str:
    try:
        parts = urlsplit(value)
        fine = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        fine = False
    if not fine:
        raise wrong(
            "is not a web address", "Write where Synapse reaches this service: http://127.0.0.1:29301."
        )
    return value.rstrip("/")


def _localpart(value: str) -> str:
    if quote(value) != value or split_user_id(f"@{value}:example.org") is None:
        raise wrong("can't be the name of an account", "Write small letters and digits, such as moodlebot.")
    return value


def _regex(value: str) -> str:
    try:
        re.compile(value)
    except re.error:
        raise wrong("is not a regular expression", r"Write it like '@moodle_uni_.*:example\.org'.") from None
    return value


class _Entry(BaseModel):
    regex: Annotated[str, AfterValidator(_regex)] = Field(description="the regular expression of the ids.")
    exclusive: bool = Field(description="write true: nobody else may take such ids.")


class _Namespaces(BaseModel):
    users: tuple[_Entry, ...] = ()
    aliases: tuple[_Entry, ...] = ()
    rooms: tuple[_Entry, ...] = ()


class _File(BaseModel):
    # Synapse knows more keys than we need; they are none of our business.
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    id: Annotated[str, Field(min_length=1)] = Field(
        description="a name that no other service of Synapse has."
    )
    url: Annotated[str, AfterValidator(_url)] = Field(
        description="where Synapse reaches this service; without it Synapse pushes nothing."
    )
    as_token: Annotated[SecretStr, AfterValidator(_token)] = Field(
        description="the token by which this service signs in to Synapse."
    )
    hs_token: Annotated[SecretStr, AfterValidator(_token)] = Field(
        description="the token by which Synapse signs in to this service."
    )
    sender_localpart: Annotated[str, AfterValidator(_localpart)] = Field(
        description="the account name of the bot, such as moodlebot."
    )
    rate_limited: bool = True
    namespaces: _Namespaces = Field(description="the ids that belong to this service.")


def read(path: Path, *, site: str, domain: str) -> Registration:
    """Read and check a registration for this site and homeserver. Raises `ConfigError` with every problem."""
    tree = read_yaml(path, missing="Write one with: moodle-appservice -g")
    if not tree.value and tree.problems:
        raise ConfigError(tree.problems)
    check = _Check(str(path), tree)
    problems = [*tree.problems, *check.mode(path)]
    try:
        file = _File.model_validate(without_unset(tree.value))
    except ValidationError as error:
        raise ConfigError([*problems, *explain(error, _File, check.origin_of)]) from None
    problems += check.tokens(file)
    problems += check.namespaces(file, site, domain)
    if problems:
        raise ConfigError(problems)
    return _registration(file, tuple(check.warnings(file, domain)))


def _registration(file: _File, warnings: tuple[Problem, ...]) -> Registration:
    users, aliases = (
        tuple(Namespace(entry.regex, entry.exclusive) for entry in entries)
        for entries in (file.namespaces.users, file.namespaces.aliases)
    )
    return Registration(
        file.id,
        file.url,
        file.as_token,
        file.hs_token,
        file.sender_localpart,
        users,
        aliases,
        file.rate_limited,
        warnings,
    )


@dataclass(frozen=True, slots=True)
class _Check:
    """What pydantic can't see: places in the file, and whether the namespaces fit this site."""

    name: str
    tree: Tree

    def origin_of(self, place: Place) -> Origin:
        """Where a place stands in the file."""
        return Origin(self.name, self.tree.line_of(place))

    def problem(self, place: Place, what: str, right: str) -> Problem:
        """A problem at a place."""
        return Problem(self.name, self.tree.line_of(place), spell(place), what, right)

    def mode(self, path: Path) -> Iterator[Problem]:
        """The tokens are for Synapse and us only."""
        if privatefile.is_open_to_all(path):
            what = "every user of this machine can read it, and it holds the tokens"
            yield self.problem((), what, f"Run: chmod 600 {path}")

    def tokens(self, file: _File) -> Iterator[Problem]:
        """Each direction has its own token."""
        if file.as_token == file.hs_token:
            yield self.problem(("hs_token",), "it is the same as as_token", "Use two different random words.")

    def namespaces(self, file: _File, site: str, domain: str) -> Iterator[Problem]:
        """What this service will use must be its own."""
        server = re.escape(domain).replace(r"\-", "-")
        for kind, sign, samples, entries in (
            ("users", "@", ("1",), file.namespaces.users),
            ("aliases", "#", ("course_1", "control"), file.namespaces.aliases),
        ):
            names = [f"{sign}moodle_{site}_{sample}:{domain}" for sample in samples]
            ours = [Namespace(entry.regex, entry.exclusive) for entry in entries]
            missing = [name for name in names if not any(namespace.covers(name) for namespace in ours)]
            if missing:
                yield self.problem(
                    ("namespaces", kind),
                    f"no exclusive entry covers {missing[0]}",
                    f"Add an entry with exclusive: true and regex: '{sign}moodle_{site}_.*:{server}', "
                    "here and in Synapse's copy; then restart Synapse.",
                )

    def warnings(self, file: _File, domain: str) -> Iterator[Problem]:
        """What works, but badly."""
        if file.rate_limited:
            yield self.problem(
                ("rate_limited",),
                N_("Synapse will let the bot invite only a few people per minute"),
                N_("Write rate_limited: false here and in Synapse's copy; then restart Synapse."),
            )
        for index, entry in enumerate(file.namespaces.users):
            if Namespace(entry.regex, entry.exclusive).covers(f"@anna.example:{domain}"):
                yield self.problem(
                    ("namespaces", "users", index),
                    N_("it claims the accounts of people too, who then can't register"),
                    N_("Narrow the regex to names that start with moodle_."),
                )
