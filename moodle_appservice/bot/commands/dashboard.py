"""`dashboard`: a link that signs an administrator in there, once, within five minutes."""

from __future__ import annotations

from ...domain.model import CourseId
from ..call import Call
from ..render import Answer


async def run(call: Call) -> CourseId | None:
    """Hand out a link; it stands in the direct chat alone."""
    _ = call.reader.language.gettext
    link = await call.desk.dashboard(call.sender, call.person)
    await call.answer_privately(
        Answer().line(_("This link opens the dashboard, once, within five minutes:")).line(link)
    )
    return None
