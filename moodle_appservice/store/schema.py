"""The tables, as numbered upgrades. A released upgrade never changes; a new wish is a new number.

BIGINT and DOUBLE PRECISION because PostgreSQL's INTEGER and REAL are too small for milliseconds and Unix times;
booleans are 0 and 1, JSON is text, so that both engines hold the same.
"""

from __future__ import annotations

from mautrix.util.async_db import Connection, UpgradeTable

from .keys import name_by_keys
from .upgrades import endings, found_rooms, safety, several_rooms
from .upgrades.board import board
from .upgrades.by_course import by_course
from .upgrades.conversations import conversations
from .upgrades.declined import declined
from .upgrades.operations import operations
from .upgrades.pages import pages
from .upgrades.relay import relay
from .upgrades.unconfirmed import unconfirmed

upgrades = UpgradeTable(version_table_name="moodle_appservice_version", database_name="moodle-appservice")

_FIRST = (
    """CREATE TABLE setting (
        name TEXT PRIMARY KEY,
        value TEXT NOT NULL
    )""",
    """CREATE TABLE course (
        id BIGINT PRIMARY KEY,
        shortname TEXT NOT NULL,
        is_on BIGINT NOT NULL,
        reason TEXT NOT NULL,
        choice_on BIGINT,
        choice_by TEXT,
        choice_at DOUBLE PRECISION,
        field_seen TEXT,
        facts_hash TEXT NOT NULL DEFAULT '',
        last_sync DOUBLE PRECISION,
        last_error TEXT NOT NULL DEFAULT '',
        last_error_at DOUBLE PRECISION,
        gone BIGINT NOT NULL DEFAULT 0
    )""",
    """CREATE TABLE enrolment (
        course_id BIGINT NOT NULL,
        moodle_id BIGINT NOT NULL,
        roles TEXT NOT NULL,
        PRIMARY KEY (course_id, moodle_id)
    )""",
    "CREATE INDEX enrolment_person ON enrolment (moodle_id)",
    """CREATE TABLE person (
        moodle_id BIGINT PRIMARY KEY,
        full_name TEXT NOT NULL,
        language TEXT NOT NULL,
        matrix_id TEXT UNIQUE,
        trust TEXT,
        reason TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        checked_at DOUBLE PRECISION NOT NULL
    )""",
    """CREATE TABLE room (
        room_id TEXT PRIMARY KEY,
        kind TEXT NOT NULL,
        course_id BIGINT,
        name_written TEXT,
        topic_written TEXT,
        levels_written TEXT NOT NULL DEFAULT '{}',
        created_at DOUBLE PRECISION NOT NULL
    )""",
    "CREATE UNIQUE INDEX room_course ON room (kind, course_id)",
    """CREATE TABLE place (
        room_id TEXT NOT NULL,
        matrix_id TEXT NOT NULL,
        moodle_id BIGINT NOT NULL,
        invited_at DOUBLE PRECISION NOT NULL,
        wanted BIGINT NOT NULL DEFAULT 1,
        PRIMARY KEY (room_id, matrix_id)
    )""",
    """CREATE TABLE mirror_room (
        room_id TEXT PRIMARY KEY,
        version TEXT NOT NULL DEFAULT '',
        creator TEXT NOT NULL DEFAULT '',
        stale BIGINT NOT NULL DEFAULT 0,
        marker_site TEXT,
        marker_course BIGINT,
        marker_generation BIGINT,
        marker_sender TEXT
    )""",
    "CREATE INDEX mirror_room_marker ON mirror_room (marker_course, marker_site)",
    """CREATE TABLE mirror_state (
        room_id TEXT NOT NULL,
        type TEXT NOT NULL,
        state_key TEXT NOT NULL,
        content TEXT NOT NULL,
        sender TEXT NOT NULL,
        event_id TEXT,
        replaces TEXT,
        sent_at BIGINT NOT NULL,
        change BIGINT NOT NULL,
        PRIMARY KEY (room_id, type, state_key)
    )""",
    """CREATE TABLE mirror_member (
        room_id TEXT NOT NULL,
        user_id TEXT NOT NULL,
        membership TEXT NOT NULL,
        sender TEXT NOT NULL,
        event_id TEXT,
        replaces TEXT,
        sent_at BIGINT NOT NULL,
        change BIGINT NOT NULL,
        PRIMARY KEY (room_id, user_id)
    )""",
    """CREATE TABLE direct_room (
        room_id TEXT PRIMARY KEY,
        user_id TEXT NOT NULL,
        number BIGINT NOT NULL
    )""",
    """CREATE TABLE command (
        event_id TEXT PRIMARY KEY,
        room_id TEXT NOT NULL,
        sender TEXT NOT NULL,
        body TEXT NOT NULL,
        sent_at DOUBLE PRECISION NOT NULL,
        thread TEXT,
        state TEXT NOT NULL
    )""",
    """CREATE TABLE message (
        message_key TEXT PRIMARY KEY,
        event_id TEXT NOT NULL
    )""",
    """CREATE TABLE hold (
        course_id BIGINT PRIMARY KEY,
        room_id TEXT NOT NULL,
        users TEXT NOT NULL,
        reason TEXT NOT NULL,
        since DOUBLE PRECISION NOT NULL,
        confirmed BIGINT NOT NULL DEFAULT 0
    )""",
    """CREATE TABLE audit (
        number BIGINT PRIMARY KEY,
        at DOUBLE PRECISION NOT NULL,
        course_id BIGINT,
        room_id TEXT,
        matrix_id TEXT,
        kind TEXT NOT NULL,
        why TEXT NOT NULL,
        signal TEXT NOT NULL,
        result TEXT NOT NULL,
        reference TEXT NOT NULL
    )""",
    "CREATE INDEX audit_course ON audit (course_id, number)",
)


async def first(connection: Connection) -> None:
    """Version 1."""
    for statement in _FIRST:
        await connection.execute(statement)


upgrades.register(first, description="Everything that the first version needs")

_ACCOUNTS = (
    "ALTER TABLE person ADD COLUMN standing TEXT NOT NULL DEFAULT 'ready'",
    "ALTER TABLE person ADD COLUMN virtual_id TEXT",
    "ALTER TABLE person ADD COLUMN username TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE person ADD COLUMN field_value TEXT",
    "ALTER TABLE person ADD COLUMN field_since DOUBLE PRECISION",
    "ALTER TABLE person ADD COLUMN wanted TEXT",
    "CREATE INDEX person_wanted ON person (wanted)",
    "ALTER TABLE person ADD COLUMN unusable_since DOUBLE PRECISION",
    "ALTER TABLE person ADD COLUMN audit_key TEXT",
    "ALTER TABLE audit ADD COLUMN person TEXT",
    "CREATE INDEX audit_person ON audit (person, number)",
    """CREATE TABLE account (
        matrix_id TEXT PRIMARY KEY,
        moodle_id BIGINT NOT NULL,
        kind TEXT NOT NULL,
        state TEXT NOT NULL,
        intended_at DOUBLE PRECISION NOT NULL,
        made_at DOUBLE PRECISION,
        name_written TEXT,
        avatar_written TEXT,
        email_written TEXT
    )""",
    "CREATE INDEX account_person ON account (moodle_id)",
    """CREATE TABLE link (
        moodle_id BIGINT PRIMARY KEY,
        matrix_id TEXT NOT NULL UNIQUE,
        proven_at DOUBLE PRECISION NOT NULL,
        effective_at DOUBLE PRECISION NOT NULL,
        previous TEXT
    )""",
    """CREATE TABLE link_code (
        code_hash TEXT PRIMARY KEY,
        moodle_id BIGINT NOT NULL,
        expires_at DOUBLE PRECISION NOT NULL,
        used_at DOUBLE PRECISION
    )""",
    """CREATE TABLE link_question (
        sender TEXT PRIMARY KEY,
        moodle_id BIGINT NOT NULL,
        code_hash TEXT NOT NULL,
        asked_at DOUBLE PRECISION NOT NULL
    )""",
    """CREATE TABLE link_failure (
        sender TEXT PRIMARY KEY,
        failures BIGINT NOT NULL,
        since DOUBLE PRECISION NOT NULL,
        locked_until DOUBLE PRECISION NOT NULL
    )""",
    """CREATE TABLE exclusion (
        person_hash TEXT PRIMARY KEY,
        since DOUBLE PRECISION NOT NULL
    )""",
    """CREATE TABLE request (
        moodle_id BIGINT NOT NULL,
        course_id BIGINT NOT NULL,
        asked_at DOUBLE PRECISION NOT NULL,
        PRIMARY KEY (moodle_id, course_id)
    )""",
)


async def accounts(connection: Connection) -> None:
    """Version 2."""
    for statement in _ACCOUNTS:
        await connection.execute(statement)


upgrades.register(accounts, description="Accounts, links that people have proven, and what protects people")

_KEYS = (
    "CREATE UNIQUE INDEX person_audit_key ON person (audit_key)",
    "ALTER TABLE person ADD COLUMN field_written TEXT",
)


async def keys(connection: Connection) -> None:
    """Version 3."""
    for statement in _KEYS:
        await connection.execute(statement)
    await name_by_keys(connection)


upgrades.register(
    keys, description="The audit log names people by opaque keys; what we wrote into Moodle is kept"
)

_PLACES = (
    "ALTER TABLE place ADD COLUMN intended BIGINT NOT NULL DEFAULT 0",
    "ALTER TABLE place ADD COLUMN banned BIGINT NOT NULL DEFAULT 0",
)


async def places(connection: Connection) -> None:
    """Version 4."""
    for statement in _PLACES:
        await connection.execute(statement)


upgrades.register(places, description="Places that are only intended yet, and bans of ours")

_LTI = (
    """CREATE TABLE lti_platform (
        id BIGINT PRIMARY KEY,
        issuer TEXT NOT NULL,
        client_id TEXT NOT NULL,
        deployment_id TEXT NOT NULL,
        login_url TEXT NOT NULL,
        token_url TEXT NOT NULL,
        keys_url TEXT NOT NULL,
        registered_at DOUBLE PRECISION NOT NULL
    )""",
    """CREATE TABLE lti_invitation (
        secret_hash TEXT PRIMARY KEY,
        made_at DOUBLE PRECISION NOT NULL,
        expires_at DOUBLE PRECISION NOT NULL,
        replaces BIGINT NOT NULL
    )""",
    """CREATE TABLE lti_nonce (
        nonce_hash TEXT PRIMARY KEY,
        expires_at DOUBLE PRECISION NOT NULL
    )""",
    "CREATE INDEX lti_nonce_expiry ON lti_nonce (expires_at)",
    """CREATE TABLE web_secret (
        name TEXT PRIMARY KEY,
        value TEXT NOT NULL
    )""",
)


async def lti(connection: Connection) -> None:
    """Version 5."""
    for statement in _LTI:
        await connection.execute(statement)


upgrades.register(lti, description="The registration with Moodle as an LTI platform, and what was used once")

_GROUPS = (
    """CREATE TABLE course_group (
        course_id BIGINT NOT NULL,
        group_id BIGINT NOT NULL,
        moodle_id BIGINT,
        idnumber TEXT NOT NULL,
        name TEXT NOT NULL,
        members TEXT NOT NULL,
        gone BIGINT NOT NULL DEFAULT 0,
        PRIMARY KEY (course_id, group_id)
    )""",
)


async def groups(connection: Connection) -> None:
    """Version 6."""
    for statement in _GROUPS:
        await connection.execute(statement)


upgrades.register(groups, description="By what groups of courses are known again")
upgrades.register(operations, description="Pauses, and times by which old rows are found")
upgrades.register(several_rooms.upgrade, description=several_rooms.DESCRIPTION)
upgrades.register(pages, description="Sessions of the pages, links to sign in with, samples for charts")
upgrades.register(conversations, description="How people read, what they asked for, what they were told")
upgrades.register(board, description="What several processes tell each other")
upgrades.register(found_rooms.upgrade, description=found_rooms.DESCRIPTION)
upgrades.register(safety.upgrade, description=safety.DESCRIPTION)
upgrades.register(endings.upgrade, description=endings.DESCRIPTION)
upgrades.register(relay, description="What was relayed: posts, lists of dates, reminders")
upgrades.register(by_course, description="Requests and people who stay out are found by course")
upgrades.register(
    declined, description="Who has refused an invite, and who has left after having been in the room"
)
upgrades.register(unconfirmed, description="Memberships that were not pushed back are found by an index")
