"""`moodle-appservice demo` as a visitor sees it: a program that is started, read, visited and interrupted.

Each test runs it as a process of its own, with a folder of its own for temporary files, so that what it leaves behind
can be seen. A fault is put in by Python that is run before the program: it breaks the product, never the demo.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import aiohttp
import pytest

from moodle_appservice.demo.actor import Actor
from moodle_appservice.demo.cast import PASSWORD, STUDENT
from moodle_appservice.demo.sandbox import small_university
from moodle_appservice.demo.sandbox.seed import account
from moodle_appservice.domain.model import UserId

LONGEST_RUN = 120.0
_RUN = "import sys; from moodle_appservice import app; sys.exit(app.main(sys.argv[1:]))"

STEPS = (
    "Synapse 1.* and the service are up and hear each other",
    "1* people of the sandbox Moodle have Matrix accounts",
    "5 rooms with 1* invites: Moodle's courses are rooms now",
    "*, a teacher, opens a chat with the bot and asks: !status",
    "*, a student, logs in, finds the invite, accepts it and is in:",
    "* is enrolled in Moodle: the invite is there after *",
    "* accepts, is unenrolled in Moodle, and out of the room after *",
    "* asks for a look at the course right now: !sync",
    "* posts an announcement in Moodle: * reads it in the room after *",
)


class Run:
    """A demo that runs. `output` is what it has printed so far."""

    def __init__(self, folder: Path, *words: str, fault: str = "") -> None:
        self.folder = folder / "temporary"
        self.folder.mkdir()
        self._out = folder / "output"
        env = {**os.environ, "TMPDIR": str(self.folder), "PYTHONPATH": os.pathsep.join(sys.path)}
        with self._out.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-c", f"{fault}\n{_RUN}", "demo", *words],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=env,
            )

    @property
    def output(self) -> str:
        return self._out.read_text(encoding="utf-8")

    def until(self, words: str) -> str:
        """What it has printed as soon as these words are in it."""
        ends = time.monotonic() + LONGEST_RUN
        while words not in self.output:
            assert self.process.poll() is None, f"ended before {words!r}:\n{self.output}"
            assert time.monotonic() < ends, f"no {words!r}:\n{self.output}"
            time.sleep(0.05)
        return self.output

    def end(self) -> int:
        return self.process.wait(LONGEST_RUN)

    def left_behind(self) -> list[str]:
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*"))


Start = Callable[..., Run]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts one demo; it is ended at the end, whatever happens."""
    # Not `tmp_path`: the path of a socket may have about 100 bytes.
    folder = Path(tempfile.mkdtemp(prefix="demo-"))
    started: list[Run] = []

    def run(*words: str, fault: str = "") -> Run:
        started.append(Run(folder, *words, fault=fault))
        return started[-1]

    yield run
    for one in started:
        one.process.kill()
        one.process.wait()
    shutil.rmtree(folder)


def lines_of(output: str) -> list[str]:
    return [line.split(" s  ", 1)[1] for line in output.splitlines() if re.match(r" +ok +\d+\.\d s  ", line)]


def looks_like(pattern: str) -> re.Pattern[str]:
    return re.compile(".+".join(map(re.escape, pattern.split("*"))))


def test_demo_once_shows_every_step_and_leaves_nothing_behind(start: Start) -> None:
    run = start("--once")

    assert run.end() == 0, run.output
    steps = lines_of(run.output)
    assert len(steps) == len(STEPS), run.output
    for step, pattern in zip(steps, STEPS, strict=True):
        assert looks_like(pattern).match(step), f"{step!r} is not {pattern!r}"
    assert "expected 21 · joined 0 · invited 21 · missing 0" in run.output
    assert "expected 21 · joined 1 · invited 20 · missing 0" in run.output
    assert "Traceback" not in run.output
    assert run.left_behind() == []


@pytest.mark.parametrize(
    ("fault", "steps", "not_seen"),
    [
        pytest.param(
            "from moodle_appservice.bot.router import Router\nRouter.hear = lambda *_: None",
            3,
            "an answer of the bot to the teacher's !status (waited 3 s)",
            id="a bot that hears nothing",
        ),
        pytest.param(
            "from moodle_appservice.matrix.client import MatrixClient\n"
            "invite = MatrixClient.invite\n"
            "async def lose_one(self, room, user):\n"
            "    if user != '@student078:uni.test': await invite(self, room, user)\n"
            "MatrixClient.invite = lose_one",
            2,
            "1 invites to #moodle_demo_course_",
            id="an invite that is not sent",
        ),
    ],
)
def test_what_was_not_seen_ends_the_demo_with_1_and_is_named(
    start: Start, fault: str, steps: int, not_seen: str
) -> None:
    impatient = "from moodle_appservice.demo import story\nstory.LONGEST_STEP = 3.0"
    run = start("--once", fault=f"{fault}\n{impatient}")

    assert run.end() == 1, run.output
    assert len(lines_of(run.output)) == steps, run.output
    assert "Not seen at the homeserver: " in run.output
    assert not_seen in run.output
    assert "Traceback" not in run.output
    kept = re.search(r"The logs are kept: (\S+) (\S+)", run.output)
    assert kept is not None, run.output
    assert [Path(kept[1]).name, Path(kept[2]).name] == ["homeserver.log", "service.log"]
    assert "Ready: @moodlebot:uni.test keeps rooms" in Path(kept[2]).read_text(encoding="utf-8")
    assert len(run.left_behind()) == 3, "the folder and the two logs"


async def test_a_visitor_changes_moodle_and_the_rooms_follow_until_ctrl_c(start: Start) -> None:
    run = start()
    shown = run.until("Ctrl-C stops everything")
    moodle, homeserver = re.findall(r"^  (?:Moodle|Homeserver) +(http\S+)", shown, re.MULTILINE)

    student = Actor("A student", UserId(f"@{STUDENT}:uni.test"), homeserver)
    try:
        await student.log_in(PASSWORD)
        (joined,) = (room for room, membership in student.membership.items() if membership == "join")
        user = str(account(small_university(), STUDENT))
        async with aiohttp.ClientSession() as browser:
            for action, membership in (("account", "leave"), ("account", "invite"), ("unenrol", "leave")):
                async with browser.post(f"{moodle}/course/7/{action}", data={"user": user}) as answer:
                    assert answer.status == 200
                await student.until_in(joined, membership)
    finally:
        await student.close()

    run.process.send_signal(signal.SIGINT)
    assert run.end() == 0, run.output
    assert run.output.rstrip().endswith("Stopping …")
    assert run.left_behind() == []


def test_an_interrupted_story_ends_with_1_and_leaves_nothing_behind(start: Start) -> None:
    run = start("--once")
    run.until("Matrix accounts")
    run.process.send_signal(signal.SIGTERM)

    assert run.end() == 1
    assert "Interrupted before the end of the story." in run.output
    assert "Traceback" not in run.output
    assert run.left_behind() == []


def test_a_taken_port_is_explained_with_its_flag(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        run = start("--homeserver-port", str(port))
        assert run.end() == 1
    assert f"Port {port} of this machine can't be used" in run.output
    assert "--homeserver-port" in run.output
    assert run.left_behind() == []


def test_a_missing_extra_is_explained(start: Start) -> None:
    fault = (
        "import importlib.util as u\nfind = u.find_spec\n"
        "u.find_spec = lambda name, *rest: None if name in ('nio', 'synapse') else find(name, *rest)"
    )
    run = start("--once", fault=fault)
    assert run.end() == 1
    assert "The demo needs matrix-synapse and matrix-nio." in run.output
    assert 'pip install "moodle-appservice[demo]"' in run.output
    assert run.left_behind() == []
