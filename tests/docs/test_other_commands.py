"""Commands of other programs in the pages: each is of a kind that is checked here, and names what there is."""

from __future__ import annotations

import ast
import configparser
import json
import os
import re
import shlex
import stat
import sys
import tomllib
from asyncio import create_subprocess_exec
from asyncio.subprocess import PIPE
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer

from moodle_appservice import cli
from moodle_appservice.clock import SystemClock
from moodle_appservice.config import Settings
from moodle_appservice.domain.model import CourseId, UserId
from moodle_appservice.engine.queues.memory import MemoryQueue
from moodle_appservice.ports import CourseRow
from moodle_appservice.store.books import Books
from moodle_appservice.store.db import Db
from moodle_appservice.web.hooks import Hooks
from tests.docs.test_docs import DOCS, PAGES, ROOT, RUN, fences

NAME = "moodle-appservice"
SECRET = "5f0c2f4be61d4f10a7c3b5f0d1e2a394"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def unit() -> configparser.RawConfigParser:
    # A unit repeats keys.
    found = configparser.RawConfigParser(strict=False, interpolation=None)
    found.optionxform = str  # type: ignore[assignment,method-assign]
    found.read(ROOT / "contrib" / f"{NAME}.service", encoding="utf-8")
    return found


def _lines() -> Iterator[tuple[str, str]]:
    for fence in fences("console", "sh"):
        prompt = r"[$#] " if fence.kind == "console" else ""
        for line in fence.text.replace("\\\n", "").splitlines():
            if fence.kind == "console" and not line.startswith(("$ ", "# ")):
                continue
            command = re.sub(rf"^{prompt}", "", line)
            if command and not command.startswith((*RUN, "# ")):
                yield str(fence), command


def lines() -> list[tuple[str, str]]:
    """Every command that is neither ours nor make's, with its place."""
    return list(_lines())


def _python(words: list[str]) -> None:
    if words[1:3] == ["-m", "venv"]:
        return
    if words[1].startswith("bench/"):
        _bench(words)
        return
    assert words[1] == "-m"
    if words[2] == "cProfile":
        _bench(words[words.index("tottime") :])
    elif words[2] == "pytest":
        assert [word for word in words if word.startswith("tests") and not (ROOT / word).exists()] == []
        markers = "".join(PROJECT["tool"]["pytest"]["ini_options"]["markers"])
        marked = words[words.index("-m", 2) + 1] if "-m" in words[2:] else ""
        assert [
            one for one in re.findall(r"\w+", marked) if one not in ("not", "and") and one not in markers
        ] == []
    elif words[2] == "pip":
        _pip(words[2:])
    else:
        module = ROOT / words[2].replace(".", "/")
        file = module / "__main__.py" if module.is_dir() else module.with_suffix(".py")
        source = file.read_text(encoding="utf-8")
        assert [word for word in words[3:] if word.startswith("--") and f'"{word}"' not in source] == []


def _bench(words: list[str]) -> None:
    source = ast.unparse(ast.parse((ROOT / words[1]).read_text(encoding="utf-8")))
    assert [word for word in words[2:] if word.startswith("--") and f"'{word}'" not in source] == []


def _pip(words: list[str]) -> None:
    assert words[1] == "install"
    if "-r" in words:
        listed = (ROOT / words[words.index("-r") + 1]).read_text(encoding="utf-8")
        assert "--require-hashes" not in words or "--hash=sha256:" in listed


def _installer(words: list[str]) -> None:
    assert words[-1] == "."
    assert PROJECT["project"]["scripts"][NAME] and PROJECT["build-system"]["build-backend"]


def _docker(words: list[str]) -> None:
    match words[1]:
        case "compose":
            _compose(words)
        case "build":
            assert (ROOT / "Dockerfile").exists()
        case "run":
            image = max(at for at, word in enumerate(words) if word == NAME)
            assert f"{NAME}:/data" in words[:image], "the volume"
            cli.parse(words[image + 1 :])
        case "exec":
            assert words[2:4] == [NAME, NAME]
            cli.parse(words[4:])
        case other:
            raise AssertionError(other)


def _systemctl(words: list[str]) -> None:
    assert words[-1] == NAME and unit().sections()
    assert "reload" not in words or unit()["Service"]["ExecReload"]


def _of_the_unit(words: list[str]) -> None:
    """Words about the user, the folder and the program of the unit."""
    service, text = unit()["Service"], " ".join(words)
    assert service["User"] == NAME and NAME in words
    for path in re.findall(r"/(?:var/lib|opt)/\S+", text):
        said = " ".join(service.values()).replace("%S", "/var/lib")
        assert path in said or path == f"/var/lib/{service['StateDirectory']}", path
    if "--" in words:
        cli.parse(words[words.index("--") + 2 :])


def _copied(words: list[str]) -> None:
    source = words[-2]
    assert (ROOT / source).exists() or source == "registration.yaml"


def _curl(words: list[str]) -> None:
    address = words[-1]
    assert address.endswith("/hooks/moodle") or "/_synapse/admin/v1/users/@moodlebot:" in address
    if address.endswith("/admin"):
        assert json.loads(words[words.index("-d") + 1]) == {"admin": True}


def _compose(words: list[str]) -> None:
    services = yaml.safe_load((ROOT / "contrib" / "compose" / "compose.yaml").read_text(encoding="utf-8"))
    said = [word for word in words[2:] if not word.startswith("-")]
    assert said[0] in ("up", "run", "exec")
    named = said[1:] if said[0] == "up" else said[1:2]
    assert [one for one in named if one not in services["services"]] == []
    if said[0] == "exec":
        assert said[2] == NAME
        cli.parse(said[3:])


def _of_the_image(words: list[str]) -> None:
    owner = words[1].split(":")[0]
    assert f"USER {owner}" in (ROOT / "Dockerfile").read_text(encoding="utf-8")


def _analyze(words: list[str]) -> None:
    assert (ROOT / words[-1]).exists()


def _kubectl(words: list[str]) -> None:
    text = (ROOT / "contrib" / "kubernetes" / f"{NAME}.yaml").read_text(encoding="utf-8")
    names = {one["metadata"]["name"] for one in yaml.safe_load_all(text) if one["kind"] == "StatefulSet"}
    assert words[1:3] == ["delete", "pod"] and words[3].rpartition("-")[0] in names


def _sqlite(words: list[str]) -> None:
    assert f"sqlite:{words[1]}" == Settings.model_fields["database"].default.get_secret_value()


def _nothing(_: list[str]) -> None:
    return


def _shell(words: list[str]) -> None:
    """Part of the script that is run as a whole below."""
    assert " ".join(words).startswith(("NOW=", "SIGNATURE="))


KINDS: dict[str, Callable[[list[str]], None]] = {
    "python": _python,
    "python3": _python,
    "pip": _pip,
    "pipx": _installer,
    "uv": _installer,
    "docker": _docker,
    "systemctl": _systemctl,
    "useradd": _of_the_unit,
    "runuser": _of_the_unit,
    "install": _copied,
    "cp": _copied,
    "curl": _curl,
    "chown": _of_the_image,
    "systemd-analyze": _analyze,
    "kubectl": _kubectl,
    "sqlite3": _sqlite,
    "cd": _nothing,
    "export": _nothing,
    "unset": _nothing,
    "rm": _nothing,
}
WITHOUT_US = ("chmod", "kill", "openssl", "mas-cli", "py-spy", "pg_dump")
"""What they are told has nothing of ours in it."""


@pytest.mark.parametrize(("place", "command"), lines())
def test_every_command_of_another_program_names_what_there_is(place: str, command: str) -> None:
    words = shlex.split(command)
    while re.fullmatch(r"POSTGRES_PROGRAMS=\S+", words[0]):
        words = words[1:]
    if words[0].startswith(("NOW=", "SIGNATURE=")):
        return _shell(words)
    if words[:2] == ["install", "-d"]:
        return _of_the_unit(words)
    return KINDS[Path(words[0]).name](words)


def spans() -> list[tuple[str, str]]:
    """What stands between backquotes in hand-written text and begins with a program or a word of our command line."""
    found: list[tuple[str, str]] = []
    for page in PAGES:
        if page.name == "conversation.md":
            continue
        text = re.sub(r"(?s)```.*?```|<!-- generated: .*?<!-- end of", "", page.read_text(encoding="utf-8"))
        said = (" ".join(span.split()) for span in re.findall(r"`([^`]+)`", text))
        found += [(page.name, span) for span in said if " " in span]
    return found


def of_others() -> list[tuple[str, str]]:
    return [(place, span) for place, span in spans() if span.split()[0] in {*KINDS, *WITHOUT_US}]


def short_forms() -> list[tuple[str, str]]:
    ours = {*cli.WORDS, "-g"}
    return [(place, span) for place, span in spans() if span.split()[0] in ours]


@pytest.mark.parametrize(("place", "command"), of_others())
def test_every_command_of_another_program_in_a_sentence_names_what_there_is(place: str, command: str) -> None:
    words = shlex.split(command)
    if words[0] not in WITHOUT_US:
        KINDS[words[0]](words)


@pytest.mark.parametrize(("place", "command"), short_forms())
def test_a_command_of_ours_is_understood_without_the_name_of_the_program_too(
    place: str, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["42" if word == "ID" else word for word in shlex.split(command)]
    # A sentence may leave out what a command is about.
    for more in ([], ["42"], ["anna"]):
        try:
            cli.parse([*words, *more])
        except SystemExit:
            continue
        return
    raise AssertionError(capsys.readouterr().err)


def test_there_are_commands_in_sentences_to_check() -> None:
    assert len(of_others()) > 20 and len(short_forms()) > 15


def test_every_benchmark_that_a_page_names_can_be_called_so() -> None:
    pages = "".join(page.read_text(encoding="utf-8") for page in DOCS.rglob("*.md"))
    named = re.findall(r"python\s+(?:-m cProfile -s tottime )?(bench/\w+\.py)([^`]*)`", pages)
    assert named
    for path, words in named:
        source = ast.unparse(ast.parse((ROOT / path).read_text(encoding="utf-8")))
        assert [flag for flag in re.findall(r"--[a-z-]+", words) if f"'{flag}'" not in source] == [], path


CURL = """#!{python}
import sys, urllib.request
words, headers, body = sys.argv[1:], {{}}, None
while words:
    word = words.pop(0)
    if word == "-H":
        name, _, value = words.pop(0).partition(": ")
        headers[name] = value
    elif word == "-d":
        body = words.pop(0).encode()
    elif word != "-fsS":
        address = word
print(urllib.request.urlopen(urllib.request.Request(address, body, headers)).status)
"""
OPENSSL = """#!{python}
import hmac, sys
assert sys.argv[1:4] == ["dgst", "-sha256", "-hmac"] and sys.argv[5:] == ["-r"], sys.argv
print(hmac.new(sys.argv[4].encode(), sys.stdin.buffer.read(), "sha256").hexdigest(), "*stdin")
"""
"""Stand-ins that do what these programs say of themselves; a bare machine has neither."""


async def test_the_script_of_hints_is_understood_signed_or_not(tmp_path: Path) -> None:
    (fence,) = [one for one in fences("sh") if "/hooks/moodle" in one.text]
    for name, text in (("curl", CURL), ("openssl", OPENSSL)):
        path = tmp_path / name
        path.write_text(text.format(python=sys.executable), encoding="utf-8")
        path.chmod(stat.S_IRWXU)
    db = Db(f"sqlite:{tmp_path / 'store.db'}")
    await db.start()
    try:
        books, clock, counted = (
            Books(db, bot=UserId("@bot:example.org"), prefix="!"),
            SystemClock(),
            list[str](),
        )
        await books.courses.save([CourseRow(CourseId(42), "C", True, "")])
        hooks = Hooks(SECRET, MemoryQueue(clock), books.courses, books.lti, clock, counted.append)
        app = web.Application()
        app.add_routes(hooks.routes())
        async with TestServer(app) as server:
            script = fence.text.replace("http://chat-service:29301", str(server.make_url("")).rstrip("/"))
            script = re.sub(r"(?m)^moodle-appservice .*\n", "", script)
            run = await create_subprocess_exec(
                *("sh", "-eu", "-c", script),
                env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "SECRET": SECRET},
                stdout=PIPE,
                stderr=PIPE,
            )
            out, wrong = await run.communicate()
    finally:
        await db.stop()
    assert (out.decode().split(), counted) == (["202", "202"], ["taken", "taken"]), wrong.decode()
