"""What each command of the command line does, and with which exit code it ends.

`main` is the program. `plan` and `sync` ask a running service through its control socket; where none runs they are
the service themselves for as long as they take.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar, assert_never

from . import app_operations, app_rooms, app_setup, cli, config, generate, logs, registration
from .cli import Exit
from .cli_operations import AuditExport, Backup, Explain, Files, OfCourse, Pause, Restore
from .cli_rooms import Adopt, FindRooms, UpgradeRooms
from .cli_setup import Init, Migrate
from .config import Settings
from .control import about_user, ask
from .doctor.checks import CHECKS
from .doctor.examined import Examined, prepared
from .doctor.frame import as_json as as_json_object
from .doctor.frame import as_text, examine, exit_of
from .doctor.homeserver import CHECK_HOMESERVER
from .engine.operations import SyncReport
from .engine.pauses import COMMAND_LINE
from .engine.stopping import end
from .errors import AppError, Problem
from .registration import Registration
from .reload import Reload
from .service import Service
from .show import accepted_text, plan_json, plan_text, progress_json, report_json, report_text
from .web.admin_inside import Finding

TELL_EVERY = 15.0
"""Seconds between two lines about how a long sync goes on."""
T = TypeVar("T")
log = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, do, and return the exit code."""
    command = cli.parse(sys.argv[1:] if argv is None else argv)
    try:
        if isinstance(command, Init):
            # Asked before the loop runs, in which Ctrl-C would not end a question.
            command = app_setup.answered(command, os.environ)
        return int(asyncio.run(carry_out(command, os.environ)))
    except AppError as failure:
        print(failure, file=sys.stderr)
        return int(cli.exit_code(failure))
    except KeyboardInterrupt:
        return int(Exit.OTHER)


async def carry_out(command: cli.Command, environment: Mapping[str, str]) -> Exit:
    """Do what the command says."""
    match command:
        case cli.Run(files, dry):
            return await _run(*_read(files, environment), files, environment, dry=dry)
        case cli.Generate(files, force):
            said = generate.generate(files.config, files.registration, force=force, environment=environment)
            print("\n".join(said))
            return Exit.DONE
        case cli.Plan():
            return await _plan(*_read(command.files, environment), command)
        case cli.Sync(files):
            return await _sync(*_read(files, environment), command)
        case cli.Doctor():
            return await _doctor(command, *_read(command.files, environment))
        case cli.LtiInvite(files, replace):
            return await _invite(*_read(files, environment), replace=replace)
        case cli.User():
            return await _user(*_read(command.files, environment), command)
        case cli.Demo():
            from .demo.play import play

            return await play(command)
        case Adopt() | FindRooms() | UpgradeRooms():
            done = await app_rooms.carry_out(command, *_read(command.files, environment), sys.stdout)
            return Exit.DONE if done else Exit.OTHER
        case Explain() | Pause() | AuditExport() | Backup() | Restore() | OfCourse():
            await app_operations.carry_out(command, *_read(command.files, environment), sys.stdout)
            return Exit.DONE
        case Init():
            return await _init(command, environment)
        case Migrate(files, yes):
            return Exit.DONE if app_setup.migrate(files, environment, yes=yes) else Exit.OTHER
        case _ as unreachable:
            assert_never(unreachable)


async def _init(command: Init, environment: Mapping[str, str]) -> Exit:
    made = app_setup.write(command, environment)
    print("\n".join(made.said))
    code = Exit.DONE
    if command.doctor:
        settings, found = _read(Files(command.files.config), environment)
        at = await prepared(settings, found, command.files.config)
        try:
            results = await examine(CHECKS, at)
        finally:
            await at.service.stop()
        print(f"\n{as_text(results)}")
        # Only after the next steps can the homeserver know us.
        code = exit_of([one for one in results if one.name != CHECK_HOMESERVER or one.unreachable])
    print("\n" + "\n".join(app_setup.next_steps(made, command.files.config)))
    return code


def _read(files: Files, environment: Mapping[str, str]) -> tuple[Settings, Registration]:
    settings = config.load(files.config, environment)
    path = files.registration or settings.appservice.registration
    found = registration.read(path, site=settings.site, domain=settings.homeserver.domain)
    logs.set_up(settings.logging.level, settings.logging.format, (*found.secrets(), *settings.secrets()))
    for warning in (*settings.warnings, *found.warnings):
        _warn(warning)
    return settings, found


def _warn(problem: Problem) -> None:
    log.warning("%s", problem)


async def _run(
    settings: Settings, found: Registration, files: Files, environment: Mapping[str, str], *, dry: bool
) -> Exit:
    service = Service(settings, found, dry=dry)
    if dry:
        log.warning("Dry run: nothing is written, to Matrix or to Moodle.")
    service.doctor = partial(_findings, service)
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told.set)
    reload = Reload(service, lambda: config.load(files.config, environment))
    loop.add_signal_handler(signal.SIGHUP, reload)
    if not await _is_started(service, told):
        return Exit.DONE
    try:
        await told.wait()
    finally:
        await service.stop()
    return Exit.DONE


async def _is_started(service: Service, told: asyncio.Event) -> bool:
    """Start it; False where it was told to end before it was ready, and has ended. A start may have to wait long."""
    starting, ending = asyncio.create_task(service.start()), asyncio.create_task(told.wait())
    await asyncio.wait({starting, ending}, return_when=asyncio.FIRST_COMPLETED)
    if starting.done():
        await end(ending)
        starting.result()
        return True
    await end(starting)
    return False


async def _findings(service: Service) -> list[Finding]:
    """What `doctor` says of a service that runs, for the dashboard."""
    at = Examined(service.settings, service.registration, service, running=True)
    return [Finding(one.name, one.state, one.found, one.hint) for one in await examine(CHECKS, at)]


async def _plan(settings: Settings, found: Registration, command: cli.Plan) -> Exit:
    plan = await ask(settings.control_socket, "plan", course=command.course, compare=command.compare)
    if plan is None:
        service = Service(settings, found)
        await service.prepare()
        try:
            operations, course = service.operations, command.course
            spaces = await operations.space_plans() if course is None else ()
            views = await operations.plans(course, compare=command.compare)
            plan = plan_json(views, spaces, await operations.holds.groups(course))
        finally:
            await service.stop()
    print(json.dumps(plan, indent=2, ensure_ascii=False) if command.json else plan_text(plan))
    return Exit.HELD if plan["held"] else Exit.DONE


async def _sync(settings: Settings, found: Registration, command: cli.Sync) -> Exit:
    course, confirm, group = command.course, command.confirm, command.group
    asking = ask(settings.control_socket, "sync", course=course, confirm=confirm, group=group)
    report = await told_meanwhile(asking, partial(ask, settings.control_socket, "progress"))
    if report is None:
        service = Service(settings, found)
        await service.start(timer=False)

        async def progress() -> Mapping[str, Any]:
            return progress_json((await service.figures.read()).progress)

        try:
            report = report_json(await told_meanwhile(_synced(service, command), progress))
        finally:
            await service.stop()
    print(report_text(report))
    return _exit_of(report)


async def told_meanwhile(
    work: Coroutine[Any, Any, T], ask_progress: Callable[[], Awaitable[Mapping[str, Any] | None]]
) -> T:
    """Do some work to its end; now and then say, to whoever watches, how much is left and how long it takes."""
    task = asyncio.create_task(work)
    while not (await asyncio.wait([task], timeout=TELL_EVERY))[0]:
        try:
            told = await ask_progress()
        except AppError:
            continue
        if told and told.get("sentence"):
            print(told["sentence"], file=sys.stderr, flush=True)
    return await task


async def _synced(service: Service, command: cli.Sync) -> SyncReport:
    operations, course = service.operations, command.course
    if command.group:
        # What the source of facts holds is known only once it has been read.
        await operations.sync(course)
        return await operations.sync_confirmed(command.group, course, by=COMMAND_LINE)
    return await (operations.look_and_confirm(course) if command.confirm else operations.sync(course))


async def _invite(settings: Settings, found: Registration, *, replace: bool) -> Exit:
    made = await ask(settings.control_socket, "lti/invite", replace=replace)
    if made is None:
        service = Service(settings, found)
        await service.prepare()
        try:
            made = {"url": await service.browsers.registrar.invite(replace=replace)}
        finally:
            await service.stop()
    print(made["url"])
    print(
        "Paste it into Moodle: Site administration > Plugins > Activity modules > External tool > Manage tools, "
        "“Tool URL”, Add LTI Advantage.\n"
        "It works once, within an hour, while this service runs; then activate the tool there.",
        file=sys.stderr,
    )
    return Exit.DONE


async def _accept(settings: Settings, found: Registration, *, as_json: bool) -> Exit:
    answer = await ask(settings.control_socket, "accept")
    if answer is None:
        service = Service(settings, found)
        await service.prepare()
        try:
            answer = {"changed": list(await service.source.accept_reports())}
        finally:
            await service.stop()
    print(json.dumps(answer, indent=2, ensure_ascii=False) if as_json else accepted_text(answer))
    return Exit.DONE


async def _user(settings: Settings, found: Registration, command: cli.User) -> Exit:
    what = "message" if command.what == "link" and command.message else command.what
    if what == "erase" and not command.yes:
        shown = await _about_user(settings, found, "show", command.person)
        print("\n".join(shown["sentences"]))
        if not await _agreed():
            print("Nothing was erased.", file=sys.stderr)
            return Exit.OTHER
    answer = await _about_user(settings, found, what, command.person)
    if what == "export":
        print(json.dumps(answer, indent=2, ensure_ascii=False))
    else:
        print("\n".join(answer["sentences"]))
    return Exit.DONE


async def _about_user(settings: Settings, found: Registration, what: str, person: str) -> Mapping[str, Any]:
    answer = await ask(settings.control_socket, "user", do=what, person=person)
    if answer is not None:
        return answer
    service = Service(settings, found)
    if what in ("show", "export", "readmit"):
        await service.prepare()
    else:
        await service.start(timer=False)
    try:
        return await about_user(service.personal, what, person)
    finally:
        await service.stop()


async def _agreed() -> bool:
    """Whether somebody at a terminal wants it; a script says --yes."""
    if not sys.stdin.isatty():
        print("Erasing can't be undone. In a script, say so with --yes.", file=sys.stderr)
        return False
    answer = await asyncio.to_thread(input, "Erase all of this for good? It can't be undone. Write yes: ")
    return answer.strip().lower() == "yes"


async def _doctor(command: cli.Doctor, settings: Settings, found: Registration) -> Exit:
    as_json = command.json
    if command.reports:
        moodle = settings.moodle.model_copy(update={"source": "reports"})
        settings = settings.model_copy(update={"moodle": moodle})
    if command.accept:
        return await _accept(settings, found, as_json=as_json)
    at = await prepared(settings, found, command.files.config)
    try:
        results = await examine(CHECKS, at)
    finally:
        await at.service.stop()
    print(json.dumps(as_json_object(results), indent=2, ensure_ascii=False) if as_json else as_text(results))
    return exit_of(results)


def _exit_of(report: Mapping[str, Any]) -> Exit:
    failures = report["failures"]
    if any(failure["unreachable"] for failure in failures):
        return Exit.UNREACHABLE
    if report["held"]:
        return Exit.HELD
    return Exit.OTHER if failures else Exit.DONE
