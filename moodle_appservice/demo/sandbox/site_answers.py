"""What the web service says about the site itself, and the function that carries several calls at once.

`core_webservice_get_site_info` is how a client learns the version and which functions its service holds.
`tool_mobile_call_external_functions` runs calls one after the other and stops at the first that fails: the rest is
simply missing from the answer. Arguments and results travel as JSON inside JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from .errors import MissingRecord, MoodleError
from .session import Session
from .versions import FEATURES_OFF
from .wire import php_json

_ROW = dict[str, Any]


def get_site_info(session: Session, **_ignored: object) -> _ROW:
    """Version, service, functions and the caller's account; with a token Moodle ignores `serviceshortnames`."""
    site, version = session.site, session.version
    me = session.university.people[session.user]
    info: _ROW = {
        "sitename": session.name(session.university.courses[1].fullname),
        "username": me.username,
        "firstname": me.firstname,
        "lastname": me.lastname,
        "fullname": me.fullname,
        "lang": me.lang,
        "userid": me.id,
        "siteurl": site.url,
        "userpictureurl": site.picture("f1"),
        "functions": [
            {"name": name, "version": _component_version(session, name)} for name in site.service.functions
        ],
        "downloadfiles": site.service.downloadfiles,
        "uploadfiles": site.service.uploadfiles,
        "release": version.release,
        "version": version.number,
        "mobilecssurl": "",
        "advancedfeatures": [
            {"name": name, "value": int(name not in FEATURES_OFF)} for name in version.features
        ],
        "usercanmanageownfiles": True,
        "userquota": 104857600,
        "usermaxuploadfilesize": 67108864,
        "userhomepage": 1,
        "userprivateaccesskey": site.private_access_key,
        "siteid": 1,
        "sitecalendartype": "gregorian",
        "usercalendartype": "gregorian",
        "userissiteadmin": False,
        "theme": "boost",
        "limitconcurrentlogins": 0,
    }
    return info | ({"policyagreed": 1} if version.has_policyagreed else {})


def site_info_for_xml(info: _ROW) -> _ROW:
    """XML names the keys that have no value too."""
    padded: _ROW = {}
    for key, value in info.items():
        if key == "policyagreed":
            padded["usersessionscount"] = None
        padded[key] = value
        if key == "userhomepage":
            padded["userhomepageurl"] = None
    return padded


def _component_version(session: Session, function: str) -> str:
    return session.version.number if function.startswith("core_") else session.version.plugin_number


def call_external_functions(
    session: Session, requests: list[_ROW], execute: Callable[[Session, str, object], Any]
) -> _ROW:
    """`{responses: [{error, data | exception}]}`; `execute` runs one function with unchecked arguments."""
    responses: list[_ROW] = []
    for request in requests:
        response = _respond(session.with_raw(request["settingraw"]), request, execute)
        responses.append(response)
        if response["error"]:
            break
    return {"responses": responses}


def _respond(session: Session, request: _ROW, execute: Callable[[Session, str, object], Any]) -> _ROW:
    name = request["function"]
    if name not in session.site.service.functions:
        refusal = {"errorcode": "accessexception", "module": "webservice"}
        if session.site.debugging:
            refusal["debuginfo"] = "Access to the function is not allowed."
        return {"error": True, "exception": php_json(refusal)}
    try:
        data = execute(session, name, _arguments(request["arguments"]))
    except MissingRecord as failure:
        if failure.table == "external_functions":
            raise
        return _failed(session, failure)
    except MoodleError as failure:
        return _failed(session, failure)
    return {"error": False, "data": php_json(data)}


def _failed(session: Session, failure: MoodleError) -> _ROW:
    nested = failure.render_nested(session.version, session.site.debugging, session.site.url)
    return {"error": True, "exception": php_json(nested)}


def _arguments(text: str) -> object:
    """What is not a JSON object or list counts as no arguments."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict | list) else {}
