"""The client of the completions API: messages in, a streamed answer out.

Knows when to try again, when not, and when to send nothing for a while. How one request goes is `endpoint`'s business.
"""

import asyncio
import logging
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Literal

import httpx

from bot.completions.endpoint import ChatMessage, Endpoint, Patience, authorization, connect
from bot.errors import (
    Broken,
    CompletionError,
    Filtered,
    Invalid,
    Overloaded,
    Spent,
    Throttled,
    TooLong,
    Unauthorized,
)
from bot.events import Delta
from bot.platform import Finding

__all__ = ["ChatMessage", "Completions", "Patience"]

log = logging.getLogger(__name__)

ATTEMPTS = 4
"""Requests for one answer, at most (chosen: with 0.5, 1 and 2 s between, they bridge a proxy's restart)."""

BACKOFF_MAX_S = 8.0
"""The longest wait between two attempts that the server did not ask for."""

RETRY_AFTER_MAX_S = 20.0
"""The longest Retry-After that is waited out here; a longer one goes to the caller, who frees the slot."""

CIRCUIT_S = 60.0
"""How long nothing is sent after the key was refused."""


class Completions:
    """Asks one endpoint for answers. Safe for any number of answers at once; close it with `aclose`.

    Raises ConfigError for a `base_url` or `api_key` that cannot be one.
    """

    def __init__(
        self,
        *,
        base_url: str,
        api_key: str | None,
        model: str,
        stream: Literal["auto", "on", "off"] = "auto",
        reply_tokens: int | None = None,
        connections: int = 200,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
        wall: Callable[[], float] = time.time,
        patience: Patience | None = None,
    ) -> None:
        self._model = model
        self._clock, self._sleep, self._jitter = clock, sleep, jitter
        self._patience = patience or Patience()
        self._refused_until = float("-inf")
        self._http = connect(base_url, api_key, connections=connections, transport=transport, patience=self._patience)
        self._endpoint = Endpoint(
            self._http,
            model=model,
            stream=stream,
            reply_tokens=reply_tokens,
            clock=clock,
            wall=wall,
            patience=self._patience,
        )

    async def stream(
        self, messages: Sequence[ChatMessage], *, deadline: float, attempts: int = ATTEMPTS
    ) -> AsyncGenerator[Delta, None]:
        """Give the answer piece by piece; the last piece, and only that, has `finish`.

        `deadline` is a time on the client's clock. Failures before the first piece are tried again, up to `attempts`
        requests. Where the loop may be left early, wrap it in `aclosing`: the response is closed with it.

        Raises:
            Throttled: asked to wait longer than is worth waiting here; `retry_after_s` says how long.
            Overloaded: no answer began, in spite of the attempts or until the deadline.
            TooLong: shorten the prompt.
            Unauthorized: the key was refused, now or within the last minute.
            Invalid: the same request will fail again.
            Broken: the answer was cut (always so after the first piece), empty, or not understood.
        """
        if self._clock() < self._refused_until:
            raise Unauthorized("the key was refused less than a minute ago; check COMPLETIONS_API_KEY")
        attempt, begun = 1, False
        while True:
            key = self._key
            try:
                answer = self._endpoint.answer(messages, deadline=deadline, patiently=attempt > 1)
                async with aclosing(answer) as deltas:
                    async for delta in deltas:
                        begun = True
                        yield delta
                return
            except CompletionError as error:
                if begun:
                    raise Broken(f"after the first text: {error}") from error
                outdated = isinstance(error, Unauthorized) and key != self._key
                pause_s = self._pause_s(error, outdated=outdated, attempt=attempt, attempts=attempts, deadline=deadline)
            await self._sleep(pause_s)
            attempt += 1

    def use_key(self, api_key: str | None) -> None:
        """Ask with another key from now on. Raises ConfigError for what cannot be one; then the old one stays."""
        header = authorization(api_key)
        self._http.headers.pop("Authorization", None)
        self._http.headers.update(header)
        self._refused_until = float("-inf")

    async def check(self) -> list[Finding]:
        """Ask for one tiny answer, with one real request, and say how the endpoint stands, for `doctor`."""
        question: ChatMessage = {"role": "user", "content": "Answer with one word: ready?"}
        deadline = self._clock() + self._patience.first_byte_s
        try:
            async with aclosing(self._endpoint.answer([question], deadline=deadline, patiently=True)) as deltas:
                async for _ in deltas:
                    pass
        except CompletionError as error:
            return [finding(error)]
        return [
            Finding("ok", f"the key is taken, {self._model} answers"),
            self._mode(),
        ]

    @property
    def limited_calls(self) -> int:
        """How many requests were answered with 429 since the start."""
        return self._endpoint.limited_calls

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    @property
    def _key(self) -> str | None:
        return self._http.headers.get("Authorization")

    def _pause_s(
        self, error: CompletionError, *, outdated: bool, attempt: int, attempts: int, deadline: float
    ) -> float:
        """How long to wait before the next attempt; raises the error where there is to be none.

        An `outdated` refusal is that of a key which was renewed meanwhile: it says nothing about the one of now.
        """
        if isinstance(error, Unauthorized) and not outdated:
            self._open_circuit(error)
        asked_s = (error.retry_after_s or 0.0) if isinstance(error, Throttled) else 0.0
        # Half of it jittered: many answers that failed together do not come back together.
        backoff_s = min(BACKOFF_MAX_S, 0.5 * 2 ** (attempt - 1)) * (0.5 + self._jitter() / 2)
        pause_s = max(backoff_s, asked_s)
        if attempt >= attempts or not (_may_pass(error) or outdated) or asked_s > RETRY_AFTER_MAX_S:
            raise error
        if self._clock() + pause_s >= deadline:
            raise error
        fields = {"attempt": attempt, "pause_s": round(pause_s, 3), "error": str(error)}
        log.warning("completions_retry", extra=fields)
        return pause_s

    def _open_circuit(self, error: Unauthorized) -> None:
        now = self._clock()
        if now >= self._refused_until:
            fields = {"setting": "COMPLETIONS_API_KEY", "error": str(error), "pause_s": CIRCUIT_S}
            log.error("completions_key_refused", extra=fields)
        self._refused_until = now + CIRCUIT_S

    def _mode(self) -> Finding:
        if self._endpoint.streams:
            return Finding("ok", "answers are streamed")
        what = "answers come in one piece: people see nothing until an answer is complete"
        return Finding("warn", what, "nothing has to be done; an endpoint that streams is nicer to read")


def _may_pass(error: CompletionError) -> bool:
    return isinstance(error, Throttled | Overloaded | Broken) and not isinstance(error, Spent | Filtered)


def finding(error: CompletionError) -> Finding:
    """What a failure says to an operator, and what to do about it."""
    todos: dict[type[CompletionError], str] = {
        Unauthorized: "set COMPLETIONS_API_KEY to a valid key",
        Invalid: "check COMPLETIONS_BASE_URL and COMPLETIONS_MODEL",
        TooLong: "check COMPLETIONS_MODEL: even a tiny prompt is too long for it",
        Throttled: "the account is at its limit: wait, or raise the limit",
        Overloaded: "check COMPLETIONS_BASE_URL and the network; if they are right, try again later",
        Spent: "check REPLY_TOKENS: the model may have spent them all on thinking",
        Filtered: "ask in other words; the content filter belongs to the model service",
    }
    todo = todos.get(type(error), "check that COMPLETIONS_BASE_URL names an OpenAI-compatible API")
    return Finding("warn" if isinstance(error, Throttled) else "fail", str(error), todo)
