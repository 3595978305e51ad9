"""One mention is one trace over all processes, told to a collector by OTLP, and holds nothing that people wrote."""

import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from redis.asyncio import Redis

from bot.tracing import exporting
from tests.fakes.completions import Text, status
from tests.ports import served
from tests.running import Services, always, services
from tests.subprocesses import ONLY_DISCORD, environment, lean, started
from tests.until import until

SECRET = "what Ana wrote"


@dataclass
class Collector:
    """What an OpenTelemetry collector was sent."""

    url: str = ""
    spans: list[Span] = field(default_factory=list[Span])
    names: set[str] = field(default_factory=set[str])
    raw: bytes = b""

    def named(self, name: str) -> list[Span]:
        return [one for one in self.spans if one.name == name]


@asynccontextmanager
async def collecting() -> AsyncGenerator[Collector]:
    collector = Collector()

    async def traces(request: web.Request) -> web.Response:
        body = await request.read()
        if request.headers.get("Content-Encoding") == "gzip":
            raise web.HTTPBadRequest
        collector.raw += body
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            about = {one.key: one.value.string_value for one in resource.resource.attributes}
            collector.names.add(about["service.name"])
            for scope in resource.scope_spans:
                collector.spans += scope.spans
        return web.Response(content_type="application/x-protobuf")

    async with served([web.post("/v1/traces", traces)]) as collector.url:
        yield collector


def traced(outside: Services, redis_url: str, collector: str) -> dict[str, str]:
    traces = lean(traces=True)
    return environment(outside, REDIS_URL=redis_url, OTEL_EXPORTER_OTLP_ENDPOINT=collector, **ONLY_DISCORD, **traces)


async def test_one_mention_is_one_trace_from_the_gateway_to_the_workers_last_write(
    valkey_url: str, redis: Redis, tmp_path: Path
) -> None:
    async with services() as outside, collecting() as collector:
        outside.completions.default = always(Text("An answer.", usage={"prompt_tokens": 7, "completion_tokens": 2}))
        env = traced(outside, valkey_url, collector.url) | {"OTEL_SERVICE_NAME": "bot of sales"}
        async with (
            started(env, folder=tmp_path, role="gateway") as gateway,
            started(env, folder=tmp_path, role="worker") as worker,
        ):
            await until(lambda: outside.discord.gateway.live and worker.events("platform_open"), within_s=40)
            outside.discord.mention(outside.discord.channel, outside.discord.ann, SECRET)
            await until(lambda: worker.events("mention_answered"))
            assert (await gateway.stop(), await worker.stop()) == (0, 0)
        (accept,), (answer,), (history,), (finish,) = map(collector.named, ("accept", "answer", "history", "finish"))
        (chat,) = (one for one in collector.spans if one.name.startswith("chat "))
        assert {one.trace_id for one in (answer, history, finish, chat)} == {accept.trace_id}
        assert answer.parent_span_id == accept.span_id
        assert {one.parent_span_id for one in (history, finish, chat)} == {answer.span_id}
        assert (accept.kind, answer.kind, chat.kind) == (
            Span.SPAN_KIND_PRODUCER,
            Span.SPAN_KIND_CONSUMER,
            Span.SPAN_KIND_CLIENT,
        )
        told = {one.key: one.value for one in chat.attributes}
        assert told["gen_ai.usage.input_tokens"].int_value == 7
        (line,) = worker.events("mention_answered")
        assert line["trace_id"] == accept.trace_id.hex()
        assert collector.names == {"bot of sales"}
        assert SECRET.encode() not in collector.raw
        assert b"An answer" not in collector.raw


async def test_a_later_attempt_is_a_trace_of_its_own_that_links_to_the_first(
    valkey_url: str, redis: Redis, tmp_path: Path
) -> None:
    async with services() as outside, collecting() as collector:
        outside.completions.answers = [status(503, retry_after="0")] * 4
        outside.completions.default = always(Text("An answer."))
        env = traced(outside, valkey_url, collector.url)
        async with started(env, folder=tmp_path) as bot:
            await until(lambda: outside.discord.gateway.live, within_s=40)
            outside.discord.mention(outside.discord.channel, outside.discord.ann, SECRET)
            await until(lambda: bot.events("mention_answered"), within_s=60)
            assert await bot.stop() == 0
        (accept,), (failed, answered) = collector.named("accept"), collector.named("answer")
        assert failed.trace_id == accept.trace_id
        assert answered.trace_id != accept.trace_id
        assert [one.trace_id for one in answered.links] == [accept.trace_id]
        assert {one.key: one.value for one in failed.attributes}["error.type"].string_value == "Throttled"


async def test_a_collector_that_is_away_costs_no_answer(valkey_url: str, redis: Redis, tmp_path: Path) -> None:
    async with services() as outside:
        outside.completions.default = always(Text("An answer."))
        env = traced(outside, valkey_url, "http://127.0.0.1:9") | {"OTEL_EXPORTER_OTLP_TIMEOUT": "1"}
        async with started(env, folder=tmp_path) as bot:
            await until(lambda: outside.discord.gateway.live, within_s=40)
            outside.discord.mention(outside.discord.channel, outside.discord.ann, SECRET)
            await until(lambda: bot.events("mention_answered"))
            assert await bot.stop() == 0
        assert not re.search(SECRET, bot.output)


def test_nothing_is_exported_where_no_collector_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert exporting(None) is None
    assert exporting("") is None
