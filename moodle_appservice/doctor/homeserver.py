"""Checks of the homeserver and of what we have agreed on with it: the registration, from both sides.

The registration lies here and at the homeserver, and only our copy can be read. That the other is the same shows
in use: our token is taken for the bot, and a ping comes back with the homeserver's token. Where no service runs,
`doctor` listens itself for that ping. Nothing is registered to find out: the bot's account comes with the first
start, and until then its absence is a warning.
"""

from __future__ import annotations

from ..domain.model import MoodleUserId
from ..errors import AppError, PermanentFailure
from .database import CHECK_DATABASE
from .examined import Examined
from .frame import Caution, Check

CHECK_HOMESERVER = "The homeserver knows us"
OLDEST_SPEC = "v1.11"
"""The Matrix version that this service was written against; Synapse knows it since 1.110."""


async def _rate(at: Examined) -> str:
    if at.found.rate_limited:
        raise Caution(
            "Synapse limits the bot's rate: a course of 100 takes hours. Write rate_limited: false."
        )
    return f"{at.found.id}, bot {at.service.rules.bot}, not rate limited."


async def _namespaces(at: Examined) -> str:
    rules = at.service.rules
    alias, user = rules.control_alias, rules.virtual_user(MoodleUserId(1))
    if not any(one.covers(alias) for one in at.found.aliases):
        raise PermanentFailure(
            f"No exclusive namespace of aliases covers {alias}: others could take our aliases."
        )
    if not any(one.covers(user) for one in at.found.users):
        raise Caution(f"No exclusive namespace of users covers {user}: virtual users can't be made.")
    return f"Aliases such as {alias} and users such as {user} are ours alone."


async def _sender(at: Examined) -> str:
    survey = await at.survey()
    before, now = survey["bot"], at.service.rules.bot
    if before and before != now:
        raise PermanentFailure(
            f"The bot of this database is {before}, and the registration names {now}. The rooms belong to the first: "
            "another one can neither invite nor remove there."
        )
    return f"It is {now}, as before." if before else f"It is {now}; the database is new."


async def _homeserver(at: Examined) -> str:
    taken_for = await at.service.matrix.whoami()
    if taken_for != at.service.rules.bot:
        raise PermanentFailure(f"The homeserver takes us for {taken_for}, not {at.service.rules.bot}.")
    return f"{at.settings.homeserver.address} takes us for {taken_for}."


async def _ping(at: Examined) -> str:
    if not at.running:
        await at.service.listen()
    await at.service.matrix.ping()
    who = "the running service" if at.running else "this program"
    return f"It reached {who} at {at.found.url} with the token that the registration holds."


async def _version(at: Examined) -> str:
    known = await at.service.homeserver.versions()
    if OLDEST_SPEC not in known:
        raise Caution(
            f"The homeserver does not know Matrix {OLDEST_SPEC}; it is older than those this service is tested with."
        )
    told = await at.service.homeserver.server()
    who = told or "Its version is not told to us (that takes the rights of an administrator)"
    return f"{who}; it knows Matrix {OLDEST_SPEC}."


async def _room_version(at: Examined) -> str:
    wanted = at.service.rules.room_version
    versions = await at.service.homeserver.room_versions()
    if wanted not in versions:
        listed = ", ".join(sorted(versions, key=lambda one: (len(one), one)))
        raise PermanentFailure(
            f"rooms.version is {wanted}, and the homeserver makes rooms of the versions {listed}. No room can be made."
        )
    if versions[wanted] != "stable":
        raise Caution(f"The homeserver calls the room version {wanted} {versions[wanted]}.")
    return f"Rooms of the version {wanted} can be made."


async def _bot_account(at: Examined) -> str:
    try:
        name = await at.service.homeserver.display_name(at.service.rules.bot)
    except AppError as failure:
        raise Caution(f"The bot's account has no profile yet; the first start makes it. {failure}") from None
    return f"{at.service.rules.bot} is there and is called “{name}”."


CHECKS = (
    Check(
        "Registration",
        "Synapse does not limit the rate of the bot.",
        _rate,
        "Change it here and in Synapse's copy, then restart both.",
    ),
    Check(
        "Namespaces",
        "The registration gives us our aliases and users, and nobody else.",
        _namespaces,
        "Let `moodle-appservice -g --force` make a new registration, give it to Synapse too, and restart both.",
    ),
    Check(
        CHECK_HOMESERVER,
        "The homeserver accepts our token and takes us for the bot: its copy of the registration is ours.",
        _homeserver,
        "List the registration in homeserver.yaml under app_service_config_files and restart Synapse.",
        unreachable="Is Synapse running? See `homeserver.address` in the configuration.",
    ),
    Check(
        "The homeserver reaches us",
        "A ping goes to the homeserver and comes back to us, with the token that we expect.",
        _ping,
        "`url` in the registration must lead to this service; then restart Synapse.",
        after=CHECK_HOMESERVER,
    ),
    Check(
        "Bot unchanged",
        "sender_localpart is what it was when the rooms were made.",
        _sender,
        "Write the old sender_localpart into the registration, here and at Synapse, and restart both.",
        after=CHECK_DATABASE,
    ),
    Check(
        "Account of the bot",
        "The bot has an account and a name.",
        _bot_account,
        "Start the service once; it registers its bot.",
        after=CHECK_HOMESERVER,
    ),
    Check(
        "Version of the homeserver",
        "The homeserver is as new as those that this service is tested with.",
        _version,
        "Update Synapse.",
        after=CHECK_HOMESERVER,
    ),
    Check(
        "Room version",
        "The homeserver can make rooms of the version in rooms.version.",
        _room_version,
        "Set rooms.version to one that it makes: 12 is best, see the page on rooms and roles.",
        after=CHECK_HOMESERVER,
    ),
)
