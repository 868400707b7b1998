"""The configuration as administrators meet it: everything that is wrong is said at once, with its place."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from moodle_appservice.config import Key, Settings, keys, load
from moodle_appservice.errors import ConfigError
from moodle_appservice.generate import example_config

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
TOKEN = "0123456789abcdef0123456789abcdef"
GOOD = f"""\
site: uni
moodle:
  url: https://moodle.example.org
  token: {TOKEN}
homeserver:
  address: http://127.0.0.1:8008
  domain: example.org
"""
CASES: list[dict[str, Any]] = yaml.safe_load(
    (HERE / "cases" / "wrong_configs.yaml").read_text(encoding="utf-8")
)

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a configuration that only its owner reads."""

    def to_file(text: str) -> Path:
        path = tmp_path / "config.yaml"
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
        return path

    return to_file


def problems_of(path: Path, environment: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(path, environment or {})
    return [str(problem).replace(f"{path.parent}/", "") for problem in caught.value.problems]


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_a_wrong_configuration_is_explained(case: dict[str, Any], write: Write) -> None:
    text = case.get("config", GOOD + case.get("change", ""))
    for old, new in case.get("replace", {}).items():
        assert old in text
        text = text.replace(old, new)
    said = problems_of(write(text))
    assert len(said) == len(case["says"]), "\n".join(said)
    for line, (start, *words) in zip(said, case["says"], strict=True):
        assert line.startswith(start), line
        assert all(word in line for word in words), line
    assert not any(secret in line for secret in ("hunter2", "s3cr3t", TOKEN) for line in said)


def test_the_smallest_configuration_has_every_default(write: Write) -> None:
    path = write(GOOD)
    found = load(path, {})
    assert found.moodle.url == "https://moodle.example.org"
    assert found.moodle.token.get_secret_value() == TOKEN
    assert found.homeserver.domain == "example.org"
    assert found.rooms.levels == {"manager": 60, "editingteacher": 60, "teacher": 50, "student": 0}
    assert (found.rooms.new_courses, found.rooms.existing_courses, found.rooms.version) == (True, False, "12")
    assert found.moodle.max_bytes == 64 * 2**20
    assert found.appservice.url == "http://127.0.0.1:29301"
    assert found.database.get_secret_value() == f"sqlite:{path.parent}/moodle-appservice.db"
    assert found.control_socket == path.parent / "moodle-appservice.sock"
    assert found.appservice.registration == path.parent / "registration.yaml"
    assert found.warnings == ()


def test_scalars_mean_what_their_key_needs(write: Write) -> None:
    text = GOOD.replace(TOKEN, "12345678e90123456789012345678901") + (
        "rooms: {version: 11, new_courses: off, existing_courses: Yes, calls: off, name: 2026}\n"
        "logging:\nappservice: {max_body: 1 GiB}\n"
        "bot: {name: no, prefix: '!'}\n"
    )
    found = load(write(text), {})
    assert found.moodle.token.get_secret_value() == "12345678e90123456789012345678901"
    assert (found.rooms.version, found.rooms.new_courses, found.rooms.existing_courses) == ("11", False, True)
    assert (found.rooms.calls, found.rooms.name, found.bot.name) == ("off", "2026", "no")
    assert found.appservice.max_body == 2**30


def test_levels_and_words_add_to_the_defaults(write: Write) -> None:
    text = GOOD + "rooms:\n  levels: {tutor: 40, teacher: 55}\n  field_words: {on: [Igen], off: [NEM]}\n"
    found = load(write(text), {}).rooms
    assert found.levels == {"manager": 60, "editingteacher": 60, "teacher": 55, "student": 0, "tutor": 40}
    assert (found.field_words.on, found.field_words.off) == (("igen",), ("nem",))
    assert "as the site" in found.field_words.site


@pytest.mark.parametrize(
    ("given_address", "stored"),
    [
        ("sqlite:data/a b.db", "sqlite:{folder}/data/a%20b.db"),
        ("sqlite:/var/lib/m.db", "sqlite:/var/lib/m.db"),
        ("sqlite:///var/lib/m.db", "sqlite:/var/lib/m.db"),
        ("sqlite::memory:", "sqlite::memory:"),
        ("postgresql://u:p@host/db", "postgres://u:p@host/db"),
        ("postgres:///db?host=/run/postgresql", "postgres:///db?host=/run/postgresql"),
    ],
)
def test_a_database_address_is_made_absolute(write: Write, given_address: str, stored: str) -> None:
    path = write(f"{GOOD}database: '{given_address}'\n")
    assert load(path, {}).database.get_secret_value() == stored.format(folder=path.parent)


@pytest.mark.parametrize("address", ["sqlite:", "sqlite://m.db", "postgres:db", "postgres://host", "m.db"])
def test_half_a_database_address_is_refused(write: Write, address: str) -> None:
    (line,) = problems_of(write(f"{GOOD}database: '{address}'\n"))
    assert "is not the address of a database" in line


@pytest.mark.parametrize("host", ["localhost", "moodle.localhost", "127.0.0.7:8080", "[::1]:8080"])
def test_moodle_on_this_machine_needs_no_tls(write: Write, host: str) -> None:
    found = load(write(GOOD.replace("https://moodle.example.org", f"http://{host}/moodle/")), {})
    assert found.moodle.url == f"http://{host}/moodle"


def test_moodle_without_tls_can_be_allowed(write: Write) -> None:
    text = GOOD.replace("  url: https:", "  allow_http: on\n  url: http:")
    assert load(write(text), {}).moodle.url == "http://moodle.example.org"


@pytest.mark.parametrize(
    ("extra", "url"),
    [
        ("{hostname: 0.0.0.0, port: 1234}", "http://127.0.0.1:1234"),
        ("{hostname: '::1'}", "http://[::1]:29301"),
        ("{hostname: 0.0.0.0, address: 'http://moodle-appservice:29301/'}", "http://moodle-appservice:29301"),
    ],
)
def test_the_address_for_the_registration(write: Write, extra: str, url: str) -> None:
    assert load(write(f"{GOOD}appservice: {extra}\n"), {}).appservice.url == url


def test_a_file_that_does_not_exist_says_how_to_make_one(tmp_path: Path) -> None:
    (line,) = problems_of(tmp_path / "config.yaml")
    assert line.startswith("config.yaml: file: the file does not exist")
    assert "moodle-appservice -g -c" in line


def test_a_folder_in_place_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").mkdir()
    (line,) = problems_of(tmp_path / "config.yaml")
    assert "can't be read" in line


def test_text_that_is_not_utf_8_is_reported_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(b"site: uni\nbot:\n  name: Universit\xe4t\n")
    (line,) = problems_of(path)
    assert line.startswith("config.yaml:3: file: this is not UTF-8 text")


def test_a_byte_order_mark_and_windows_lines_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    path.chmod(0o600)
    assert load(path, {}).site == "uni"


def test_a_secret_in_a_file_that_all_can_read_is_a_warning(write: Write) -> None:
    path = write(GOOD)
    path.chmod(0o644)
    (warning,) = load(path, {}).warnings
    assert "chmod 600" in str(warning)


def test_settings_are_frozen(write: Write) -> None:
    found = load(write(GOOD), {})
    with pytest.raises(ValueError, match="frozen"):
        found.rooms.version = "10"  # type: ignore[misc]


# The environment


def test_every_key_has_a_variable_that_overrides_the_file(write: Write) -> None:
    found = load(
        write(GOOD + "rooms: {allow_courses: [9], levels: {tutor: 1}}\n"),
        {
            "MOODLE_APPSERVICE_MOODLE__URL": "https://other.example.org",
            "MOODLE_APPSERVICE_MOODLE__TOKEN": "a: *b # c",
            "MOODLE_APPSERVICE_ROOMS__NEW_COURSES": "off",
            "MOODLE_APPSERVICE_ROOMS__ALLOW_COURSES": "1, 2",
            "MOODLE_APPSERVICE_ROOMS__DENY_COURSES": "[3]",
            "MOODLE_APPSERVICE_ROOMS__LEVELS": '{"student": 5}',
            "MOODLE_APPSERVICE_ROOMS__LEVELS__MANAGER": "70",
            "MOODLE_APPSERVICE_IDENTITY": "{template: '@{idnumber}:{domain}', reserved: [x]}",
            "MOODLE_APPSERVICE_IDENTITY__RESERVED": "y",
            "MOODLE_APPSERVICE_BOT__NAME": "",
            "PATH": "/bin",
        },
    )
    assert found.moodle.url == "https://other.example.org"
    assert found.moodle.token.get_secret_value() == "a: *b # c"
    assert found.rooms.new_courses is False
    assert (found.rooms.allow_courses, found.rooms.deny_courses) == ((1, 2), (3,))
    assert (found.rooms.levels["student"], found.rooms.levels["manager"], found.rooms.levels["tutor"]) == (
        5,
        70,
        1,
    )
    assert (found.identity.template, found.identity.reserved) == ("@{idnumber}:{domain}", ("y",))
    assert found.bot.name == "Moodle"


def test_a_whole_installation_can_live_in_the_environment(write: Write) -> None:
    environment = {
        "MOODLE_APPSERVICE_SITE": "uni",
        "MOODLE_APPSERVICE_MOODLE__URL": "https://moodle.example.org",
        "MOODLE_APPSERVICE_MOODLE__TOKEN": TOKEN,
        "MOODLE_APPSERVICE_HOMESERVER__ADDRESS": "http://synapse:8008",
        "MOODLE_APPSERVICE_HOMESERVER__DOMAIN": "example.org",
    }
    assert load(write(example_config()), environment).site == "uni"


def test_problems_in_the_environment_name_the_variable(write: Write) -> None:
    said = problems_of(
        write(GOOD),
        {
            "MOODLE_APPSERVICE_MOODEL__URL": "x",
            "MOODLE_APPSERVICE_NONSENSE": "x",
            "MOODLE_APPSERVICE_MOODLE_URL": "x",
            "MOODLE_APPSERVICE_MOODLE__INTERVAL": "5",
            "MOODLE_APPSERVICE_ROOMS__DENY_COURSES": "1, x",
            "MOODLE_APPSERVICE_ROOMS__LEVELS": "{a: 'b",
            "MOODLE_APPSERVICE_ROOMS__LEVELS__TEACHER": "100",
            "MOODLE_APPSERVICE_MOODLE__TOKEN_FIL": "x",
        },
    )
    assert sorted(said) == sorted(
        [
            "environment: MOODLE_APPSERVICE_MOODEL__URL: no key belongs to this variable. "
            "Did you mean MOODLE_APPSERVICE_MOODLE__URL?",
            "environment: MOODLE_APPSERVICE_NONSENSE: no key belongs to this variable. "
            "Unset it; two underscores lead into a section.",
            "environment: MOODLE_APPSERVICE_MOODLE_URL: no key belongs to this variable. "
            "Did you mean MOODLE_APPSERVICE_MOODLE__URL?",
            'environment: MOODLE_APPSERVICE_MOODLE__INTERVAL: "5" is too small. '
            "Write a whole number of seconds from 10 up.",
            'environment: MOODLE_APPSERVICE_ROOMS__DENY_COURSES, item 2: "x" is not a whole number. '
            "Write a whole number.",
            "environment: MOODLE_APPSERVICE_ROOMS__LEVELS: a quote is opened here and never closed. Close it.",
            'environment: MOODLE_APPSERVICE_ROOMS__LEVELS__TEACHER: "100" is too large. Write a whole number up to 99.',
            "environment: MOODLE_APPSERVICE_MOODLE__TOKEN_FIL: no key belongs to this variable. "
            "Did you mean MOODLE_APPSERVICE_MOODLE__TOKEN_FILE?",
        ]
    )


@pytest.mark.parametrize(
    "name",
    ["SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_HTTP", "PORT", "PORT_29301_TCP", "PORT_29301_TCP_ADDR"],
)
def test_variables_that_kubernetes_sets_for_a_service_are_ignored(write: Write, name: str) -> None:
    assert load(write(GOOD), {f"MOODLE_APPSERVICE_{name}": "tcp://10.0.0.1:29301"}).appservice.port == 29301


# Secrets


def secret_file(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def test_a_secret_may_stand_in_a_file_beside_the_configuration(write: Write, tmp_path: Path) -> None:
    secret_file(tmp_path / "token.txt", f"{TOKEN}\n")
    secret_file(tmp_path / "db", "postgres://u:p%40ss-word@host/db\r\n")
    path = write(GOOD.replace(f"token: {TOKEN}", "token_file: token.txt") + "database_file: db\n")
    found = load(path, {})
    assert found.moodle.token.get_secret_value() == TOKEN
    assert found.database_shown == "postgres://u:***@host/db"
    assert set(found.secrets()) == {TOKEN, "p%40ss-word", "p@ss-word"}


def test_a_secret_file_named_by_the_environment_wins_over_the_file(write: Write, tmp_path: Path) -> None:
    path = secret_file(tmp_path / "token.txt", "from-the-environment")
    found = load(write(GOOD), {"MOODLE_APPSERVICE_MOODLE__TOKEN_FILE": str(path)})
    assert found.moodle.token.get_secret_value() == "from-the-environment"


def test_a_secret_in_the_environment_wins_over_a_secret_file(write: Write) -> None:
    path = write(GOOD.replace(f"token: {TOKEN}", "token_file: missing"))
    assert load(path, {"MOODLE_APPSERVICE_MOODLE__TOKEN": "x"}).moodle.token.get_secret_value() == "x"


def test_both_in_the_environment_is_a_problem(write: Write, tmp_path: Path) -> None:
    path = secret_file(tmp_path / "token.txt", "x")
    environment = {"MOODLE_APPSERVICE_MOODLE__TOKEN": "x", "MOODLE_APPSERVICE_MOODLE__TOKEN_FILE": str(path)}
    (line,) = problems_of(write(GOOD), environment)
    assert line.startswith("environment: MOODLE_APPSERVICE_MOODLE__TOKEN_FILE: token is given too")


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [("", 0o600, "is empty"), ("\n", 0o600, "is empty"), ("x", 0o644, "every user of this machine can read")],
)
def test_a_bad_secret_file_is_explained(
    write: Write, tmp_path: Path, text: str, mode: int, said: str
) -> None:
    secret_file(tmp_path / "token.txt", text, mode)
    (line,) = problems_of(write(GOOD.replace(f"token: {TOKEN}", "token_file: token.txt")))
    assert line.startswith("config.yaml:4: moodle.token_file: ")
    assert said in line


def test_a_group_may_read_a_secret_file(write: Write, tmp_path: Path) -> None:
    secret_file(tmp_path / "token.txt", "x", 0o640)
    load(write(GOOD.replace(f"token: {TOKEN}", "token_file: token.txt")), {})


def test_a_secret_file_that_is_not_text(write: Write, tmp_path: Path) -> None:
    (tmp_path / "token.txt").write_bytes(b"\xff\xfe")
    (line,) = problems_of(write(GOOD.replace(f"token: {TOKEN}", "token_file: token.txt")))
    assert "is not UTF-8 text" in line


# The start keeps it apart from the words that are there anyway.
_SECRETS = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF), min_size=12, max_size=40).map(
    "qZ7~".__add__
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(secret=_SECRETS)
def test_no_secret_appears_in_settings_or_errors(write: Write, secret: str) -> None:
    quoted = yaml.safe_dump(secret, width=1000, default_style="'").strip()
    good = write(GOOD.replace(TOKEN, quoted))
    found = load(good, {})
    assert found.moodle.token.get_secret_value() == secret
    for shown in (repr(found), str(found), repr(found.moodle), repr(found.model_dump())):
        assert secret not in shown
    broken = GOOD.replace(TOKEN, quoted) + f"database: {quoted}\nbot: {{prefix: 'a b'}}\nsite: again\n"
    for text in (broken, broken.replace(quoted, quoted[:-1], 1), GOOD.replace(TOKEN, f"[{quoted}]")):
        said = "\n".join(problems_of(write(text)))
        assert secret not in said
        assert secret[:-1] not in said


# Whatever stands in a file


def loads_or_explains(path: Path, environment: dict[str, str]) -> None:
    try:
        load(path, environment)
    except ConfigError as error:
        assert error.problems
        assert all(
            problem.wrong and problem.right.endswith((".", "?", path.name)) for problem in error.problems
        ), error


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(text=st.text("ab:-[]{}#'\"|>&*!%@` \n\t\\?,~0\x00é", max_size=40))
def test_any_text_is_explained(write: Write, text: str) -> None:
    loads_or_explains(write(text), {})
    loads_or_explains(write(GOOD + text), {})


_ODD = [
    "",
    "''",
    "x",
    "-1",
    "1e400",
    ".nan",
    "[]",
    "[[1]]",
    "{a: {b: c}}",
    "'\\0'",
    "{}",
    "//[",
    f"'{'9' * 5000}'",
]


@pytest.mark.parametrize("key", keys(), ids=lambda key: key.name)
def test_any_value_of_any_key_is_explained(write: Write, key: Key) -> None:
    for value in _ODD:
        tree = yaml.safe_load(GOOD)
        section = tree
        for name in key.place[:-1]:
            section = section.setdefault(name, {})
        section[key.place[-1]] = "@@"
        loads_or_explains(write(yaml.safe_dump(tree).replace("'@@'", value)), {})
        loads_or_explains(write(GOOD), {key.environment: value})


# The example


def uncommented(text: str) -> str:
    """The example with every commented-out key switched on: prose has one blank behind its #, a key none or more."""
    lines = []
    for line in text.splitlines():
        stripped = line.lstrip()
        is_prose = stripped.startswith("#") and stripped[1:2] == " " and stripped[2:3] != " "
        lines.append(line if is_prose else line.replace("#", "", 1) if stripped.startswith("#") else line)
    return "\n".join(lines)


def filled_in(text: str) -> str:
    for name, value in {
        "site": "uni",
        "url": "https://moodle.example.org",
        "token": TOKEN,
        "address": "http://127.0.0.1:8008",
        "domain": "example.org",
    }.items():
        text = text.replace(f"{name}: CHANGE-ME", f"{name}: {value}")
    assert "CHANGE-ME" not in text.split("\n\n", 2)[2]
    return text


def test_the_example_names_its_placeholders_until_they_are_filled_in(write: Write) -> None:
    said = problems_of(write(example_config()))
    assert [line.split(": ")[1] for line in said] == [
        "site",
        "moodle.url",
        "moodle.token",
        "homeserver.address",
        "homeserver.domain",
    ]
    load(write(filled_in(example_config())), {})


def test_the_example_shows_every_key_with_its_default(write: Write) -> None:
    shown = load(write(filled_in(uncommented(example_config()))), {})
    default = load(write(filled_in(example_config())), {})
    assert shown == default
    tree = yaml.safe_load(uncommented(example_config()))
    for key in keys():
        section = tree
        for name in key.place:
            assert name in section, f"the example lacks {key.name}"
            section = section[name]


def test_the_example_at_the_top_level_is_the_installed_one() -> None:
    assert (ROOT / "config.example.yaml").read_text(encoding="utf-8") == example_config()


def test_every_key_is_documented() -> None:
    for key in keys():
        assert key.description.endswith("."), key.name
        assert key.environment.startswith("MOODLE_APPSERVICE_")
    assert {key.name for key in keys() if key.required and key.kind != "section"} == {
        "site",
        "moodle.url",
        "moodle.token",
        "homeserver.address",
        "homeserver.domain",
    }


def test_settings_can_be_built_without_a_file() -> None:
    found = Settings.model_validate(
        {
            "site": "uni",
            "moodle": {"url": "http://127.0.0.1:1", "token": TOKEN},
            "homeserver": {"address": "http://127.0.0.1:2", "domain": "uni.test"},
            "rooms": {"new_courses": False},
        }
    )
    assert found.control_socket == Path("moodle-appservice.sock")
    assert os.fspath(found.appservice.registration) == "registration.yaml"
