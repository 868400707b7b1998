"""Any two Moodle users, whatever they are called and whatever they say of themselves: never one Matrix id for both."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from moodle_appservice.domain.model import MoodleUserId, Trust, UserId
from moodle_appservice.domain.rules import AccountMode, AccountRules, IdentityRules, Rewrite
from moodle_appservice.ports import Link, Priority, Taken, person_key
from tests.engine.world import World

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12).map(str.lower)
FEW_NAMES = st.sampled_from(["sam", "sam@uni", "s_am", "Sam", "=sam", "p", "o'brien"])
FIELDS = st.sampled_from(["", "@sam:uni.test", "@p:uni.test", "@sam:else.test", "sam"])
PEOPLE = st.fixed_dictionaries(
    {
        "username": st.one_of(NAMES, FEW_NAMES),
        "auth": st.sampled_from(["manual", "ldap", "email", "oauth2", ""]),
        "field": FIELDS,
        "link": st.sampled_from([None, None, "@sam:uni.test", "@p:uni.test"]),
    }
)
RULES = st.builds(
    IdentityRules,
    profile_field=st.just("matrix"),
    field_is_locked=st.booleans(),
    rewrite=st.sampled_from([(), (Rewrite("@uni$", ""), Rewrite("^.*sam.*$", "sam"))]),
    allowed_domains=st.sampled_from([frozenset[str](), frozenset({"*"})]),
)
MODES = st.sampled_from(list(AccountMode))


async def two(
    folder: Path, people: tuple[dict[str, Any], ...], rules: IdentityRules, mode: AccountMode
) -> None:
    world = World(folder / "two.db", identity={})
    await world.db.start()
    try:
        world.accounts.admin()
        world.use(identity=rules, accounts=AccountRules(mode=mode, login="password"))
        links: dict[MoodleUserId, Link] = {}

        async def of(user_ids: Any) -> dict[MoodleUserId, Link]:
            return {one: links[one] for one in user_ids if one in links}

        world.store.links.of = of  # type: ignore[method-assign]
        for number, given_person in enumerate(people, start=5):
            user_id = world.facts.add_person(
                number,
                username=given_person["username"],
                auth=given_person["auth"],
                email=f"p{number}@uni.test",
                profile_fields={"matrix": given_person["field"]} if given_person["field"] else {},
            )
            taken = {link.matrix_id for link in links.values()}
            if given_person["link"] and given_person["link"] not in taken:
                links[user_id] = Link(user_id, UserId(given_person["link"]), 1.0, 1.0)
        # Twice: whoever is displaced is looked at again, as is who wants what became free.
        for number in (5, 6, 5, 6):
            key = person_key(MoodleUserId(number))
            await world.people.run(Taken(key, Priority.PERSON, 0, frozenset({"course:42"})))
        rows = await world.store.people.look_up([MoodleUserId(5), MoodleUserId(6)])
        first, second = (rows[MoodleUserId(number)].resolution for number in (5, 6))
        assert first.matrix_id is None or first.matrix_id != second.matrix_id
        for one in (first, second):
            assert one.invitable is not None or one.reason
            assert one.trust is not Trust.PROVEN or one.matrix_id == links[one.user_id].matrix_id
        if first.matrix_id is not None and second.wanted == first.matrix_id:
            assert second.reason.startswith("Quarantined") or "not taken" in second.reason
    finally:
        await world.db.stop()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.tuples(PEOPLE, PEOPLE), RULES, MODES)
@example(
    (
        {"username": "a@uni", "auth": "manual", "field": "", "link": None},
        {"username": "a", "auth": "manual", "field": "", "link": None},
    ),
    IdentityRules(rewrite=(Rewrite("@uni$", ""),)),
    AccountMode.CREATE,
)
def test_two_moodle_users_never_share_an_id_and_who_has_none_is_told_why(
    people: tuple[dict[str, Any], dict[str, Any]], rules: IdentityRules, mode: AccountMode
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(two(Path(folder), people, rules, mode))
