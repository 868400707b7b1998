"""Checks of what is done for people: how they sign in, their accounts, messages, pictures and profiles.

A few courses stand for all (`Examined.some_people`), and people are counted, never named. Nothing is sent, made
or changed to find out: the right to write is tried on an account that does not exist. What is switched off is in
order. What is wanted and can't be done is a failure or a warning; so is a way to write that nothing uses, because
it is open to whoever has the token.
"""

from __future__ import annotations

from collections import Counter

from ..domain.identity import UNKNOWN_AUTH, derives
from ..errors import PermanentFailure
from .examined import Examined
from .frame import Caution, Check
from .homeserver import CHECK_HOMESERVER
from .moodle import CHECK_LISTING, CHECK_MOODLE
from .pictures import check_pictures

CHECK_PICTURES = "Pictures in Moodle"


async def _sign_in(at: Examined) -> str:
    """By which methods people of a few courses sign in to Moodle, and for which of them no id is derived."""
    people = await at.some_people()
    left_out = Counter(
        person.auth or UNKNOWN_AUTH
        for person in people.values()
        if person.usable and not derives(person, at.service.rules)
    )
    if left_out:
        listed = ", ".join(f"{auth} ({number})" for auth, number in sorted(left_out.items()))
        raise Caution(f"For people who sign in to Moodle with these methods no id is derived: {listed}.")
    return f"From each of {len(people)} people that were looked at an id may be derived."


async def _stated_ids(at: Examined) -> str:
    """Whether people of a few courses show an id in the profile field that is said to hold it."""
    identity = at.settings.identity
    name = identity.profile_field
    if not name:
        return "Not used (identity.profile_field is empty)."
    people = await at.some_people()
    stated = sum(1 for person in people.values() if person.profile_fields.get(name, "").strip())
    if not stated:
        raise Caution(
            f"Of {len(people)} people that were looked at nobody shows a value in the profile field {name}: there is "
            "no such field, nobody has filled it in, or our account may not see it."
        )
    said = f"Of {len(people)} people that were looked at {stated} show a value in the profile field {name}."
    if not identity.profile_field_locked:
        said += " None is believed: identity.profile_field_locked is off."
    return said


async def _account_rights(at: Examined) -> str:
    rights = await at.service.accounts.rights()
    if rights.sentences:
        raise Caution(" ".join(rights.sentences))
    return "Accounts can be looked up with their sign-on ids, made and changed."


async def _messages(at: Examined) -> str:
    if not await at.service.inbox.is_on():
        return "Off: the function is not in the service. Codes are shown on the command line only."
    return (
        "On: codes and notices of changed links can go to people's inboxes. Without moodle/site:messageanyuser "
        "only to those who take messages from everybody."
    )


async def _writing(at: Examined) -> str:
    profile = at.service.profile
    has_function = await profile.is_on()
    if not at.settings.moodle.write_matrix_id:
        if has_function:
            raise Caution(
                "Off (moodle.write_matrix_id), but the service of our token holds core_user_update_users. Take it "
                "out: who has the token and the right moodle/user:update can change people's accounts."
            )
        return "Off (moodle.write_matrix_id)."
    if not has_function:
        raise PermanentFailure(
            "moodle.write_matrix_id is on, and core_user_update_users is not in the service of our token. "
            "Nothing is written."
        )
    if not await profile.may_write():
        raise PermanentFailure(
            "moodle.write_matrix_id is on, and our Moodle account lacks moodle/user:update. Nothing is written."
        )
    return (
        "On. Our account holds moodle/user:update: with the token everything can be changed in every account "
        "but the administrators', password and e-mail address included. Guard it: restrict it to this "
        "machine's address."
    )


CHECKS = (
    Check(
        "How people sign in",
        "From people's sign-in methods in Moodle a Matrix id may be derived.",
        _sign_in,
        "List a method in identity.same_directory_auth if its user names are the homeserver's too; others prove "
        "their accounts with the bot's command link.",
        after=CHECK_LISTING,
    ),
    Check(
        "Matrix ids in Moodle's profiles",
        "People show a Matrix id in their profile, if that is where ids are to come from.",
        _stated_ids,
        "Make the field under “User profile fields”, with the short name of identity.profile_field and “Visible to "
        "everyone”; or leave identity.profile_field empty.",
        after=CHECK_LISTING,
    ),
    Check(
        "Messages in Moodle",
        "Codes and notices can be sent as Moodle messages.",
        _messages,
        "Add core_message_send_instant_messages to the service, and moodle/site:messageanyuser to the role.",
        after=CHECK_MOODLE,
    ),
    Check(
        "Writing into Moodle's profiles",
        "Matrix ids can be written into people's profiles, if that is wanted.",
        _writing,
        "See “Matrix ids in people's profiles” in the page on setting up Moodle.",
        after=CHECK_MOODLE,
    ),
    Check(
        CHECK_PICTURES,
        "People's pictures can be downloaded, if avatars are to follow them.",
        check_pictures,
        "Tick “Can download files” in the service of the token and do what the sentence says, or switch "
        "accounts.follow_avatar off.",
        after=CHECK_MOODLE,
    ),
    Check(
        "Rights over accounts",
        "Accounts at the homeserver can be looked up, made and changed, as far as that is wanted.",
        _account_rights,
        "Whatever these rights are not needed for works without them.",
        after=CHECK_HOMESERVER,
    ),
)
