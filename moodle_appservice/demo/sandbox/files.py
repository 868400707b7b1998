"""The file server for web services, `/webservice/pluginfile.php`: pictures of people and courses, files of posts.

The token comes as `token`, in the address or in a form body. Errors are HTTP 200 with an object of another shape than
the REST server's (`error` in place of `exception` and `message`). Who has no picture of their own gets the theme's,
with 200 too.
"""

from __future__ import annotations

import asyncio
import re
from typing import Final

from aiohttp import web

from .errors import MissingRecord, MoodleError, access_denied
from .faults import Fault
from .records import Course
from .service import RestService, early_answer, read_form
from .site import Site
from .wire import php_json

FILES_PATH: Final = "/webservice/pluginfile.php"
FILES: Final = "webservice/pluginfile.php"
"""What accidents call it, and `counts`."""
THEME_PICTURE: Final = b"\x89PNG\r\n\x1a\nthe theme's picture"
_ICON: Final = re.compile(r"/(\d+)/user/icon(?:/[^/]+)?/f[123]")

_OF_POST: Final = re.compile(r"/(\d+)/mod_forum/(post|attachment)/(\d+)/([^/]+)")


class FileServer:
    """Serves what belongs to the site of a `RestService`, through the same doors."""

    def __init__(self, rest: RestService) -> None:
        """Serve nothing yet."""
        self._rest = rest

    def add_to(self, app: web.Application) -> None:
        """Answer below the path of the file server."""
        app.router.add_route("*", FILES_PATH + "{path:/.*}", self._answer)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self._rest.counts[FILES] += 1
        accident = self._rest.faults.for_answer(FILES)
        if accident and accident.fault is Fault.SLOW:
            await asyncio.sleep(accident.seconds)
        early = early_answer(accident.fault) if accident else None
        if early is not None:
            return early
        form = await read_form(request, self._rest.site.max_input_vars)
        try:
            return self._file(str(form.get("token", "")), request.remote or "", request.match_info["path"])
        except MoodleError as failure:
            code, said = failure.words(self._rest.site.version, self._rest.site.debugging)
            error = {"error": said, "errorcode": code, "stacktrace": None, "debuginfo": None}
            text = php_json({**error, "reproductionlink": None})
            return web.Response(text=text, content_type="application/json", charset="utf-8")

    def _file(self, token: str, address: str, path: str) -> web.Response:
        if not token:
            words = "A required parameter (token) was missing"
            raise MoodleError("moodle_exception", "missingparam", words)
        site = self._rest.authenticate(token, address)
        if not site.service.downloadfiles:
            raise access_denied("Web service file downloading must be enabled in external service settings")
        of_course = next(
            (one for one in site.university.courses.values() if path == _picture_path(one)), None
        )
        if of_course is not None and of_course.picture is not None:
            return web.Response(body=of_course.picture[1], content_type=of_course.picture[0])
        of_post = _OF_POST.fullmatch(path)
        if of_post:
            return _enclosure(site, of_post)
        found = _ICON.fullmatch(path)
        person = site.person_in_context(int(found[1])) if found else None
        if person is None:
            raise MissingRecord("context")
        content_type, data = person.picture or ("image/png", THEME_PICTURE)
        return web.Response(body=data, content_type=content_type)


def _picture_path(course: Course) -> str:
    return f"/{course.context_id}/course/overviewfiles/{course.picture_name}"


def _enclosure(site: Site, found: re.Match[str]) -> web.Response:
    """A file of a post; one that is not there is told with 404."""
    file = site.activities.file(int(found[1]), found[2], int(found[3]), found[4])
    if file is None:
        said = {"error": "Sorry, the requested file could not be found", "errorcode": "filenotfound"}
        text = php_json({**said, "stacktrace": None, "debuginfo": None, "reproductionlink": None})
        return web.Response(text=text, status=404, content_type="application/json", charset="utf-8")
    return web.Response(body=file.data, content_type=file.content_type)
