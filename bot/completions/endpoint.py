"""One request to an OpenAI-compatible endpoint and its answer, over HTTP.

Knows the wire, the time limits and whether this endpoint streams. Never tries again, except once without `stream`
where an endpoint refuses that; when to try again is `client`'s business. `answer` reads what arrives and
`refusals` what is refused. Prompts, keys and answers appear in no log and no error.
"""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Literal, TypedDict, cast

import httpx

from bot.completions.answer import Answer
from bot.completions.refusals import BODY_MAX_BYTES, refusal
from bot.completions.transport import AiohttpTransport
from bot.errors import Broken, CompletionError, ConfigError, Filtered, Overloaded, Spent, TooLong
from bot.events import Delta, Finish

log = logging.getLogger(__name__)

KEEP_ALIVE_S = 30.0
"""How long an idle connection is kept (chosen: below the 60 s after which most proxies close theirs)."""


class ChatMessage(TypedDict):
    """One message of a prompt, as the API takes it."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for what, in seconds (chosen).

    `first_byte_s` runs from the request to the first line of a stream, `chunk_s` from line to line. `tail_s` is
    how long usage and [DONE] may follow the finish_reason, `drain_s` how long the end of the response may follow
    [DONE] before the connection is given up.
    """

    connect_s: float = 10.0
    first_byte_s: float = 60.0
    chunk_s: float = 30.0
    tail_s: float = 1.0
    drain_s: float = 0.05


class Endpoint:
    """One endpoint, one model, one shared HTTP client.

    `asks_stream` is False once the endpoint refused to stream. `streams` says what it answered last: a stream or
    one piece; None before the first answer. `limited_calls` counts the answers with status 429.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        *,
        model: str,
        stream: Literal["auto", "on", "off"],
        reply_tokens: int | None,
        clock: Callable[[], float],
        wall: Callable[[], float],
        patience: Patience,
    ) -> None:
        self._http = http
        self._model = model
        self._reply_tokens = reply_tokens
        self._clock, self._wall, self._patience = clock, wall, patience
        self._may_refuse_streams = stream == "auto"
        self.asks_stream = stream != "off"
        self.streams: bool | None = None
        self.limited_calls = 0

    async def answer(
        self, messages: Sequence[ChatMessage], *, deadline: float, patiently: bool
    ) -> AsyncGenerator[Delta, None]:
        """Give one request's answer piece by piece; the last piece, and only that, has `finish`.

        `patiently` allows an endpoint that was never seen streaming to be silent until the deadline.

        Raises:
            CompletionError: any of them; nothing else, whatever the server does.
        """
        first_by = self._first_by(deadline, patiently=patiently)
        response = await self._open(messages, by=first_by)
        chunks = _chunks(response)
        answer, empty = Answer(), True
        try:
            async with aclosing(self._texts(chunks, answer, first_by=first_by, deadline=deadline)) as texts:
                async for text in texts:
                    empty = False
                    yield Delta(text)
            rest = answer.end()
            await self._drain(chunks, answer)
        finally:
            # Before the last piece: whoever stops at `finish` still leaves a connection that can be used again.
            await chunks.aclose()
            await response.aclose()
        if empty and not rest:
            raise _nothing_visible(answer)
        yield Delta(rest, answer.finish, answer.usage)

    def _first_by(self, deadline: float, *, patiently: bool) -> float:
        # A whole answer begins when it is complete, so only the deadline bounds it.
        if not self.asks_stream or self.streams is False or (self.streams is None and patiently):
            return deadline
        return min(deadline, self._clock() + self._patience.first_byte_s)

    async def _open(self, messages: Sequence[ChatMessage], *, by: float) -> httpx.Response:
        asked = self.asks_stream
        response = await self._send(messages, stream=asked, by=by)
        if response.is_success:
            return response
        error = await self._refusal(response)
        unsure = asked and self._may_refuse_streams and not self.streams
        if not unsure or response.status_code not in (400, 422) or isinstance(error, TooLong):
            raise error
        response = await self._send(messages, stream=False, by=by)
        if not response.is_success:
            raise await self._refusal(response)
        self.asks_stream = False
        log.info("completions_without_stream", extra={"model": self._model})
        return response

    async def _send(self, messages: Sequence[ChatMessage], *, stream: bool, by: float) -> httpx.Response:
        request = self._http.build_request("POST", "chat/completions", content=self._body(messages, stream=stream))
        try:
            async with self._limit(by):
                return await self._http.send(request, stream=True)
        except TimeoutError:
            raise Overloaded("no answer began in time") from None
        except httpx.HTTPError as error:
            raise Overloaded(f"the request to {_server(request)} failed ({type(error).__name__})") from error

    def _body(self, messages: Sequence[ChatMessage], *, stream: bool) -> bytes:
        body: dict[str, Any] = {"model": self._model, "messages": list(messages)}
        if stream:
            body["stream"] = True
        if self._reply_tokens is not None:
            body["max_tokens"] = self._reply_tokens
        # "replace": a chat can hold half a surrogate pair, which has no UTF-8.
        return json.dumps(body, ensure_ascii=False).encode(errors="replace")

    async def _refusal(self, response: httpx.Response) -> CompletionError:
        self.limited_calls += response.status_code == 429
        body = b""
        try:
            async with asyncio.timeout(self._patience.connect_s):
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > BODY_MAX_BYTES:
                        break
        except (TimeoutError, httpx.HTTPError):
            log.debug("completions_refusal_unread", extra={"status": response.status_code})
        finally:
            await response.aclose()
        return refusal(response.status_code, response.headers, body, now=self._wall())

    async def _texts(
        self, chunks: AsyncIterator[bytes], answer: Answer, *, first_by: float, deadline: float
    ) -> AsyncGenerator[str, None]:
        by = first_by
        while not answer.done:
            chunk = await self._next(chunks, answer, by=by)
            if not chunk:
                return
            if text := answer.feed(chunk):
                yield text
            if answer.streamed is not None:
                by = self._next_by(chunk, answer, by=by, deadline=deadline)

    async def _next(self, chunks: AsyncIterator[bytes], answer: Answer, *, by: float) -> bytes:
        """Give the next chunk; nothing at the end, and whatever goes wrong after finish_reason is the end."""
        try:
            async with self._limit(by):
                return await anext(chunks, b"")
        except TimeoutError:
            failure: CompletionError = Overloaded("the answer fell silent or came too slowly")
        except httpx.HTTPError as error:
            failure = Broken(f"the answer was cut ({type(error).__name__})")
        if answer.finish:
            return b""
        raise failure

    def _next_by(self, chunk: bytes, answer: Answer, *, by: float, deadline: float) -> float:
        self.streams = answer.streamed
        if answer.finish:
            return min(deadline, self._clock() + self._patience.tail_s)
        # Only whole lines are progress: a line that arrives byte by byte is no answer.
        if answer.streamed and b"\n" not in chunk and b"\r" not in chunk:
            return by
        return min(deadline, self._clock() + self._patience.chunk_s)

    def _limit(self, by: float) -> asyncio.Timeout:
        left_s = by - self._clock()
        if left_s <= 0:
            # Data that is there already never suspends, so asyncio's own limit would not strike.
            raise TimeoutError
        return asyncio.timeout(left_s)

    async def _drain(self, chunks: AsyncIterator[bytes], answer: Answer) -> None:
        if not answer.done:
            return
        try:
            async with asyncio.timeout(self._patience.drain_s):
                async for _ in chunks:
                    pass
        except (TimeoutError, httpx.HTTPError):
            log.debug("completions_tail_dropped")


def _server(request: httpx.Request) -> str:
    """Host and port, so that who reads it sees a wrong COMPLETIONS_BASE_URL; never a path or a login."""
    return request.url.netloc.decode()


def connect(
    base_url: str,
    api_key: str | None,
    *,
    connections: int,
    transport: httpx.AsyncBaseTransport | None,
    patience: Patience,
) -> httpx.AsyncClient:
    """Give the shared HTTP client. Raises ConfigError for a URL or key that cannot be one, and without certificates."""
    # identity: a compressed stream arrives in lumps.
    headers = {
        "Content-Type": "application/json",
        "Accept-Encoding": "identity",
        "User-Agent": "routernesia-bot",
    }
    headers |= authorization(api_key)
    url = _checked(base_url)
    timeout = httpx.Timeout(None, connect=patience.connect_s)
    try:
        transport = transport or AiohttpTransport(
            connections=connections, keep_alive_s=KEEP_ALIVE_S, tls=url.scheme == "https"
        )
    except OSError as error:  # ssl.SSLError is one
        raise ConfigError(
            f"no certificates can be read from what SSL_CERT_FILE or SSL_CERT_DIR names ({type(error).__name__})"
        ) from error
    return httpx.AsyncClient(base_url=url, headers=headers, timeout=timeout, transport=transport)


def authorization(api_key: str | None) -> dict[str, str]:
    """The header for a key, none without one. Raises ConfigError for what cannot be a key."""
    key = (api_key or "").strip()
    if not (key.isascii() and key.isprintable()):
        # Here, because the HTTP library would quote the key in its complaint.
        raise ConfigError("COMPLETIONS_API_KEY holds a character that no key can have; copy it again")
    return {"Authorization": f"Bearer {key}"} if key else {}


def _checked(base_url: str) -> httpx.URL:
    try:
        url = httpx.URL(base_url.strip())
    except httpx.InvalidURL:
        url = httpx.URL("")
    if url.scheme not in ("http", "https") or not url.host:
        raise ConfigError("COMPLETIONS_BASE_URL must look like https://host/path/v1")
    return url


def _chunks(response: httpx.Response) -> AsyncGenerator[bytes, None]:
    # Raw where that is the same: it saves a generator for each chunk. Both are generators, and to be closed as
    # such, although httpx calls them iterators.
    plain = not response.is_stream_consumed and "content-encoding" not in response.headers
    return cast("AsyncGenerator[bytes, None]", response.aiter_raw() if plain else response.aiter_bytes())


def _nothing_visible(answer: Answer) -> Broken:
    kinds: dict[Finish | None, type[Broken]] = {"length": Spent, "filter": Filtered}
    return kinds.get(answer.finish, Broken)(f"nothing visible in the answer (finish {answer.finish})")
