"""Fuzzes: `python -m tests.fuzz.run --inputs 1000000` gives each target its share of so many inputs, and counts them.

Nineteen of twenty inputs are good ones that were spoiled (bits, cuts, repeats, pieces of others), the rest are JSON
and text as hypothesis makes them up, which costs fifty times as much as trying one. Prints one JSON object; ends with 1
where an input was found that a target did not bear, and writes that input to standard error.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import sys
import time
from collections.abc import Iterator
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.fuzz.targets import SLOW, TARGETS, Target, corpus

MADE_UP = 20
"""One input of so many is made up."""
BATCH = 40
"""Inputs that hypothesis makes at once: one of its examples costs more than most of the inputs."""
_PIECES = (
    *(
        b"\x00",
        b"\xff\xfe",
        "\u202e".encode(),
        b'"',
        b"\\u0000",
        b"\\ud800",
        b"{",
        b"]",
        b"null",
        b"true",
        b"-1",
    ),
    *(
        b"1e999",
        b"9" * 400,
        b"[" * 200,
        b'{"a":' * 100,
        b"<b>",
        b"&#x0;",
        b"&amp;" * 50,
        b"../../",
        b"'",
        b"\r\n",
    ),
    *(b"NaN", b"{mlang de}", b'<span lang="de" class="multilang">', b"@" * 300, b"A" * 5000, b".", b"=="),
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
_NAMES = st.sampled_from(
    [
        "id",
        "events",
        "content",
        "type",
        "sender",
        "roles",
        "courses",
        "sub",
        "aud",
        "customfields",
        "groups",
        "users",
    ]
)
_OBJECTS = st.dictionaries(_NAMES, _JSON, max_size=6)


class Finding(AssertionError):
    """An input that a target did not bear."""


class Fuzzer:
    """One target. `tried` counts inputs, `slowest` is in seconds."""

    def __init__(self, name: str, target: Target) -> None:
        self.name = name
        self._target = target
        self.tried = 0
        self.slowest = 0.0

    def give(self, data: bytes) -> None:
        """One input."""
        # Time of the processor: what else the machine does must not look like a hang.
        began = time.thread_time()
        try:
            self._target(data)
        except BaseException as error:
            raise Finding(f"{self.name}: {type(error).__name__}: {error}\n{data[:2000]!r}") from error
        took = time.thread_time() - began
        self.tried += 1
        self.slowest = max(self.slowest, took)
        if took > SLOW:
            raise Finding(f"{self.name}: it took {took:.1f} s\n{data[:2000]!r}")

    def spoil(self, number: int, chance: random.Random) -> None:
        """Good inputs, spoiled."""
        good = list(corpus(self.name))
        for data in _spoiled(good, number, chance):
            self.give(data)

    def make_up(self, number: int, which: int) -> None:
        """Inputs that hypothesis makes up."""
        batches = st.lists(
            st.one_of(_OBJECTS, st.lists(_OBJECTS, max_size=3), _JSON, st.text(max_size=60)),
            min_size=BATCH,
            max_size=BATCH,
        )

        @seed(which)
        @settings(
            max_examples=max(1, number // BATCH),
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(batches)
        def run(values: list[Any]) -> None:
            for value in values:
                text = value if isinstance(value, str) else json.dumps(value)
                self.give(text.encode("utf-8", "surrogatepass"))

        run()


def _spoiled(good: list[bytes], number: int, chance: random.Random) -> Iterator[bytes]:
    for _ in range(number):
        data = bytearray(chance.choice(good))
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(data) + 1)
            match chance.randrange(6):
                case 0 if data:
                    data[at % len(data)] = chance.randrange(256)
                case 1:
                    del data[at : at + chance.randint(1, 12)]
                case 2:
                    data[at:at] = chance.choice(_PIECES)
                case 3:
                    data[at:at] = data[at : at + 30] * chance.randint(1, 5)
                case 4:
                    other = chance.choice(good)
                    start = chance.randrange(len(other))
                    data[at : at + 8] = other[start : start + 20]
                case _:
                    data = data[: at or 1]
        yield bytes(data)


def fuzz(inputs: int, *, first: int = 1) -> dict[str, Any]:
    """Give each target its share. Raises `Finding`."""
    began = time.monotonic()
    share = inputs // len(TARGETS)
    results: dict[str, Any] = {}
    for number, (name, target) in enumerate(TARGETS.items()):
        fuzzer = Fuzzer(name, target)
        fuzzer.make_up(share // MADE_UP, first + number)
        fuzzer.spoil(share - fuzzer.tried, random.Random(first + number))
        results[name] = {"inputs": fuzzer.tried, "slowest_ms": round(fuzzer.slowest * 1000, 1)}
    return {
        "inputs": sum(result["inputs"] for result in results.values()),
        "seconds": round(time.monotonic() - began, 1),
        "targets": results,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--first", type=int, default=1, help="the seed")
    words = parser.parse_args()
    logging.disable(logging.CRITICAL)
    try:
        result = fuzz(words.inputs, first=words.first)
    except Finding as finding:
        sys.stderr.write(f"{finding}\n")
        return 1
    sys.stdout.write(json.dumps(result, ensure_ascii=False) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
