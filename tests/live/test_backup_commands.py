"""`backup`, `restore` and `audit export` on the command line, at a real homeserver."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.test_docs import DOCS
from tests.live.house import House
from tests.live.test_cli import ask


@pytest.mark.parametrize("is_running", [True, False], ids=["running", "on the database"])
async def test_after_a_loss_a_restored_backup_goes_on_where_it_was(house: House, is_running: bool) -> None:
    await house.start()
    await house.sync()
    # Somebody leaves by choice: without the books they would be invited again.
    person = house.mxid("s1")
    if not is_running:
        await house.stop()
    code, said = await ask(house, "backup", "saved.gz")
    assert code == 0 and "rows are saved in" in said, said
    assert (house.folder / "saved.gz").stat().st_mode & 0o777 == 0o600
    code, said = await ask(house, "backup", "saved.gz")
    assert code == 1 and "exists already and was left as it is" in said
    if is_running:
        code, said = await ask(house, "restore", "saved.gz")
        assert code == 1 and "A service runs on this database. Nothing was changed." in said
        await house.stop()
    before = {course: (await house.room_of(course), await house.state(course)) for course in (2, 3)}
    (database,) = house.folder.glob("*.db")
    database.unlink()
    code, said = await ask(house, "restore", "saved.gz")
    assert code == 0 and "are in the database again" in said, said
    code, said = await ask(house, "restore", "saved.gz")
    assert code == 1 and "The database is not empty" in said
    mark = house.synapse.mark()
    await house.start()
    report = await house.sync()
    assert (report.courses, report.failures, report.held) == (2, {}, ())
    assert {course: (await house.room_of(course), await house.state(course)) for course in (2, 3)} == before
    assert [
        one for one in house.sent_since(mark) if one.path.endswith(("/invite", "/kick", "/createRoom"))
    ] == []
    code, shown = await ask(house, "explain", person)
    assert code == 0 and f"{person} is invited to the room." in shown


async def test_the_audit_log_is_handed_out_as_csv_and_as_json(house: House) -> None:
    await house.start()
    await house.sync()
    code, printed = await ask(house, "audit", "export", "--csv", "--course", "2")
    rows = list(csv.DictReader(io.StringIO(printed[printed.index("at,key") :])))
    assert code == 0
    assert [row["kind"] for row in rows] == ["CreateRoom", "Invite", "Invite", "Invite", "Invite"]
    assert {row["key"] for row in rows} == {"course:2"} and {row["result"] for row in rows} == {"done"}
    code, printed = await ask(house, "audit", "export", "--person", "s1")
    lines = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
    assert {line["kind"] for line in lines} == {"Invite"} and len(lines) == 2
    assert house.mxid("s1") not in printed


async def test_the_drill_of_the_page_shows_a_restored_and_an_empty_database_and_writes_nothing(
    house: House,
) -> None:
    service = await house.start()
    await house.sync()
    house.config()
    drills = (DOCS / "operations.md").read_text(encoding="utf-8").split("\n## Drills\n")[1]
    script = drills.split("```sh\n")[1].split("```")[0]
    before = set(house.folder.iterdir())
    mark = house.synapse.mark()
    said = await asyncio.to_thread(
        lambda: subprocess.run(
            ["sh", "-eu", "-c", script],
            cwd=house.folder,
            env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    )
    assert said.returncode == 0, said.stdout
    assert said.stdout.count("0 actions in 2 courses. Nothing was changed.") == 2, said.stdout
    assert [one for one in house.sent_since(mark) if one.method != "GET"] == []
    assert set(house.folder.iterdir()) == before
    assert not (await service.operations.sync()).failures
