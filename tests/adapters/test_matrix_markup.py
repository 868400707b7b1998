"""Moodle's HTML in a room: cases, and hostile HTML against what Matrix allows."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from moodle_appservice.matrix.markup import DEEPEST, MOST_BYTES, MOST_SOURCE, Markup
from moodle_appservice.matrix.mentions import hushed
from moodle_appservice.matrix.plain import MOST_BYTES as MOST_PLAIN

CASES: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "cases/markup.yaml").read_text("utf-8"))
SITE = "https://moodle.example.org"
MARKUP = Markup(SITE)

ALLOWED = {
    *(
        "del",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "blockquote",
        "p",
        "a",
        "ul",
        "ol",
        "sup",
        "sub",
        "li",
        "b",
        "i",
        "u",
    ),
    *(
        "strong",
        "em",
        "s",
        "code",
        "hr",
        "br",
        "div",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "caption",
        "pre",
    ),
    *("span", "img", "details", "summary"),
}
"""Client-server API 1.11, the elements of `formatted_body`."""
ATTRIBUTES = {"a": {"href"}, "ol": {"start"}, "img": {"src", "alt", "title"}}
SCHEMES = {"http", "https", "ftp", "mailto", "magnet"}


class Judge(HTMLParser):
    """Reads what is to be sent as a strict client would, and complains."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.complaints: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ALLOWED:
            self.complaints.append(f"element {tag}")
        for name, value in attrs:
            if name not in ATTRIBUTES.get(tag, set()):
                self.complaints.append(f"attribute {tag} {name}")
            elif name == "href":
                target = urlsplit(value or "")
                if target.scheme not in SCHEMES or target.hostname == "matrix.to":
                    self.complaints.append(f"target {value}")
                if "token" in (value or "") and target.hostname == "moodle.example.org":
                    self.complaints.append(f"token {value}")
            elif name == "src" and not (value or "").startswith("mxc://"):
                self.complaints.append(f"source {value}")
        if tag not in ("br", "hr", "img"):
            self.open.append(tag)
            if len(self.open) > DEEPEST:
                self.complaints.append("too deep")

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.complaints.append(f"end of {tag}")

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def handle_comment(self, data: str) -> None:
        self.complaints.append("a comment")

    def handle_decl(self, decl: str) -> None:
        self.complaints.append("a declaration")


def complaints(source: str, *, most: int = 4000, **more: Any) -> list[str]:
    found = MARKUP.convert(source, most=most, **more)
    judge = Judge()
    judge.feed(found.html)
    judge.close()
    said = "".join(judge.text)
    wrong = judge.complaints + [f"open {tag}" for tag in judge.open]
    for text in (*judge.text, found.text):
        if hushed(text) != text:
            wrong.append(f"a mention in {text[:80]!r}")
    if len(said) > most + 10:
        wrong.append(f"{len(said)} characters")
    if len(found.html.encode()) > MOST_BYTES + 2000 or len(found.text.encode()) > MOST_PLAIN + 10:
        wrong.append("too many bytes")
    return wrong


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["name"]))
def test_what_moodle_shows_is_shown_as_well_as_a_chat_can(case: dict[str, Any]) -> None:
    found = MARKUP.convert(case["source"], most=4000)
    assert (found.html, found.text, found.cut) == (case["html"], case["text"], False)
    assert complaints(case["source"]) == []


TAGS = sorted(
    {
        *ALLOWED,
        *(
            "script",
            "style",
            "iframe",
            "object",
            "embed",
            "video",
            "source",
            "svg",
            "math",
            "form",
            "input",
            "base",
        ),
        *("meta", "link", "font", "template", "textarea", "select", "noscript", "title", "tfoot", "section"),
    }
)
NASTY = [
    "javascript:alert(1)",
    " java\nscript:x",
    "data:text/html,<script>x</script>",
    "//evil.example/x",
    "https://matrix.to/#/@a:b.example",
    "HTTPS://MATRIX.TO/#/!r:b.example",
    "matrix:u/a:b.example",
    "https://moodle.example.org/webservice/pluginfile.php/1/x?token=5ecre7",
    "https://moodle.example.org/x?a=1;wstoken=5ecre7",
    "https://moodle.example.org/tokenpluginfile.php/5ecrettoken/1/x",
    "/pluginfile.php?file=/1/x&token=5",
    "x" * 3000,
    "",
    "\0",
    "https://[",
]
names = st.sampled_from(TAGS)
attributes = st.lists(
    st.tuples(
        st.sampled_from(
            ["href", "src", "onload", "style", "class", "start", "data", "srcdoc", "alt", "xlink:href"]
        ),
        st.one_of(st.sampled_from(NASTY), st.text(max_size=20)),
    ),
    max_size=3,
)
texts = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        [
            "@room",
            "@ROOM",
            "@anna:example.org",
            "<",
            "&lt;script&gt;",
            "]]>",
            "<!--",
            "--><b>",
            "\u202e",
            "&#0;",
        ]
    ),
)
opened = st.builds(
    lambda name, given: "<" + name + "".join(f' {key}="{value}"' for key, value in given) + ">",
    names,
    attributes,
)
closed = names.map(lambda name: f"</{name}>")
hostile = st.lists(st.one_of(opened, closed, texts), max_size=40).map("".join)


@settings(max_examples=400, deadline=None)
@given(hostile, st.integers(1, 60))
def test_whatever_stands_in_a_post_what_is_sent_is_allowed(source: str, most: int) -> None:
    assert complaints(source) == []
    assert complaints(source, most=most) == []


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_text_that_means_no_html_is_read_as_it_is(text: str) -> None:
    assert complaints(text) == []
    assert complaints(f"<p>{text}</p>") == []


@pytest.mark.parametrize(
    "source",
    [
        "<div>" * 100_000 + "x",
        "<b>" * 50_000,
        "<ul><li>" * 3000,
        "a" * (MOST_SOURCE * 3),
        "<a href='//x'>" * 20_000,
        "&" * 100_000,
        "<!--" * 50_000,
        "<table>" * 5000,
        "<p>" + "<img src='/x' alt='y'>" * 9000,
    ],
    ids=["div", "b", "ul", "text", "a", "entities", "comments", "table", "images"],
)
def test_a_monster_is_cut_in_little_time(source: str) -> None:
    assert complaints(source) == []


def test_a_long_post_ends_at_a_word_and_says_so() -> None:
    found = MARKUP.convert("<p>" + "word " * 2000 + "</p><p>end</p>", most=4000)
    assert found.cut and found.text.endswith("word…") and found.html.endswith("word…</p>")
    assert 3900 < len(found.text) <= 4000
    short = MARKUP.convert("<p>" + "x" * 3999 + "</p>", most=4000)
    assert not short.cut and len(short.text) == 3999


def test_an_edit_of_the_longest_post_fits_into_an_event() -> None:
    found = MARKUP.convert('<p><a href="https://e.org/{}">日本</a>'.format("y" * 1000) * 300, most=4000)
    assert found.cut
    assert 2 * (len(found.text.encode()) + len(found.html.encode())) < 60_000


def test_a_picture_that_was_put_into_the_homeserver_is_shown_there() -> None:
    address = f"{SITE}/webservice/pluginfile.php/71/mod_forum/post/21/pic.png"
    source = f'<p><img src="{address}" alt="the &quot;plan&quot;"> <img src="{address}2" alt="b"></p>'
    found = MARKUP.convert(source, most=4000, pictures={address: "mxc://uni.test/1"})
    assert (
        '<img src="mxc://uni.test/1" alt="the &quot;plan&quot;" title="the &quot;plan&quot;">' in found.html
    )
    assert "[b]</a>" in found.html and '[the "plan"]' in found.text
    assert complaints(source, pictures={address: "mxc://uni.test/1"}) == []


def test_names_and_addresses_can_be_shown_by_themselves() -> None:
    assert MARKUP.plain("@room: Exam") == "@\u2060room: Exam"
    assert (
        MARKUP.link(f"{SITE}/webservice/pluginfile.php/1/x.pdf?token=a") == f"{SITE}/pluginfile.php/1/x.pdf"
    )
    assert MARKUP.link("https://matrix.to/#/@a:b") == MARKUP.link("javascript:x") == ""
