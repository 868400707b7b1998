"""Announcements of one course into its room: told once, edited and withdrawn as in Moodle.

Before anything is sent, a post is claimed by its first post's id, and the room is asked whether the message is there
already: whoever comes back after a crash, a restore of the database, or beside another service, finds it. The author
speaks where a virtual user of ours holds their place in the room; else the bot does, with the name. A full day ends
with a list.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import tzinfo

from ..domain.model import CourseId, RoomId, UserId
from ..domain.quiet import day_of, share_out
from ..domain.relay import (
    Announcement,
    Compare,
    PostId,
    PostList,
    PostRow,
    PostState,
    Publish,
    Withdraw,
    digest_of,
    plan_posts,
)
from ..domain.relay_choice import RelayRules
from ..errors import PermanentFailure
from ..ports import Clock, Converted, Forum, LeftOver, Markup, RelayMessenger, Speech, Store
from .enclosures import Enclosures
from .relay_sender import Senders
from .relay_words import Wording

SLACK = 3600.0
"""Seconds before a post's own time from which on its message is looked for: clocks differ."""
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Target:
    """Where a course's news go. `since`: when it began to relay. `muted`: nothing new is said."""

    course_id: CourseId
    room_id: RoomId
    since: float
    zone: tzinfo
    muted: bool = False


class Announcer:
    """Tells what is new in forums. `bot` speaks where no author can."""

    def __init__(
        self,
        messenger: RelayMessenger,
        store: Store,
        markup: Markup,
        wording: Wording,
        senders: Senders,
        enclosures: Enclosures,
        rules: RelayRules,
        clock: Clock,
        *,
        site: str,
    ) -> None:
        self._messenger = messenger
        self._store = store
        self._markup = markup
        self._wording = wording
        self._senders = senders
        self._enclosures = enclosures
        self._rules = rules
        self._clock = clock
        self._site = site
        self._compared: dict[PostId, int] = {}
        """Post → what its source was when its message was compared with it last."""

    async def tell(self, target: Target, forums: Sequence[Forum], seen: Sequence[PostList]) -> bool:
        """Do what is to be done about one course; False: the forums must be read whole for it.

        `seen`: one list for each forum. Raises what sending raises: what was not sent comes with the next look.
        """
        now = self._clock.now()
        known = await self._store.relay.posts([forum.id for forum in forums])
        steps = plan_posts(
            seen, known, since=target.since, now=now, wait_for_mail=self._rules.wait_for_edit_window
        )
        stale: set[str] = set()
        new: list[Publish] = []
        for step in steps:
            if isinstance(step, Publish):
                new.append(step)
            elif step.row.state is PostState.LISTED:
                stale |= await self._of_list(step)
            elif isinstance(step, Withdraw):
                await self._withdraw(step.row)
            else:
                await self._compare(step)
        if new and not target.muted and self._rules.hours.are_open(now, target.zone):
            stale |= await self._publish_all(target, new)
        return await self._renew_lists(target, stale, forums, seen) if stale else True

    # One by one

    async def _publish_all(self, target: Target, new: Sequence[Publish]) -> set[str]:
        """Tell what is new, as far as the day allows; the day whose list has grown."""
        day = day_of(self._clock.now(), target.zone)
        sent = await self._store.relay.sent_today(target.room_id, day)
        listed = await self._store.relay.left_over(target.room_id, day)
        # One message of the day is the list of dates.
        most = self._rules.most_per_day - self._rules.deadlines
        resumed = [step for step in new if step.row is not None]
        fresh = [step for step in new if step.row is None]
        alone, rest = share_out(fresh, sent=sent, most=max(1, most), has_list=listed is not None)
        for step in (*resumed, *alone):
            await self._publish(target, step, day)
        for step in rest:
            sender = self._senders.bot
            await self._store.relay.claim(self._row(target, step.post, sender, day, PostState.LISTED))
        return {day} if rest else set()

    async def _publish(self, target: Target, step: Publish, day: str) -> None:
        post = step.post
        sender = await self._senders.of(post.author_id, target.room_id)
        row = step.row or self._row(target, post, sender, day, PostState.CLAIMED)
        if step.row is None and not await self._store.relay.claim(row):
            return
        found = await self._messenger.find(
            row.room_id,
            self._about(post.id),
            senders={self._senders.bot, sender, row.sender},
            since=post.visible_from - SLACK,
        )
        if found is not None:
            # What it says is compared with the next look.
            done = replace(row, state=PostState.SENT, sender=found.sender, event_id=found.event_id, day=day)
            await self._store.relay.save_post(done)
            return
        try:
            await self._send(post, replace(row, sender=sender, day=day))
        except PermanentFailure:
            if sender == self._senders.bot:
                raise
            log.info("The author of post %d can't speak in %s, so the bot does.", post.id, row.room_id)
            await self._send(post, replace(row, sender=self._senders.bot, day=day))

    async def _send(self, post: Announcement, row: PostRow) -> None:
        speech, digest = await self._speech(post, row)
        event_id = await self._messenger.post(
            row.room_id, speech, key=f"{self._site}:post:{post.id}:{row.sender}", sender=row.sender
        )
        await self._store.relay.save_post(
            replace(row, state=PostState.SENT, digest=digest, event_id=event_id)
        )
        await self._enclosures.send(post, row)
        log.info("The announcement %d of course %d was told in %s.", post.id, row.course_id, row.room_id)

    async def _compare(self, step: Compare) -> None:
        post, row = step.post, step.row
        source = hash((post.subject, post.html, post.author, post.files))
        if self._compared.get(post.id) == source or row.event_id is None:
            return
        speech, digest = await self._speech(post, row)
        if digest != row.digest:
            key = f"{self._site}:edit:{post.id}:{digest}"
            try:
                await self._messenger.edit(row.room_id, row.event_id, speech, key=key, sender=row.sender)
                log.info("The announcement %d of course %d was edited.", post.id, row.course_id)
            except PermanentFailure as failure:
                log.warning(
                    "The announcement %d has changed, its message in %s can't be: %s",
                    post.id,
                    row.room_id,
                    failure,
                )
            await self._store.relay.save_post(replace(row, digest=digest))
            await self._enclosures.send(post, row)
        self._compared[post.id] = source

    async def _withdraw(self, row: PostRow) -> None:
        if row.event_id is not None:
            await self._take_back(row, f"{self._site}:gone:{row.id}")
        await self._enclosures.withdraw(row)
        await self._store.relay.save_post(replace(row, state=PostState.WITHDRAWN))
        self._compared.pop(row.id, None)
        log.info("The announcement %d of course %d was withdrawn.", row.id, row.course_id)

    async def _take_back(self, row: PostRow, key: str) -> None:
        assert row.event_id is not None
        for sender in dict.fromkeys((row.sender, self._senders.bot)):
            try:
                await self._messenger.redact(row.room_id, row.event_id, key=f"{key}:{sender}", sender=sender)
                return
            except PermanentFailure as failure:
                log.warning("The message about post %d in %s stays: %s", row.id, row.room_id, failure)

    # The list of what was too much

    async def _of_list(self, step: Compare | Withdraw) -> set[str]:
        """A post that stands in a list has changed, or is gone; the day of the list."""
        if isinstance(step, Withdraw):
            await self._store.relay.save_post(replace(step.row, state=PostState.WITHDRAWN))
            return {step.row.day}
        source = hash((step.post.subject, step.post.author))
        is_same = self._compared.get(step.post.id) == source
        self._compared[step.post.id] = source
        return set() if is_same else {step.row.day}

    async def _renew_lists(
        self, target: Target, days: set[str], forums: Sequence[Forum], seen: Sequence[PostList]
    ) -> bool:
        posts = {post.id: post for one in seen for post in one.posts}
        rows = (await self._store.relay.posts([forum.id for forum in forums])).values()
        is_whole = True
        for day in sorted(days):
            of_day = [row for row in rows if row.state is PostState.LISTED and row.day == day]
            if any(row.id not in posts for row in of_day):
                is_whole = False
                continue
            await self._renew_list(target, day, [posts[row.id] for row in of_day])
        return is_whole

    async def _renew_list(self, target: Target, day: str, posts: Sequence[Announcement]) -> None:
        stored = await self._store.relay.left_over(target.room_id, day)
        one = stored or LeftOver(target.room_id, target.course_id, day)
        key, bot = f"{self._site}:rest:{target.room_id}:{day}", self._senders.bot
        ordered = sorted(posts, key=lambda post: (post.visible_from, post.id))
        text, rich = self._wording.left_over(ordered)
        digest = digest_of(text, rich)
        if not posts:
            if one.event_id is not None:
                await self._messenger.redact(one.room_id, one.event_id, key=f"{key}:gone", sender=bot)
                await self._store.relay.save_left_over(replace(one, event_id=None, digest=""))
            return
        if digest == one.digest and one.event_id is not None:
            return
        about = {"site": self._site, "rest": day}
        speech = Speech(text, rich, notice=False, about=about)
        if one.event_id is None:
            await self._store.relay.save_left_over(one)
            since = self._clock.now() - 86_400 - SLACK
            found = await self._messenger.find(one.room_id, about, senders={bot}, since=since)
            event_id = (
                found.event_id
                if found
                else await self._messenger.post(one.room_id, speech, key=f"{key}:{digest}", sender=bot)
            )
            await self._store.relay.save_left_over(
                replace(one, event_id=event_id, digest="" if found else digest)
            )
            return
        await self._messenger.edit(one.room_id, one.event_id, speech, key=f"{key}:{digest}", sender=bot)
        await self._store.relay.save_left_over(replace(one, digest=digest))

    # What is said

    async def _speech(self, post: Announcement, row: PostRow) -> tuple[Speech, str]:
        pictures = await self._enclosures.pictures(post, row)
        body: Converted = self._markup.convert(post.html, most=self._rules.most_text, pictures=pictures)
        text, rich = self._wording.announcement(post, body, signed=row.sender == self._senders.bot)
        return Speech(text, rich, notice=False, about=self._about(post.id)), digest_of(text, rich)

    def _about(self, post_id: PostId) -> Mapping[str, str | int]:
        return {"site": self._site, "post": post_id}

    def _row(self, target: Target, post: Announcement, sender: UserId, day: str, state: PostState) -> PostRow:
        return PostRow(
            id=post.id,
            course_id=target.course_id,
            forum_id=post.forum_id,
            room_id=target.room_id,
            sender=sender,
            state=state,
            created=post.created,
            day=day,
        )
