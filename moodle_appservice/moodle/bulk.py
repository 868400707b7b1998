"""Many calls in few requests, through `tool_mobile_call_external_functions` where the service has it.

Moodle works a bulk request off in order and stops at the first call that fails, without a word about those behind it:
the answers before it are good, the failing one gets its own error, and the rest goes out again in the next request. A
request that crashes Moodle as a whole is made smaller until the call that does it stands alone. Without the function
the calls are made one by one; the outcome is the same.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from . import errors
from .answer import Json, named_error
from .client import MoodleClient, Parameters

BULK: Final = "tool_mobile_call_external_functions"

Call: TypeAlias = tuple[str, Parameters]
Outcome: TypeAlias = "Json | errors.MoodleError"

_MAKE_SMALLER = (errors.ServerCrashed, errors.AnswerTooLarge, errors.AnswerCutShort, errors.EmptyAnswer)


async def call_many(
    client: MoodleClient, calls: Sequence[Call], *, functions: frozenset[str]
) -> list[Outcome]:
    """One outcome per call, in order: the decoded answer, or the error of that call alone.

    `functions`: what the token may call (`core_webservice_get_site_info`); a call of another one is not made and comes
    out as `FunctionMissing`. Raises the `MoodleError` that concerns the whole site or the bulk request itself.
    """
    outcomes: list[Outcome] = [
        None if function in functions else errors.FunctionMissing(function) for function, _ in calls
    ]
    todo = [index for index, outcome in enumerate(outcomes) if outcome is None]
    if BULK in functions:
        size = client.batch
        await together(
            _in_bulk(client, calls, todo[start : start + size], outcomes)
            for start in range(0, len(todo), size)
        )
    else:
        await together(_alone(client, calls, index, outcomes) for index in todo)
    return outcomes


async def together(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Run all at once; the first error cancels the rest and is raised as itself."""
    try:
        async with asyncio.TaskGroup() as group:
            for coroutine in work:
                group.create_task(coroutine)
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None


def decode_bulk(calls: Sequence[Call], answer: Json) -> list[Outcome]:
    """The outcomes of the calls that a bulk answer speaks of: all, or those up to the first that failed.

    Raises `BadAnswer` where the answer leaves calls out for no reason.
    """
    responses = answer.get("responses") if isinstance(answer, dict) else None
    if not isinstance(responses, list) or not responses or len(responses) > len(calls):
        raise errors.BadAnswer(BULK, about="the list of responses")
    outcomes = [
        _decode_one(function, response) for (function, _), response in zip(calls, responses, strict=False)
    ]
    if len(outcomes) < len(calls) and not isinstance(outcomes[-1], errors.MoodleError):
        raise errors.BadAnswer(BULK, about="a list of responses that ends early without an error")
    return outcomes


def _decode_one(function: str, response: Json) -> Outcome:
    if not isinstance(response, dict):
        return errors.BadAnswer(function, about="one response of a bulk request")
    failed = bool(response.get("error"))
    inner = response.get("exception" if failed else "data")
    try:
        value: Json = json.loads(inner) if isinstance(inner, str) else None
    except (ValueError, RecursionError):
        return errors.BadAnswer(function, about="one response of a bulk request")
    if failed:
        return named_error(function, value if isinstance(value, dict) else {})
    return value


async def _in_bulk(
    client: MoodleClient, calls: Sequence[Call], todo: list[int], outcomes: list[Outcome]
) -> None:
    size = len(todo)
    while todo:
        part = todo[:size]
        try:
            answer = await client.call(BULK, {"requests": [_request(calls[i], client) for i in part]})
        except _MAKE_SMALLER as error:
            if len(part) > 1:
                size = len(part) // 2
                continue
            decoded: list[Outcome] = [type(error)(calls[part[0]][0])]
        except (errors.TimedOut, errors.GatewayFailed):
            # Each try costs the whole time limit: fail now, and ask for less from the next request on.
            client.batch = max(1, min(client.batch, len(part)) // 2)
            raise
        else:
            decoded = decode_bulk([calls[i] for i in part], answer)
        for index, outcome in zip(part, decoded, strict=False):
            if isinstance(outcome, errors.MoodleError) and outcome.whole_site:
                raise outcome
            outcomes[index] = outcome
        todo = todo[len(decoded) :]
        size = min(size * 2, client.batch)


async def _alone(client: MoodleClient, calls: Sequence[Call], index: int, outcomes: list[Outcome]) -> None:
    function, params = calls[index]
    try:
        outcomes[index] = await client.call(function, params)
    except errors.MoodleError as error:
        if error.whole_site:
            raise
        outcomes[index] = error


def _request(call: Call, client: MoodleClient) -> dict[str, Json]:
    """Settings count per call here; those of the bulk request itself do not reach inside."""
    function, params = call
    return {
        "function": function,
        "arguments": json.dumps(_plain(params), separators=(",", ":")),
        "settingraw": client.raw,
        **({} if client.raw else {"settingfilter": True}),
        "settinglang": client.language,
    }


def _plain(value: Json | Mapping[str, Json]) -> Json:
    """Booleans as 1 and 0, as in a form."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return int(value) if isinstance(value, bool) else value
