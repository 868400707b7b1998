"""Everything about one person, found by two kinds of names: the Moodle id, and the Matrix accounts that are theirs.

`BY_PERSON` and `BY_ACCOUNT` name the tables whose rows are about one person alone: they are shown and deleted whole.
In `SHARED` people stand among others, in lists or sentences: there the person is taken out and the rest stays. An
account that another person has by now is not touched. A new table belongs into one of these lists, or into `NOBODY`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from mautrix.util.async_db import Connection

from ..domain.model import CourseId, MoodleUserId, RoomId, UserId, user_number
from ..ports.personal import Trace
from . import newest
from .board import names_in
from .db import Db, Row, fetch_in, to_json

BY_PERSON: Final = (
    "person",
    "enrolment",
    "place",
    "account",
    "link",
    "link_code",
    "link_question",
    "request",
    "web_session",
    "web_entry",
    "stays_out",
    "told",
    "board_person",
)
"""Tables with a column `moodle_id`; `person` first, because its key leads to the audit log."""
BY_ACCOUNT: Final = {
    "mirror_member": "user_id",
    "departed": "matrix_id",
    "direct_room": "user_id",
    "command": "sender",
    "link_question": "sender",
    "link_failure": "sender",
    "web_session": "account",
    "web_entry": "account",
}
IN_LISTS: Final = {
    "room": ("SELECT room_id, course_id, levels_written FROM room", "levels_written"),
    "course_ending": ("SELECT course_id, ending, named FROM course_ending", "named"),
    "hold": ("SELECT * FROM hold", "users"),
}
"""Rows about several people → how they are found, and the column that names them by account or Moodle id, as JSON."""
SHARED: Final = (
    "audit",
    "board_course",
    "course",
    "course_ending",
    "course_group",
    "drift",
    "exclusion",
    "hold",
    "message",
    "mirror_state",
    "pause",
    "relay_post",
    "room",
)
NOBODY: Final = (
    *("departure", "id_change"),
    *("course_choice", "lti_invitation", "lti_nonce", "lti_platform", "mirror_room", "setting", "web_secret"),
    *("board_reader", "board_settled", "board_site", "moodle_appservice_version", "room_look", "sample"),
    *("relay_course", "relay_left_over", "relay_list", "relay_told", "relay_upload"),
)
_TEXTS: Final = {
    "audit": ("why", "result"),
    "course": ("last_error", "choice_by", "reason"),
    "drift": ("sentence",),
    "hold": ("reason",),
    "pause": ("by_whom", "why"),
    "person": ("reason",),
}
"""Columns with sentences that may quote an account."""
NAMELESS: Final = "this account"


class PersonalBooks:
    """Implements `ports.PersonalBook`."""

    def __init__(self, db: Db) -> None:
        self._db = db

    async def find(self, words: str) -> Sequence[MoodleUserId]:
        """The people whom this can mean."""

        async def work(connection: Connection) -> list[MoodleUserId]:
            found: set[int] = set()
            for query in _queries(words):
                found.update(row["moodle_id"] for row in await connection.fetch(query, words.lower()))
            number = user_number(words)
            if number is not None and await _is_stored(connection, number):
                found.add(number)
            return [MoodleUserId(number) for number in sorted(found)]

        return await self._db.transaction(work)

    async def trace(self, user_id: MoodleUserId) -> Trace:
        """Where the person is known."""

        async def work(connection: Connection) -> Trace:
            accounts = await _accounts(connection, user_id)
            members = await fetch_in(
                connection,
                "SELECT room.room_id, mirror_member.user_id, "
                # A space above courses is the site's, whatever the number of its category.
                "CASE WHEN room.kind = 'course' THEN room.course_id ELSE 0 END AS course_id FROM mirror_member "
                "JOIN room ON room.room_id = mirror_member.room_id WHERE room.course_id IS NOT NULL "
                "AND membership IN ('join', 'invite') AND mirror_member.user_id IN ({in})",
                sorted(accounts),
            )
            rooms: dict[RoomId, tuple[CourseId, frozenset[UserId]]] = {}
            for row in members:
                _, there = rooms.get(RoomId(row["room_id"]), (0, frozenset()))
                rooms[RoomId(row["room_id"])] = (
                    CourseId(row["course_id"]),
                    there | {UserId(row["user_id"])},
                )
            direct = await fetch_in(
                connection, "SELECT room_id FROM direct_room WHERE user_id IN ({in})", sorted(accounts)
            )
            return Trace(user_id, accounts, rooms, frozenset(RoomId(row["room_id"]) for row in direct))

        return await self._db.transaction(work)

    async def everything(self, user_id: MoodleUserId) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """Every stored row about the person, by table."""

        async def work(connection: Connection) -> dict[str, list[dict[str, Any]]]:
            accounts = sorted(await _accounts(connection, user_id))
            found: dict[str, list[Row]] = {}
            for table in BY_PERSON:
                found[table] = await connection.fetch(f"SELECT * FROM {table} WHERE moodle_id = $1", user_id)
            for table, column in BY_ACCOUNT.items():
                rows = await fetch_in(
                    connection, f"SELECT * FROM {table} WHERE {column} IN ({{in}})", accounts
                )
                found[table] = [*found.get(table, []), *rows]
            found["audit"] = await connection.fetch(
                "SELECT audit.* FROM audit JOIN person ON person.audit_key = audit.person "
                "WHERE person.moodle_id = $1 ORDER BY number",
                user_id,
            )
            for table, (query, column) in IN_LISTS.items():
                found[table] = [
                    row
                    for row in await connection.fetch(query)
                    if set(json.loads(row[column])) & {*accounts, str(user_id)}
                ]
            found["relay_post"] = await fetch_in(
                connection, "SELECT * FROM relay_post WHERE sender IN ({in})", accounts
            )
            found["setting"] = await newest.about(connection, accounts)
            found["course_group"] = await _groups(connection, user_id)
            found["board_course"] = [
                {"course_id": row["course_id"], "members": ""}
                for row in await connection.fetch(
                    "SELECT course_id, data FROM board_course WHERE data IS NOT NULL"
                )
                if user_id in names_in(row["data"])
            ]
            return {table: _plain(rows, user_id, accounts) for table, rows in found.items() if rows}

        return await self._db.transaction(work)

    async def erase(self, user_id: MoodleUserId) -> None:
        """Delete or blank every trace of the person."""

        async def work(connection: Connection) -> None:
            accounts = sorted(await _accounts(connection, user_id))
            for account in accounts:
                await _blank(connection, account)
            await connection.execute(
                "UPDATE person SET reason = REPLACE(reason, $1, '') WHERE reason <> REPLACE(reason, $1, '')",
                f" (user id {user_id})",
            )
            await _take_out(connection, user_id, frozenset(accounts))
            await newest.forget(connection, accounts)
            # Who has just left which course, told to other processes and to the next start: without it they count.
            await connection.execute(
                "DELETE FROM setting WHERE name IN ('known_leavers', 'explained_leavers')"
            )
            for row in await fetch_in(
                connection, "SELECT event_id FROM command WHERE sender IN ({in})", accounts
            ):
                await connection.execute(
                    "DELETE FROM message WHERE SUBSTR(message_key, 1, LENGTH($1) + 1) = $1 || ':'",
                    row["event_id"],
                )
            for table, column in BY_ACCOUNT.items():
                for account in accounts:
                    await connection.execute(f"DELETE FROM {table} WHERE {column} = $1", account)
            for table in BY_PERSON:
                await connection.execute(f"DELETE FROM {table} WHERE moodle_id = $1", user_id)

        await self._db.transaction(work)


def _queries(words: str) -> list[str]:
    """Whom a word means, as a Matrix id or as a user name."""
    if words.startswith("@"):
        return [
            "SELECT moodle_id FROM person WHERE matrix_id = $1 OR virtual_id = $1",
            "SELECT moodle_id FROM link WHERE matrix_id = $1 OR previous = $1",
            "SELECT moodle_id FROM account WHERE matrix_id = $1",
        ]
    return ["SELECT moodle_id FROM person WHERE LOWER(username) = $1"]


async def _is_stored(connection: Connection, user_id: int) -> bool:
    for table in BY_PERSON:
        if await connection.fetchval(f"SELECT COUNT(*) FROM {table} WHERE moodle_id = $1", user_id):
            return True
    return False


async def _accounts(connection: Connection, user_id: MoodleUserId) -> frozenset[UserId]:
    """All ids that are or were the person's, without those that another has now."""
    found: set[str] = set()
    for query in (
        "SELECT matrix_id AS one, virtual_id AS two FROM person WHERE moodle_id = $1",
        "SELECT matrix_id AS one, previous AS two FROM link WHERE moodle_id = $1",
        "SELECT matrix_id AS one, matrix_id AS two FROM account WHERE moodle_id = $1",
        "SELECT matrix_id AS one, matrix_id AS two FROM place WHERE moodle_id = $1",
        "SELECT sender AS one, sender AS two FROM link_question WHERE moodle_id = $1",
    ):
        for row in await connection.fetch(query, user_id):
            found |= {one for one in (row["one"], row["two"]) if one is not None}
    for table, column in (("person", "matrix_id"), ("person", "virtual_id"), ("link", "matrix_id")):
        others = await fetch_in(
            connection,
            f"SELECT {column} AS taken FROM {table} WHERE moodle_id <> $1 AND {column} IN ({{in}})",
            sorted(found),
            user_id,
        )
        found -= {row["taken"] for row in others}
    return frozenset(UserId(one) for one in found)


async def _groups(connection: Connection, user_id: MoodleUserId) -> list[Row]:
    rows = await connection.fetch("SELECT course_id, group_id, name, members FROM course_group")
    return [row for row in rows if str(user_id) in row["members"].split()]


async def _blank(connection: Connection, account: UserId) -> None:
    """Take an account out of sentences, and out of who did something to others."""
    for table, columns in _TEXTS.items():
        for column in columns:
            await connection.execute(
                f"UPDATE {table} SET {column} = REPLACE({column}, $1, $2) WHERE {column} <> REPLACE({column}, $1, $2)",
                account,
                NAMELESS,
            )
    for table in ("mirror_member", "mirror_state", "relay_post"):
        await connection.execute(f"UPDATE {table} SET sender = '' WHERE sender = $1", account)
    await connection.execute("UPDATE person SET wanted = NULL WHERE wanted = $1", account)


async def _take_out(connection: Connection, user_id: MoodleUserId, accounts: frozenset[UserId]) -> None:
    """Take the person out of lists that hold others too."""
    for row in await connection.fetch("SELECT course_id, room_id, cause, users FROM hold"):
        users = [user for user in json.loads(row["users"]) if user not in {*accounts, str(user_id)}]
        await connection.execute(
            "UPDATE hold SET users = $4 WHERE course_id = $1 AND room_id = $2 AND cause = $3",
            *(row["course_id"], row["room_id"], row["cause"], to_json(users)),
        )
    for row in await connection.fetch("SELECT course_id, named FROM course_ending"):
        named = [user for user in json.loads(row["named"]) if user not in accounts]
        await connection.execute(
            "UPDATE course_ending SET named = $2 WHERE course_id = $1", row["course_id"], to_json(named)
        )
    for row in await connection.fetch("SELECT room_id, levels_written FROM room"):
        levels = json.loads(row["levels_written"])
        kept = {user: level for user, level in levels.items() if user not in accounts}
        if kept != levels:
            await connection.execute(
                "UPDATE room SET levels_written = $2 WHERE room_id = $1", row["room_id"], to_json(kept)
            )
    await _out_of_levels(connection, accounts)
    await connection.execute(
        "UPDATE audit SET why = REPLACE(why, $1, $2) WHERE why <> REPLACE(why, $1, $2)",
        *(f"(Moodle user {user_id})", f"({NAMELESS})"),
    )
    # Whoever needs the course has it read anew, and then it is put up without the person.
    for row in await connection.fetch("SELECT course_id, data FROM board_course WHERE data IS NOT NULL"):
        if user_id in names_in(row["data"]):
            await connection.execute("DELETE FROM board_course WHERE course_id = $1", row["course_id"])
    for row in await _groups(connection, user_id):
        members = " ".join(one for one in row["members"].split() if one != str(user_id))
        await connection.execute(
            "UPDATE course_group SET members = $3 WHERE course_id = $1 AND group_id = $2",
            *(row["course_id"], row["group_id"], members),
        )


async def _out_of_levels(connection: Connection, accounts: frozenset[UserId]) -> None:
    """What the mirror still shows of levels; a room that is looked at has taken them away by now."""
    rows = await connection.fetch(
        "SELECT room_id, content FROM mirror_state WHERE type = 'm.room.power_levels'"
    )
    for row in rows:
        content = json.loads(row["content"])
        users = content.get("users")
        if not isinstance(users, dict) or not accounts & set(users):
            continue
        content["users"] = {user: level for user, level in users.items() if user not in accounts}
        await connection.execute(
            "UPDATE mirror_state SET content = $2 WHERE room_id = $1 AND type = 'm.room.power_levels'",
            row["room_id"],
            to_json(content),
        )


def _plain(rows: Sequence[Row], user_id: MoodleUserId, accounts: Sequence[UserId]) -> list[dict[str, Any]]:
    """Rows as they are handed out: once each, and of shared lists only the person's own part."""
    found: list[dict[str, Any]] = []
    for row in rows:
        plain = dict(row)
        if "levels_written" in plain:
            levels = json.loads(plain["levels_written"])
            plain["levels_written"] = {user: level for user, level in levels.items() if user in accounts}
        if "users" in plain:
            plain["users"] = [
                user for user in json.loads(plain["users"]) if user in (*accounts, str(user_id))
            ]
        if "members" in plain:
            plain["members"] = [user_id]
        if plain not in found:
            found.append(plain)
    return found
