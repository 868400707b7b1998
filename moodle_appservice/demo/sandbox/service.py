"""The way of one request through Moodle's REST server, door by door.

`/webservice/rest/server.php` takes any HTTP method and reads the query string and a form body, never JSON. Then, in
Moodle's order: are web services and REST on (403 without a body if not), is there such a token, has it expired
(Moodle then deletes it, so that the second use fails otherwise than the first), is the address allowed, is the site
open, is the account usable, may it use REST, does the function exist, is it in the service. Whatever goes wrong
after the first door is HTTP 200 with an error object.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from . import rights
from .errors import (
    InvalidParameter,
    MoodleError,
    NotAnswered,
    access_denied,
    database_down,
    invalid_token,
    site_maintenance,
)
from .faults import Fault, Faults, Scheduled
from .functions import Runner, require_known
from .session import Session
from .site import Site
from .site_answers import site_info_for_xml
from .wire import Form, answer_xml, error_xml, parse_form, php_json

_CACHE_HEADERS = {
    "Cache-Control": "private, must-revalidate, pre-check=0, post-check=0, max-age=0",
    "Expires": "Thu, 01 Jan 1970 00:00:00 GMT",
    "Pragma": "no-cache",
    "Accept-Ranges": "none",
    "Access-Control-Allow-Origin": "*",
}
_SETTINGS = ("raw", "fileurl", "filter", "lang", "timezone")
_NOTICE = "<br />\n<b>Warning</b>:  Undefined variable $x in <b>/var/www/local/foo/lib.php</b> on line <b>3</b><br />\n"
_NOT_ALLOWED = "Access to the function {}() is not allowed."


class RestService:
    """Answers HTTP requests for one site; `counts` counts them by function name, `runner.calls` the calls."""

    def __init__(self, site: Site, faults: Faults) -> None:
        """Serve `site` with accidents from `faults`."""
        self.site = site
        self.faults = faults
        self.runner = Runner(faults)
        self.counts: Counter[str] = Counter()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Handle one request."""
        form = await read_form(request, self.site.max_input_vars)
        function = _scalar(form, "wsfunction")
        self.counts[function] += 1
        if not (self.site.web_services_enabled and self.site.rest_enabled):
            return _empty(403)
        accident = self.faults.for_answer(function)
        if accident and accident.fault is Fault.SLOW:
            await asyncio.sleep(accident.seconds)
            accident = None
        early = early_answer(accident.fault) if accident else None
        return early if early is not None else await self._respond(request, form, accident)

    async def _respond(
        self, request: web.Request, form: Form, accident: Scheduled | None
    ) -> web.StreamResponse:
        as_json = _scalar(form, "moodlewsrestformat") == "json"
        try:
            answer = self._execute(form, request.remote or "", accident)
            if not as_json and _scalar(form, "wsfunction") == "core_webservice_get_site_info":
                answer = site_info_for_xml(answer)
            text = php_json(answer) if as_json else answer_xml(answer)
        except NotAnswered as gap:
            return web.Response(status=501, text=f"The sandbox does not answer the function {gap}.\n")
        except MoodleError as failure:
            error = failure.render(self.site.version, self.site.debugging)
            text = php_json(error) if as_json else error_xml(error)
        kind = accident.fault if accident else None
        if kind is Fault.HANG_UP:
            return await _hang_up(request, text)
        if kind is Fault.CUT:
            text = text[: len(text) // 2]
        elif kind is Fault.PHP_NOTICE:
            text = _NOTICE + text
        return _ok(text, as_json)

    def _execute(self, form: Form, address: str, accident: Scheduled | None) -> Any:
        arguments: dict[str, Any] = dict(form)
        for setting in _SETTINGS:
            arguments.pop(f"moodlewssetting{setting}", None)
        token, function = (str(arguments.pop(key, "")) for key in ("wstoken", "wsfunction"))
        arguments.pop("moodlewsrestformat", None)
        if accident and accident.fault is Fault.DATABASE_DOWN:
            raise database_down()
        site = self.authenticate(token, address)
        if accident and accident.fault is Fault.MAINTENANCE:
            raise site_maintenance()
        if not function:
            raise InvalidParameter("Missing function name")
        raw = _scalar(form, "moodlewssettingraw") not in ("", "0")
        timezone = _scalar(form, "moodlewssettingtimezone")
        session = Session(site, site.university.now(), raw=raw, timezone=timezone)
        require_known(session, function)
        service = site.service
        if (
            not service.enabled
            or function not in service.functions
            or (service.restricted and not service.user_listed)
        ):
            raise access_denied(_NOT_ALLOWED.format(function))
        return self.runner.run(session, function, arguments)

    def authenticate(self, value: str, address: str) -> Site:
        """Token, address, site and account, in Moodle's order (`webservice_server::authenticate_user`).

        Returns the site as the owner of the token has it.
        """
        site = self.site.seen_with(value)
        token = site.token
        if token is None or not value or value != token.value:
            raise invalid_token()
        if token.valid_until and token.valid_until < site.university.now():
            self.site.token = None
            raise access_denied("Invalid token - token expired - check validuntil time for the token")
        if token.address and token.address != address:
            raise access_denied(f"Invalid service - IP:{address} is not supported - check this allowed user")
        if site.maintenance and not site.rights.allows(rights.MAINTENANCE_ACCESS):
            raise site_maintenance()
        me = site.university.people[site.service_user]
        for refused, code, word in (
            (me.deleted, "wsaccessuserdeleted", "deleted"),
            (not me.confirmed, "wsaccessuserunconfirmed", "unconfirmed"),
            (me.suspended, "wsaccessusersuspended", "suspended"),
            (me.auth == "nologin", "wsaccessusernologin", "nologin authentication"),
        ):
            if refused:
                words = f"Refused web service access for {word} username: {me.username}"
                raise MoodleError("moodle_exception", code, words, module="webservice")
        if not site.rights.allows(rights.REST_USE):
            raise access_denied(
                "You are not allowed to use the rest protocol (missing capability: webservice/rest:use)"
            )
        return site


async def read_form(request: web.Request, limit: int) -> Form:
    """PHP's `$_GET` overlaid with `$_POST`; the limit of fields holds for each of them."""
    form = parse_form(parse_qsl(request.rel_url.raw_query_string, keep_blank_values=True), limit)
    if request.method != "POST":
        return form
    if request.content_type == "multipart/form-data":
        fields = [(name, value) for name, value in (await request.post()).items() if isinstance(value, str)]
    elif request.content_type == "application/x-www-form-urlencoded":
        fields = parse_qsl((await request.read()).decode("utf-8", "replace"), keep_blank_values=True)
    else:
        fields = []
    return {**form, **parse_form(fields, limit)}


def _scalar(form: Form, key: str) -> str:
    value = form.get(key, "")
    return value if isinstance(value, str) else ""


def _ok(text: str, as_json: bool) -> web.Response:
    headers = {
        "Content-Type": "application/json" if as_json else "application/xml; charset=utf-8",
        **_CACHE_HEADERS,
    }
    return web.Response(body=text.encode(), headers=headers)


def _empty(status: int) -> web.Response:
    return web.Response(status=status, body=b"", headers={"Content-Type": "text/html; charset=utf-8"})


def _proxy_page(status: int, title: str) -> web.Response:
    page = (
        f"<html>\r\n<head><title>{status} {title}</title></head>\r\n<body>\r\n"
        f"<center><h1>{status} {title}</h1></center>\r\n<hr><center>nginx/1.22.1</center>\r\n</body>\r\n</html>\r\n"
    )
    return web.Response(status=status, body=page.encode(), headers={"Content-Type": "text/html"})


def early_answer(fault: Fault) -> web.Response | None:
    """The accidents that strike before Moodle says anything."""
    if fault is Fault.BAD_GATEWAY:
        return _proxy_page(502, "Bad Gateway")
    if fault is Fault.UNAVAILABLE:
        return _proxy_page(503, "Service Temporarily Unavailable")
    if fault is Fault.EMPTY:
        return _ok("", as_json=True)
    if fault is Fault.FORBIDDEN:
        return _empty(403)
    return _empty(500) if fault is Fault.PHP_FATAL else None


async def _hang_up(request: web.Request, text: str) -> web.StreamResponse:
    """Promise the whole body, send half of it and close the connection."""
    body = text.encode()
    response = web.StreamResponse(headers={"Content-Type": "application/json", **_CACHE_HEADERS})
    response.content_length = len(body)
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()
    return response
