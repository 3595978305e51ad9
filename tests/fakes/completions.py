"""A completions API on loopback: it checks requests as a real one would and answers by a script.

    async with FakeCompletions(key="sk-test") as server:
        server.answers = [Text("Hello", tokens_per_s=50), TRAPS["html_with_502"]]

Every request is kept in `server.requests`. Without a script it echoes. It also feeds the benchmark and the chaos
runs, so streaming is cheap: all events that are due go out with one write.
"""

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self, cast

from aiohttp import web

from tests.canary import said
from tests.ports import serve

Ending = Literal["close", "cut", "hang"]
ROLES = {"system", "developer", "user", "assistant", "tool"}
SSE = {"Content-Type": "text/event-stream; charset=utf-8"}
JSON = {"Content-Type": "application/json"}
DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True)
class Text:
    """An answer in text: streamed when the request asks for that, else whole.

    `deltas` overrides how the text is cut (default: words). `tokens_per_s` None means all at once. `usage` is sent
    as the event with empty choices.
    """

    text: str = ""
    deltas: tuple[str, ...] = ()
    tokens_per_s: float | None = None
    first_after_s: float = 0.0
    finish: str = "stop"
    usage: Mapping[str, int] | None = None


@dataclass(frozen=True)
class Raw:
    """An answer in bytes: after `first_after_s` the pieces, `every_s` apart, then the ending.

    `close` ends the body properly, `cut` drops the connection, `hang` says nothing more until the client goes.
    `headers_at_once` sends the status line before `first_after_s`.
    """

    pieces: Iterable[bytes] = ()
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: SSE)
    every_s: float = 0.0
    first_after_s: float = 0.0
    headers_at_once: bool = True
    ending: Ending = "close"


Answer = Text | Raw


@dataclass
class Request:
    """One request as it arrived. Times are on the server's clock (time.monotonic)."""

    headers: Mapping[str, str]
    body: Any
    at: float
    status: int = 0
    first_write_at: float | None = None
    last_write_at: float | None = None
    ended_at: float | None = None
    went_away: bool = False
    complete: bool = False

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The prompt."""
        return self.body["messages"]

    @property
    def last_user_text(self) -> str:
        """What the last user message says."""
        said = [message["content"] for message in self.messages if message["role"] == "user"]
        return str(said[-1]) if said else ""


class FakeCompletions:
    """The server. `answers` is a list that is consumed, or a function of the request; then `default`."""

    def __init__(
        self,
        *,
        key: str | None = None,
        models: Iterable[str] = (),
        streams: Literal["yes", "refuses", "ignores"] = "yes",
        default: Callable[[Request], Answer] | None = None,
        error_rate: float = 0.0,
        rng: random.Random | None = None,
        port: int = 0,
        tick_s: float = 0.01,
    ) -> None:
        self.key = key
        said(key or "")
        self.models = set(models)
        self.streams = streams
        self.default = default or echo
        self.answers: Sequence[Answer] | Callable[[Request], Answer | None] = ()
        self.error_rate = error_rate
        self.requests: list[Request] = []
        self.open_now = 0
        self.open_peak = 0
        self.may_end = asyncio.Event()  # while it is cleared, no stream gets its last event
        self.may_end.set()
        self.connections = 0
        self._peers: set[Any] = set()
        self._rng = rng or random.Random(0)
        self.host = "127.0.0.1"
        self._port = port
        self._tick_s = tick_s
        self._runner: web.AppRunner | None = None
        self._closing = False

    @property
    def base_url(self) -> str:
        """What a client is configured with."""
        return f"http://{self.host}:{self._port}/v1"

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=64 << 20)
        app.router.add_post("/v1/chat/completions", self._handle)
        self._runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        if self._port:
            await web.TCPSite(self._runner, self.host, self._port).start()
        else:
            self._port = await serve(self._runner, self.host)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closing = True
        if self._runner:
            await self._runner.cleanup()

    async def _handle(self, http: web.Request) -> web.StreamResponse:
        request = Request(headers=dict(http.headers), body=_parsed(await http.read()), at=time.monotonic())
        self.requests.append(request)
        if (peer := http.transport and http.transport.get_extra_info("peername")) not in self._peers:
            self._peers.add(peer)
            self.connections += 1
        self.open_now += 1
        self.open_peak = max(self.open_peak, self.open_now)
        try:
            return await self._respond(http, request, self._rendered(request))
        except (asyncio.CancelledError, ConnectionError):
            request.went_away = not self._closing
            raise
        finally:
            self.open_now -= 1
            request.ended_at = time.monotonic()

    def _rendered(self, request: Request) -> Raw:
        answer = self._refusal(request) or self._scripted(request) or self._fault() or self.default(request)
        if isinstance(answer, Raw):
            return answer
        streamed = request.body.get("stream") is True and self.streams == "yes"
        return _stream(answer, request.body["model"]) if streamed else _whole(answer, request.body["model"])

    def _scripted(self, request: Request) -> Answer | None:
        if callable(self.answers):
            return self.answers(request)
        if not self.answers:
            return None
        first, *self.answers = self.answers
        return first

    def _fault(self) -> Answer | None:
        if self._rng.random() >= self.error_rate:
            return None
        return self._rng.choice((status(500), status(503), status(429, retry_after="1"), cut_after("Half a")))

    def _refusal(self, request: Request) -> Raw | None:
        if self.key and request.headers.get("Authorization") != f"Bearer {self.key}":
            return status(401, code="invalid_api_key", message="Incorrect API key provided")
        if problem := _problem(request.body):
            return status(422, code="invalid_request_error", message=problem)
        if self.models and request.body["model"] not in self.models:
            return status(404, code="model_not_found", message="no such model")
        if self.streams == "refuses" and request.body.get("stream"):
            return status(422, code="invalid_request_error", message="stream is not supported")
        return None

    async def _respond(self, http: web.Request, request: Request, answer: Raw) -> web.StreamResponse:
        request.status = answer.status
        response = web.StreamResponse(status=answer.status, headers=answer.headers)
        if answer.headers_at_once:
            await response.prepare(http)
        await asyncio.sleep(answer.first_after_s)
        if not response.prepared:
            await response.prepare(http)
        async for piece in self._due(answer):
            request.last_write_at = time.monotonic()
            request.first_write_at = request.first_write_at or request.last_write_at
            await response.write(piece)
        if answer.ending == "hang":
            await asyncio.Event().wait()
        if answer.ending == "cut":
            if http.transport:
                http.transport.close()
            return response
        await response.write_eof()
        request.complete = True
        return response

    async def _due(self, answer: Raw) -> AsyncIterator[bytes]:
        """The pieces at their times; those that are due at one tick are one piece."""
        if not answer.every_s:
            for piece in answer.pieces:
                if not self.may_end.is_set() and DONE in piece:
                    await self.may_end.wait()
                yield piece
            return
        tick_s = max(answer.every_s, self._tick_s)
        loop = asyncio.get_running_loop()
        start, sent, held = loop.time(), 0, b""
        for piece in answer.pieces:
            if sent and not held:
                await asyncio.sleep(max(tick_s, start + sent * answer.every_s - loop.time()))
            if not self.may_end.is_set() and DONE in piece:
                if held:
                    yield held
                held = b""
                await self.may_end.wait()
            held += piece
            sent += 1
            if sent * answer.every_s <= loop.time() - start:
                continue
            yield held
            held = b""
        if held:
            yield held


def echo(request: Request) -> Text:
    """Answer with what was said last; the same prompt always gets the same answer."""
    return Text(f"You said: {request.last_user_text}", usage={"prompt_tokens": 1, "completion_tokens": 2})


def event(delta: Mapping[str, Any] | str | None, *, finish: str | None = None, **more: Any) -> bytes:
    """One event of a stream; a delta of text may be given as that."""
    delta = {"content": delta} if isinstance(delta, str) else delta or {}
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    body = {"id": "4b77", "object": "chat.completion.chunk", "model": "fake", "choices": [choice], **more}
    return b"data: " + json.dumps(body, ensure_ascii=False).encode() + b"\n\n"


def text_events(*deltas: str, finish: str | None = "stop") -> tuple[bytes, ...]:
    """The events of a whole stream with these deltas; no finish and no [DONE] when `finish` is None."""
    events = tuple(event(delta) for delta in deltas)
    return events if finish is None else (*events, event(None, finish=finish), DONE)


def status(code_http: int, *, code: str = "", message: str = "", retry_after: str = "") -> Raw:
    """A refusal with an OpenAI-style error body."""
    headers = {**JSON, "X-Request-Id": "req-1", **({"Retry-After": retry_after} if retry_after else {})}
    said(message or "secret words of the prompt")
    body = {"error": {"message": message or "secret words of the prompt", "type": code or "error", "code": code}}
    return Raw([json.dumps(body).encode()], status=code_http, headers=headers)


def whole(body: Any, *, status: int = 200) -> Raw:
    """Any JSON as the whole answer."""
    return Raw([json.dumps(body).encode()], status=status, headers=JSON)


def stall(*, headers_at_once: bool = True) -> Raw:
    """Nothing before the first byte, for ever."""
    return Raw(ending="hang", headers_at_once=headers_at_once)


def stall_after(*deltas: str) -> Raw:
    """These deltas, then silence."""
    return Raw(text_events(*deltas, finish=None), ending="hang")


def cut_after(*deltas: str) -> Raw:
    """These deltas, then the connection is dropped."""
    return Raw(text_events(*deltas, finish=None), ending="cut")


def slow_loris(*, every_s: float) -> Raw:
    """One byte of an event at a time."""
    data = b"".join(text_events("slow", "ly"))
    return Raw([data[at : at + 1] for at in range(len(data))], every_s=every_s)


def endless(*, every_s: float = 0.0005) -> Raw:
    """Tokens without end."""

    def tokens() -> Iterable[bytes]:
        while True:
            yield event("on ")

    return Raw(tokens(), every_s=every_s)


def _stream(answer: Text, model: str) -> Raw:
    said("".join(answer.deltas) or answer.text)
    deltas = answer.deltas or _words(answer.text)
    start = b"data: " + json.dumps({"id": "4b77", "object": "chat.completion.chunk", "model": model}).encode()[:-1]
    head, tail = start + b', "choices": [{"index": 0, "delta": {"content": ', b'}, "finish_reason": null}]}\n\n'
    pieces = [head + json.dumps(delta, ensure_ascii=False).encode() + tail for delta in deltas]
    usage = (b"data: " + json.dumps({"choices": [], "usage": answer.usage}).encode() + b"\n\n") if answer.usage else b""
    pieces.append(event(None, finish=answer.finish) + usage + DONE)
    every_s = 1 / answer.tokens_per_s if answer.tokens_per_s else 0.0
    if not every_s:
        pieces = [b"".join(pieces)]
    return Raw(pieces, every_s=every_s, first_after_s=answer.first_after_s)


def _whole(answer: Text, model: str) -> Raw:
    text = "".join(answer.deltas) or answer.text
    said(text)
    choice = {"index": 0, "finish_reason": answer.finish, "message": {"role": "assistant", "content": text}}
    body = {"id": "4b77", "object": "chat.completion", "model": model, "choices": [choice]}
    whole_body = whole(body | ({"usage": answer.usage} if answer.usage else {}))
    tokens_s = len(_words(text)) / answer.tokens_per_s if answer.tokens_per_s else 0.0
    return replace(whole_body, first_after_s=answer.first_after_s + tokens_s, headers_at_once=False)


def _words(text: str) -> tuple[str, ...]:
    words = text.split(" ")
    return tuple(word if at == 0 else f" {word}" for at, word in enumerate(words))


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


def _problem(body: Any) -> str:
    """What a real server would call wrong with a request; "" for nothing."""
    if not isinstance(body, dict):
        return "the body is not a JSON object"
    fields = cast("dict[str, Any]", body)
    if not isinstance(fields.get("model"), str) or not fields["model"]:
        return "model is missing"
    messages: object = fields.get("messages")
    if not isinstance(messages, list) or not messages:
        return "messages is missing or empty"
    if not all(_is_message(message) for message in cast("list[object]", messages)):
        return "a message is malformed"
    return "" if isinstance(fields.get("stream", False), bool) else "stream is not a boolean"


def _is_message(message: object) -> bool:
    if not isinstance(message, dict):
        return False
    fields = cast("dict[str, object]", message)
    return fields.get("role") in ROLES and isinstance(fields.get("content"), str)


_HTML = b"<!DOCTYPE html><html><body>502 Bad Gateway</body></html>"
_FULL = text_events("Hel", "lo ", "wörld 🌍")
_JOINED = b"".join(_FULL)

FINE: Mapping[str, Raw] = {
    "null_content_first": Raw([event({"role": "assistant", "content": None}), *_FULL]),
    "role_only_first": Raw([event({"role": "assistant"}), *_FULL]),
    "comments": Raw([b": keep-alive\n\n", _FULL[0], b": OPENROUTER PROCESSING\n\n", *_FULL[1:]]),
    "crlf": Raw([_JOINED.replace(b"\n", b"\r\n")]),
    "lone_cr": Raw([_JOINED.replace(b"\n", b"\r")]),
    "one_byte_at_a_time": Raw([_JOINED[at : at + 1] for at in range(len(_JOINED))]),
    "no_space_after_data": Raw([_JOINED.replace(b"data: ", b"data:")]),
    "named_events": Raw([b"event: message\nid: 1\nretry: 10\n" + part for part in _FULL]),
    "no_done": Raw(_FULL[:-1]),
    "done_without_finish": Raw([*_FULL[:-2], DONE]),
    "no_last_blank_line": Raw([*_FULL[:-1], b"data: [DONE]"]),
    "usage_with_empty_choices": Raw(
        [*_FULL[:-1], event(None, choices=[], usage={"prompt_tokens": 7, "completion_tokens": 3}), DONE]
    ),
    "reasoning_field": Raw([event({"reasoning_content": "secret"}), event({"reasoning": "secret"}), *_FULL]),
    "refusal_field": Raw([event({"content": None, "refusal": "Hel"}), event({"refusal": "lo wörld 🌍"}), *_FULL[-2:]]),
    "think_tag_split": Raw(text_events("\n<th", "ink>secret", " more</thi", "nk>\n\nHel", "lo ", "wörld 🌍")),
    "parts": Raw([event({"content": [{"type": "text", "text": "Hello "}]}), *_FULL[2:]]),
    "unknown_event": Raw([b'data: {"type": "ping"}\n\n', *_FULL]),
    "plain_json": whole({"choices": [{"message": {"content": "Hello wörld 🌍"}, "finish_reason": "stop"}]}),
    "json_after_blanks": Raw(
        [b"\n\n ", b'{"choices": [{"message": {"content": "Hello w\\u00f6rld \\ud83c\\udf0d"}}]}'], headers=JSON
    ),
    "labelled_as_text": Raw([_JOINED], headers={"Content-Type": "text/plain"}),
    "cut_after_finish": Raw(_FULL[:-1], ending="cut"),
    "hang_after_done": Raw(_FULL, ending="hang"),
    "hang_after_finish": Raw(_FULL[:-1], ending="hang"),
}
"""Traps in which the whole answer is there: "Hello wörld 🌍" must come out."""

BAD: Mapping[str, Raw] = {
    "html_with_502": Raw([_HTML], status=502, headers={"Content-Type": "text/html"}),
    "html_with_200": Raw([_HTML], headers={"Content-Type": "text/html"}),
    "empty_body": Raw(headers=JSON),
    "empty_stream": Raw([DONE]),
    "empty_choices": whole({"choices": []}),
    "blank_answer": Raw(text_events(" \n", "\n")),
    "unclosed_think": Raw(text_events("<think>", "secret")),
    "malformed_json": Raw([b'data: {"choices": [\n\n']),
    "malformed_whole": Raw([b'{"choices": '], headers=JSON),
    "not_an_object": Raw([b"[1, 2]"], headers=JSON),
    "no_finish_no_done": Raw([b": hello\n\n"]),
    "error_in_stream": Raw([b'data: {"error": {"code": 503, "message": "x", "type": "unavailable_error"}}\n\n']),
    "error_field": Raw([b'error: {"code": 500, "message": "x", "type": "server_error"}\n\n']),
    "gigantic_line": Raw([b"data: " + b"x" * (3 << 20)]),
    "cut_at_once": Raw(ending="cut"),
    "status_500": status(500),
    "status_503": status(503),
    "status_529": status(529, code="overloaded_error"),
    "status_429": status(429, code="rate_limit_exceeded", retry_after="0"),
}
"""Traps without any answer that another attempt may overcome."""

TRAPS: Mapping[str, Raw] = {**FINE, **BAD}
