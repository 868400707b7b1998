"""The settings of the pages that people open: off as a whole until `public_url` says where browsers find them."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from ..problems import wrong
from .section import Section
from .values import check_web_address, is_loopback


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


class Web(Section):
    """The pages that people open from Moodle."""

    public_url: Annotated[str, AfterValidator(_public)] = Field(
        default="",
        description="The address under which browsers reach the pages, such as https://chat.example.org; "
        "empty: there are no pages.",
    )
    lti: Lti = Lti()
