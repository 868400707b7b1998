"""The settings of the pages that people open: off as a whole until `public_url` says where browsers find them.

The pages need a host name for themselves, because their cookies hold for all of it, and TLS, unless it is this
machine itself. The addresses for programs (`hooks`, `provisioning`, `metrics`) stand here too and need no
`public_url`: each exists as soon as it has a secret, a token or a port. A secret that could be guessed is an
error. `Web.secrets` has every one of them, so that the log can leave them out.
"""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationInfo, field_validator

from ..problems import wrong
from .section import Section, number
from .values import ListenAddress, WebAddress, check_web_address, is_loopback

SHORTEST_SECRET = 16


def _public(value: str) -> str:
    if not value:
        return ""
    url = check_web_address(value)
    right = "Write it as https://chat.example.org, a host name of its own."
    if urlsplit(url).path:
        # A cookie with the prefix __Host- holds for all of a host.
        raise wrong("has a path; the pages need a host name for themselves", right)
    if url.startswith("http:") and not is_loopback(url):
        raise wrong("is without TLS: everybody on the way could take over a session", right)
    return url.lower()


def _identifier(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._~-]{0,255}", value):
        raise wrong(
            "is not an id that Moodle makes", "Copy it from the tool's configuration details in Moodle."
        )
    return value


_Identifier = Annotated[str, AfterValidator(_identifier)]


class Lti(Section):
    """The tool in Moodle, if it was registered by hand. Leave both empty and use `moodle-appservice lti invite`."""

    client_id: _Identifier = Field(
        default="", description="The client ID that Moodle shows for the tool; empty: registered by a link."
    )
    deployment_id: _Identifier = Field(
        default="", description="The deployment ID that Moodle shows for the tool."
    )

    @field_validator("deployment_id")
    @classmethod
    def _both(cls, value: str, info: ValidationInfo) -> str:
        if "client_id" in info.data and bool(value) != bool(info.data["client_id"]):
            raise wrong(
                "does not go without the other one",
                "Write both client_id and deployment_id, or leave both empty.",
            )
        return value


def _long_secret(value: SecretStr) -> SecretStr:
    if 0 < len(value.get_secret_value()) < SHORTEST_SECRET:
        raise wrong(
            f"is shorter than {SHORTEST_SECRET} letters, so that it could be guessed",
            "Make one with `openssl rand -hex 32`.",
        )
    return value


_Secret = Annotated[SecretStr, AfterValidator(_long_secret)]


class Hooks(Section):
    """The address at which Moodle, or a script, can say that something has changed (`/hooks/moodle`)."""

    secret: _Secret = Field(
        default=SecretStr(""),
        description="The secret that whoever tells us so must know; empty: there is no such address.",
    )


class Provisioning(Section):
    """The interface for programs (`/_matrix/provision/v1`)."""

    secret: _Secret = Field(
        default=SecretStr(""),
        description="The secret that a program sends as its bearer token; empty: there is no such interface.",
    )


class Metrics(Section):
    """Numbers for Prometheus (`/metrics`): on a port of their own, or with a token beside everything else."""

    hostname: ListenAddress = Field(
        default="127.0.0.1", description="Where the port of their own listens: 127.0.0.1, or 0.0.0.0 for all."
    )
    port: int = number(0, "The port of their own; 0: none.", ge=0, le=65535)
    token: _Secret = Field(
        default=SecretStr(""),
        description="The bearer token with which they can be read at the usual port; empty: they can't.",
    )


class Web(Section):
    """The pages that people open from Moodle, and the addresses for programs."""

    public_url: Annotated[str, AfterValidator(_public)] = Field(
        default="",
        description="The address under which browsers reach the pages, such as https://chat.example.org; "
        "empty: there are no pages.",
    )
    client_url: WebAddress = Field(
        default="https://matrix.to",
        description="Where people open their rooms: https://matrix.to lets each choose an app; or the address of "
        "your Element, such as https://app.element.io.",
    )
    lti: Lti = Lti()
    hooks: Hooks = Hooks()
    provisioning: Provisioning = Provisioning()
    metrics: Metrics = Metrics()

    def secrets(self) -> tuple[str, ...]:
        """Every secret of this section."""
        held = (self.hooks.secret, self.provisioning.secret, self.metrics.token)
        return tuple(secret.get_secret_value() for secret in held)
