"""Asks the model and measures how that goes, by OpenTelemetry's GenAI conventions (see `bot.metrics`).

One operation is one answer that is wanted, with the client's own repetitions.
"""

import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

from bot.completions import ChatMessage, Completions
from bot.completions.client import ATTEMPTS
from bot.errors import CompletionError
from bot.events import Delta
from bot.metrics import Metrics
from bot.tracing import OFF, Tracing


class Asking:
    """`Completions.stream`, measured. `provider` and `model` name what is asked."""

    def __init__(
        self,
        completions: Completions,
        metrics: Metrics,
        *,
        provider: str,
        model: str,
        tracing: Tracing = OFF,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._completions = completions
        self._metrics = metrics
        self._of = (provider, model)
        self._tracing = tracing
        self._clock = clock

    async def stream(
        self, messages: Sequence[ChatMessage], *, deadline: float, attempts: int = ATTEMPTS
    ) -> AsyncGenerator[Delta, None]:
        """See `Completions.stream`. Who leaves the loop early has ended it without an error."""
        began, first, error = self._clock(), True, ""
        provider, model = self._of
        about = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": provider, "gen_ai.request.model": model}
        try:
            with self._tracing.span(f"chat {model}", "CLIENT", about, current=False) as span:
                stream = self._completions.stream(messages, deadline=deadline, attempts=attempts)
                async with aclosing(stream) as deltas:
                    async for delta in deltas:
                        if first:
                            self._metrics.first_chunk.labels(*self._of).observe(self._clock() - began)
                        first = False
                        self._count(delta)
                        if span and delta.usage:
                            span.set_attribute("gen_ai.usage.input_tokens", delta.usage.prompt_tokens)
                            span.set_attribute("gen_ai.usage.output_tokens", delta.usage.completion_tokens)
                        if span and delta.finish:
                            span.set_attribute("gen_ai.response.finish_reasons", [delta.finish])
                        yield delta
        except CompletionError as failed:
            error = type(failed).__name__.lower()
            raise
        finally:
            self._metrics.operation.labels(*self._of, error).observe(self._clock() - began)

    def _count(self, delta: Delta) -> None:
        if delta.usage is None:
            return
        for kind, tokens in (("input", delta.usage.prompt_tokens), ("output", delta.usage.completion_tokens)):
            self._metrics.tokens.labels(*self._of, kind).observe(tokens)
