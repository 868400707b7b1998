"""`link`, `unlink` and the answers `yes` and `no`: how a person proves that a Matrix account is theirs.

Only the direct chat counts. A code that was sent in a room is burnt, and its sender is told so in the direct chat. What
nobody asked about is answered to people whom we know, and to nobody else.
"""

from __future__ import annotations

from ...domain.model import CourseId
from ...languages import N_
from ..call import Call
from ..render import Answer

HOW = N_(
    "Get a code in Moodle, then write here: link and the code, such as `link ABCD-EFGH`. I ask once more before it "
    "counts."
)


async def link(call: Call) -> CourseId | None:
    """Take a code. Raises `Told` where there is none."""
    text = "".join(call.said.words)
    if not text:
        raise await call.refuse(HOW)
    said = await call.desk.linking.link(
        call.sender, text, direct=call.is_direct, reference=str(call.event_id)
    )
    await _say(call, said)
    return None


async def unlink(call: Call) -> CourseId | None:
    """Ask whether the link is to be undone. Raises `Told` outside the direct chat, and where there is no link."""
    if not call.is_direct:
        raise await call.refuse("Nothing was changed. Write `unlink` here, in our direct chat.")
    said = await call.desk.linking.unlink(call.sender)
    if said is None and call.person is not None:
        raise await call.refuse("This account is linked to nobody by a code, so there is nothing to undo.")
    await _say(call, said)
    return None


async def yes(call: Call) -> CourseId | None:
    """Agree to what was asked about a link; with a word, to a dangerous command: that one the router carries out.

    Raises `Told` for a word that stands for nothing.
    """
    if call.arguments["word"]:
        raise await call.refuse(
            "That word stands for nothing (any more), so nothing was done. Give the command again for a new one."
        )
    await _answer(call, yes=True)
    return None


async def no(call: Call) -> CourseId | None:
    """Disagree with what was asked. Raises `Told` where a dangerous command waited for its word."""
    if call.desk.pending.drop(call.sender):
        raise await call.refuse("Good, nothing was done.")
    await _answer(call, yes=False)
    return None


async def _answer(call: Call, *, yes: bool) -> None:
    if not call.is_direct:
        return
    said = await call.desk.linking.answer(call.sender, yes=yes, reference=str(call.event_id))
    if said is None and call.person is not None:
        raise await call.refuse(
            "I have not asked you anything, so nothing was changed. Write `help` to see what I know."
        )
    await _say(call, said)


async def _say(call: Call, said: str | None) -> None:
    if said is not None:
        await call.answer_privately(Answer().line(call.reader.tell(said)))
