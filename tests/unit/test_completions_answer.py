"""One answer's bytes."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.completions.answer import BODY_MAX_BYTES, Answer
from bot.errors import Broken, CompletionError, Invalid, Overloaded, Throttled, TooLong, Unauthorized
from bot.events import Usage
from tests.fakes.completions import DONE, event, text_events

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["choices", "delta", "message", "content", "text", "type", "finish_reason", "usage", "error", "code"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


def read(*chunks: bytes) -> str:
    answer = Answer()
    return "".join([answer.feed(chunk) for chunk in chunks]) + answer.end()


@given(st.lists(JSON, max_size=4))
def test_any_json_in_a_stream_gives_text_or_an_error_of_ours(events: list[Any]) -> None:
    stream = b"".join(b"data: " + json.dumps(one).encode() + b"\n\n" for one in events)
    with suppress(CompletionError):
        assert read(stream, DONE).encode() is not None


@given(JSON)
def test_any_json_as_a_whole_gives_text_or_an_error_of_ours(body: Any) -> None:
    with suppress(CompletionError):
        assert read(json.dumps({"choices": [body]}).encode()).encode() is not None


@given(st.lists(st.binary(), max_size=6))
def test_any_bytes_give_text_or_an_error_of_ours(chunks: list[bytes]) -> None:
    with suppress(CompletionError):
        assert read(*chunks).encode() is not None


@given(st.lists(st.text(st.characters(exclude_categories=("Cs",)))), st.integers(1, 40))
def test_the_text_is_the_same_however_the_bytes_are_cut(deltas: list[str], size: int) -> None:
    stream = b"".join(text_events("x", *deltas))
    assert read(*(stream[at : at + size] for at in range(0, len(stream), size))) == "x" + "".join(deltas)


def test_a_deeply_nested_answer_is_broken() -> None:
    with pytest.raises(Broken):
        read(b'{"a":' * 100_000)


def test_no_bytes_at_all_are_a_cut_answer() -> None:
    with pytest.raises(Broken, match="cut"):
        read()


def test_an_answer_longer_than_any_is_broken() -> None:
    with pytest.raises(Broken, match="longer"):
        read(b"{", b" " * BODY_MAX_BYTES)


def test_nothing_counts_after_done() -> None:
    assert read(*text_events("a"), event("b")) == "a"


def test_text_after_the_finish_reason_still_counts() -> None:
    assert read(event("a"), event("b", finish="stop"), event("c")) == "abc"


@pytest.mark.parametrize("reason", ["error", "abort", "repetition", "insufficient_system_resource"])
def test_an_answer_that_the_server_gave_up_is_broken_and_not_whole(reason: str) -> None:
    with pytest.raises(Broken, match="failed"):
        read(event("half an"), event(None, finish=reason), DONE)


def test_a_blank_event_is_nothing() -> None:
    assert read(b"data: \n\n", b"data:\n\n", *text_events("a")) == "a"


def test_parts_that_are_not_text_are_left_out() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "image"}, "x", {"text": "b"}, {"type": "text", "text": 3}]
    assert read(event({"content": parts}), DONE) == "ab"


def test_usage_is_what_the_server_counted_and_zero_where_it_did_not() -> None:
    answer = Answer()
    answer.feed(event(None, usage={"prompt_tokens": 5}))
    assert answer.usage == Usage(prompt_tokens=5, completion_tokens=0)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"code": 429, "message": "x"}, Throttled),
        ({"code": "rate_limit_exceeded"}, Throttled),
        ({"code": "503"}, Overloaded),
        ({"type": "overloaded_error"}, Overloaded),
        ({"type": "server_error", "message": "context window full"}, TooLong),
        ({"type": "exceed_context_size_error", "code": 400}, TooLong),
        ({"code": "invalid_api_key", "type": "invalid_request_error"}, Unauthorized),
        ({"type": "invalid_request_error"}, Invalid),
        ({"message": "who knows"}, Broken),
        ("maximum context length exceeded", TooLong),
        ("who knows", Broken),
        (["odd"], Broken),
    ],
)
def test_an_error_inside_an_answer_is_told_by_its_names(error: Any, kind: type[CompletionError]) -> None:
    with pytest.raises(kind) as raised:
        read(b'data: {"x": 1}\n\n', b"data: " + json.dumps({"error": error}).encode() + b"\n\n")
    assert type(raised.value) is kind
    assert "who knows" not in str(raised.value)


def test_an_error_without_its_wrapper_is_one_too() -> None:
    with pytest.raises(Overloaded):
        read(json.dumps({"object": "error", "type": "InternalServerError", "code": 500}).encode())
