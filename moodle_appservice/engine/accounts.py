"""The account behind a person's Matrix id: looked for, made, kept like Moodle, or held by a virtual user meanwhile.

Making one takes two requests. An intention is written down; `PUT {}` makes an account with nothing in it, or says that
there was one; only what is new is filled. So after a crash it is known what may have been sent: an intention alone
means that an account which exists now may be anybody's (`domain.accounts.is_as_we_left_it` decides), an empty account
of ours is simply filled. An account that we did not make is never written to.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Awaitable
from dataclasses import replace

from ..domain.accounts import (
    Account,
    Case,
    Ruling,
    account_exists,
    display_name_of,
    is_as_we_left_it,
    is_excluded,
    is_local,
    judge,
    must_look,
    unlooked,
    virtual_id_of,
)
from ..domain.identity import FieldSeen, Sources, derives
from ..domain.model import Person, Resolution, Standing, UserId
from ..domain.rules import AccountMode, Rules
from ..domain.template import Missing, external_id_from
from ..errors import AppError, PermanentFailure
from ..ports import (
    AccountKind,
    AccountRights,
    AccountRow,
    Accounts,
    AccountState,
    Attributes,
    Clock,
    MoodleInbox,
    Store,
)

log = logging.getLogger(__name__)
FEW_ACCOUNTS = 100
FEW_STRANGERS = 20
PASSWORD_BYTES = 12


class AccountKeeper:
    """What the homeserver can tell about a person, and what is to be done there. `inbox` takes first passwords."""

    def __init__(
        self,
        accounts: Accounts,
        store: Store,
        rules: Rules,
        clock: Clock,
        *,
        inbox: MoodleInbox | None = None,
    ) -> None:
        self._accounts = accounts
        self._store = store
        self._rules = rules
        self._clock = clock
        self._inbox = inbox
        self._nobody_signs_in: bool | None = None

    async def sources(self, person: Person, field: FieldSeen) -> Sources:
        """What our books and the homeserver know of this person. Raises `TemporaryFailure`."""
        links = await self._store.links.of([person.id])
        link = links.get(person.id)
        linked = link.counts_at(self._clock.now()) if link else None
        written = ""
        if self._rules.identity.profile_field:
            written = (await self._store.people.written_fields([person.id])).get(person.id, "")
        found = Sources(linked=linked, field=field, written=written)
        if linked is not None or not derives(person, self._rules):
            return found
        return replace(found, signs_in=await self._signs_in(person), has_email=await self._has_email(person))

    async def keep(self, person: Person, claim: Resolution, before: Resolution | None) -> Ruling:
        """What becomes of the claim; asks the homeserver where it must, makes nothing. Raises `TemporaryFailure`."""
        matrix_id = claim.matrix_id
        if matrix_id is None:
            return Ruling(claim)
        row = await self._store.accounts.get(matrix_id)
        case = Case(
            claim,
            is_ours=row is not None and row.state is AccountState.MADE and row.user_id == person.id,
            was_held=before is not None
            and before.matrix_id == matrix_id
            and before.standing is not Standing.WAITING,
            was_refused=before is not None and before.wanted == matrix_id,
            is_wanted=self._is_wanted(person),
            external_id=self._expected(person),
        )
        rights = await self._rights(matrix_id)
        if must_look(case, self._rules, can_look=rights.look, can_create=rights.create):
            account = await self._accounts.look(matrix_id)
            if account is None and case.is_ours:
                # Somebody has removed what we made: it is made again, or waited for, like any other.
                await self._store.accounts.forget(matrix_id)
                case = replace(case, is_ours=False)
        elif self._rules.accounts.mode is AccountMode.CREATE and is_local(matrix_id, self._rules):
            account = None
        else:
            return unlooked(case)
        return judge(case, account, self._rules, can_create=rights.create)

    async def make(self, person: Person, claim: Resolution) -> Ruling:
        """Make and fill the account of a claim that is this person's in the books. Raises `TemporaryFailure`."""
        matrix_id = claim.matrix_id
        assert matrix_id is not None
        claim = replace(claim, standing=Standing.READY)
        attributes, lacking = await self._attributes(person)
        if attributes is None:
            return Ruling(replace(claim, standing=Standing.WAITING, reason=lacking))
        row = await self._store.accounts.get(matrix_id)
        try:
            if row is None or row.state is AccountState.INTENDED:
                row = await self._create(person, matrix_id, row, name=attributes.display_name)
            if row is None:
                return await self._taken_by_somebody(person, claim, matrix_id)
            await self._fill(row, attributes)
        except PermanentFailure as failure:
            # Where it is the sign-on id that is taken, the next look asks who has it.
            self._nobody_signs_in = False
            return Ruling(replace(claim, standing=Standing.WAITING, reason=str(failure)))
        return Ruling(claim)

    async def follow(self, person: Person, resolution: Resolution) -> None:
        """Write name and e-mail address of accounts of ours where Moodle's have changed; else no request is sent."""
        rules = self._rules.accounts
        for row in await self._store.accounts.of(person.id):
            if row.state is not AccountState.MADE or row.matrix_id not in (
                resolution.invitable,
                resolution.virtual_id,
            ):
                continue
            name = display_name_of(person, self._rules)
            try:
                if rules.follow_name and name and name != row.name_written:
                    await self._accounts.set_name(row.matrix_id, name)
                    row = await self._written(replace(row, name_written=name))
                is_real = row.kind is AccountKind.REAL
                if is_real and rules.follow_email and person.email and person.email != row.email_written:
                    await self._accounts.set_email(
                        row.matrix_id, person.email, before=row.email_written or ""
                    )
                    await self._written(replace(row, email_written=person.email))
            except PermanentFailure as failure:
                log.warning("The account %s does not follow Moodle: %s", row.matrix_id, failure)

    async def virtual(self, person: Person, resolution: Resolution) -> Resolution:
        """The resolution with the virtual user who holds the person's place, registered and named; or without one."""
        if (
            self._rules.accounts.mode is not AccountMode.VIRTUAL
            or resolution.invitable is not None
            or not self._is_wanted(person)
        ):
            return replace(resolution, virtual_id=None)
        virtual_id = virtual_id_of(person.id, self._rules)
        if await self._store.accounts.get(virtual_id) is None:
            await self._accounts.register_virtual(virtual_id)
            now = self._clock.now()
            row = AccountRow(virtual_id, person.id, AccountKind.VIRTUAL, AccountState.MADE, now, now)
            # Booked with its name, in one go: a virtual user that is made twice is the same one.
            await self._written(await self._named(person, row))
        return replace(resolution, virtual_id=virtual_id)

    async def _named(self, person: Person, row: AccountRow) -> AccountRow:
        if not self._rules.accounts.follow_name:
            return row
        name = display_name_of(person, self._rules)
        try:
            await self._accounts.set_name(row.matrix_id, name)
        except PermanentFailure as failure:
            log.warning("The account %s does not follow Moodle: %s", row.matrix_id, failure)
            return row
        return replace(row, name_written=name)

    # How an account comes to be

    async def _create(
        self, person: Person, matrix_id: UserId, row: AccountRow | None, *, name: str
    ) -> AccountRow | None:
        """An empty account of ours; None where there is one that is not."""
        if row is not None:
            account = await self._accounts.look(matrix_id)
            if account is not None:
                is_ours = row.user_id == person.id and is_as_we_left_it(account, row.intended_at, name=name)
                return await self._written(replace(row, state=AccountState.EMPTY)) if is_ours else None
        row = await self._written(
            AccountRow(matrix_id, person.id, AccountKind.REAL, AccountState.INTENDED, self._clock.now())
        )
        if await self._accounts.create(matrix_id, display_name=name):
            return await self._written(replace(row, state=AccountState.EMPTY))
        return None

    async def _fill(self, row: AccountRow, attributes: Attributes) -> None:
        if row.state is AccountState.MADE:
            return
        await self._accounts.fill(row.matrix_id, attributes)
        await self._written(
            replace(
                row,
                state=AccountState.MADE,
                made_at=self._clock.now(),
                name_written=attributes.display_name,
                email_written=attributes.email or None,
            )
        )
        if attributes.password is not None and self._inbox is not None:
            await self._hand_out(self._inbox, row, attributes.password)

    async def _hand_out(self, inbox: MoodleInbox, row: AccountRow, password: str) -> None:
        """Tell the person the first password, once and nowhere else."""
        text = (
            f"A Matrix account was made for you: {row.matrix_id}\n"
            f"Your first password: {password}\n"
            "Please sign in and change it, then delete this message."
        )
        try:
            await inbox.send(row.user_id, text, key=f"password {secrets.token_hex(8)}")
        except AppError as failure:
            log.warning(
                "The first password of Moodle user %d was not handed out, and is known to nobody: %s They can have a "
                "new one by “forgot password”.",
                row.user_id,
                failure,
            )

    async def _taken_by_somebody(self, person: Person, claim: Resolution, matrix_id: UserId) -> Ruling:
        await self._store.accounts.forget(matrix_id)
        account = await self._accounts.look(matrix_id)
        if account is None:
            return account_exists(claim)
        return judge(Case(claim, external_id=self._expected(person)), account, self._rules)

    async def _attributes(self, person: Person) -> tuple[Attributes | None, str]:
        """What the new account gets; None with the reason where Moodle lacks something for it."""
        rules = self._rules.accounts
        name = display_name_of(person, self._rules) or person.username
        if rules.login == "sso":
            expected = self._expected(person)
            if expected is None:
                return None, "No account is made: Moodle lacks what identity.sso.external_id is made of."
            return Attributes(name, (expected,), person.email if rules.follow_email else ""), ""
        if not person.email:
            return None, "No account is made: without an e-mail address in Moodle nobody could sign in to it."
        # Where Moodle takes no messages a password would reach nobody.
        hands_out = rules.hand_out_password and self._inbox is not None and await self._inbox.is_on()
        password = secrets.token_urlsafe(PASSWORD_BYTES) if hands_out else None
        return Attributes(name, (), person.email, password), ""

    async def _written(self, row: AccountRow) -> AccountRow:
        await self._store.accounts.put(row)
        return row

    # What the homeserver knows

    async def _rights(self, matrix_id: UserId) -> AccountRights:
        if not is_local(matrix_id, self._rules):
            return AccountRights(look=False, create=False)
        return await self._accounts.rights()

    async def _signs_in(self, person: Person) -> UserId | None:
        expected = self._expected(person)
        if expected is None or not (await self._accounts.rights()).look:
            return None
        if self._rules.accounts.mode is AccountMode.CREATE and await self._no_stranger_signs_in(expected[0]):
            return None
        return await _unless_impossible(self._accounts.by_external_id(*expected))

    async def _has_email(self, person: Person) -> UserId | None:
        if not (self._rules.identity.by_email and person.email):
            return None
        if not (await self._accounts.rights()).look:
            return None
        return await _unless_impossible(self._accounts.by_email(person.email))

    async def _no_stranger_signs_in(self, provider: str) -> bool:
        """Whether every account that signs in by this provider is of our making: then nobody need be asked for.

        Found out once, where the homeserver has so few accounts that they can be looked at: a new installation.
        """
        if self._nobody_signs_in is None:
            self._nobody_signs_in = await self._look_at_strangers(provider)
        return self._nobody_signs_in

    async def _look_at_strangers(self, provider: str) -> bool:
        newest = await self._accounts.newest(limit=FEW_ACCOUNTS)
        if newest is None or len(newest) >= FEW_ACCOUNTS:
            return False
        strangers = [one for one in newest if await self._store.accounts.get(one) is None]
        if len(strangers) > FEW_STRANGERS:
            return False
        found: list[Account | None] = [await self._accounts.look(one) for one in strangers]
        return not any(one and any(name == provider for name, _ in one.external_ids) for one in found)

    def _expected(self, person: Person) -> tuple[str, str] | None:
        provider = self._rules.identity.sso_provider
        if not provider:
            return None
        try:
            return provider, external_id_from(person, self._rules)
        except Missing:
            return None

    def _is_wanted(self, person: Person) -> bool:
        return person.usable and not is_excluded(person, self._rules)


async def _unless_impossible(asking: Awaitable[UserId | None]) -> UserId | None:
    """The answer of a source; one that can't be asked at all says nothing, and the others go on."""
    try:
        return await asking
    except PermanentFailure as failure:
        log.warning("The homeserver could not be asked for a person's account: %s", failure)
        return None
