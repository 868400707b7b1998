"""A Matrix Authentication Service made from what its OpenAPI description says of the requests that we send.

Every request is checked against `REQUESTS`: a path, a query parameter or a property of a body that the description
does not have fails the test, as does a value of the wrong type; so do answers that are not what `_resource` writes down
of it. Beside the admin API it has the token endpoint (client credentials, refresh tokens) and what Synapse asks of it
(metadata, introspection); `synapse` makes it tell a real Synapse of new accounts, as MAS does.
"""

from __future__ import annotations

import base64
import itertools
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, unquote

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.accounts_desk import CLIENT_ID, CLIENT_SECRET, ulid

ULID = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")
ADMIN = "/api/admin/v1"
PAGES = {"page[before]", "page[after]", "page[first]", "page[last]", "count"}


@dataclass(frozen=True)
class Shape:
    """What the description says of one request: names of query parameters, properties of the body, those required."""

    query: frozenset[str] = frozenset()
    body: Mapping[str, type] = field(default_factory=dict)
    required: frozenset[str] = frozenset()


def _list(*filters: str) -> Shape:
    return Shape(query=frozenset(PAGES | {f"filter[{name}]" for name in filters}))


REQUESTS: Mapping[tuple[str, str], Shape] = {
    ("GET", "users"): _list("admin", "legacy-guest", "search", "status"),
    ("POST", "users"): Shape(
        body={"username": str, "skip_homeserver_check": bool, "displayname": str, "avatar_url": str},
        required=frozenset({"username"}),
    ),
    ("GET", "users/{id}"): Shape(),
    ("GET", "users/by-username/{username}"): Shape(),
    ("POST", "users/{id}/deactivate"): Shape(body={"skip_erase": bool}),
    ("POST", "users/{id}/set-password"): Shape(
        body={"password": str, "skip_password_check": bool}, required=frozenset({"password"})
    ),
    ("GET", "user-emails"): _list("user", "email"),
    ("POST", "user-emails"): Shape(
        body={"user_id": str, "email": str}, required=frozenset({"user_id", "email"})
    ),
    ("DELETE", "user-emails/{id}"): Shape(),
    ("GET", "upstream-oauth-links"): _list("user", "provider", "subject", "human-account-name"),
    ("POST", "upstream-oauth-links"): Shape(
        body={"user_id": str, "provider_id": str, "subject": str, "human_account_name": str},
        required=frozenset({"user_id", "provider_id", "subject"}),
    ),
}
ULIDS = {"filter[user]", "filter[provider]", "user_id", "provider_id", "page[before]", "page[after]"}


@dataclass
class Asked:
    """One request to the admin API."""

    method: str
    path: str
    query: dict[str, str]
    body: Any


class FakeMas:
    """`providers` are the upstream providers that it knows. `next_answers`: sent in the place of what it would say."""

    def __init__(self) -> None:
        self.users: dict[str, dict[str, Any]] = {}
        self.links: dict[str, dict[str, Any]] = {}
        self.emails: dict[str, dict[str, Any]] = {}
        self.passwords: dict[str, str] = {}
        self.providers = {ulid("provider")}
        self.reserved: set[str] = set()
        self.asked: list[Asked] = []
        self.wrong: list[str] = []
        self.token_requests: list[dict[str, str]] = []
        self.tokens: dict[str, dict[str, Any]] = {}
        self.refresh_tokens: dict[str, dict[str, Any]] = {}
        self.is_admin_client = True
        self.lifetime = 300
        self.next_answers: list[web.Response | None] = []
        self.synapse: Callable[[str, Mapping[str, Any]], Awaitable[None]] | None = None
        self._numbers = itertools.count(1)
        app = web.Application()
        app.router.add_route("*", ADMIN + "/{rest:.*}", self._admin)
        app.router.add_post("/oauth2/token", self._token)
        app.router.add_post("/oauth2/introspect", self._introspect)
        app.router.add_get("/.well-known/openid-configuration", self._metadata)
        self.server = TestServer(app)

    @property
    def address(self) -> str:
        return str(self.server.make_url("/")).rstrip("/")

    async def start(self) -> None:
        await self.server.start_server()

    async def stop(self) -> None:
        await self.server.close()

    def add_user(self, username: str, **given: Any) -> str:
        """A user that was there before; gives its id."""
        found = self._new_id()
        self.users[found] = {
            "username": username,
            "created_at": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
            "locked_at": None,
            "deactivated_at": None,
            "admin": False,
            "legacy_guest": False,
            **given,
        }
        return found

    def issue(self, scope: str, username: str | None = None) -> tuple[str, str]:
        """An access token and its refresh token."""
        access, refresh = f"mat_{secrets.token_hex(12)}_x", f"mar_{secrets.token_hex(12)}_x"
        self.tokens[access] = {"scope": scope, "username": username}
        self.refresh_tokens[refresh] = self.tokens[access]
        return access, refresh

    def expire_tokens(self) -> None:
        self.tokens.clear()

    # OAuth 2.0

    async def _token(self, request: web.Request) -> web.Response:
        form = dict(parse_qsl(await request.text()))
        self.token_requests.append(form)
        expected = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        if request.headers.get("Authorization") != f"Basic {expected}":
            return web.json_response({"error": "invalid_client"}, status=401)
        if form.get("grant_type") == "client_credentials":
            if form.get("scope") != "urn:mas:admin" or not self.is_admin_client:
                return web.json_response({"error": "invalid_scope"}, status=403)
            access, _ = self.issue("urn:mas:admin")
            return web.json_response(
                {
                    "access_token": access,
                    "token_type": "Bearer",
                    "expires_in": self.lifetime,
                    "scope": form["scope"],
                }
            )
        session = self.refresh_tokens.pop(form.get("refresh_token", ""), None)
        if form.get("grant_type") != "refresh_token" or session is None:
            return web.json_response({"error": "invalid_grant"}, status=400)
        access, refresh = self.issue(session["scope"], session["username"])
        return web.json_response(
            {"access_token": access, "token_type": "Bearer", "expires_in": 300, "refresh_token": refresh}
        )

    async def _introspect(self, request: web.Request) -> web.Response:
        token = dict(parse_qsl(await request.text())).get("token", "")
        if token not in self.tokens:
            return web.json_response({"active": False})
        return web.json_response({"active": True, **self.tokens[token]})

    async def _metadata(self, request: web.Request) -> web.Response:
        issuer = f"{self.address}/"
        return web.json_response({"issuer": issuer, "account_management_uri": f"{issuer}account/"})

    # The admin API

    async def _admin(self, request: web.Request) -> web.Response:
        path = request.raw_path.partition("?")[0].removeprefix(f"{ADMIN}/")
        body = await request.json() if request.can_read_body else None
        asked = Asked(request.method, path, dict(request.query), body)
        self.asked.append(asked)
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if self.next_answers and (answer := self.next_answers.pop(0)) is not None:
            return answer
        if token not in self.tokens:
            return _errors(401, "Unknown access token")
        if "urn:mas:admin" not in self.tokens[token]["scope"]:
            return _errors(401, "Missing urn:mas:admin scope")
        template, ids = _match(path)
        shape = REQUESTS.get((asked.method, template))
        if shape is None:
            self.wrong.append(f"no such request: {asked.method} {path}")
            return _errors(404, "Not found")
        self.wrong += _violations(asked, shape)
        handle = getattr(self, f"_{asked.method}_{re.sub('[^a-z]+', '_', template).strip('_')}".lower())
        answer = await handle(asked, *ids)
        assert isinstance(answer, web.Response)
        return answer

    async def _get_users(self, asked: Asked) -> web.Response:
        status = asked.query.get("filter[status]")
        found = {
            key: user
            for key, user in self.users.items()
            if status != "active" or not (user["locked_at"] or user["deactivated_at"])
        }
        return _page("user", found, asked)

    async def _post_users(self, asked: Asked) -> web.Response:
        username = asked.body["username"]
        if any(user["username"] == username for user in self.users.values()):
            return _errors(409, "User already exists")
        if not re.fullmatch(r"(?!_)[a-z0-9=_./+-]{1,255}", username):
            return _errors(400, "Username is not valid")
        if username in self.reserved:
            return _errors(409, "Username is reserved by the homeserver")
        found = self.add_user(username)
        if self.synapse is not None:
            content = {"localpart": username}
            if asked.body.get("displayname"):
                content["set_displayname"] = asked.body["displayname"]
            await self.synapse("provision_user", content)
        return _single("user", found, self.users[found], status=201)

    async def _get_users_id(self, asked: Asked, key: str) -> web.Response:
        if key not in self.users:
            return _errors(404, f"User ID {key} not found")
        return _single("user", key, self.users[key])

    async def _get_users_by_username_username(self, asked: Asked, username: str) -> web.Response:
        for key, user in self.users.items():
            if user["username"] == username:
                return _single("user", key, user)
        return _errors(404, f'User with username "{username}" not found')

    async def _post_users_id_deactivate(self, asked: Asked, key: str) -> web.Response:
        if key not in self.users:
            return _errors(404, f"User ID {key} not found")
        self.users[key]["deactivated_at"] = "2026-01-31T12:00:00Z"
        if self.synapse is not None:
            erase = not (asked.body or {}).get("skip_erase", False)
            await self.synapse("delete_user", {"localpart": self.users[key]["username"], "erase": erase})
        return _single("user", key, self.users[key])

    async def _post_users_id_set_password(self, asked: Asked, key: str) -> web.Response:
        if key not in self.users:
            return _errors(404, f"User ID {key} not found")
        self.passwords[key] = asked.body["password"]
        return web.Response(status=204)

    async def _get_user_emails(self, asked: Asked) -> web.Response:
        found = _filtered(self.emails, asked, {"user": "user_id", "email": "email"})
        return _page("user-email", found, asked)

    async def _post_user_emails(self, asked: Asked) -> web.Response:
        if asked.body["user_id"] not in self.users:
            return _errors(404, f"User ID {asked.body['user_id']} not found")
        if any(one["email"].lower() == asked.body["email"].lower() for one in self.emails.values()):
            return _errors(409, f'User email "{asked.body["email"]}" already in use')
        key = self._new_id()
        self.emails[key] = {"created_at": "2026-01-31T12:00:00Z", **asked.body}
        return _single("user-email", key, self.emails[key], status=201)

    async def _delete_user_emails_id(self, asked: Asked, key: str) -> web.Response:
        if self.emails.pop(key, None) is None:
            return _errors(404, f"User email ID {key} not found")
        return web.Response(status=204)

    async def _get_upstream_oauth_links(self, asked: Asked) -> web.Response:
        provider = asked.query.get("filter[provider]")
        if provider is not None and provider not in self.providers:
            return _errors(404, f"Provider ID {provider} not found")
        names = {"user": "user_id", "provider": "provider_id", "subject": "subject"}
        return _page("upstream-oauth-link", _filtered(self.links, asked, names), asked)

    async def _post_upstream_oauth_links(self, asked: Asked) -> web.Response:
        body = asked.body
        if body["user_id"] not in self.users or body["provider_id"] not in self.providers:
            return _errors(404, "User or provider not found")
        for key, link in self.links.items():
            if (link["provider_id"], link["subject"]) == (body["provider_id"], body["subject"]):
                if link["user_id"] is not None:
                    return _errors(409, "Upstream Oauth 2.0 Provider is already linked to a user")
                link["user_id"] = body["user_id"]
                return _single("upstream-oauth-link", key, link)
        key = self._new_id()
        self.links[key] = {"created_at": "2026-01-31T12:00:00Z", "human_account_name": None, **body}
        return _single("upstream-oauth-link", key, self.links[key], status=201)

    def _new_id(self) -> str:
        """A ULID; later ones are greater."""
        return f"01{next(self._numbers):024d}"


def _match(path: str) -> tuple[str, list[str]]:
    parts = [unquote(part) for part in path.split("/")]
    if len(parts) == 3 and parts[:2] == ["users", "by-username"]:
        return "users/by-username/{username}", [parts[2]]
    ids = [part for part in parts[1:2] if ULID.fullmatch(part)]
    return "/".join(["{id}" if part in ids else part for part in parts]), ids


def _violations(asked: Asked, shape: Shape) -> list[str]:
    where = f"{asked.method} {asked.path}"
    body = asked.body or {}
    found = [f"{where}: no parameter {name}" for name in asked.query if name not in shape.query]
    found += [f"{where}: no property {name}" for name in body if name not in shape.body]
    found += [f"{where}: {name} is missing" for name in shape.required if name not in body]
    found += [
        f"{where}: {name} has the wrong type"
        for name, value in body.items()
        if not isinstance(value, shape.body.get(name, object))
    ]
    given = {**asked.query, **body}
    found += [
        f"{where}: {name} is no ULID" for name in ULIDS & set(given) if not ULID.fullmatch(str(given[name]))
    ]
    if asked.method == "POST" and shape.required and asked.body is None:
        found.append(f"{where}: no body")
    return found


def _filtered(held: Mapping[str, dict[str, Any]], asked: Asked, names: Mapping[str, str]) -> dict[str, Any]:
    wanted = {
        key: asked.query[f"filter[{name}]"] for name, key in names.items() if f"filter[{name}]" in asked.query
    }
    return {key: one for key, one in held.items() if all(one[k] == value for k, value in wanted.items())}


def _resource(kind: str, key: str, attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": kind,
        "id": key,
        "attributes": dict(attributes),
        "links": {"self": f"{ADMIN}/{kind}s/{key}"},
    }


def _single(kind: str, key: str, attributes: Mapping[str, Any], *, status: int = 200) -> web.Response:
    data = _resource(kind, key, attributes)
    return web.json_response({"data": data, "links": data["links"]}, status=status)


def _page(kind: str, found: Mapping[str, Mapping[str, Any]], asked: Asked) -> web.Response:
    keys = sorted(found)
    if "page[last]" in asked.query:
        keys = keys[-int(asked.query["page[last]"]) :]
    else:
        keys = keys[: int(asked.query.get("page[first]", "10"))]
    data = [_resource(kind, key, found[key]) for key in keys]
    links = {"self": f"{ADMIN}/{kind}s"}
    return web.json_response({"meta": {"count": len(found)}, "data": data, "links": links})


def _errors(status: int, title: str) -> web.Response:
    return web.json_response({"errors": [{"title": title}]}, status=status)


def tell_synapse(url: str, secret: str) -> Callable[[str, Mapping[str, Any]], Awaitable[None]]:
    """What MAS tells Synapse (`/_synapse/mas/…`), with the secret that both share."""

    async def tell(what: str, content: Mapping[str, Any]) -> None:
        headers = {"Authorization": f"Bearer {secret}"}
        async with (
            aiohttp.ClientSession(raise_for_status=True, headers=headers) as session,
            session.post(f"{url}/_synapse/mas/{what}", json=dict(content)),
        ):
            return

    return tell
