"""What the commands about rooms do (`cli_rooms`): through the running service, or as it for as long as that takes."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import IO, Any, assert_never

from . import cli_rooms as cli
from .config import Settings
from .control import ask
from .registration import Registration
from .roomwork import found_text
from .service import Service


async def carry_out(command: cli.RoomCommand, settings: Settings, found: Registration, out: IO[str]) -> bool:
    """Do what the command says, and print what came of it; False where somebody did not want it. Raises `AppError`."""
    match command:
        case cli.FindRooms(_, as_json):
            answer = await _work(settings, found, "find", writes=False)
            print(
                json.dumps(answer, indent=2, ensure_ascii=False) if as_json else found_text(answer), file=out
            )
        case cli.UpgradeRooms():
            answer = await _work(settings, found, "upgrade")
            said = answer["sentences"] or ["Every room has the configured version, or a newer one."]
            print("\n".join(said), file=out)
        case cli.Adopt(_, course, room, kind, yes):
            asked: dict[str, Any] = {"course": course, "room": room, "kind": kind}
            answer = await _work(settings, found, "look", writes=False, **asked)
            print("\n".join(answer["sentences"]), file=out)
            if not yes and not await _agreed(out):
                print("The room was not adopted; nothing was changed.", file=out)
                return False
            answer = await _work(settings, found, "adopt", **asked)
            print("\n".join(answer["sentences"]), file=out)
        case _ as unreachable:
            assert_never(unreachable)
    return True


async def _work(
    settings: Settings, found: Registration, name: str, *, writes: bool = True, **asked: Any
) -> dict[str, Any]:
    answer = await ask(settings.control_socket, f"rooms/{name}", **asked)
    if answer is not None:
        return dict(answer)
    service = Service(settings, found)
    if writes:
        await service.start(timer=False)
    else:
        await service.prepare()
    try:
        told = await service.room_work.do(name, asked)
        if writes:
            await service.queue.idle()
        return told
    finally:
        await service.stop()


async def _agreed(out: IO[str]) -> bool:
    """Whether somebody at a terminal wants it; a script says --yes."""
    if not sys.stdin.isatty():
        print("In a script, say --yes.", file=out)
        return False
    answer = await asyncio.to_thread(input, "Adopt this room? Write yes: ")
    return answer.strip().lower() == "yes"
