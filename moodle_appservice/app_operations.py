"""What the commands about operations do (`cli_operations`): through the running service, or on the database itself.

A running service owns the database, so each command asks it first, through the control socket and by the names of
`switches`. Where none runs, the command builds a service that neither listens nor starts, lets that one answer
and stops it: what is decided about rooms then stands in the books, and the rooms follow once a service runs. A
restore alone goes to the database in any case: it replaces everything that a service relies on, and is refused
while one runs.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, assert_never

from . import cli_operations as cli
from .config import Settings
from .control import ask, is_running
from .domain.model import CourseId
from .domain.moments import moment
from .errors import Refused
from .registration import Registration
from .service import Service
from .store.backup import load
from .store.db import Db
from .switches import AUDIT_COLUMNS

PAGE = 1000


async def carry_out(command: cli.Operation, settings: Settings, found: Registration, out: IO[str]) -> None:
    """Do what the command says, and print what came of it. Raises `AppError`."""
    match command:
        case cli.Explain(_, person, course, as_json):
            said = await switch(settings, found, "explain", person=person, course=course)
            lines = said.pop("lines")
            print(json.dumps(said, indent=2, ensure_ascii=False) if as_json else "\n".join(lines), file=out)
        case cli.Pause(_, course, why, resume):
            name = "resume" if resume else "pause"
            said = await switch(settings, found, name, course=course, why=why)
            print(said["sentence"], file=out)
        case cli.OfCourse(_, what, course, to, yes):
            if what == "reset" and not yes:
                raise Refused(
                    f"A reset can't be undone: course {course} would get new, empty rooms. Nothing was changed. "
                    "If that is meant, add --yes."
                )
            said = await switch(settings, found, "course", do=what, course=course, to=list(to))
            print(said["sentence"], file=out)
        case cli.AuditExport():
            await _export(command, settings, found, out)
        case cli.Backup(_, into):
            said = await switch(settings, found, "backup", file=str(Path.cwd() / into))
            print(said["sentence"], file=out)
        case cli.Restore(_, out_of, replace):
            print(await _restore(settings, out_of, replace=replace), file=out)
        case _ as unreachable:
            assert_never(unreachable)


async def switch(settings: Settings, found: Registration, name: str, **arguments: Any) -> dict[str, Any]:
    """Ask the running service, or be it for as long as this takes; nothing is written to Matrix or Moodle."""
    answer = await ask(settings.control_socket, name, **arguments)
    if answer is not None:
        return dict(answer)
    service = Service(settings, found)
    await service.prepare()
    try:
        return await service.switches.do(name, arguments)
    finally:
        await service.stop()


async def _export(command: cli.AuditExport, settings: Settings, found: Registration, out: IO[str]) -> None:
    """Page by page: an audit log may be long."""
    table = csv.DictWriter(out, AUDIT_COLUMNS)
    if command.csv:
        table.writeheader()
    after = 0
    while True:
        lines = await _page(command, settings, found, after)
        for line in lines:
            plain = {name: line[name] for name in AUDIT_COLUMNS}
            if command.csv:
                table.writerow({name: _cell(value) for name, value in plain.items()})
            else:
                print(json.dumps(plain, ensure_ascii=False), file=out)
        if len(lines) < PAGE:
            return
        after = lines[-1]["number"]


async def _page(
    command: cli.AuditExport, settings: Settings, found: Registration, after: int
) -> list[Mapping[str, Any]]:
    course: CourseId | None = command.course
    asked = {
        "after": after,
        "limit": PAGE,
        "since": command.since,
        "course": course,
        "person": command.person,
    }
    return list((await switch(settings, found, "audit", **asked))["lines"])


def _cell(value: Any) -> str:
    """A spreadsheet takes what begins with one of these for a formula."""
    text = "" if value is None else str(value)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


async def _restore(settings: Settings, path: Path, *, replace: bool) -> str:
    if await is_running(settings.control_socket):
        raise Refused("A service runs on this database. Nothing was changed. Stop it first, then restore.")
    address = settings.database.get_secret_value()
    db = Db(address)
    await db.start()
    try:
        found = await load(db, path, site=settings.site, replace=replace)
    finally:
        await db.stop()
    # Once more, so that what an older version has saved is brought up to date now and not at the next start.
    again = Db(address)
    await again.start()
    await again.stop()
    return (
        f"{found.rows} rows of {moment(found.made_at)} are in the database again. At its start the service reads every "
        "room anew before it writes to it."
    )
