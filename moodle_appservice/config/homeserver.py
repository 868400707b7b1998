"""The homeserver section: where it is, and the rights that an administrator may lend us there."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr, ValidationInfo, field_validator

from ..problems import wrong
from .section import Section, number
from .values import OptionalWebAddress, ServerName, WebAddress

_ULID = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")


def _ulid(value: str) -> str:
    if value and not _ULID.fullmatch(value):
        raise wrong("is not an id of MAS", "Write the 26 digits and capital letters, as `id` has them there.")
    return value


class Mas(Section):
    """The Matrix Authentication Service (MAS), where it keeps the accounts in Synapse's place."""

    address: OptionalWebAddress = Field(
        default="",
        description="The address at which MAS serves its resources oauth and adminapi, such as http://127.0.0.1:8080; "
        "empty: Synapse keeps the accounts itself.",
    )
    client_id: str = Field(
        default="", description="The id of the client in MAS's configuration that this service signs in as."
    )
    client_secret: SecretStr = Field(default=SecretStr(""), description="The secret of that client.")
    provider: Annotated[str, AfterValidator(_ulid)] = Field(
        default="",
        description="The id of the upstream provider that people sign in with (upstream_oauth2.providers[].id); "
        "identity.sso.provider may then be any name for it.",
    )

    @field_validator("client_secret")
    @classmethod
    def _complete(cls, secret: SecretStr, info: ValidationInfo) -> SecretStr:
        address, client = info.data.get("address"), info.data.get("client_id")
        if address and not (client and secret.get_secret_value()):
            raise wrong(
                "needs client_id and client_secret beside the address",
                "Write both as they stand in the `clients` of MAS's configuration.",
            )
        return secret


class Homeserver(Section):
    """The homeserver, as this service reaches it and as people's ids name it."""

    address: WebAddress = Field(
        description="The address under which this service reaches the homeserver, such as http://127.0.0.1:8008."
    )
    domain: ServerName = Field(
        description="The server name in Matrix ids: example.org for @anna:example.org (server_name in homeserver.yaml)."
    )
    timeout: float = number(
        60, "Seconds until an answer of the homeserver counts as lost.", unit="seconds", gt=0
    )
    admin_token: SecretStr = Field(
        default=SecretStr(""),
        description="The access token of a server administrator, for what takes one; not needed where the bot itself "
        "is one; empty: none.",
    )
    admin_refresh_token: SecretStr = Field(
        default=SecretStr(""),
        description="The refresh token that belongs to admin_token, where that expires; renewed tokens are kept in the "
        "database.",
    )
    mas: Mas = Mas()

    def secrets(self) -> tuple[str, ...]:
        """Every secret of this section."""
        held = (self.admin_token, self.admin_refresh_token, self.mas.client_secret)
        return tuple(secret.get_secret_value() for secret in held)
