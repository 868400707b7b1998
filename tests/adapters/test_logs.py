"""Logs: readable or JSON, and never a secret in them, whichever way it came in."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moodle_appservice.logs import MASK, Masker, set_up

SECRET = "s3cr3t/wörd & more"
log = logging.getLogger("moodle_appservice.test")


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Takes back what `set_up` changes for the whole process."""
    root = logging.getLogger()
    handlers, level, hook = list(root.handlers), root.level, sys.excepthook
    yield
    logging.captureWarnings(False)
    root.handlers[:], sys.excepthook = handlers, hook
    root.setLevel(level)


def fail() -> None:
    raise ValueError(f"bad token {SECRET}")


@pytest.mark.parametrize("style", ["text", "json"])
def test_secrets_are_masked_in_messages_arguments_tracebacks_and_extras(
    style: str, capsys: pytest.CaptureFixture[str]
) -> None:
    set_up("DEBUG", "json" if style == "json" else "text", [SECRET, "", "short"])
    log.info(f"message {SECRET}")
    log.info("argument %s and %r and %s", SECRET, {"key": SECRET}, {"x": [SECRET]})
    log.info("address https://x.example/?a=%s", quote(SECRET, safe=""))
    log.info("extra", extra={"url": f"https://x.example/{SECRET}", "number": 3})
    try:
        fail()
    except ValueError:
        log.exception("failed", stack_info=True)
    said = capsys.readouterr().err
    assert "s3cr3t" not in said
    assert MASK in said
    assert "Traceback" in said
    assert "short" not in said.replace("shortest", "")


def test_json_lines_are_objects_with_time_level_logger_and_extras(capsys: pytest.CaptureFixture[str]) -> None:
    set_up("INFO", "json", [])
    log.debug("not shown")
    log.warning("Zeile mit „Anführung“\nund Umbruch", extra={"course": 7, "room": "!a:b"})
    (line,) = capsys.readouterr().err.splitlines()
    said = json.loads(line)
    assert said.pop("time").endswith("+00:00")
    assert said == {
        "level": "WARNING",
        "logger": "moodle_appservice.test",
        "message": "Zeile mit „Anführung“\nund Umbruch",
        "course": 7,
        "room": "!a:b",
    }


def test_setting_up_again_replaces_the_handler(capsys: pytest.CaptureFixture[str]) -> None:
    set_up("INFO", "text")
    set_up("WARNING", "text")
    log.info("hidden")
    log.warning("once")
    assert capsys.readouterr().err.count("once") == 1


def test_retries_that_say_nothing_but_that_they_are_retries_are_not_logged(
    capsys: pytest.CaptureFixture[str],
) -> None:
    set_up("INFO", "text")
    logging.getLogger("stamina").warning("stamina.retry_scheduled")
    assert capsys.readouterr().err == ""


def test_an_uncaught_exception_is_masked(capsys: pytest.CaptureFixture[str]) -> None:
    set_up("INFO", "text", [SECRET])
    try:
        fail()
    except ValueError as error:
        sys.excepthook(ValueError, error, error.__traceback__)
    said = capsys.readouterr().err
    assert "CRITICAL" in said
    assert "ValueError: bad token ***" in said


def test_a_wrong_log_call_does_not_print_its_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    set_up("INFO", "text", [])
    root = logging.getLogger()
    # pytest's own handlers raise what ours reports.
    root.handlers[:] = [handler for handler in root.handlers if type(handler).__module__ == set_up.__module__]
    log.info("%d", SECRET)
    said = capsys.readouterr().err
    assert "could not be written: TypeError" in said
    assert "s3cr3t" not in said


class FullDisk(io.StringIO):
    """A file of which nothing is taken any more."""

    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")


def test_a_log_that_can_not_be_written_stops_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", FullDisk())
    set_up("INFO", "text")
    root = logging.getLogger()
    root.handlers[:] = [handler for handler in root.handlers if type(handler).__module__ == set_up.__module__]
    assert root.handlers
    log.warning("nobody reads this")


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("GET /sync?access_token=syt_abc&since=1", "GET /sync?access_token=***&since=1"),
        ("POST wstoken=0123abcd&wsfunction=x", "POST wstoken=***&wsfunction=x"),
        ("Authorization: Bearer syt_YWJj_x-1", "Authorization: Bearer ***"),
        ("{'Authorization': 'Bearer syt_YWJj'}", "{'Authorization': 'Bearer ***'}"),
        ('{"access_token": "abc", "x": "y"}', '{"access_token": "***", "x": "y"}'),
        ("{'password': 'with spaces in it'}", "{'password': '***'}"),
        ("hs_token: c29tZXRoaW5nLWxvbmc_x", "hs_token: ***"),
        ("postgres://moodle:p4ss@db/moodle", "postgres://moodle:***@db/moodle"),
        ("config.yaml:3: moodle.token: it is missing", "config.yaml:3: moodle.token: it is missing"),
        ("https://moodle.example.org:8443/a@b", "https://moodle.example.org:8443/a@b"),
        ("invited @anna:example.org", "invited @anna:example.org"),
        ("invited @mat_anna_schmidt:example.org", "invited @mat_anna_schmidt:example.org"),
        ("got syt_cm9vdA_jrYzBJOTQOKVRhKqpcPk_1hL2dN back", "got *** back"),
        ("got syr_cm9vdA_uQbQwDfDdIpBvKlmnWtq_3bX9cR.", "got ***."),
        ("got mat_0123456789abcdefghijABCDEFGHIJ_Xy01zZ", "got ***"),
        ("got 'mar_0123456789abcdefghijABCDEFGHIJ_Xy01zZ'", "got '***'"),
    ],
)
def test_what_looks_like_a_secret_is_masked_unasked(text: str, masked: str) -> None:
    assert Masker()(text) == masked


def test_of_two_secrets_that_overlap_nothing_remains() -> None:
    assert Masker(["abcdefgh", "abcdefgh-and-more"])("x abcdefgh-and-more y") == f"x {MASK} y"


# Without the mask's own sign, of which a secret could consist.
_SECRETS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="*"), min_size=8, max_size=30)


@given(secret=_SECRETS, before=st.text(max_size=5), after=st.text(max_size=5))
def test_a_known_secret_never_gets_through(secret: str, before: str, after: str) -> None:
    mask = Masker([secret])
    for shown in (
        f"{before}{secret}{after}",
        repr([secret]),
        json.dumps({"a": secret}),
        quote(secret, safe=""),
    ):
        assert secret not in mask(shown)
