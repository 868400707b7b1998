"""Long lists, page by page: at most what fits a phone, and at the end what to write for the next page."""

from __future__ import annotations

from collections.abc import Sequence

from ..call import Call
from ..render import PER_PAGE, Answer, Item, pages_of


def listed(call: Call, answer: Answer, entries: Sequence[Item], *, per_page: int = PER_PAGE) -> Answer:
    """The page of a list that is wanted, behind what the answer says so far."""
    pages = pages_of(len(entries), per_page)
    page = min(call.arguments.page, pages)
    answer.items(entries[(page - 1) * per_page : page * per_page])
    if pages > 1:
        _ = call.reader.language.gettext
        text = _("Page {page} of {pages}.", page=page, pages=pages)
        if page < pages:
            text += " " + _("The next: `{command}`", command=_again(call, page + 1))
        answer.line(text)
    return answer


def _again(call: Call, page: int) -> str:
    """The same command for another page, as it is written in the direct chat."""
    words = [call.command.name]
    course = call.arguments.course or (str(call.place.course_id) if call.place.course_id is not None else "")
    if call.command.of_course and course:
        words.append(f"-c {_quoted(course)}")
    words.append(f"-p {page}")
    words += [_quoted(call.arguments[word.name]) for word in call.command.words if call.arguments[word.name]]
    return " ".join(words)


def _quoted(text: str) -> str:
    return f'"{text}"' if " " in text else text
