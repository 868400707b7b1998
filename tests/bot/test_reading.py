"""What somebody wrote becomes a command, or nothing: prefixes, quotes, options, free text."""

from __future__ import annotations

import pytest

from moodle_appservice.bot.command import Misused
from moodle_appservice.bot.commands import COMMANDS
from moodle_appservice.bot.reading import Said, read

DIRECT = [
    ("status", ("status", ())),
    ("  Status  C1 ", ("status", ("C1",))),
    ("!status", ("status", ())),
    ("! status", ("status", ())),
    ("!moodle status", ("status", ())),
    ("!MOODLE Status", ("status", ())),
    ("!moodle", ("help", ())),
    ('name "Algebra for beginners"', ("name", ("Algebra for beginners",))),
    ("why O'Brien", ("why", ("O'Brien",))),
    ("why 'O Brien'", ("why", ("O Brien",))),
    ("two\nlines", ("two", ("lines",))),
    ("", None),
    ("   ", None),
    ("!", None),
    ("!!!", None),
    ("?", None),
    ("👍", None),
]
IN_ROOMS = [
    ("status", None),
    ("hello !status", None),
    ("!status", ("status", ())),
    ("!moodle", ("help", ())),
    ("!moodlebot hi", ("moodlebot", ("hi",))),
    ("!moodle sync", ("sync", ())),
    ("!?", None),
]


@pytest.mark.parametrize(("body", "found"), DIRECT, ids=[repr(one[0]) for one in DIRECT])
def test_in_a_direct_chat_everything_is_a_command(
    body: str, found: tuple[str, tuple[str, ...]] | None
) -> None:
    said = read(body, "!", direct=True)
    assert (None if said is None else (said.name, said.words)) == found


@pytest.mark.parametrize(("body", "found"), IN_ROOMS, ids=[repr(one[0]) for one in IN_ROOMS])
def test_elsewhere_only_what_begins_with_the_prefix(
    body: str, found: tuple[str, tuple[str, ...]] | None
) -> None:
    said = read(body, "!", direct=False)
    assert (None if said is None else (said.name, said.words)) == found


def test_the_prefix_is_what_the_configuration_says_and_the_long_one_always_works() -> None:
    assert read("§status", "§", direct=False) == Said("status")
    assert read("!status", "§", direct=False) is None
    assert read("!moodle status", "§", direct=False) == Said("status")


def parsed(text: str) -> tuple[dict[str, str], str, int, bool]:
    said = read(text, "!", direct=True)
    assert said is not None
    found = COMMANDS[said.name].parse(said)
    return dict(found.values), found.course, found.page, found.wants_help


@pytest.mark.parametrize(
    ("text", "values", "course", "page"),
    [
        ("status", {}, "", 1),
        ("status MATH 101", {}, "MATH 101", 1),
        ("status -c 'MATH 101'", {}, "MATH 101", 1),
        ("missing MATH101 -p 2", {}, "MATH101", 2),
        ("missing -p 3", {}, "", 3),
        ("name Algebra", {"text": "Algebra"}, "", 1),
        ("name -c M1 Algebra I", {"text": "Algebra I"}, "M1", 1),
        ('name -c "M 1" "Algebra I"', {"text": "Algebra I"}, "M 1", 1),
        ('announce The "test" is\non Monday -c', {"text": 'The "test" is\non Monday -c'}, "", 1),
        ("announce -5 points", {"text": "-5 points"}, "", 1),
        ("rooms", {}, "", 1),
        ("rooms staff on", {"which": "staff", "switch": "on"}, "", 1),
        ("rooms staff on MATH101", {"which": "staff", "switch": "on"}, "MATH101", 1),
        ("why Anna Arendt", {"person": "Anna Arendt"}, "", 1),
        ('pause all "Moodle is new"', {"what": "all", "why": "Moodle is new"}, "", 1),
        ("audit -c 42 anna -p 2", {"person": "anna -p 2"}, "42", 1),
        ("audit -c 42 -p 2 anna", {"person": "anna"}, "42", 2),
        ("link ABCD EFGH", {"code": "ABCD EFGH"}, "", 1),
        ("yes", {}, "", 1),
        ("yes word", {"word": "word"}, "", 1),
    ],
)
def test_words_become_what_the_command_takes(
    text: str, values: dict[str, str], course: str, page: int
) -> None:
    assert parsed(text) == (values, course, page, False)


@pytest.mark.parametrize(
    "text", ["status -h", "announce -h", "missing --help", "name -c M1 --help", "help -h"]
)
def test_every_command_tells_of_itself(text: str) -> None:
    assert parsed(text)[3] is True


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_takes_h(name: str) -> None:
    assert COMMANDS[name].parse(Said(name, ("-h",), "-h")).wants_help


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("missing -p x", "I do not understand what stands behind the command."),
        ("missing -p 0", "I do not understand what stands behind the command."),
        ("missing -p", "I do not understand what stands behind the command."),
        ("status -x", "I do not know “{word}” there."),
        ("whoami now", "“{word}” is too much there."),
        ("sync " + "-c x " * 31, "“{word}” is too much there."),
        ("announce " + "-c x " * 31 + "text", "“{word}” is too much there."),
        ("confirm", "Something is missing: {word}."),
        ("announce", "Something is missing: {word}."),
    ],
)
def test_what_a_command_does_not_take_is_said(text: str, message: str) -> None:
    with pytest.raises(Misused) as problem:
        parsed(text)
    assert problem.value.message == message


@pytest.mark.parametrize("command", COMMANDS.values(), ids=lambda command: command.name)
def test_the_examples_are_what_the_command_takes(command: object) -> None:
    for example in COMMANDS[command.name].examples:  # type: ignore[attr-defined]
        said = read(example, "!", direct=True)
        assert said is not None and said.name == command.name  # type: ignore[attr-defined]
        COMMANDS[said.name].parse(said)
