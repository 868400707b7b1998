"""SIGHUP: what can be changed while the service runs is changed, the rest is named, a wrong file changes nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from moodle_appservice import logs
from moodle_appservice.config import Settings
from moodle_appservice.errors import ConfigError, Problem
from moodle_appservice.reload import Reload, differing


def settings(**more: Any) -> Settings:
    return Settings.model_validate(
        {
            "site": "uni",
            "moodle": {"url": "https://moodle.uni.test", "token": "t" * 32},
            "homeserver": {"address": "https://matrix.uni.test", "domain": "uni.test"},
            **more,
        }
    )


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    yield
    logs.set_up("WARNING", "text")


def reload(before: Settings, read: Callable[[], Settings]) -> tuple[Reload, Any]:
    service = SimpleNamespace(
        settings=before,
        retention=SimpleNamespace(keep=None),
        registration=SimpleNamespace(secrets=lambda: ("as-token-1234", "hs-token-1234")),
    )
    return Reload(cast(Any, service), read), service


def test_the_level_of_the_log_and_how_long_things_are_kept_change_at_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    fresh = settings(logging={"level": "DEBUG"}, audit={"keep_days": 7})
    one, service = reload(settings(), lambda: fresh)
    one()
    assert logging.getLogger().level == logging.DEBUG
    assert service.retention.keep.audit == 7 * 86400
    assert "Taken over: audit.keep_days, logging.level." in caplog.text
    assert "take a restart" not in caplog.text


def test_what_takes_a_restart_is_named_each_time_until_there_was_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    fresh = settings(sync={"rooms_at_once": 3}, logging={"level": "INFO"})
    one, _ = reload(settings(), lambda: fresh)
    for _ in range(2):
        caplog.clear()
        one()
        assert "These keys have changed and take a restart: sync.rooms_at_once." in caplog.text


def test_a_wrong_file_changes_nothing_and_all_of_it_is_told(caplog: pytest.LogCaptureFixture) -> None:
    def wrong() -> Settings:
        raise ConfigError([Problem("config.yaml", 3, "site", "it is empty", "Name it.")])

    one, service = reload(settings(), wrong)
    one()
    assert service.retention.keep is None
    assert "nothing was changed.\nconfig.yaml:3: site: it is empty. Name it." in caplog.text


def test_secrets_that_differ_are_named_and_not_shown(tmp_path: Path) -> None:
    after = settings(moodle={"url": "https://moodle.uni.test", "token": "u" * 32})
    assert differing(settings(), after) == ["moodle.token"]
