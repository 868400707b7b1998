"""`link`, `unlink` and the answers `yes` and `no`: how a person proves that a Matrix account is theirs.

Only the direct chat counts. A code that was sent in a room is burnt, and its sender is told so in the direct chat. What
nobody asked about is answered to people whom we know, and to nobody else.
"""

from __future__ import annotations

from ..call import Call
from ..render import Answer

HOW = (
    "Get a code in Moodle, then write here: link and the code, such as link ABCD-EFGH. "
    "I ask once more before it counts."
)


async def link(call: Call) -> None:
    """Take a code."""
    text = "".join(call.words)
    if not text:
        await call.answer_privately(Answer().line(HOW))
        return
    said = await call.desk.linking.link(
        call.sender, text, direct=call.is_direct, reference=str(call.event_id)
    )
    if said is not None:
        await call.answer_privately(Answer().line(said))


async def unlink(call: Call) -> None:
    """Ask whether the link is to be undone."""
    if not call.is_direct:
        await call.answer_privately(
            Answer().line("Nothing was changed. Write unlink here, in our direct chat.")
        )
        return
    said = await call.desk.linking.unlink(call.sender)
    if said is None and call.person is not None:
        said = "This account is linked to nobody by a code, so there is nothing to undo."
    if said is not None:
        await call.answer(Answer().line(said))


async def yes(call: Call) -> None:
    """Agree to what was asked."""
    await _answer(call, yes=True)


async def no(call: Call) -> None:
    """Disagree with what was asked."""
    await _answer(call, yes=False)


async def _answer(call: Call, *, yes: bool) -> None:
    if not call.is_direct:
        return
    said = await call.desk.linking.answer(call.sender, yes=yes, reference=str(call.event_id))
    if said is None and call.person is not None:
        said = "I have not asked you anything, so nothing was changed. Write help to see what I know."
    if said is not None:
        await call.answer(Answer().line(said))
