"""The console platform with a face that a test plays, and its pipes on real descriptors."""

import asyncio
import io
import os
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from adapters.console.adapter import HINT, ConsolePlatform, at_terminal, login_name
from adapters.console.face import Face
from adapters.console.pipe import Lines, Pipe
from bot.errors import Gone, StoreError
from bot.events import Author, Event, Mention, Place, Stop
from bot.platform import Platform
from tests.mentions import only_mentions
from tests.until import until

ME = Author("local", "ann")
NOTICE = "Sorry, no. (id 0123abcd)"


class Typed:
    """A face whose person types the given lines and whose screen is a list."""

    def __init__(self, *lines: str) -> None:
        self.lines = list(lines)
        self.threads: list[str] = []
        self.seen: list[str] = []
        self.shown: list[str] = []
        self.ctrl_c: Callable[[], None] | None = None

    async def line(self, thread: str) -> str | None:
        self.threads.append(thread)
        return self.lines.pop(0) if self.lines else None

    @contextmanager
    def stoppable(self, stop: Callable[[], None]) -> Generator[None]:
        self.ctrl_c = stop
        yield
        self.ctrl_c = None

    def remark(self, text: str) -> None:
        self.seen.append(f"({text})")

    def thinking(self) -> None:
        self.seen.append("...")

    def show(self, text: str) -> None:
        self.shown.append(text)

    def stand(self) -> None:
        self.seen += self.shown[-1:]


class Core:
    """The core in small: takes mentions, and answers each beside `submit`, as a worker does."""

    def __init__(self, answer: str = "") -> None:
        self.answer = answer
        self.mentions: list[Mention] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.platform: Platform | None = None

    async def submit(self, mention: Mention) -> None:
        self.mentions.append(mention)
        self.tasks.append(asyncio.create_task(self.work(mention)))

    async def work(self, mention: Mention) -> None:
        platform = self.platform
        assert platform is not None
        text = self.answer or f"You said {mention.text}."
        await platform.working(mention, on=True)
        await platform.working(mention, on=False)  # a pause before another try
        message_id = await platform.post(mention, text[:3], key=f"{mention.event_id}/0", first=True)
        again = await platform.post(mention, text[:3], key=f"{mention.event_id}/0", first=True, recover=True)
        assert again == message_id
        await platform.edit(mention, message_id, text)
        await platform.working(mention, on=False)


async def chatted(face: Face, core: Core) -> ConsolePlatform:
    platform = ConsolePlatform(face, ME, clock=lambda: 1_000_000.0)
    core.platform = platform
    await platform.open()
    await platform.listen(only_mentions(core.submit))
    await platform.aclose()
    return platform


async def test_each_line_is_a_mention_and_the_next_waits_for_its_answer():
    face, core = Typed("hi", "bye"), Core()
    platform = await chatted(face, core)
    assert face.seen == ["...", "...", "You said hi.", "...", "...", "You said bye."]
    assert not platform.failed
    first, second = core.mentions
    assert first.place == Place("console", "local", "terminal", face.threads[0], "thread")
    assert (first.author, first.text, first.sent_at, first.addressed) == (ME, "hi", 1_000_000.0, True)
    assert first.conversation == second.conversation
    assert first.event_id != second.event_id


async def test_ids_differ_between_sessions():
    cores = Core(), Core()
    for core in cores:
        await chatted(Typed("hi"), core)
    assert cores[0].mentions[0].event_id != cores[1].mentions[0].event_id


async def test_threads_live_side_by_side():
    face = Typed("a", "/new work", "b", "c", "/new", "/new", "/threads", "/switch work", "/new work", "/threads")
    core = Core()
    await chatted(face, core)
    first = face.threads[0]
    assert [mention.place.thread for mention in core.mentions] == [first, "work", "work"]
    assert first == core.mentions[0].conversation.split(":")[-1]
    listed = [text for text in face.seen if text.startswith("(") and "message" in text]
    second, third = face.threads[5:7]
    assert listed[0] == f"(  {first}  2 messages\n  work  4 messages\n  {second}  0 messages\n* {third}  0 messages)"
    assert len({first, second, third}) == 3
    assert "* work  4 messages" in listed[1]
    assert "(There is a thread work already; /switch work goes there.)" in face.seen


async def test_help_unknown_commands_and_quit():
    face, core = Typed("/help", "/wat", "/quit", "never"), Core()
    await chatted(face, core)
    assert "/switch NAME" in face.seen[0]
    assert face.seen[1] == "(There is no command /wat. /help lists the commands.)"
    assert face.lines == ["never"]
    assert core.mentions == []


async def test_a_notice_instead_of_an_answer_counts_as_failure():
    platform = await chatted(Typed("hi"), Core(NOTICE))
    assert platform.failed


async def test_a_question_that_cannot_be_taken_is_said_and_fails():
    async def refuse(mention: Mention) -> None:
        raise StoreError("Redis is away")

    face = Typed("hi")
    platform = ConsolePlatform(face, ME)
    await platform.listen(only_mentions(refuse))
    assert platform.failed
    assert face.seen == ["...", "(The question was not taken: Redis is away)"]


async def test_silence_is_not_waited_for_for_ever():
    async def forget(mention: Mention) -> None:
        pass

    face = Typed("hi")
    platform = ConsolePlatform(face, ME, answer_within_s=0.01, greet=True)
    await platform.listen(only_mentions(forget))
    assert platform.failed
    assert face.seen[1:] == ["...", "(No answer came in time.)"]
    assert "/help" in face.seen[0]


async def test_who_waits_long_for_a_first_word_is_told_how_to_stop_and_where_to_look():
    face = Typed("hi")
    platform = ConsolePlatform(face, ME, hint_after_s=0.0)

    async def late(mention: Mention) -> None:
        await until(lambda: face.seen[-1] != "...")
        await platform.post(mention, "Here.", key="k", first=True)
        await platform.working(mention, on=False)

    async with asyncio.timeout(20):
        await platform.listen(only_mentions(late))
    assert face.seen == ["...", f"({HINT})", "Here."]


async def test_a_stopped_answer_gives_the_prompt_back_and_the_core_is_told_that_nobody_waits():
    face = Typed("hi", "bye")
    platform = ConsolePlatform(face, ME)
    core = Core()
    core.platform = platform

    stops: list[Stop] = []

    async def submit(event: Event) -> None:
        if isinstance(event, Stop):
            stops.append(event)
        else:
            await answer(event)

    async def answer(mention: Event) -> None:
        assert isinstance(mention, Mention)
        if mention.text == "bye":
            await core.submit(mention)
            return
        message_id = await platform.post(mention, "Long", key="0", first=True)
        assert face.ctrl_c
        face.ctrl_c()
        with pytest.raises(Gone):
            await platform.edit(mention, message_id, "Long story")
        with pytest.raises(Gone):
            await platform.post(mention, "Long story", key="0/anew", first=True)
        await platform.working(mention, on=False)

    await platform.listen(submit)
    assert stops == [Stop(core.mentions[0].place, ME)]
    assert face.seen == ["...", "Long", "((stopped))", "...", "...", "You said bye."]
    assert face.shown[-1] == "You said bye."
    assert not platform.failed


async def test_threads_of_two_sessions_have_different_names_that_are_words():
    faces = [Typed("hi", "/new", "/new") for _ in range(10)]
    for face in faces:
        await chatted(face, Core())
    names = {name for face in faces for name in face.threads}
    assert len(names) == 30
    assert all(name.isalpha() for name in names)


async def test_going_to_a_thread_that_is_not_of_this_session_is_said():
    face = Typed("/switch wrok", "/switch wrok")
    await chatted(face, Core())
    assert face.seen == ["(This is a new thread wrok, or one of an earlier day.)"]


async def test_an_answer_to_a_question_of_an_earlier_session_does_not_disturb():
    face = Typed()
    platform = ConsolePlatform(face, ME)
    old = Mention("console:old-1", Place("console", "local", "terminal", "t", "thread"), ME, "hi", "old-1", 0)
    with pytest.raises(Gone):
        await platform.post(old, "late", key="k", first=True)
    with pytest.raises(Gone):
        await platform.edit(old, "old-2", "late text")
    await platform.working(old, on=True)
    await platform.working(old, on=False)
    await platform.delete(old, "old-2")
    assert await platform.backfill(old, limit=5) == ()
    assert (face.seen, face.shown) == ([], [])


async def test_parts_of_one_answer_are_shown_as_one_text():
    face = Typed("hi")
    platform = ConsolePlatform(face, ME)

    async def submit(mention: Mention) -> None:
        await platform.post(mention, "one", key="0", first=True)
        gone = await platform.post(mention, "mistake", key="1", first=False)
        await platform.delete(mention, gone)
        await platform.post(mention, "two", key="2", first=False)
        assert platform.connected
        await platform.working(mention, on=False)

    await platform.listen(only_mentions(submit))
    assert face.seen == ["...", "one\n\ntwo"]
    assert not platform.connected


def test_the_author_has_the_login_name_or_a_stand_in():
    def nobody() -> str:
        raise KeyError

    assert login_name(lambda: "ann") == "ann"
    assert login_name(nobody) == "you"


@pytest.fixture
def pipe() -> tuple[int, Callable[[bytes], None]]:
    reading, writing = os.pipe()

    def write(data: bytes) -> None:
        if data:
            os.write(writing, data)
        else:
            os.close(writing)

    return reading, write


async def test_lines_come_from_a_pipe_as_they_arrive(pipe: tuple[int, Callable[[bytes], None]]):
    reading, write = pipe
    lines = Lines(reading)
    waiting = asyncio.create_task(lines.next())
    await asyncio.sleep(0)
    assert not waiting.done()
    write("hé".encode()[:2])
    write("hé\n".encode()[2:] + b"a\nb\xff")
    assert await waiting == "hé"
    assert await lines.next() == "a"
    write(b"")
    assert await lines.next() == "b\ufffd"
    assert await lines.next() is None
    os.close(reading)


async def test_waiting_for_a_line_can_be_cancelled(pipe: tuple[int, Callable[[bytes], None]]):
    reading, write = pipe
    waiting = asyncio.create_task(Lines(reading).next())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not asyncio.get_running_loop().remove_reader(reading)
    write(b"")
    os.close(reading)


async def test_lines_come_from_files_and_devices_and_closed_descriptors(tmp_path: Path):
    path = tmp_path / "questions"
    path.write_text("one\ntwo")
    with path.open() as file:
        lines = Lines(file.fileno())
        assert [await lines.next(), await lines.next(), await lines.next()] == ["one", "two", None]
    nothing = os.open(os.devnull, os.O_RDONLY)
    assert await Lines(nothing).next() is None
    os.close(nothing)
    assert await Lines(-1).next() is None
    descriptor = os.open(path, os.O_RDONLY)
    os.close(descriptor)
    assert await Lines(descriptor).next() is None


async def test_a_descriptor_that_does_not_block_is_fine_too(pipe: tuple[int, Callable[[bytes], None]]):
    reading, write = pipe
    os.set_blocking(reading, False)
    lines = Lines(reading)
    lines._take()  # pyright: ignore[reportPrivateUsage] - a wake-up without data cannot be had on demand
    write(b"x\n")
    assert await lines.next() == "x"
    write(b"")
    os.close(reading)


async def test_piped_questions_print_only_the_answers(tmp_path: Path):
    path = tmp_path / "questions"
    path.write_text("hi\n\n  \n/threads\nbye")
    out, err = io.StringIO(), io.StringIO()
    core = Core()
    with path.open() as file:
        await chatted(Pipe(Lines(file.fileno()), out=out, err=err), core)
    assert out.getvalue() == "You said hi.\nYou said bye.\n"
    assert "2 messages" in err.getvalue()
    assert len({mention.conversation for mention in core.mentions}) == 1


async def test_when_nobody_reads_the_answers_the_input_ends(tmp_path: Path):
    path = tmp_path / "questions"
    path.write_text("one\ntwo")
    reading, writing = os.pipe()
    os.close(reading)
    core = Core()
    raw = io.FileIO(writing, "w")
    out = io.TextIOWrapper(raw, write_through=True)
    with path.open() as file:
        await chatted(Pipe(Lines(file.fileno()), out=out), core)
    assert len(core.mentions) == 1
    raw.close()


def test_an_answer_that_the_output_cannot_spell_loses_only_those_letters():
    raw = io.BytesIO()
    pipe = Pipe(Lines(-1), out=io.TextIOWrapper(raw, "ascii", write_through=True))
    pipe.show("né")
    pipe.stand()
    assert raw.getvalue() == b"n?\n"


def test_an_answer_that_goes_to_a_terminal_cannot_steer_it():
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    out = Terminal()
    pipe = Pipe(Lines(-1), out=out)
    pipe.show("a\x1b[2J")
    pipe.stand()
    assert out.getvalue() == "a[2J\n"


async def test_without_a_terminal_the_process_own_pipes_are_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    path = tmp_path / "questions"
    path.write_text("hi")
    core = Core()
    with path.open() as file:
        monkeypatch.setattr(sys, "stdin", file)
        platform = at_terminal(tmp_path)
        core.platform = platform
        await platform.listen(only_mentions(core.submit))
    assert capsys.readouterr().out == "You said hi.\n"
    monkeypatch.setattr(sys, "stdin", None)
    await at_terminal(tmp_path).listen(only_mentions(core.submit))
    assert len(core.mentions) == 1
