"""The look at the logs of a whole run sees a secret, and is content with a masked one."""

from __future__ import annotations

import logging
from pathlib import Path

from tests.leaks import collecting, leaks_below, secrets_below
from tests.live.homeserver import write_registration


def test_a_token_in_a_log_is_seen_and_a_masked_one_is_none(tmp_path: Path) -> None:
    seat = write_registration(tmp_path, "uni", port=1)
    assert secrets_below(tmp_path) == {seat.as_token.encode(), seat.hs_token.encode()}
    (tmp_path / "service.log").write_text(f"a line\nGET /x?key={seat.hs_token}&y\n", encoding="utf-8")
    assert leaks_below(tmp_path) == [f"{tmp_path / 'service.log'}:2"]
    (tmp_path / "service.log").write_text("GET /x?access_token=***&y\n", encoding="utf-8")
    with collecting(tmp_path):
        logging.getLogger("moodle_appservice.test").warning("Refused: Bearer %s", seat.as_token)
    assert "Bearer ***" in (tmp_path / "this-process.log").read_text(encoding="utf-8")
    assert leaks_below(tmp_path) == []
