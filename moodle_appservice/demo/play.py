"""`moodle-appservice demo`: the whole product before one's eyes, with nothing to set up and nothing left behind.

    stage      a sandbox Moodle, a real Synapse and the service, in a temporary folder
    cast       who plays whom; everybody gets a Matrix account
    first_sync courses become rooms, enrolments become invites
    story      people at real Matrix clients, and changes in Moodle that reach them

Whatever is printed as done was seen at the homeserver: by a client's sync or by its admin API (witness), never in the
service's own books. The first thing that is not seen ends the play with exit code 1 and leaves the logs to read.
Without `--once` everything stays up after the story, for a visitor, until Ctrl-C.
"""

from __future__ import annotations

import asyncio
import importlib.util
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .. import cli
from ..cli import Exit
from .cast import PASSWORD, Cast, cast_of, people_with_ids
from .first_sync import first_sync, make_accounts
from .screen import Screen
from .stage import Stage
from .trouble import LONGEST_STEP, NotSeen, within
from .witness import Witness

_NEEDED = {"synapse": "matrix-synapse", "nio": "matrix-nio"}


async def play(command: cli.Demo) -> Exit:
    """Start everything, show it, and take it away again. Raises `AppError` where the stage can't be set up."""
    screen = Screen()
    missing = [package for module, package in _NEEDED.items() if importlib.util.find_spec(module) is None]
    if missing:
        screen.sorry(
            f"The demo needs {' and '.join(missing)}. Nothing was started.\n"
            'Install what it needs: pip install "moodle-appservice[demo]" (in a checkout: make demo)'
        )
        return Exit.OTHER
    show = asyncio.create_task(_show(command, screen))
    with _ended_by_signals(show) as told:
        try:
            return await show
        except asyncio.CancelledError:
            if not told.is_set():
                raise
            screen.sorry("Interrupted before the end of the story. Everything was stopped and removed.")
            return Exit.OTHER


async def _show(command: cli.Demo, screen: Screen) -> Exit:
    screen.say("A sandbox Moodle, a real Synapse and the service between them are starting …\n")
    began = time.monotonic()
    stage = Stage(port=command.port, homeserver_port=command.homeserver_port)
    try:
        async with stage, Witness(stage.synapse) as witness:
            players = await _perform(stage, witness, screen, began)
            if not command.once:
                await _stay_up(stage, players, screen)
    except Exception as failure:
        if isinstance(failure, NotSeen):
            screen.sorry(f"Not seen at the homeserver: {failure}. The rest was left out.")
        if stage.logs():
            screen.sorry(f"The logs are kept: {' '.join(map(str, stage.logs()))}")
        if not isinstance(failure, NotSeen):
            raise
        return Exit.OTHER
    return Exit.DONE


async def _perform(stage: Stage, witness: Witness, screen: Screen, began: float) -> Cast:
    from .story import Story  # Not before it is known that what it imports is installed.

    service, university = stage.service, stage.sandbox.university
    async with within(LONGEST_STEP, "the service's own event, pushed back to it"):
        version = await witness.version()
        await service.gate.open()
    screen.step(f"Synapse {version} and the service are up and hear each other", time.monotonic() - began)
    people = people_with_ids(university, service.rules)
    await make_accounts(people, witness, screen)
    await first_sync(stage, witness, screen)
    service.timer.start()
    if service.relaying.relay is not None:
        service.relaying.relay.start()
    players = cast_of(university, people)
    screen.heading(f"The course “{players.course_name}”:")
    async with Story(stage, witness, players, screen) as story:
        await story.play()
    return players


async def _stay_up(stage: Stage, players: Cast, screen: Screen) -> None:
    who = f"{players.teacher.username} (a teacher), {players.student.username} (a student)"
    screen.heading("Now you. All of this is on this machine only:")
    screen.table(
        [
            ("Moodle", f"{stage.sandbox.url} – change people and courses; the rooms follow at once"),
            ("Homeserver", f"{stage.synapse.url} – sign in with any Matrix client (Element: Sign in › Edit)"),
            ("Accounts", f"{who}, or anybody of the Moodle; password: {PASSWORD}"),
            ("Bot", f"{stage.service.rules.bot} – open a direct chat as a teacher and write: !help"),
            ("Service", f"{_program()} -c {stage.config} plan"),
            ("Log", str(stage.log)),
        ]
    )
    screen.say("\nCtrl-C stops everything and removes it.")
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        # The signal that ends a visit is no failure.
        cancelled = asyncio.current_task()
        assert cancelled is not None
        cancelled.uncancel()
    screen.say("\nStopping …")


def _program() -> str:
    """How this program was called, so that a line can be copied from the screen."""
    called = Path(sys.argv[0])
    return str(called) if called.name == "moodle-appservice" else f"{sys.executable} -m moodle_appservice"


@contextmanager
def _ended_by_signals(show: asyncio.Task[Exit]) -> Iterator[asyncio.Event]:
    """Cancel the show at the first Ctrl-C or SIGTERM. Later ones do not disturb the clearing up."""
    loop = asyncio.get_running_loop()
    told = asyncio.Event()

    def end() -> None:
        if not told.is_set():
            told.set()
            show.cancel()

    numbers = (signal.SIGINT, signal.SIGTERM)
    for number in numbers:
        loop.add_signal_handler(number, end)
    try:
        yield told
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
