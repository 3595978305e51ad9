"""The pure parts of the console: commands, and where a growing answer can be cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.console.blocks import glimpse, settled_length
from adapters.console.commands import Command, understood
from adapters.console.face import harmless


@pytest.mark.parametrize(
    ("line", "command"),
    [
        (" what? ", Command("ask", "what?")),
        ("/etc/hosts is what?", Command("ask", "/etc/hosts is what?")),
        ("/", Command("ask", "/")),
        ("//new is a command", Command("ask", "/new is a command")),
        ("/new", Command("new")),
        ("/new  work", Command("new", "work")),
        ("/new two words", Command("unknown", "/new needs a short name of letters, digits, '.', '-' and '_'.")),
        ("/new a:b", Command("unknown", "/new needs a short name of letters, digits, '.', '-' and '_'.")),
        ("/switch work", Command("switch", "work")),
        ("/switch", Command("unknown", "/switch needs a short name of letters, digits, '.', '-' and '_'.")),
        ("/threads", Command("threads")),
        ("/help me", Command("help")),
        ("/quit", Command("quit")),
        ("/swich x", Command("unknown", "There is no command /swich. Did you mean /switch?")),
        ("/zzz", Command("unknown", "There is no command /zzz. /help lists the commands.")),
    ],
)
def test_a_line_is_understood(line: str, command: Command):
    assert understood(line) == command


@pytest.mark.parametrize(
    ("settled", "rest"),
    [
        ("", "one"),
        ("", "one\n\n"),
        ("one\n\n", "two"),
        ("", "- a\n\n  more of a"),
        ("", "```py\nx\n\ny"),
        ("```py\nx\n\ny\n```\n\n", "after"),
        ("", "~~~~\n\n~~~\n\nx"),
        ("", "```\n\n~~~\n\nx"),
        ("`a` ```b```\n\n", "x"),
        ("```not`a fence\n\n", "x"),
        ("", "1. a\n   ```\n\nb"),
    ],
)
def test_only_whole_blocks_before_unindented_text_are_settled(settled: str, rest: str):
    assert settled_length(settled + rest) == len(settled)


MARKDOWN = st.lists(st.sampled_from(["a", " b", "", "", "```", "~~~~", "- x", "  y", "`", "é\u2028"])).map("\n".join)


@given(MARKDOWN, MARKDOWN)
def test_what_is_settled_stays_settled_while_the_text_grows(text: str, more: str):
    assert settled_length(text) <= settled_length(text + more) <= len(text + more)


def test_a_glimpse_is_the_end_with_its_fence_opened_anew():
    assert glimpse("a\nb\nc", 3) == "a\nb\nc"
    assert glimpse("a\nb\nc", 2) == "b\nc"
    assert glimpse("x\n  ```py\n1\n2\n3\n", 2) == "```py\n2\n3\n"
    assert glimpse("```py\n1\n```\n2\n3\n", 2) == "2\n3\n"


def test_a_model_cannot_steer_the_terminal():
    assert harmless("a\x1b[2J\x07b\r\nc\td\x9b") == "a[2Jb\nc\td"
