"""What is new, changed and gone among a course's announcements, and what is done about it.

An announcement is the first post of a discussion in a forum of type news, as a participant without groups sees it. It
is told once, when all may see it; later it only changes or goes. Whether it was told is known by its first post's id,
which is claimed before anything is sent, so no order of crashes, restarts and restores tells one twice. What was there
before the course began to relay is not told at all, and nothing of it is remembered.

Posts to one group, posts before or after their time and hidden forums stay in Moodle: our reader is not shown most of
them, and what it is shown is looked at here once more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import NewType

from .model import CourseId, EventId, MoodleUserId, RoomId, UserId

ForumId = NewType("ForumId", int)
PostId = NewType("PostId", int)
"""The id of a discussion's first post: Moodle's own number for what is announced."""
DiscussionId = NewType("DiscussionId", int)

ALL_GROUPS = -1
"""`groupid` of a discussion for every participant."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file of a post. `address`: where Moodle's file server for web services has it."""

    name: str
    address: str
    content_type: str
    size: int
    modified: float


@dataclass(frozen=True, slots=True)
class Announcement:
    """One row of `mod_forum_get_forum_discussions`. `html` as Moodle has cleaned it; times are Unix seconds."""

    id: PostId
    discussion_id: DiscussionId
    forum_id: ForumId
    course_id: CourseId
    subject: str
    html: str
    author_id: MoodleUserId
    author: str
    created: float
    modified: float
    group_id: int = ALL_GROUPS
    starts: float | None = None
    ends: float | None = None
    pinned: bool = False
    mailed: bool = False
    files: tuple[Attachment, ...] = ()

    @property
    def visible_from(self) -> float:
        """When participants could first see it."""
        return max(self.created, self.starts or 0.0)

    def is_for_all(self, now: float) -> bool:
        """Whether every participant sees it now."""
        if self.group_id != ALL_GROUPS:
            return False
        return (self.starts or 0.0) <= now and (self.ends is None or self.ends > now)


@dataclass(frozen=True, slots=True)
class PostList:
    """What was read of one forum. `whole`: what is not in it is not there for participants."""

    posts: tuple[Announcement, ...]
    whole: bool


class PostState(StrEnum):
    """How far the telling of a post has come."""

    CLAIMED = "claimed"
    """It may have been sent."""
    SENT = "sent"
    LISTED = "listed"
    """It stands in the list of what was too much for its day."""
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class PostRow:
    """What is remembered of a post: ids, times and a hash, nothing of what it says.

    `sender`: who has sent it, the bot or a virtual user. `day`: the local day on which it was told.
    """

    id: PostId
    course_id: CourseId
    forum_id: ForumId
    room_id: RoomId
    sender: UserId
    state: PostState
    created: float
    day: str
    digest: str = ""
    event_id: EventId | None = None


@dataclass(frozen=True, slots=True)
class Publish:
    """Tell a post; `row`: it was claimed before, and may have been sent."""

    post: Announcement
    row: PostRow | None = None


@dataclass(frozen=True, slots=True)
class Compare:
    """A post that was told: where its text is another one now, the message is edited."""

    post: Announcement
    row: PostRow


@dataclass(frozen=True, slots=True)
class Withdraw:
    """A post that was told is not for everybody any more: its message is redacted."""

    row: PostRow


Step = Publish | Compare | Withdraw


def plan_posts(
    seen: Sequence[PostList],
    known: Mapping[PostId, PostRow],
    *,
    since: float,
    now: float,
    wait_for_mail: bool,
) -> tuple[Step, ...]:
    """What to do about one course: withdrawals first, then changes, then what is new, the oldest first.

    `known`: the rows of the forums that were read. `since`: when the course began to relay. `wait_for_mail`: a new post
    is told once Moodle has mailed it, when its author can't change it any more.
    """
    posts = {post.id: post for one in seen for post in one.posts}
    gone = [Withdraw(row) for row in _gone(seen, posts, known, now)]
    told = [
        Compare(post, row)
        for post in posts.values()
        if (row := known.get(post.id)) is not None
        and row.state in (PostState.SENT, PostState.LISTED)
        and post.is_for_all(now)
    ]
    new = [
        Publish(post, known.get(post.id))
        for post in posts.values()
        if post.is_for_all(now)
        and _is_to_tell(post, known.get(post.id), since)
        and (post.mailed or not wait_for_mail)
    ]
    new.sort(key=lambda step: (step.post.visible_from, step.post.id))
    return (*gone, *told, *new)


def _is_to_tell(post: Announcement, row: PostRow | None, since: float) -> bool:
    if row is not None:
        return row.state is PostState.CLAIMED
    return post.visible_from >= since


def _gone(
    seen: Sequence[PostList],
    posts: Mapping[PostId, Announcement],
    known: Mapping[PostId, PostRow],
    now: float,
) -> Iterable[PostRow]:
    """Told posts that participants do not see any more."""
    all_whole = all(one.whole for one in seen)
    for row in known.values():
        if row.state not in (PostState.SENT, PostState.LISTED):
            continue
        post = posts.get(row.id)
        if (post is None and all_whole) or (post is not None and not post.is_for_all(now)):
            yield row


def is_doubtful(seen: PostList, known: Iterable[PostRow]) -> bool:
    """Whether a part of a forum's posts lacks one that should be in it: then the whole list must be read.

    A page holds the pinned posts and then the newest; pinned ones may fill it.
    """
    if seen.whole:
        return False
    there = {post.id for post in seen.posts}
    unpinned = [post.created for post in seen.posts if not post.pinned]
    if len(unpinned) * 2 < len(seen.posts) or not unpinned:
        return True
    oldest = min(unpinned)
    return any(
        row.id not in there and row.created > oldest and row.state in (PostState.SENT, PostState.LISTED)
        for row in known
    )


def digest_of(*parts: str) -> str:
    """A hash of what a message says, by which a change is found without keeping the text."""
    return sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]
