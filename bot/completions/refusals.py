"""What a refusal of the completions API means: status, headers and body -> one error of our tree.

Only words of a fixed alphabet leave here: an error's text names the status, the content type, the error's
code and type and the request's id, never the body, because servers quote the prompt in it.
"""

import json
import math
import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any, cast

from bot.errors import Broken, CompletionError, Invalid, Overloaded, Throttled, TooLong, Unauthorized

BODY_MAX_BYTES = 64 << 10
"""As much of a refusal's body as is worth reading (chosen)."""

_LENGTH = re.compile(
    r"context[_ ](length|window|size)|exceed_context|too many (input |prompt )?tokens|string_above_max_length"
    r"|(prompt|input|request|messages?) (is|are) too (long|large)|reduce the length|request_too_large",
    re.IGNORECASE,
)
# A gateway may answer 403 because of what somebody wrote: that says nothing about the key.
_MODERATED = re.compile(r"moderat|flagged|content[_ ](policy|filter)", re.IGNORECASE)
_LABEL = re.compile(r"[a-z0-9_-]{1,64}")
_MEANINGS: tuple[tuple[re.Pattern[str], type[CompletionError]], ...] = (
    (re.compile(r"rate_?limit|quota|throttl|too_many_requests|resource_exhausted"), Throttled),
    (re.compile(r"authenti|unauthorized|api_key|permission|forbidden"), Unauthorized),
    (
        re.compile(r"overload|unavailable|server_?error|internal|time(d_)?out|upstream|provider"),
        Overloaded,
    ),
    (re.compile(r"invalid|not_found|bad_request|unsupported|unprocessable"), Invalid),
)


def refusal(status: int, headers: Mapping[str, str], body: bytes, *, now: float) -> CompletionError:
    """Give the error of a response that is not 2xx. `now` (Unix seconds) serves Retry-After as a date."""
    labels, message = _told(_json(body))
    text = _text(status, headers, labels)
    wait_s = retry_after_s(headers.get("retry-after"), now=now)
    kind = _by_status(status, f"{' '.join(labels)} {message or body.decode(errors='replace')}")
    if kind is Throttled or (kind is Overloaded and wait_s is not None):
        return Throttled(text, retry_after_s=wait_s)
    return kind(text)


def reported(error: object) -> CompletionError:
    """Give the error that a server put as an object into a 200 answer."""
    labels, message = _told({"error": error})
    status = next((int(label) for label in labels if re.fullmatch("[45][0-9]{2}", label)), None)
    kind = _by_status(status, f"{' '.join(labels)} {message}") if status else _by_labels(labels, message)
    return kind(f"an error inside the answer ({', '.join(labels) or 'unnamed'})")


def retry_after_s(value: str | None, *, now: float) -> float | None:
    """Give the seconds that a Retry-After header asks to wait (RFC 9110, 10.2.3), None for none."""
    if value is None:
        return None
    try:
        wait_s = float(value)
    except ValueError:
        wait_s = _until(value, now=now)
    return max(0.0, wait_s) if math.isfinite(wait_s) else None


def _until(date: str, *, now: float) -> float:
    try:
        return parsedate_to_datetime(date).timestamp() - now
    except (ValueError, OverflowError):
        return math.nan


def _by_status(status: int, told: str) -> type[CompletionError]:
    if status == 429:
        return Throttled
    if status in (401, 403):
        return Invalid if status == 403 and _MODERATED.search(told) else Unauthorized
    if status == 413 or _LENGTH.search(told):
        return TooLong
    return Overloaded if status >= 500 or status in (408, 409, 425) else Invalid


def _by_labels(labels: list[str], message: str) -> type[CompletionError]:
    told = " ".join(labels)
    if _LENGTH.search(f"{told} {message}"):
        return TooLong
    return next((kind for pattern, kind in _MEANINGS if pattern.search(told)), Broken)


def _json(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _told(answer: object) -> tuple[list[str], str]:
    """Give the labels and the message of an error; servers wrap both in different ways."""
    if not isinstance(answer, dict):
        return [], ""
    fields = cast("dict[str, Any]", answer)
    error: object = fields.get("error") or fields.get("detail") or fields
    if not isinstance(error, dict):
        return _labels([error]), str(error)
    inner = cast("dict[str, Any]", error)
    return _labels([inner.get("code"), inner.get("type"), inner.get("status")]), str(inner.get("message", ""))


def _labels(values: list[object]) -> list[str]:
    words = [str(value).lower() for value in values if isinstance(value, str | int)]
    return list(dict.fromkeys(word for word in words if _LABEL.fullmatch(word)))


def _text(status: int, headers: Mapping[str, str], labels: list[str]) -> str:
    mime = re.match(r"[a-z0-9.+/-]{1,64}", headers.get("content-type", "").lower())
    request_id = headers.get("x-request-id", "")
    parts = [mime.group() if mime else "no content type", *labels]
    if re.fullmatch(r"[A-Za-z0-9_-]{1,64}", request_id):
        parts.append(f"request {request_id}")
    return f"HTTP {status} ({', '.join(parts)})"
