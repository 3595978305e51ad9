"""What a status, its headers and its body mean."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.completions.refusals import refusal, retry_after_s
from bot.errors import CompletionError, Invalid, Overloaded, Throttled, TooLong, Unauthorized


def told(status: int, body: Any = None, **headers: str) -> CompletionError:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return refusal(status, named, json.dumps(body).encode(), now=0.0)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, None, Invalid),
        (402, None, Invalid),
        (422, {"detail": [{"loc": ["body"], "msg": "x"}]}, Invalid),
        (422, {"detail": "the prompt is too long"}, TooLong),
        (400, {"error": "Requested tokens exceed context window of 512"}, TooLong),
        (400, {"error": {"message": "max_tokens is too large: 100000"}}, Invalid),
        (400, {"object": "error", "message": "maximum context length is 4096", "code": 400}, TooLong),
        (413, None, TooLong),
        (401, {"error": {"message": "moderation"}}, Unauthorized),
        (403, None, Unauthorized),
        (403, {"error": {"message": "your input was flagged"}}, Invalid),
        (408, None, Overloaded),
        (429, None, Throttled),
        (500, None, Overloaded),
        (529, None, Overloaded),
    ],
)
def test_a_status_has_its_error(status: int, body: Any, kind: type[CompletionError]) -> None:
    assert type(told(status, body)) is kind


def test_the_text_names_what_helps_and_nothing_that_was_said() -> None:
    error = {"message": "You wrote: my secret", "type": "invalid_request_error", "code": "my secret"}
    text = str(told(400, {"error": error}, content_type="application/json; x=y", x_request_id="req_9"))
    assert text == "HTTP 400 (application/json, invalid_request_error, request req_9)"


@given(st.integers(300, 599), st.binary(), st.text(), st.text())
def test_any_refusal_is_an_error_of_ours(status: int, body: bytes, retry_after: str, request_id: str) -> None:
    headers = {"retry-after": retry_after, "x-request-id": request_id, "content-type": retry_after}
    error = refusal(status, headers, body, now=0.0)
    assert str(error).startswith(f"HTTP {status} (")
    assert str(error).isascii()


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("7", 7.0),
        ("1.5", 1.5),
        ("-3", 0.0),
        ("inf", None),
        ("nan", None),
        ("9" * 400, None),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 100.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("Thu, 99 Jan 1970 00:00:00 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str | None, seconds: float | None) -> None:
    assert retry_after_s(value, now=0.0) == seconds


def test_a_503_that_says_when_to_come_back_is_throttling() -> None:
    error = told(503, retry_after="9")
    assert isinstance(error, Throttled)
    assert error.retry_after_s == 9.0
