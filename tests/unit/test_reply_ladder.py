"""Whatever the model says and the platform does: the whole text stands exactly once, in order, and nothing grows on."""

import itertools
import re
from collections.abc import Sequence
from dataclasses import replace
from random import Random

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from bot.answer.reply import Reply, Stream
from bot.errors import Ambiguous, Forbidden, Gone, Rejected, Unreachable
from bot.errors import RateLimited as Limited
from bot.platform import Limits, StreamEnded, StreamLimits, utf16_length
from tests.fakes.platform import Applied, FakeStreams, Fault
from tests.markdown_texts import ANY_TEXT
from tests.replies import Piece, answered, said, shown
from tests.virtual_time import run

LIMITED = st.floats(0, 3).map(lambda after_s: Limited("x", retry_after_s=after_s))
FAULT: st.SearchStrategy[Fault] = st.one_of(
    st.none(),
    st.builds(lambda: Unreachable("x")),
    st.builds(lambda: Ambiguous("x")),
    st.builds(lambda: Applied(Ambiguous("x"))),
    LIMITED,
)
STREAM_FAULT: st.SearchStrategy[Fault] = st.one_of(
    st.none(),
    FAULT,
    st.builds(lambda: StreamEnded("x")),
    st.builds(lambda: Forbidden("x")),
    st.builds(lambda: Gone("x")),
    st.builds(lambda: Rejected("x")),
)
STOP: st.SearchStrategy[Fault] = st.builds(lambda: StreamEnded("x", stopped=True))


@st.composite
def platforms(draw: st.DrawFn, *, text_max: int, stream_max: int, tables_max: int | None = None) -> FakeStreams:
    """A platform with small limits and faults to come."""
    faults = draw(st.lists(FAULT, max_size=4))
    stream_faults = [None] * draw(st.integers(0, 6)) + draw(st.lists(STREAM_FAULT, max_size=6))
    if draw(st.integers(0, 4)) == 0:
        stream_faults.append(draw(STOP))
    limits = Limits(
        text_max=text_max, edit_every_s=0.5, parts_max=300, stages=draw(st.booleans()), tables_max=tables_max
    )
    streams = StreamLimits(text_max=stream_max, length=utf16_length, flush_chars=20, flush_s=0.75, open_s=12.0)
    return FakeStreams(
        bounds=limits,
        stream_limits=streams,
        latency_s=draw(st.sampled_from([0.0, 0.1, 2.0])),
        lives_s=draw(st.sampled_from([13.0, 20.0])),
        flush_s=draw(st.sampled_from([0.75, 4.0])),
        declines=[False] * draw(st.integers(0, 4)) + [True] * draw(st.integers(0, 1)),
        faults=faults,
        stream_faults=stream_faults,
    )


def squeezed(text: str) -> str:
    return "".join(text.split())


def check_that_all_is_closed(platform: FakeStreams, reply: Reply, stream: Stream) -> None:
    ids = [reply.first_id, *reply.more_ids] if reply.first_id else []
    assert sorted(platform.messages) == sorted(ids), "no message but the answer's"
    assert not platform.growing
    assert platform.told or not stream.stopped
    if platform.bounds.stages:
        standing = {message_id: platform.stages[message_id] for message_id in ids if message_id not in platform.told}
        assert all(standing[message_id] == "full" for message_id in ids[:-1] if message_id in standing)
        assert all(standing[message_id] == "last" for message_id in ids[-1:] if message_id in standing)


def wanted(reply: Reply, stream: Stream, pieces: Sequence[Piece]) -> str:
    whole = said(pieces).strip()
    if not stream.stopped:
        assert reply.text.strip() == whole
        return whole
    assert whole.startswith(reply.text.strip())
    return reply.text + "*(Stopped.)*"


PAUSE = st.sampled_from([0.0, 0.0, 0.1, 0.3, 1.0, 5.0])


@st.composite
def spoken(draw: st.DrawFn, text: str, *, longest: int) -> list[Piece]:
    """A text as deltas with pauses: much of it at once, or as slowly as it goes."""
    chance = Random(draw(st.integers(0, 10_000)))
    pauses = draw(st.lists(PAUSE, min_size=1, max_size=8))
    pieces: list[Piece] = []
    at = 0
    while at < len(text):
        size = chance.randint(1, longest)
        pieces += [text[at : at + size], chance.choice(pauses)]
        at += size
    return pieces


LETTERS = st.text(st.characters(codec="utf-8", exclude_characters="`~|"), max_size=60)
SENTENCES = st.lists(st.one_of(LETTERS, st.sampled_from(["Some words of it. ", "And\n\n", "more "])), max_size=60)
PIECES = SENTENCES.map("".join).flatmap(lambda text: spoken(text, longest=40))


@given(pieces=PIECES, platform=platforms(text_max=60, stream_max=150))
def test_the_whole_text_arrives_once_and_in_order(pieces: list[Piece], platform: FakeStreams) -> None:
    reply, stream = run(answered(platform, pieces, within_s=600))
    assert squeezed("".join(shown(platform, reply))) == squeezed(wanted(reply, stream, pieces))
    check_that_all_is_closed(platform, reply, stream)


@st.composite
def documents(draw: st.DrawFn) -> str:
    """Markdown with numbered words: `w` in text, `c` in code, `t` in tables."""
    kinds = draw(st.lists(st.sampled_from("ppcclt"), max_size=9))
    chance = Random(draw(st.integers(0, 10_000)))
    numbers = itertools.count(100)

    def words(kind: str, pattern: str, ends: str = "\n") -> str:
        lines = (re.sub("X", lambda _: f"{kind}{next(numbers)}", pattern) for _ in range(chance.randint(1, 16)))
        return ends.join(lines)

    blocks = {
        "p": lambda: words("w", chance.choice(["X X", "X, X.", "X", "X **X** X"]), ends=" "),
        "l": lambda: words("w", chance.choice(["- X **X**", "1. X", "- X\n  X"])),
        "c": lambda: f"```py\n{words('c', chance.choice(['  X = X', 'X', chr(10) + 'X']))}\n```",
        "t": lambda: f"| h | h |\n|---|---|\n{words('t', '| X | X |')}",
    }
    return "\n\n".join(blocks[kind]() for kind in kinds)


PARSER = MarkdownIt("commonmark").enable("table")


def words_by_kind(message: str) -> tuple[list[str], int]:
    """The words of a message, each with the kind of what it stands in, and the number of tables."""
    found: list[str] = []
    table = False
    tables = 0
    for token in PARSER.parse(message):
        if token.type in {"table_open", "table_close"}:
            table = token.type == "table_open"
            tables += table
        kind = "c" if token.type == "fence" else "t" if table else "w"
        if token.type in {"fence", "inline"}:
            found.extend(kind + number for number in re.findall(r"\b[wct](\d{3})\b", token.content))
    return found, tables


MARKDOWN = documents().flatmap(lambda text: spoken(text, longest=40))


@given(pieces=MARKDOWN, platform=platforms(text_max=120, stream_max=300, tables_max=1))
def test_code_stays_code_and_rows_stay_in_a_table_of_their_own(pieces: list[Piece], platform: FakeStreams) -> None:
    reply, stream = run(answered(platform, pieces, within_s=600))
    read = [words_by_kind(message) for message in shown(platform, reply)]
    assert [word for words, _ in read for word in words] == re.findall(r"\b[wct]\d{3}\b", wanted(reply, stream, pieces))
    assert all(tables <= 1 for _, tables in read)
    check_that_all_is_closed(platform, reply, stream)


@given(pieces=PIECES, platform=platforms(text_max=80, stream_max=150), parts_max=st.integers(1, 4))
def test_never_more_messages_than_allowed(pieces: list[Piece], platform: FakeStreams, parts_max: int) -> None:
    platform.bounds = replace(platform.bounds, parts_max=parts_max)
    run(answered(platform, pieces, within_s=600))
    assert len(platform.messages) <= parts_max + 1
    assert not platform.growing


def signs(text: str) -> str:
    return "".join(sign for sign in text if sign.isalnum())


def is_within(wanted: str, text: str) -> bool:
    """Whether the signs stand there in this order, perhaps with others between them."""
    rest = iter(text)
    return all(sign in rest for sign in wanted)


@given(pieces=ANY_TEXT.flatmap(lambda text: spoken(text, longest=20)), platform=platforms(text_max=80, stream_max=160))
def test_no_text_however_odd_is_lost_or_left_open(pieces: list[Piece], platform: FakeStreams) -> None:
    """What is repeated at a message's head may stand twice."""
    reply, stream = run(answered(platform, pieces, within_s=600))
    assert is_within(signs(wanted(reply, stream, pieces)), signs("".join(shown(platform, reply))))
    check_that_all_is_closed(platform, reply, stream)
