"""`-g`: from an empty folder to a registration, one step per call, never over anything that exists."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
import yaml

from moodle_appservice import registration
from moodle_appservice.errors import ConfigError, Refused
from moodle_appservice.generate import example_config, generate

ENVIRONMENT = {
    "MOODLE_APPSERVICE_SITE": "uni",
    "MOODLE_APPSERVICE_MOODLE__URL": "https://moodle.example.org",
    "MOODLE_APPSERVICE_MOODLE__TOKEN": "0123456789abcdef",
    "MOODLE_APPSERVICE_HOMESERVER__ADDRESS": "http://synapse:8008",
    "MOODLE_APPSERVICE_HOMESERVER__DOMAIN": "example.org",
}


def test_in_an_empty_folder_it_writes_the_example_and_names_the_keys_to_fill_in(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    said = generate(config, None, force=False, environment={})
    assert config.read_text(encoding="utf-8") == example_config()
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["config.yaml"]
    assert said[0] == f"Wrote {config}, an example with comments."
    assert said[1].startswith("Fill in these 5 keys")
    assert [line.split(": ")[1] for line in said[2:]] == [
        "site",
        "moodle.url",
        "moodle.token",
        "homeserver.address",
        "homeserver.domain",
    ]
    lines = example_config().splitlines()
    for line in said[2:]:
        number = int(line.split()[1].rstrip(":"))
        assert "CHANGE-ME" in lines[number - 1]


def test_placeholders_that_are_still_there_the_second_time_are_an_error(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    generate(config, None, force=False, environment={})
    with pytest.raises(ConfigError, match="still the text of the example"):
        generate(config, None, force=False, environment={})
    assert not (tmp_path / "registration.yaml").exists()


def test_with_a_good_configuration_it_writes_the_registration_and_says_what_comes_next(
    tmp_path: Path,
) -> None:
    config = tmp_path / "config.yaml"
    said = "\n".join(generate(config, None, force=False, environment=ENVIRONMENT))
    path = tmp_path / "registration.yaml"
    made = registration.read(path, site="uni", domain="example.org")
    assert made.url == "http://127.0.0.1:29301"
    assert f"app_service_config_files:\n         - {path}" in said
    assert "Restart Synapse" in said
    assert f"moodle-appservice doctor -c {config}" in said
    assert not any(token in said for token in made.secrets())
    block = said.split("homeserver.yaml:\n")[1].split("\n   Synapse")[0]
    assert yaml.safe_load(block) == {"app_service_config_files": [str(path)]}


def test_an_existing_registration_is_left_alone_without_force(tmp_path: Path) -> None:
    config, path = tmp_path / "config.yaml", tmp_path / "registration.yaml"
    generate(config, None, force=False, environment=ENVIRONMENT)
    before = path.read_text(encoding="utf-8")
    with pytest.raises(Refused, match=r"left as it is\. .*--force"):
        generate(config, None, force=False, environment=ENVIRONMENT)
    assert path.read_text(encoding="utf-8") == before
    config.write_text(config.read_text(encoding="utf-8") + "# mine\n", encoding="utf-8")
    generate(config, None, force=True, environment=ENVIRONMENT)
    assert path.read_text(encoding="utf-8") != before
    assert config.read_text(encoding="utf-8").endswith("# mine\n")


def test_a_registration_elsewhere_is_pointed_out(tmp_path: Path) -> None:
    path = tmp_path / "synapse.yaml"
    said = generate(tmp_path / "config.yaml", path, force=False, environment=ENVIRONMENT)
    assert path.exists()
    assert f"with -r {path}" in said[-1]


def test_a_wrong_variable_is_not_taken_for_a_placeholder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="MOODLE_APPSERVICE_MOODEL__URL"):
        generate(
            tmp_path / "config.yaml", None, force=False, environment={"MOODLE_APPSERVICE_MOODEL__URL": "x"}
        )
