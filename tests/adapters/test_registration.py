"""The registration: made with random tokens, written for one reader only, read as strictly as Synapse reads it."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from pydantic import SecretStr

from moodle_appservice import registration
from moodle_appservice.errors import ConfigError, PermanentFailure, Refused

ROOT = Path(__file__).parent.parent.parent
URL = "http://127.0.0.1:29301"
MADE = registration.make(site="uni", domain="uni-a.example.org", url=URL)
TEXT = registration.render(MADE)


def write(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "registration.yaml"
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def problems_of(path: Path, site: str = "uni") -> list[str]:
    with pytest.raises(ConfigError) as caught:
        registration.read(path, site=site, domain="uni-a.example.org")
    return [str(problem).replace(f"{path.parent}/", "") for problem in caught.value.problems]


def test_what_is_made_can_be_read_again(tmp_path: Path) -> None:
    path = tmp_path / "registration.yaml"
    registration.write(MADE, path)
    assert registration.read(path, site="uni", domain="uni-a.example.org") == MADE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert MADE.bot_user_id("uni-a.example.org") == "@moodlebot:uni-a.example.org"


def test_the_file_has_the_shape_that_synapse_asks_for() -> None:
    assert yaml.safe_load(TEXT) == {
        "id": "moodle",
        "url": URL,
        "as_token": MADE.as_token.get_secret_value(),
        "hs_token": MADE.hs_token.get_secret_value(),
        "sender_localpart": "moodlebot",
        "rate_limited": False,
        "receive_ephemeral": False,
        "namespaces": {
            "users": [
                {"exclusive": True, "regex": r"@moodlebot:uni-a\.example\.org"},
                {"exclusive": True, "regex": r"@moodle_uni_.*:uni-a\.example\.org"},
            ],
            "aliases": [{"exclusive": True, "regex": r"#moodle_uni_.*:uni-a\.example\.org"}],
            "rooms": [],
        },
    }


def test_tokens_are_long_different_and_new_each_time() -> None:
    tokens = {
        token for _ in range(20) for token in registration.make(site="a", domain="b.c", url=URL).secrets()
    }
    assert len(tokens) == 40
    assert all(len(token) >= 43 for token in tokens)


def test_tokens_do_not_show() -> None:
    assert not any(token in f"{MADE!r} {MADE}" for token in MADE.secrets())


def test_an_existing_file_is_left_alone_without_force(tmp_path: Path) -> None:
    path = write(tmp_path, "precious")
    with pytest.raises(Refused, match="exists already and was left as it is"):
        registration.write(MADE, path)
    assert path.read_text(encoding="utf-8") == "precious"


def test_force_replaces_the_file_and_closes_it_to_others(tmp_path: Path) -> None:
    path = write(tmp_path, "old", 0o644)
    registration.write(MADE, path, force=True)
    assert path.read_text(encoding="utf-8") == TEXT
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["registration.yaml"]


@pytest.mark.parametrize("force", [False, True])
def test_nothing_is_left_behind_where_writing_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, force: bool
) -> None:
    def full_disk(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(PermanentFailure, match=r"No space left on device\. Nothing was changed"):
        registration.write(MADE, tmp_path / "registration.yaml", force=force)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_does_not_exist_is_explained(tmp_path: Path) -> None:
    with pytest.raises(PermanentFailure, match="Make the folder"):
        registration.write(MADE, tmp_path / "missing" / "registration.yaml")


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    (line,) = problems_of(tmp_path / "registration.yaml")
    assert "does not exist. Write one with: moodle-appservice -g" in line


def test_all_problems_are_reported_with_their_lines(tmp_path: Path) -> None:
    text = """\
id: moodle
url:
as_token: "two words"
sender_localpart: Moodle Bot
rate_limited: sometimes
namespaces:
  users:
    - exclusive: true
      regex: '@moodle_('
  aliases:
    - regex: '#moodle_uni_.*:uni-a\\.example\\.org'
"""
    said = problems_of(write(tmp_path, text, 0o644))
    starts = [
        "registration.yaml: file: every user of this machine can read it",
        "registration.yaml: hs_token: it is missing",
        "registration.yaml:2: url: it is missing. Add it: where Synapse reaches this service",
        "registration.yaml:3: as_token: the value is empty or has spaces",
        'registration.yaml:4: sender_localpart: "Moodle Bot" can\'t be the name of an account',
        'registration.yaml:5: rate_limited: "sometimes" is neither on nor off',
        "registration.yaml:9: namespaces.users, item 1.regex: ",
        "registration.yaml:11: namespaces.aliases, item 1.exclusive: it is missing",
    ]
    assert len(said) == len(starts), "\n".join(said)
    for line, start in zip(said, starts, strict=True):
        assert line.startswith(start), line


def test_namespaces_must_fit_the_site(tmp_path: Path) -> None:
    users, aliases = problems_of(write(tmp_path, TEXT), site="other")
    assert users.startswith(
        "registration.yaml:20: namespaces.users: no exclusive entry covers @moodle_other_1:"
    )
    assert r"regex: '#moodle_other_.*:uni-a\.example\.org'" in aliases


def test_a_namespace_that_is_not_exclusive_does_not_count(tmp_path: Path) -> None:
    said = problems_of(write(tmp_path, TEXT.replace("exclusive: true", "exclusive: false")))
    assert len(said) == 2


def test_a_namespace_must_cover_every_alias_not_only_those_of_courses(tmp_path: Path) -> None:
    (line,) = problems_of(write(tmp_path, TEXT.replace("#moodle_uni_.*", "#moodle_uni_course_.*")))
    assert "#moodle_uni_control:" in line


def test_one_token_for_both_directions_is_a_problem(tmp_path: Path) -> None:
    same = registration.render(replace(MADE, hs_token=MADE.as_token))
    (line,) = problems_of(write(tmp_path, same))
    assert "hs_token: it is the same as as_token" in line
    assert MADE.as_token.get_secret_value() not in line


def test_rate_limits_and_greedy_namespaces_are_warnings(tmp_path: Path) -> None:
    text = TEXT.replace("rate_limited: false", "").replace("@moodle_uni_.*", "@.*")
    found = registration.read(write(tmp_path, text), site="uni", domain="uni-a.example.org")
    slow, greedy = (str(warning) for warning in found.warnings)
    assert "invite only a few people per minute" in slow
    assert "namespaces.users, item 2: it claims the accounts of people" in greedy


def test_keys_for_synapse_alone_are_none_of_our_business(tmp_path: Path) -> None:
    text = f"{TEXT}io.element.msc4190: true\nprotocols: []\n"
    assert registration.read(write(tmp_path, text), site="uni", domain="uni-a.example.org") == MADE


def test_the_example_is_what_would_be_made_and_is_never_accepted(tmp_path: Path) -> None:
    example = (ROOT / "registration.yaml.example").read_text(encoding="utf-8")
    placeholder = SecretStr("CHANGE-ME")
    made = registration.make(site="uni", domain="example.org", url=URL)
    assert example.endswith(registration.render(replace(made, as_token=placeholder, hs_token=placeholder)))
    said = problems_of(write(tmp_path, example))
    assert sum("is still the text of the example" in line for line in said) == 2
