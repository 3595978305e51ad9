"""The event stream's lines."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.completions.sse import Events
from bot.errors import Broken

DATA = st.text(st.characters(exclude_characters="\r\n", exclude_categories=("Cs",)), min_size=1).map(str.encode)


def cut(data: bytes, at: list[int]) -> list[bytes]:
    """The data in pieces, cut at these places."""
    edges = [0, *sorted(place % (len(data) + 1) for place in at), len(data)]
    return [data[start:end] for start, end in pairwise(edges) if start < end]


@given(
    payloads=st.lists(DATA),
    noise=st.sampled_from([b"", b": comment\n", b"event: message\n", b"id: 1\nretry: 2\n", b"data\n", b"\n\n"]),
    line_end=st.sampled_from([b"\n", b"\r\n", b"\r"]),
    cuts=st.lists(st.integers(min_value=0)),
)
def test_events_are_the_same_however_the_stream_is_cut_and_ended(
    payloads: list[bytes], noise: bytes, line_end: bytes, cuts: list[int]
) -> None:
    stream = b"".join(noise + b"data: " + payload + b"\n\n" for payload in payloads).replace(b"\n", line_end)
    events = Events()
    got = [event for piece in cut(stream, cuts) for event in events.feed(piece)]
    assert got + events.end() == payloads


@given(st.lists(st.binary(), max_size=8))
def test_any_bytes_give_events_without_line_ends_or_an_error_of_ours(chunks: list[bytes]) -> None:
    events = Events(max_bytes=64)
    try:
        got = [event for chunk in chunks for event in events.feed(chunk)] + events.end()
    except Broken:
        return
    assert all(b"\r" not in event for event in got)


def test_data_lines_of_one_event_are_joined() -> None:
    assert Events().feed(b"data: a\ndata:b\n\n") == [b"a\nb"]


def test_an_error_field_is_an_error_object() -> None:
    assert Events().feed(b'error: {"code": 500}\n\n') == [b'{"error": {"code": 500}}']


def test_many_events_in_one_chunk_come_out_at_once() -> None:
    assert Events().feed(b"data: a\n\ndata: b\n\ndata: c") == [b"a", b"b"]


@pytest.mark.parametrize(
    "chunks",
    [
        [b"data: " + b"x" * 101 + b"\n\n"],
        [b"x" * 60, b"x" * 60],
        [b"data: " + b"x" * 60 + b"\n"] * 2,
        [b"data: " + b"x" * 60 + b"\n", b"y" * 60],
    ],
    ids=["event", "line", "lines", "both"],
)
def test_what_grows_without_end_is_broken(chunks: list[bytes]) -> None:
    events = Events(max_bytes=100)
    with pytest.raises(Broken):
        [events.feed(chunk) for chunk in chunks]
