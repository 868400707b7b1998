"""A short run of the fuzzer for every target; the long one is `python -m tests.fuzz.run`."""

from __future__ import annotations

import random
import re

import pytest

from moodle_appservice.languages.catalogue import catalogue
from moodle_appservice.languages.sentences import told
from tests.fuzz.run import Finding, Fuzzer, fuzz
from tests.fuzz.targets import TARGETS, corpus


def test_nothing_that_others_write_crashes_a_parser_or_makes_it_hang() -> None:
    result = fuzz(10_000, first=7)
    assert result["inputs"] >= 10_000
    assert {target["inputs"] for target in result["targets"].values()} == {2000}


@pytest.mark.parametrize("name", TARGETS)
def test_each_target_has_good_inputs_to_begin_with(name: str) -> None:
    for data in corpus(name):
        Fuzzer(name, TARGETS[name]).give(data)


@pytest.mark.parametrize("word", [b"a ", b"-a ", b"-c ", b"-p=1 ", b"'", b"a", b'"a" ', b"!", b"\\ "])
@pytest.mark.parametrize("command", [b"sync", b"announce", b"missing", b"why"])
def test_a_message_as_long_as_a_homeserver_takes_one_is_no_burden(command: bytes, word: bytes) -> None:
    longest = 60_000
    name = "commands to the bot"
    Fuzzer(name, TARGETS[name]).give(b"!moodle " + command + b" " + word * (longest // len(word)))


@pytest.mark.parametrize("part", range(4))
@pytest.mark.parametrize("filling", ["(a), ", "a: ", 'a". ', " (a ", "a. "])
def test_text_from_outside_that_looks_like_our_sentences_is_no_burden(filling: str, part: int) -> None:

    def tell(data: bytes) -> None:
        told(data.decode(), "de")

    fuzzer = Fuzzer("sentences", tell)
    texts = [text for text in catalogue("en", "sentences").words if "{" in text]
    for text in texts[part * 5 :: 40]:
        first, *others = re.split(r"\{\w+\}", text)
        many = filling * (1800 // len(filling) // len(others))
        like = first + "".join(many + other for other in others)
        for odd in (like, f"{like} x", filling * 100 + like + filling * 100, filling * 800):
            fuzzer.give(odd[:4000].encode())


def test_an_exception_that_is_not_ours_is_a_finding_with_its_input() -> None:
    def breaks(data: bytes) -> None:
        raise KeyError(len(data))

    with pytest.raises(Finding, match=r"it: KeyError: 3\nb'abc'"):
        Fuzzer("it", breaks).give(b"abc")


def test_a_seed_always_spoils_in_the_same_way() -> None:
    seen: list[list[bytes]] = [[], []]
    for number in range(2):
        Fuzzer("pushed transactions", seen[number].append).spoil(50, random.Random(3))
    assert seen[0] == seen[1] and len(set(seen[0])) > 40
