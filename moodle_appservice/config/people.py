"""The sections `accounts`, `people` and `membership`: what is made for people, and who is left alone."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from .section import Section
from .values import Duration, NameTemplate, Usernames


class Accounts(Section):
    """Where the Matrix accounts come from of people whose ids are known."""

    mode: Literal["map-only", "expect-sso", "create", "virtual"] = Field(
        default="expect-sso",
        description="map-only: from elsewhere, who has none waits; expect-sso: from the first sign-in, the id is "
        "invited before; create: this service makes them, with admin rights; virtual: from elsewhere, and until then a "
        "virtual user holds the place.",
    )
    wait_for_account: bool = Field(
        default=False, description="With expect-sso: invite only once the account exists."
    )
    login: Literal["sso", "password"] = Field(
        default="sso",
        description="With create: how people sign in. sso needs identity.sso.provider; password sets the verified "
        "e-mail address, so that “forgot password” works.",
    )
    hand_out_password: bool = Field(
        default=False,
        description="With login password: give each new account a random password, sent once as a Moodle message.",
    )
    name: NameTemplate = Field(
        default="{full_name}",
        description="The display name of accounts that this service makes; placeholders: {full_name}, {username}, "
        "{idnumber}.",
    )
    follow_name: bool = Field(default=True, description="Whether the names of those accounts follow Moodle.")
    follow_avatar: bool = Field(
        default=False,
        description="Whether the avatars of those accounts, virtual users included, follow the pictures in Moodle. "
        "Needs “Can download files” in the service of the token; with moodle.source reports also "
        "core_user_get_users_by_field in it and moodle/user:viewdetails in the role.",
    )
    follow_email: bool = Field(
        default=False, description="Whether the e-mail addresses of those accounts follow Moodle."
    )


class People(Section):
    """Who is left alone, and what follows when a person's Moodle account can't be used any more."""

    exclude: Usernames = Field(
        default=(),
        description="User names or Moodle ids of people who are never invited, removed or given an account.",
    )
    on_suspend: Literal["remove", "mute", "ban", "keep"] = Field(
        default="remove",
        description="What happens in the rooms to people whose Moodle account is suspended or gone.",
    )
    grace_period: Duration = Field(
        default=0.0,
        description="How long after the Moodle account was suspended or deleted that happens: seconds, or such as "
        "14 days.",
    )


class Membership(Section):
    """When people are invited."""

    when: Literal["always", "on-request"] = Field(
        default="always",
        description="always, or on-request: only who has asked for it, where enrolments may not be disclosed unasked.",
    )
    how: Literal["invite", "join"] = Field(
        default="invite",
        description="invite, or join: people are put into rooms without being asked. That takes a bot that is an "
        "administrator of the homeserver, and two events for each person and room; others are invited.",
    )
