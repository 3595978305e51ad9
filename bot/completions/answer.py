"""One answer of the completions API: its bytes as they arrive -> visible text, how it ended, what it cost.

Pure: no network and no clock. The first byte decides what it is: a JSON object is a whole answer, markup is a
proxy's page, anything else is an event stream. Content types are not believed: servers send streams as
text/plain and keep-alive blanks before JSON.
"""

import json
from typing import Any, cast

from bot.completions.refusals import reported
from bot.completions.sse import Events
from bot.completions.visible import Visible
from bot.errors import Broken
from bot.events import Finish, Usage

BODY_MAX_BYTES = 4 << 20
"""The longest whole answer that is kept (chosen: 100 times a long one)."""

_BLANK = b"\xef\xbb\xbf \t\r\n"
_FINISHES: dict[str, Finish] = {
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "content_filter": "filter",
}

_FAILED = frozenset({"error", "abort", "repetition", "insufficient_system_resource"})
"""The server gave the answer up in the middle: the first three as vLLM says it (`FinishReason`), the last DeepSeek."""


class Answer:
    """Reads one response body.

    `streamed` is None until the first byte that tells. `finish` and `usage` are set once the server told
    them; `done` says that nothing more will follow.
    """

    def __init__(self) -> None:
        self.streamed: bool | None = None
        self.finish: Finish | None = None
        self.usage: Usage | None = None
        self.done = False
        self._body = bytearray()
        self._events = Events()
        self._visible = Visible()

    def feed(self, chunk: bytes) -> str:
        """Give the visible text that this chunk adds.

        Raises:
            Broken: a page, too long, or not understood.
            CompletionError: the server reported an error inside its answer.
        """
        if self.streamed:
            events = self._events.feed(chunk)
            if len(events) == 1:
                return self._take(events[0])
            return "".join([self._take(event) for event in events])
        self._body += chunk
        if len(self._body) > BODY_MAX_BYTES:
            raise Broken(f"the answer is longer than {BODY_MAX_BYTES} bytes")
        return self._begin() if self.streamed is None else ""

    def end(self) -> str:
        """Give the visible text that was still held back. Call it once, when nothing more will arrive.

        Raises:
            Broken: the answer is cut, or not understood.
            CompletionError: the server reported an error inside its answer.
        """
        text = self._whole() if self.streamed is False else self._rest()
        return text + self._visible.end()

    def _begin(self) -> str:
        start = bytes(self._body).lstrip(_BLANK)
        if not start:
            return ""
        if start.startswith(b"<"):
            raise Broken("a page of markup instead of an answer")
        self.streamed = not start.startswith((b"{", b"["))
        if not self.streamed:
            return ""
        self._body.clear()
        return self.feed(start)

    def _whole(self) -> str:
        answer = _parsed(bytes(self._body).lstrip(_BLANK))
        text = self._read(answer)
        self.finish = self.finish or "stop"
        self.done = True
        return text

    def _rest(self) -> str:
        text = ""
        if not (self.done or self.finish):
            text = "".join([self._take(event) for event in self._events.end()])
        if not (self.done or self.finish):
            raise Broken("the answer was cut: no finish_reason and no [DONE]")
        self.finish = self.finish or "stop"
        return text

    def _take(self, data: bytes) -> str:
        if self.done or not data or data.isspace():
            return ""
        if data.strip() == b"[DONE]":
            self.done = True
            return ""
        return self._read(_parsed(data))

    def _read(self, event: dict[str, Any]) -> str:
        if (error := event.get("error")) or event.get("object") == "error":
            raise reported(error or event)
        if usage := event.get("usage"):
            self.usage = _usage(usage)
        choice = _first(event.get("choices"))
        said = _dict(choice.get("delta") or choice.get("message"))
        # In OpenAI's protocol a model that declines says so in a field of its own: to a reader that is the answer.
        text = _content(said.get("content")) or _content(said.get("refusal"))
        if reason := choice.get("finish_reason"):
            self._finish(reason)
        return self._visible.feed(text) if text else ""

    def _finish(self, reason: object) -> None:
        if str(reason) in _FAILED:
            raise Broken("the server says that the answer failed")
        self.finish = _FINISHES.get(str(reason), "stop")


def _parsed(data: bytes) -> dict[str, Any]:
    try:
        value: object = json.loads(data.decode())
    except (ValueError, RecursionError):
        # Not chained: a decoder's error quotes what it could not read.
        raise Broken("the answer holds malformed JSON") from None
    if not isinstance(value, dict):
        raise Broken("the answer is JSON of an unknown form")
    return cast("dict[str, Any]", value)


def _dict(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _first(choices: object) -> dict[str, Any]:
    return _dict(cast("list[object]", choices)[0]) if isinstance(choices, list) and choices else {}


def _content(content: object) -> str:
    """Give the text of a content: a string, a list of parts, or nothing."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    parts = [_dict(part) for part in cast("list[object]", content)]
    texts: list[object] = [part.get("text") for part in parts if part.get("type", "text") == "text"]
    return "".join([text for text in texts if isinstance(text, str)])


def _usage(usage: object) -> Usage:
    counts: list[object] = [_dict(usage).get(name) for name in ("prompt_tokens", "completion_tokens")]
    prompt, completion = (count if isinstance(count, int) else 0 for count in counts)
    return Usage(prompt_tokens=prompt, completion_tokens=completion)
