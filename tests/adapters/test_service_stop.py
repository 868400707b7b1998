"""A service that stops, stops whole: what fails to stop keeps nothing else from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from moodle_appservice.demo import house
from moodle_appservice.errors import PermanentFailure
from moodle_appservice.service import Service
from tests.live.homeserver import write_registration


async def test_a_part_that_fails_to_stop_keeps_nothing_else_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seat = write_registration(tmp_path, "uni")
    config = house.write_config(
        tmp_path,
        site="uni",
        moodle_url="http://127.0.0.1:9",
        moodle_token="a-token-for-the-test",
        homeserver_url="http://127.0.0.1:9",
        domain=seat.server_name,
        port=seat.port,
        registration_file=str(seat.path),
    )
    service = Service(*house.read(config))
    await service.prepare()

    async def fails() -> None:
        raise PermanentFailure("It does not stop.")

    monkeypatch.setattr(service.workers, "stop", fails)
    with pytest.raises(PermanentFailure, match="does not stop"):
        await service.stop()
    # The database is nobody's any more.
    again = Service(*house.read(config))
    await again.prepare()
    await again.stop()
