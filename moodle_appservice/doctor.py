"""`doctor`: named checks of what this service depends on, each with what was found and a hint for what to do.

A check looks and changes nothing. It fails by raising an `AppError`; then the checks that build on it are not run and
are said to be unchecked. The exit code is that of the worst: unreachable before anything else.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from .errors import AppError, Unreachable

OK = "ok"
FAILED = "failed"
WARNING = "warning"
UNCHECKED = "unchecked"


@dataclass(frozen=True, slots=True)
class Check:
    """One check. `run` returns what it found, or raises; `after` names the check without which it makes no sense.

    `unreachable` is the hint where the other side does not answer at all, if that is another one.
    """

    name: str
    run: Callable[[], Awaitable[str]]
    hint: str
    after: str = ""
    unreachable: str = ""


class Caution(AppError):
    """It works, but badly: the check is a warning and does not change the exit code."""


@dataclass(frozen=True, slots=True)
class Result:
    """How a check ended. `found` is a sentence; `hint` is empty when all is well."""

    name: str
    state: str
    found: str
    hint: str = ""
    unreachable: bool = False


async def examine(checks: Sequence[Check]) -> list[Result]:
    """Run the checks in order."""
    results: dict[str, Result] = {}
    for check in checks:
        before = results.get(check.after)
        if before is not None and before.state in (FAILED, UNCHECKED):
            results[check.name] = Result(check.name, UNCHECKED, f"Needs “{check.after}” first.")
            continue
        results[check.name] = await _run(check)
    return list(results.values())


async def _run(check: Check) -> Result:
    try:
        return Result(check.name, OK, await check.run())
    except Caution as caution:
        return Result(check.name, WARNING, str(caution), check.hint)
    except AppError as failure:
        silent = isinstance(failure, Unreachable)
        hint = check.unreachable if silent and check.unreachable else check.hint
        return Result(check.name, FAILED, str(failure), hint, silent)


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
    """For programs: `{"ok": bool, "checks": [{name, state, found, hint, unreachable}]}`."""
    return {
        "ok": all(result.state != FAILED for result in results),
        "checks": [asdict(result) for result in results],
    }
