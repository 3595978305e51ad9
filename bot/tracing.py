"""Traces of mentions, by OpenTelemetry where it is installed and an endpoint is set; else nothing, at no cost.

One mention is one trace, over all processes: the gateway's span makes it known in the inbox entry (traceparent, W3C
Trace Context), the worker's goes on from there. An attempt after the first, or after a long wait, is a trace of its own
that links to it: else a trace would last as long as an outage. Spans hold ids and numbers, never what people wrote.

Names follow the conventions for messaging and GenAI spans (semantic-conventions, read November 2026; GenAI's status is
Development). This file is the only one that knows OpenTelemetry.
"""

import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal

from bot.errors import BotError, ConfigError
from bot.events import Mention
from bot.inbox.claim import Claim

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider as Provider
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span, Tracer
    from opentelemetry.util.types import AttributeValue

FRESH_S: Final = 60.0
"""A mention that waited for longer begins a trace of its own (chosen)."""

Kind = Literal["PRODUCER", "CONSUMER", "CLIENT", "INTERNAL"]


class Tracing:
    """Makes spans, or does nothing. `exporter` takes them; None leaves tracing off."""

    def __init__(self, exporter: "SpanExporter | None" = None, *, version: str = "", role: str = "") -> None:
        self._tracer: Tracer | None = None
        self._provider: Provider | None = None
        if exporter is None:
            return
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        about = {"service.name": "routernesia-bot", "service.version": version, "bot.role": role}
        # OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES go before: `create` alone would let ours win.
        resource = Resource.create(about).merge(OTELResourceDetector().detect())
        provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = provider.get_tracer("routernesia-bot")
        self._provider = provider

    def close(self) -> None:
        """Send what waits. It blocks for seconds where nobody takes it."""
        if self._provider:
            self._provider.shutdown()

    @contextmanager
    def accepting(self, mention: Mention) -> Generator[Mention]:
        """A mention on its way into the inbox: the same, with what later spans go on from."""
        with self.span("accept", "PRODUCER", _of(mention)) as span:
            yield replace(mention, trace=_traceparent(span)) if span else mention

    @contextmanager
    def answering(self, claim: Claim) -> "Generator[Span | None]":
        """A worker's turn at a mention."""
        mention = claim.mention
        if mention is None:
            yield None
            return
        first = claim.tries == 1 and claim.again == 0 and claim.age_s < FRESH_S
        about = {**_of(mention), "bot.tries": claim.tries, "bot.put_back": claim.again, "bot.waited_s": claim.age_s}
        with self.span("answer", "CONSUMER", about, of=mention.trace, linked=not first) as span:
            yield span

    @contextmanager
    def span(
        self,
        name: str,
        kind: Kind = "INTERNAL",
        about: "Mapping[str, AttributeValue] | None" = None,
        *,
        of: str = "",
        linked: bool = False,
        current: bool = True,
    ) -> "Generator[Span | None]":
        """A span while inside; what is raised inside is noted by its kind alone, since its text could quote people.

        `of` is a traceparent to go on from, or (`linked`) to link to. Without `current` it is nobody's parent: so it
        may stand around the `yield` of a generator, whose caller runs in another context.
        """
        if self._tracer is None:
            yield None
            return
        from opentelemetry import trace
        from opentelemetry.trace import SpanKind, Status, StatusCode

        parent, links = None, []
        if of:
            remote = _context(of)
            far = trace.get_current_span(remote).get_span_context()
            if linked:
                links = [trace.Link(far)] if far.is_valid else []
            else:
                parent = remote
        span = self._tracer.start_span(name, context=parent, kind=SpanKind[kind], attributes=about, links=links)
        try:
            if current:
                with trace.use_span(span, record_exception=False, set_status_on_exception=False):
                    yield span
            else:
                yield span
        except BaseException as error:
            if isinstance(error, Exception):
                span.set_attribute("error.type", type(error).__name__)
                if not isinstance(error, BotError) or not error.retryable:
                    span.set_status(Status(StatusCode.ERROR))
            raise
        finally:
            span.end()


OFF: Final = Tracing()
"""Makes no spans."""


def exporting(endpoint: str | None) -> "SpanExporter | None":
    """What sends spans to a collector by OTLP over HTTP; None where none is named.

    Raises ConfigError where one is named and OpenTelemetry is not installed. Headers and the like come from the
    standard variables OTEL_EXPORTER_OTLP_*.
    """
    if not endpoint:
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError:
        raise ConfigError(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, but OpenTelemetry is missing: install requirements-otel.lock"
        ) from None
    return OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")


def around() -> Mapping[str, str]:
    """For log lines: the trace that is written to just now."""
    trace = sys.modules.get("opentelemetry.trace")  # not loaded: no trace
    if trace is None:
        return {}
    context = trace.get_current_span().get_span_context()
    return {"trace_id": f"{context.trace_id:032x}"} if context.is_valid else {}


def _of(mention: Mention) -> "dict[str, AttributeValue]":
    place = mention.place
    return {
        "messaging.system": "routernesia-bot",
        "messaging.destination.name": "inbox",
        "messaging.message.id": mention.event_id,
        "bot.platform": place.platform,
        "bot.place": place.kind,
    }


def _traceparent(span: "Span") -> str:
    context = span.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def _context(traceparent: str) -> "Context":
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return TraceContextTextMapPropagator().extract({"traceparent": traceparent})
