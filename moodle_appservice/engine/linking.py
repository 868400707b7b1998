"""Proving an account, with the books and the words: codes are given out, sent to the bot, asked about and answered.

What follows from what is `domain.linking`'s to say; here it is stored, told and put into the audit log. A code's
letters are nowhere stored: the books hold a hash, keyed with a secret that does not lie in the database. A link changes
no room: the person's key is made due and does the rest. What an operation returns is what the bot says in the direct
chat, None where it keeps silent.
"""

from __future__ import annotations

import hmac
import logging
import secrets
from dataclasses import dataclass

from ..domain import linking
from ..domain.linking import Attempt, Code, Failures, Link, Question, Refusal
from ..domain.model import MoodleUserId, UserId
from ..domain.rules import Rules
from ..errors import AppError, Refused
from ..ports import Clock, Facts, Priority, Queue, Store, person_key
from .notices import Notices
from .staff import is_moderator

SIGNAL = "link"
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class GivenCode:
    """A code as its person may see it, once: `ABCD-EFGH`. `expires_at`: Unix seconds."""

    person: MoodleUserId
    text: str
    expires_at: float


class Linking:
    """The operations. `secret` keys the hashes: it must not lie in the database."""

    def __init__(
        self,
        store: Store,
        queue: Queue,
        facts: Facts,
        rules: Rules,
        clock: Clock,
        notices: Notices,
        *,
        secret: bytes,
    ) -> None:
        self._store = store
        self._queue = queue
        self._facts = facts
        self._rules = rules
        self._clock = clock
        self._notices = notices
        self._secret = secret

    async def give_code(self, user_id: MoodleUserId, *, signal: str) -> GivenCode:
        """A new code for somebody who is signed in to Moodle; the person's earlier codes end.

        Raises `Refused` for an account that Moodle does not show, that can't sign in, or that was erased here.
        """
        now = self._clock.now()
        if await self._store.people.excluded([user_id]):
            raise Refused(f"Moodle user {user_id} was erased here. No code was made.")
        person = await self._facts.person(user_id, not_older_than=now)
        if person is None or not person.usable:
            raise Refused(
                f"Moodle user {user_id} has no account there that can sign in. No code was made; look at the account "
                "in Moodle."
            )
        letters = "".join(secrets.choice(linking.LETTERS) for _ in range(linking.CODE_LENGTH))
        expires_at = now + linking.CODE_LIFE
        await self._store.links.give_code(self._hash(letters), Code(user_id, expires_at), now=now)
        await self._note(
            "LinkCode", user_id, "The person is to prove a Matrix account.", "A code was given out.", signal
        )
        return GivenCode(user_id, linking.shown(letters), expires_at)

    async def link(self, sender: UserId, text: str, *, direct: bool, reference: str) -> str | None:
        """A code has come from this account. `direct`: in its direct chat with the bot; `reference`: the event."""
        letters = linking.letters_of(text)
        code_hash = self._hash(letters) if letters else ""
        attempt = await self._attempt(sender, code_hash, direct=direct)
        refusal = linking.judge(attempt, self._rules)
        if not direct and attempt.code is not None:
            await self._store.links.burn(code_hash, at=attempt.now)
        if refusal is None and attempt.code is not None:
            asked = Question(attempt.code.user_id, code_hash, attempt.now)
            if await self._store.links.ask(sender, asked):
                return await self._question(attempt.code.user_id, sender)
            refusal = Refusal.USED
        assert refusal is not None
        if refusal is Refusal.SAME:
            await self._store.links.burn(code_hash, at=attempt.now)
        return await self._refuse(refusal, attempt, reference)

    async def unlink(self, sender: UserId) -> str | None:
        """The account wants its link undone: it is asked first. None where it is linked to nobody."""
        now = self._clock.now()
        user_id = await self._store.links.holder(sender, now=now)
        if user_id is None:
            return None
        if await self._store.links.waiting(sender, now=now) is not None:
            return "A change of this link is waiting. Answer no to stop it, then you can undo the link."
        await self._store.links.ask(sender, Question(user_id, "", now))
        name = await self._name(user_id)
        return (
            f"Undo the link of this account to the Moodle person {name}? The account leaves the course rooms, unless "
            "Moodle's administrators have given it to you in another way. Answer yes or no."
        )

    async def answer(self, sender: UserId, *, yes: bool, reference: str) -> str | None:
        """A yes or no: to what the account was asked last, else to a change that would take the account away."""
        now = self._clock.now()
        question = await self._store.links.take_question(sender)
        if question is None:
            waiting = await self._store.links.waiting(sender, now=now)
            return (
                None
                if waiting is None
                else await self._object(waiting, yes=yes, now=now, reference=reference)
            )
        if not question.stands_at(now):
            await self._note_refusal(Refusal.LATE, question.user_id, sender, reference)
            return "That was more than 15 minutes ago, so nothing was changed. Begin again with a new code from Moodle."
        if not yes:
            await self._note(
                "LinkDeclined", question.user_id, "The account said no.", "Nothing was changed.", reference
            )
            return "Nothing was changed. The code can't be used again."
        if question.undoes:
            return await self._undo(question.user_id, sender, now=now, reference=reference)
        return await self._link(question.user_id, sender, now=now, reference=reference)

    async def undo(
        self,
        user_id: MoodleUserId,
        *,
        reference: str,
        administrator: MoodleUserId | None = None,
        account: UserId | None = None,
        signal: str = SIGNAL,
    ) -> bool:
        """Undo a person's link on the word of an administrator, who may be known by one of both; False: there is none.

        Two lines of the audit log, with one reference, say whose link it was and who undid it.
        """
        link = (await self._store.links.of([user_id])).get(user_id)
        if link is None:
            return False
        if administrator is not None or account is not None:
            # An administrator who is in no course of ours is in no table that `person` could lead to.
            who = account or f"Moodle user {administrator}"
            await self._store.journal.note(
                "UnlinkOrdered",
                at=self._clock.now(),
                person=administrator,
                why=f"An administrator ({who}) undid the link of another person.",
                signal=signal,
                reference=reference,
            )
        await self._forget(link, reference=reference)
        return True

    async def wake(self) -> None:
        """Make due whoever has a link that counts by now and is not carried out. Losing a signal costs one pass."""
        for user_id in await self._store.links.due(now=self._clock.now()):
            await self._queue.add(person_key(user_id), priority=Priority.HINT, signal=SIGNAL)

    # From a code to a question or a refusal

    async def _attempt(self, sender: UserId, code_hash: str, *, direct: bool) -> Attempt:
        now = self._clock.now()
        links = self._store.links
        code = await links.code(code_hash) if code_hash else None
        if code is not None and await self._store.people.excluded([code.user_id]):
            code = None
        question = await links.question(sender)
        held = (await links.of([code.user_id])).get(code.user_id) if code else None
        return Attempt(
            sender=sender,
            now=now,
            direct=direct,
            code=code,
            asked=question is not None and bool(code_hash) and question.code_hash == code_hash,
            failures=await links.failures(sender),
            holder=await links.holder(sender, now=now),
            linked=held.counts_at(now) if held else None,
        )

    async def _question(self, user_id: MoodleUserId, sender: UserId) -> str:
        name = await self._name(user_id)
        others = await self._store.people.by_matrix_id([sender])
        instead = (
            " So far it is taken for another Moodle person's; with your yes it is not any more."
            if others.get(sender, user_id) != user_id
            else ""
        )
        return f"Link this account to the Moodle person {name}?{instead} Answer yes or no, within 15 minutes."

    async def _refuse(self, refusal: Refusal, attempt: Attempt, reference: str) -> str | None:
        sender, now = attempt.sender, attempt.now
        if refusal is Refusal.LOCKED:
            # Told when it began: an answer to each further code would be a flood.
            return None
        failures = attempt.failures.with_another(now) if refusal.counts else attempt.failures
        if refusal.counts:
            await self._store.links.set_failures(sender, failures)
        about = attempt.code.user_id if attempt.code else None
        await self._note_refusal(refusal, about, sender, reference)
        if failures.locks_at(now):
            await self._note_refusal(Refusal.LOCKED, about, sender, reference)
            told = _told(refusal, self._rules, sender)
            return f"{told} That was the fifth time: I take no code from you for an hour."
        return _told(refusal, self._rules, sender)

    # From an answer to a link

    async def _link(self, user_id: MoodleUserId, sender: UserId, *, now: float, reference: str) -> str:
        before = (await self._store.links.of([user_id])).get(user_id)
        staff = await is_moderator(self._store, user_id, self._rules)
        link = linking.changed(before, user_id, sender, staff=staff, now=now)
        others = await self._store.people.by_matrix_id([sender])
        if not await self._store.links.save(link, now=now):
            await self._note_refusal(Refusal.HELD, user_id, sender, reference)
            return _told(Refusal.HELD, self._rules, sender)
        await self._store.links.set_failures(sender, Failures())
        old = await self._old_account(link)
        await self._note(
            *("Link", user_id, "The person proved an account with a code."),
            *(
                "It counts in 24 hours, unless the old account objects." if link.waits_at(now) else "done",
                reference,
            ),
        )
        await self._notices.linked(link, old, now=now, reference=reference)
        await self._due(user_id, *others.values())
        if link.waits_at(now):
            return (
                "Done, with a delay: you are a moderator, and your earlier account is still the linked one. The change "
                "counts in 24 hours, or as soon as the earlier account answers me yes; it can also stop it."
            )
        return "Done: this account is linked to you. Invitations to your course rooms come here now."

    async def _object(self, link: Link, *, yes: bool, now: float, reference: str) -> str:
        """The old account answers to a change that waits."""
        after = linking.confirmed(link, now=now) if yes else linking.stopped(link, now=now)
        if after is None:
            await self._store.links.remove(link.user_id)
        else:
            await self._store.links.save(after, now=now)
        await self._note(
            *("LinkConfirmed" if yes else "LinkStopped", link.user_id, "The old account answered."),
            *("The change counts now." if yes else "The earlier link stays.", reference),
        )
        if not yes:
            await self._notices.stopped(link, reference=reference)
        await self._due(link.user_id)
        return (
            "Done: the change counts now, and this account leaves your course rooms."
            if yes
            else "Stopped: this account stays the linked one. If it was not you who asked for the change, change your "
            "password in Moodle."
        )

    async def _undo(self, user_id: MoodleUserId, sender: UserId, *, now: float, reference: str) -> str:
        link = (await self._store.links.of([user_id])).get(user_id)
        if link is not None and link.waits_at(now) and sender == link.matrix_id:
            # The change has not taken effect: what was proven before stays.
            await self._object(link, yes=False, now=now, reference=reference)
        elif link is not None and sender == link.counts_at(now):
            await self._forget(link, reference=reference)
        else:
            return "This account is linked to nobody by now, so there was nothing to undo."
        return "Done: this account is not linked any more."

    async def _forget(self, link: Link, *, reference: str) -> None:
        await self._store.links.remove(link.user_id)
        await self._note("Unlink", link.user_id, "The link was undone.", "done", reference)
        await self._notices.undone(link, reference=reference)
        await self._due(link.user_id)

    async def _old_account(self, link: Link) -> UserId | None:
        """The account that the person has had so far, proven or not, if it is another one."""
        if link.previous is not None:
            return link.previous
        rows = await self._store.people.look_up([link.user_id])
        known = rows[link.user_id].resolution.invitable if link.user_id in rows else None
        return known if known != link.matrix_id else None

    # The rest

    async def _due(self, *user_ids: MoodleUserId) -> None:
        for user_id in dict.fromkeys(user_ids):
            await self._queue.add(person_key(user_id), priority=Priority.WAITING_PERSON, signal=SIGNAL)

    async def _name(self, user_id: MoodleUserId) -> str:
        known = (await self._store.people.names([user_id])).get(user_id)
        if known:
            return known
        try:
            person = await self._facts.person(user_id, not_older_than=0.0)
        except AppError as failure:
            log.info("The name of Moodle user %d could not be read: %s", user_id, failure)
            person = None
        return person.full_name if person else f"number {user_id}"

    def _hash(self, text: str) -> str:
        return hmac.new(self._secret, text.encode(), "sha256").hexdigest()

    async def _note(self, kind: str, user_id: MoodleUserId, why: str, result: str, reference: str) -> None:
        await self._store.journal.note(
            kind,
            at=self._clock.now(),
            person=user_id,
            why=why,
            result=result,
            signal=SIGNAL,
            reference=reference,
        )

    async def _note_refusal(
        self, refusal: Refusal, about: MoodleUserId | None, sender: UserId, reference: str
    ) -> None:
        """A refusal is about whom the code belongs to; else about whom the sender is known as, if anybody."""
        if about is None:
            about = (await self._store.people.by_matrix_id([sender])).get(sender)
        log.info("A code or answer from %s was refused: %s", sender, refusal.value)
        await self._store.journal.note(
            "LinkRefused",
            at=self._clock.now(),
            person=about,
            why=refusal.value,
            result="Nothing was changed.",
            signal=SIGNAL,
            reference=reference,
        )


def _told(refusal: Refusal, rules: Rules, sender: UserId) -> str:
    """What the sender is told: what happened, and what to do next."""
    match refusal:
        case Refusal.PUBLIC:
            return (
                "Others could read that code, so it can't be used any more, and nothing was changed. Get a new one in "
                "Moodle and send it here, in our direct chat."
            )
        case Refusal.UNFIT:
            return f"{linking.unfit(sender, rules)} Nothing was changed; the code stays good for another account."
        case Refusal.USED | Refusal.EXPIRED:
            return f"{refusal.value} Nothing was changed. Get a new one in Moodle."
        case Refusal.HELD:
            return (
                "Another Moodle person has proven this account, so it can't be yours too. Nothing was changed. Send "
                "the code from your own account; if both Moodle accounts are yours, send unlink first."
            )
        case Refusal.SAME:
            return "This account is linked to you already. Nothing had to be changed."
        case _:
            return (
                "I know no such code. Nothing was changed. Write link and the code just as Moodle shows it, such as "
                "link ABCD-EFGH; a newer code ends the older ones."
            )
