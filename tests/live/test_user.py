"""`user` on the command line: about a running service through its socket, and on the database where none runs."""

from __future__ import annotations

import json

import pytest

from moodle_appservice.demo.sandbox import rights
from moodle_appservice.domain.model import MoodleUserId
from tests.live.house import House
from tests.live.test_cli import ask


@pytest.fixture
async def known(house: House) -> str:
    """The user name of somebody who is in a room."""
    await house.start()
    await house.sync()
    await house.stop()
    return "s1"


@pytest.mark.parametrize("is_running", [True, False], ids=["running", "on the database"])
async def test_a_person_is_shown_handed_out_and_erased(house: House, known: str, is_running: bool) -> None:
    if is_running:
        await house.start()
    person = next(one for one in house.moodle.university.people.values() if one.username == known)
    account = house.mxid(known)
    code, shown = await ask(house, "user", "show", known)
    assert code == 0
    assert f"Moodle user {person.id}: {person.fullname}, user name {known}." in shown
    assert f"The Matrix account is {account}" in shown
    code, printed = await ask(house, "user", "export", account)
    stored = json.loads(printed[printed.index("{") :])["stored"]
    assert code == 0 and stored["person"][0]["matrix_id"] == account
    code, refused = await ask(house, "user", "erase", known)
    assert code == 1 and "say so with --yes" in refused and "Nothing was erased." in refused
    code, erased = await ask(house, "user", "erase", known, "--yes")
    assert code == 0 and "was taken out of the rooms. Rooms: 2." in erased, erased
    assert (await house.members(1 + 1))[account] == "leave"
    code, nothing = await ask(house, "user", "show", known)
    assert code == 1 and "Nothing is stored about" in nothing
    if not is_running:
        await house.start()
    await house.sync()
    assert (await house.members(2))[account] == "leave"
    assert house.running is not None
    assert await house.running.store.people.look_up([MoodleUserId(person.id)]) == {}
    if not is_running:
        await house.stop()
    code, told = await ask(house, "user", "readmit", str(person.id))
    assert code == 0 and f"Moodle user {person.id} takes part again as Moodle says." in told, told
    if not is_running:
        await house.start()
    await house.sync()
    assert (await house.members(2))[account] == "invite"


async def test_a_code_is_shown_or_sent_by_moodle(house: House, known: str) -> None:
    code, shown = await ask(house, "user", "link", known)
    assert code == 0 and "link " in shown
    code, refused = await ask(house, "user", "link", known, "--message")
    assert code == 1 and "No code was made" in refused
    house.moodle.site.service.functions.append("core_message_send_instant_messages")
    house.moodle.rights.grant(rights.MESSAGE_ANY_USER)
    await house.start()
    code, sent = await ask(house, "user", "link", known, "--message")
    assert code == 0, sent
    (message,) = house.moodle.site.messages
    assert "write: link " in message.text
    assert message.text.partition("link ")[2][:9] not in sent
