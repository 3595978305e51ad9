"""The interactive face: real prompt_toolkit on a pipe, real rich on a text stream, and both on a pseudo-terminal."""

import asyncio
import io
import os
import re
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from prompt_toolkit.history import FileHistory, InMemoryHistory
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output import DummyOutput
from rich.console import Console

from adapters.console.adapter import ConsolePlatform, at_terminal
from adapters.console.screen import Screen, history_at
from bot.events import Mention
from tests.mentions import only_mentions
from tests.terminal import Terminal
from tests.until import until


@pytest.fixture
def keyboard() -> Iterator[PipeInput]:
    with create_pipe_input() as keys:
        yield keys


def console(out: io.StringIO, *, width: int = 60, height: int = 10) -> Console:
    return Console(
        file=out, width=width, height=height, force_terminal=True, color_system=None, _environ={"TERM": "xterm"}
    )


def screen(keyboard: PipeInput, out: io.StringIO, **size: int) -> Screen:
    return Screen(InMemoryHistory(), console=console(out, **size), keyboard=keyboard, output=DummyOutput())


async def test_lines_are_typed_and_empty_ones_skipped(keyboard: PipeInput):
    face = screen(keyboard, io.StringIO())
    keyboard.send_text("\r  \rhello\rbye\r\x04")
    assert [await face.line("t"), await face.line("t"), await face.line("t")] == ["hello", "bye", None]


async def test_a_paste_of_several_lines_is_one_question(keyboard: PipeInput):
    face = screen(keyboard, io.StringIO())
    keyboard.send_text("\x1b[200~one\r\ntwo\nthree\x1b[201~\ra\x1b\rb\r")
    assert await face.line("t") == "one\ntwo\nthree"
    assert await face.line("t") == "a\nb"


async def test_ctrl_c_drops_what_is_typed_and_then_leaves(keyboard: PipeInput):
    face = screen(keyboard, io.StringIO())
    keyboard.send_text("oops\x03fine\r\x03")
    assert await face.line("t") == "fine"
    assert await face.line("t") is None


async def test_earlier_lines_come_back_from_a_private_file(keyboard: PipeInput, tmp_path: Path):
    path = tmp_path / "data" / "chat_history"
    first = Screen(history_at(path), console=console(io.StringIO()), keyboard=keyboard, output=DummyOutput())
    keyboard.send_text("remember\r")
    assert await first.line("t") == "remember"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    again = Screen(history_at(path), console=console(io.StringIO()), keyboard=keyboard, output=DummyOutput())
    keyboard.send_text("\x1b[A\r")
    assert await again.line("t") == "remember"


def test_without_a_place_for_the_history_it_is_kept_in_memory(tmp_path: Path):
    (tmp_path / "file").write_text("")
    assert isinstance(history_at(tmp_path / "file" / "history"), InMemoryHistory)
    assert isinstance(history_at(tmp_path / "history"), FileHistory)


def permanent(out: str) -> str:
    """What stays on a terminal: a small emulation of the sequences that rich's Live uses."""
    rows, row, column = [""], 0, 0
    for token in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\].*?(?:\x07|\x1b\\)|\r|\n|[^\x1b\r\n]+", out):
        if token == "\n":
            row, column = row + 1, 0
            rows += [""] * (row + 1 - len(rows))
        elif token == "\r":
            column = 0
        elif found := re.fullmatch(r"\x1b\[(\d+)A", token):
            row -= int(found[1])
            assert row >= 0
        elif token == "\x1b[2K":
            rows[row] = ""
        elif not token.startswith("\x1b"):
            rows[row] = rows[row][:column].ljust(column) + token + rows[row][column + len(token) :]
            column += len(token)
    return "\n".join(text.rstrip() for text in rows).strip()


ANSWER = (
    "# Title\n\nA paragraph with **bold** text that is long enough to be wrapped by a narrow terminal window.\n\n"
    "- one\n- two\n\n  more of two\n\n```text\n" + "".join(f"line {n}\n\n" for n in range(30)) + "```\n\n"
    "| a | b |\n|---|---|\n| 1 | 2 |\n\n1. first\n\n2. second\n\nThe end."
)


@pytest.mark.parametrize("step", [1, 7, 400])
@pytest.mark.parametrize("size", [(60, 10), (30, 4), (15, 3)])
def test_a_growing_answer_stands_in_the_end_once_and_whole(keyboard: PipeInput, step: int, size: tuple[int, int]):
    out = io.StringIO()
    face = screen(keyboard, out, width=size[0], height=size[1])
    face.thinking()
    for end in range(1, len(ANSWER) + step, step):
        face.show(ANSWER[:end])
        face.thinking()
    face.stand()
    text = permanent(out.getvalue())
    numbers = re.findall(r"line (\d+)", text)
    assert numbers == [str(n) for n in range(30)]
    words = [word for word in re.findall(r"\w+", text) if word != "line" and word not in numbers]
    expected = "Title A paragraph with bold text that is long enough to be wrapped by a narrow terminal window one two "
    expected += "more of two a b 1 2 1 first 2 second The end"
    assert words == [word for word in expected.split() if word not in numbers]
    assert "thinking" not in text


def test_no_redraw_is_taller_than_the_screen(keyboard: PipeInput):
    out = io.StringIO()
    face = screen(keyboard, out, height=8)
    for end in range(0, len(ANSWER), 5):
        face.show(ANSWER[:end])
    ups = [match.count("\x1b[1A") for match in re.findall(r"(?:\x1b\[2K|\x1b\[1A|\r)+", out.getvalue())]
    assert max(ups) <= 7


def test_an_answer_that_is_written_anew_is_shown_whole(keyboard: PipeInput):
    out = io.StringIO()
    face = screen(keyboard, out)
    face.show("first part\n\nsecond")
    face.show("another beginning\n\nand end")
    face.stand()
    text = permanent(out.getvalue())
    assert "(the answer was written anew)" in text
    assert text.endswith("another beginning\n\nand end")


def test_two_answers_in_a_row_do_not_mix(keyboard: PipeInput):
    out = io.StringIO()
    face = screen(keyboard, out)
    face.show("one")
    face.stand()
    face.stand()
    face.show("two")
    face.stand()
    assert permanent(out.getvalue()).split() == ["one", "two"]


def test_control_characters_of_a_model_do_not_reach_the_terminal(keyboard: PipeInput):
    out = io.StringIO()
    face = screen(keyboard, out)
    face.show("a\x1b]0;owned\x07b")
    face.stand()
    assert "\x07" not in out.getvalue()
    assert "\x1b]0" not in out.getvalue()


def test_a_dumb_terminal_gets_each_block_once_when_it_is_whole(keyboard: PipeInput, monkeypatch: pytest.MonkeyPatch):
    out = io.StringIO()
    dumb = Console(file=out, width=60, height=10, force_terminal=True, _environ={"TERM": "dumb"})
    face = Screen(InMemoryHistory(), console=dumb, keyboard=keyboard, output=DummyOutput())
    face.thinking()
    for end in range(len(ANSWER) + 1):
        face.show(ANSWER[:end])
    face.stand()
    assert out.getvalue().count("The end.") == 1
    assert out.getvalue().count("line 7 ") == 1


async def test_a_remark_beside_the_input_line_is_printed_above_it(keyboard: PipeInput):
    out = io.StringIO()
    face = screen(keyboard, out)
    face.remark("before")
    typing = asyncio.create_task(face.line("t"))
    await until(lambda: face._session.app.is_running)  # pyright: ignore[reportPrivateUsage] - when to remark
    face.remark("beside")
    await until(lambda: "beside" in out.getvalue())
    keyboard.send_text("x\r")
    assert await typing == "x"
    assert permanent(out.getvalue()).split() == ["before", "beside"]


async def test_ctrl_c_in_an_answer_stops_it_and_what_was_typed_before_is_at_the_prompt(keyboard: PipeInput):
    face = screen(keyboard, io.StringIO())
    stopped = asyncio.Event()
    with face.stoppable(stopped.set):
        keyboard.send_text("ahead\x03")
        async with asyncio.timeout(20):
            await stopped.wait()
    keyboard.send_text("\r")
    assert await face.line("t") == "ahead"


async def test_a_chat_on_a_real_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    terminal = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    with (
        os.fdopen(terminal.inner, "r", closefd=False) as stdin,
        os.fdopen(os.dup(terminal.inner), "w", buffering=1) as stdout,
    ):
        monkeypatch.setattr(sys, "stdin", stdin)
        monkeypatch.setattr(sys, "stdout", stdout)
        platform = at_terminal(tmp_path)
        assert isinstance(platform, ConsolePlatform)

        async def submit(mention: Mention) -> None:
            await platform.working(mention, on=True)
            message_id = await platform.post(mention, "Hello", key="k", first=True)
            await platform.edit(mention, message_id, f"Hello **{mention.author.name}**\n\nYou said {mention.text}.")
            await platform.working(mention, on=False)

        listening = asyncio.create_task(platform.listen(only_mentions(submit)))
        await terminal.until(" >")
        terminal.type("good morning\r")
        await terminal.until(r"Hello.*You said good morning\..* >")
        terminal.type("/quit\r")
        async with asyncio.timeout(20):
            await listening
        assert not platform.failed
    terminal.close()
    assert "good morning" in (tmp_path / "chat_history").read_text()


def test_a_remark_to_a_terminal_that_has_gone_raises_nothing(keyboard: PipeInput):
    class Gone(io.StringIO):
        def write(self, _: str) -> int:
            raise OSError("Input/output error")

    screen(keyboard, Gone()).remark("a log line")
