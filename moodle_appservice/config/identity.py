"""The section `identity`: how a Moodle person becomes a Matrix id, and how sure that has to be."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from ..domain.rules import SAME_DIRECTORY
from ..problems import wrong
from .section import Section
from .values import (
    AllowedDomains,
    AuthMethods,
    ExternalIdTemplate,
    FieldName,
    IdentityTemplate,
    Localparts,
    Moment,
    Rewrites,
)

RESERVED = (
    *("abuse", "admin", "administrator", "anonymous", "bot", "draupnir", "guest", "hostmaster", "info"),
    *("matrix", "mjolnir", "moderator", "moodle", "noreply", "null", "operator", "postmaster", "root"),
    *("security", "server", "support", "synapse", "sysadmin", "system", "webmaster"),
)


class SingleSignOn(Section):
    """The identity provider with which people sign in to the homeserver, where this service may ask for it."""

    provider: str = Field(
        default="",
        max_length=255,
        description="The homeserver's name of the identity provider, such as oidc-keycloak (oidc- and the idp_id in "
        "homeserver.yaml; saml and cas as they are); empty: none.",
    )
    external_id: ExternalIdTemplate = Field(
        default="{username}",
        description="A person's id there; placeholders as in template, with the values as they are in Moodle.",
    )


class Identity(Section):
    """How a Moodle person becomes a Matrix id."""

    profile_field: FieldName = Field(
        default="",
        description="The short name of the Moodle profile field that holds people's Matrix ids; empty: none.",
    )
    profile_field_locked: bool = Field(
        default=False,
        description="Whether people can't change that field themselves; only then is it believed.",
    )
    locked_since: Moment = Field(
        default=None,
        description="Since when it is so, such as 2026-09-01; values that may be older are not believed. Empty: you "
        "vouch for all of them.",
    )
    template: IdentityTemplate = Field(
        default="@{username}:{domain}",
        description="The Matrix id of a person of whom nothing surer is known; placeholders: {username}, {idnumber}, "
        "{email}, {email_localpart}, {domain}, and {profile_x} for the profile field x.",
    )
    rewrite: Rewrites = Field(
        default={},
        description="Regular expressions, each with what takes the place of all that it finds in the values of the "
        'placeholders, such as {"@uni\\\\.example$": ""}.',
    )
    same_directory_auth: AuthMethods = Field(
        default=tuple(sorted(SAME_DIRECTORY)),
        description="Moodle's auth methods whose user names are the homeserver's too: nothing is derived for others. "
        "Methods with which people register themselves are not possible; unknown stands for a Moodle that does not "
        "tell the method.",
    )
    by_email: bool = Field(
        default=False,
        description="Whether the account that has proven a person's e-mail address to the homeserver is that person's; "
        "needs admin rights there.",
    )
    sso: SingleSignOn = SingleSignOn()
    trust_for_moderators: Literal["derived", "directory", "proven"] = Field(
        default="directory",
        description="How sure an id must be for its account to become a moderator; derived: a user name will do.",
    )
    allowed_domains: AllowedDomains = Field(
        default=(),
        description="Other homeservers on which people may have their accounts; * means all.",
    )
    reserved: Localparts = Field(
        default=RESERVED,
        description="Account names on our homeserver that no Moodle person is ever taken for, unless it is proven.",
    )

    @field_validator("profile_field_locked")
    @classmethod
    def _of_a_field(cls, value: bool, info: ValidationInfo) -> bool:
        if value and not info.data.get("profile_field"):
            raise wrong(
                "says that a field is locked, but there is none", "Name it in identity.profile_field."
            )
        return value

    @field_validator("locked_since")
    @classmethod
    def _of_a_lock(cls, value: float | None, info: ValidationInfo) -> float | None:
        if value is not None and info.data.get("profile_field_locked") is False:
            raise wrong(
                "has no effect on a field that is not locked", "Set identity.profile_field_locked too."
            )
        return value
