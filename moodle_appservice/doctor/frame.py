"""The frame: what a check is, in which order checks are run, and how the whole of it ends.

A check looks and changes nothing. It fails by raising an `AppError`; then the checks that build on it are not run and
are said to be unchecked. Each check has an exit code, and `doctor` ends with the worst: what could not be reached
before what is configured wrongly, that before anything else that failed, and what waits for a person last.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Generic, TypeVar

from ..cli import Exit
from ..errors import AppError, Unreachable

OK = "ok"
FAILED = "failed"
WARNING = "warning"
UNCHECKED = "unchecked"
_WORST_FIRST = (Exit.UNREACHABLE, Exit.CONFIGURATION, Exit.OTHER, Exit.HELD)
T = TypeVar("T")


def _always(_: Any) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Check(Generic[T]):
    """One check. `about`: what it looks at, for the documentation. `run` returns what it found, or raises.

    `after` names the check without which it makes no sense. `hint`: the fix, in words; `unreachable`: the fix where the
    other side does not answer at all, if that is another one. `code`: how `doctor` ends when the check fails, unless it
    fails because something can't be reached. `when`: whether it applies to this installation at all.
    """

    name: str
    about: str
    run: Callable[[T], Awaitable[str]]
    hint: str
    after: str = ""
    unreachable: str = ""
    code: Exit = Exit.OTHER
    when: Callable[[T], bool] = _always


class Caution(AppError):
    """It works, but badly: the check is a warning and does not change the exit code."""


@dataclass(frozen=True, slots=True)
class Result:
    """How a check ended. `found` is a sentence; `hint` is empty when all is well; `code` is 0 unless it failed."""

    name: str
    state: str
    found: str
    hint: str = ""
    unreachable: bool = False
    code: int = Exit.DONE


async def examine(checks: Sequence[Check[T]], at: T) -> list[Result]:
    """Run the checks that apply, in order. `at`: what is examined."""
    results: dict[str, Result] = {}
    for check in checks:
        if not check.when(at):
            continue
        before = results.get(check.after)
        if before is not None and before.state in (FAILED, UNCHECKED):
            other = f"“{check.after}”"
            results[check.name] = Result(check.name, UNCHECKED, f"Needs {other} first.")
            continue
        results[check.name] = await _run(check, at)
    return list(results.values())


async def _run(check: Check[T], at: T) -> Result:
    try:
        return Result(check.name, OK, await check.run(at))
    except Caution as caution:
        return Result(check.name, WARNING, str(caution), check.hint)
    except AppError as failure:
        silent = isinstance(failure, Unreachable)
        hint = check.unreachable if silent and check.unreachable else check.hint
        code = Exit.UNREACHABLE if silent else check.code
        return Result(check.name, FAILED, str(failure), hint, silent, code)


def exit_of(results: Sequence[Result]) -> Exit:
    """How `doctor` ends."""
    codes = {result.code for result in results}
    return next((code for code in _WORST_FIRST if code in codes), Exit.DONE)


def as_text(results: Sequence[Result]) -> str:
    """For people: one line a check, the hint below what is not well."""
    signs = {OK: "✓", FAILED: "✗", WARNING: "!", UNCHECKED: "–"}
    lines: list[str] = []
    for result in results:
        lines.append(f"{signs[result.state]} {result.name}: {result.found}")
        if result.hint:
            lines.append(f"    → {result.hint}")
    failed = sum(1 for result in results if result.state == FAILED)
    lines.append("Everything is in order." if not failed else f"{failed} of {len(results)} checks failed.")
    return "\n".join(lines)


def as_json(results: Sequence[Result]) -> dict[str, Any]:
    """For programs: `{"ok": bool, "exit": n, "checks": [{name, state, found, hint, unreachable, code}]}`."""
    return {
        "ok": all(result.state != FAILED for result in results),
        "exit": int(exit_of(results)),
        "checks": [asdict(result) for result in results],
    }
