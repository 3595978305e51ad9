"""The completions client against a fake server on loopback: real sockets, real httpx."""

import asyncio
import gzip
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from email.utils import formatdate
from typing import Any

import pytest

from bot.completions import ChatMessage, Completions, Patience
from bot.errors import Broken, CompletionError, Invalid, Overloaded, Throttled, TooLong, Unauthorized
from bot.events import Delta, Usage
from tests.fakes.completions import (
    BAD,
    FINE,
    FakeCompletions,
    Raw,
    Request,
    Text,
    cut_after,
    endless,
    event,
    slow_loris,
    stall,
    stall_after,
    status,
    text_events,
    whole,
)
from tests.until import until

ASK: list[ChatMessage] = [{"role": "user", "content": "a secret question"}]
# A busy machine must not look like a silent server: only tests about silence are impatient.
CALM = Patience(tail_s=0.05)
QUICK = Patience(first_byte_s=0.3, chunk_s=0.3)
HALTING = Patience(chunk_s=0.3)
Make = Callable[..., Completions]


class Naps:
    """Back-offs that are noted, not slept."""

    def __init__(self) -> None:
        self.taken: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)


@pytest.fixture
def naps() -> Naps:
    return Naps()


@pytest.fixture
async def server() -> AsyncIterator[FakeCompletions]:
    async with FakeCompletions(key="sk-test") as server:
        yield server


@pytest.fixture
async def make(server: FakeCompletions, naps: Naps, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Make]:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    made: list[Completions] = []

    def make(**more: Any) -> Completions:
        options: dict[str, Any] = {
            "base_url": server.base_url,
            "api_key": "sk-test",
            "model": "m",
            "sleep": naps,
            "jitter": lambda: 1.0,
            "patience": CALM,
        }
        made.append(Completions(**(options | more)))
        return made[-1]

    yield make
    for client in made:
        await client.aclose()


async def read(client: Completions, *, within_s: float = 20.0) -> list[Delta]:
    return [delta async for delta in client.stream(ASK, deadline=time.monotonic() + within_s)]


def text(deltas: list[Delta]) -> str:
    return "".join(delta.text for delta in deltas)


async def test_a_streamed_answer_arrives_in_pieces_with_the_end_on_the_last(
    server: FakeCompletions, make: Make
) -> None:
    server.answers = [Text(deltas=("Hel", "lo"), tokens_per_s=50, usage={"prompt_tokens": 3, "completion_tokens": 2})]
    deltas = await read(make())
    assert deltas == [Delta("Hel"), Delta("lo"), Delta("", "stop", Usage(3, 2))]


async def test_only_documented_fields_and_the_key_are_sent(server: FakeCompletions, make: Make) -> None:
    await read(make())
    await read(make(stream="off", reply_tokens=9))
    first, second = server.requests
    assert first.body == {"model": "m", "messages": ASK, "stream": True}
    assert second.body == {"model": "m", "messages": ASK, "max_tokens": 9}
    assert first.headers["Authorization"] == "Bearer sk-test"


async def test_no_key_sends_no_authorization(server: FakeCompletions, make: Make) -> None:
    server.key = None
    assert text(await read(make(api_key=None))) == "You said: a secret question"
    assert "Authorization" not in server.requests[0].headers


async def test_half_a_surrogate_pair_in_the_prompt_is_sent_as_something_valid(
    server: FakeCompletions, make: Make
) -> None:
    stream = make().stream([{"role": "user", "content": "a\ud83db"}], deadline=time.monotonic() + 20)
    assert text([delta async for delta in stream]) == "You said: a?b"


@pytest.mark.parametrize("name", FINE)
async def test_a_server_with_odd_manners_is_understood(server: FakeCompletions, make: Make, name: str) -> None:
    server.answers = [FINE[name]]
    deltas = await read(make())
    assert text(deltas) == "Hello wörld 🌍"
    assert [delta.finish for delta in deltas if delta.finish] == ["stop"] == [deltas[-1].finish]
    assert len(server.requests) == 1


@pytest.mark.parametrize("name", BAD)
async def test_a_bad_answer_is_tried_again_before_anything_was_shown(
    server: FakeCompletions, make: Make, naps: Naps, name: str
) -> None:
    server.answers = [BAD[name], Text("fine")]
    assert text(await read(make())) == "fine"
    assert naps.taken == [0.5]


@pytest.mark.parametrize("name", BAD)
async def test_after_four_bad_answers_it_gives_up_with_an_error_of_ours(
    server: FakeCompletions, make: Make, naps: Naps, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    caplog.set_level(logging.DEBUG, "bot")
    server.answers = lambda _: BAD[name]
    with pytest.raises((Broken, Overloaded, Throttled)) as raised:
        await read(make())
    assert len(server.requests) == 4
    assert naps.taken == [0.5, 1.0, 2.0]
    told = str(raised.value) + "".join(str(record.__dict__) for record in caplog.records)
    assert "secret" not in told
    assert "sk-test" not in told


@pytest.mark.parametrize(
    "bad",
    [
        cut_after("Half"),
        stall_after("Half"),
        Raw([event("Half"), b"data: {nonsense\n\n"], every_s=0.03),
        Raw([event("Half"), b'data: {"error": {"code": 503, "message": "secret"}}\n\n'], every_s=0.03),
        Raw([event("Half"), b"data: " + b"x" * (2 << 20)]),
        Raw([event("Half")]),
        Raw([event("Half"), event(None, finish="error")], every_s=0.03),
    ],
    ids=["cut", "stall", "nonsense", "error", "gigantic", "no end", "finish error"],
)
async def test_a_failure_after_the_first_text_is_broken_and_never_tried_again(
    server: FakeCompletions, make: Make, bad: Raw
) -> None:
    server.answers = [bad]
    deltas = make(patience=HALTING).stream(ASK, deadline=time.monotonic() + 20)
    assert (await anext(deltas)).text == "Half"
    with pytest.raises(Broken):
        await anext(deltas)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("reason", "finish"),
    [("length", "length"), ("content_filter", "filter"), ("tool_calls", "stop"), ("eos", "stop")],
)
async def test_the_finish_reason_is_told(server: FakeCompletions, make: Make, reason: str, finish: str) -> None:
    server.answers = [Text("cut sho", finish=reason)]
    assert (await read(make()))[-1].finish == finish


@pytest.mark.parametrize("reason", ["length", "content_filter"])
async def test_nothing_visible_within_the_limit_is_not_paid_for_again(
    server: FakeCompletions, make: Make, reason: str
) -> None:
    server.answers = [Text("<think>on and on", finish=reason)]
    with pytest.raises(Broken):
        await read(make())
    assert len(server.requests) == 1


async def test_an_endpoint_that_refuses_to_stream_is_asked_whole_from_then_on(
    server: FakeCompletions, make: Make
) -> None:
    server.streams = "refuses"
    client = make()
    for _ in range(2):
        assert text(await read(client)) == "You said: a secret question"
    assert [request.body.get("stream") for request in server.requests] == [True, None, None]


async def test_a_refusal_that_is_not_about_streaming_is_asked_once_more_and_forgotten(
    server: FakeCompletions, make: Make
) -> None:
    client = make()
    server.answers = [status(422), status(422)]
    with pytest.raises(Invalid):
        await read(client)
    await read(client)
    assert [request.body.get("stream") for request in server.requests] == [True, None, True]


async def test_an_endpoint_that_has_streamed_is_believed_when_it_refuses(server: FakeCompletions, make: Make) -> None:
    client = make()
    await read(client)
    server.answers = [status(400)]
    with pytest.raises(Invalid):
        await read(client)
    assert len(server.requests) == 2


async def test_stream_on_never_asks_without(server: FakeCompletions, make: Make) -> None:
    server.streams = "refuses"
    with pytest.raises(Invalid):
        await read(make(stream="on"))
    assert len(server.requests) == 1


async def test_an_endpoint_that_ignores_stream_may_take_until_the_deadline(
    server: FakeCompletions, make: Make, naps: Naps
) -> None:
    server.streams = "ignores"
    client = make(patience=Patience(first_byte_s=1.0))
    server.answers = [Text("quick"), Text("slow", first_after_s=1.2)]
    assert text(await read(client)) == "quick"
    assert text(await read(client)) == "slow"
    assert naps.taken == []


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (status(404), Invalid),
        (status(405), Invalid),
        (status(301), Invalid),
        (status(403, code="moderation_flagged"), Invalid),
        (status(413), TooLong),
        (status(400, code="context_length_exceeded"), TooLong),
        (status(400, code="exceed_context_size_error"), TooLong),
        (status(500, message="This model's maximum context length is 4096 tokens"), TooLong),
    ],
)
async def test_a_final_refusal_is_not_tried_again(
    server: FakeCompletions, make: Make, answer: Raw, kind: type[CompletionError]
) -> None:
    server.answers = [answer]
    with pytest.raises(kind) as raised:
        await read(make())
    assert len(server.requests) == 1
    assert "req-1" in str(raised.value)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("code", [401, 403])
async def test_a_refused_key_stops_all_requests_for_a_minute(
    server: FakeCompletions, make: Make, caplog: pytest.LogCaptureFixture, code: int
) -> None:
    now = 1000.0
    client = make(clock=lambda: now)
    server.answers = [status(code)]
    for _ in range(3):
        with pytest.raises(Unauthorized):
            await anext(client.stream(ASK, deadline=now + 100))
    assert len(server.requests) == 1
    errors = [record for record in caplog.records if record.levelname == "ERROR"]
    assert [(record.message, getattr(record, "setting", "")) for record in errors] == [
        ("completions_key_refused", "COMPLETIONS_API_KEY")
    ]
    now += 61
    async with aclosing(client.stream(ASK, deadline=now + 100)) as deltas:
        assert (await anext(deltas)).text
    assert len(server.requests) == 2


async def test_retry_after_is_waited_out(server: FakeCompletions, make: Make, naps: Naps) -> None:
    date = formatdate(1_700_000_010, usegmt=True)
    server.answers = [status(429, retry_after="7"), status(503, retry_after=date), Text("fine")]
    assert text(await read(make(wall=lambda: 1_700_000_000.0))) == "fine"
    assert naps.taken == [7.0, 10.0]


@pytest.mark.parametrize("code", [429, 503])
async def test_a_long_retry_after_goes_to_the_caller(
    server: FakeCompletions, make: Make, naps: Naps, code: int
) -> None:
    server.answers = [status(code, retry_after="30")]
    with pytest.raises(Throttled) as raised:
        await read(make(), within_s=1000)
    assert raised.value.retry_after_s == 30
    assert naps.taken == []


async def test_no_wait_goes_past_the_deadline(server: FakeCompletions, make: Make, naps: Naps) -> None:
    server.answers = [status(429, retry_after="15")]
    with pytest.raises(Throttled):
        await read(make(), within_s=10)
    assert naps.taken == []


async def test_a_refused_connection_is_tried_again(make: Make, naps: Naps) -> None:
    async with FakeCompletions() as gone:
        url = gone.base_url
    with pytest.raises(Overloaded):
        await read(make(base_url=url))
    assert naps.taken == [0.5, 1.0, 2.0]


@pytest.mark.parametrize("headers_at_once", [True, False])
async def test_silence_before_the_first_byte_is_tried_again(
    server: FakeCompletions, make: Make, naps: Naps, headers_at_once: bool
) -> None:
    server.answers = [stall(headers_at_once=headers_at_once)]
    server.answers = [*server.answers, *[Text("fine")] * 3]  # a busy machine may look silent once more
    assert text(await read(make(patience=QUICK))) == "fine"
    assert naps.taken[0] == 0.5
    await until(lambda: server.requests[0].went_away)


async def test_an_endpoint_never_seen_streaming_may_take_long_at_the_second_try(
    server: FakeCompletions, make: Make
) -> None:
    server.streams = "ignores"
    server.answers = [Text("slow", first_after_s=0.5), Text("slow", first_after_s=0.5)]
    assert text(await read(make(patience=QUICK))) == "slow"
    assert len(server.requests) == 2


@pytest.mark.parametrize("answer", [slow_loris(every_s=0.02), stall()], ids=["slow loris", "stall"])
async def test_one_byte_at_a_time_is_as_good_as_silence(server: FakeCompletions, make: Make, answer: Raw) -> None:
    server.answers = [answer] * 4
    with pytest.raises(Overloaded):
        await read(make(patience=QUICK), within_s=0.6)


async def test_an_endless_answer_ends_at_the_deadline(server: FakeCompletions, make: Make) -> None:
    server.answers = [endless()]
    with pytest.raises(Broken):
        await read(make(), within_s=1.0)  # the first word must come before
    await until(lambda: server.requests[0].went_away)


async def test_a_deadline_in_the_past_sends_nothing(server: FakeCompletions, make: Make) -> None:
    with pytest.raises(Overloaded):
        await read(make(), within_s=-1)
    assert server.requests == []


async def test_leaving_the_loop_closes_the_response_at_once(server: FakeCompletions, make: Make) -> None:
    server.answers = [stall_after("on ")]
    async with aclosing(make().stream(ASK, deadline=time.monotonic() + 20)) as deltas:
        assert (await anext(deltas)).text == "on "
        assert server.open_now == 1
    await until(lambda: server.requests[0].went_away)


async def test_cancelling_the_reader_closes_the_response_at_once(server: FakeCompletions, make: Make) -> None:
    server.answers = [stall()]
    reader = asyncio.create_task(read(make()))
    await until(lambda: server.open_now == 1)
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    await until(lambda: server.requests[0].went_away)


async def test_connections_are_used_again(server: FakeCompletions, make: Make) -> None:
    client = make(patience=Patience(tail_s=20.0, drain_s=20.0))
    for _ in range(3):
        await read(client)
    for _ in range(3):
        async for delta in client.stream(ASK, deadline=time.monotonic() + 20):
            if delta.finish:
                break
    assert server.connections == 1


async def test_many_answers_at_once_stay_apart(server: FakeCompletions, make: Make) -> None:
    client = make()

    async def ask(number: int) -> str:
        ask: list[ChatMessage] = [{"role": "user", "content": f"number {number}"}]
        return text([delta async for delta in client.stream(ask, deadline=time.monotonic() + 20)])

    def paced(request: Request) -> Text:
        return Text(f"{request.last_user_text} is what you asked me", tokens_per_s=100)

    server.answers = paced
    server.may_end.clear()
    async with asyncio.TaskGroup() as group:
        asking = [group.create_task(ask(number)) for number in range(30)]
        await until(lambda: server.open_now == 30)
        server.may_end.set()
    answers = [task.result() for task in asking]
    assert answers == [f"number {number} is what you asked me" for number in range(30)]
    assert server.open_peak == 30


async def test_a_compressed_answer_is_understood(server: FakeCompletions, make: Make) -> None:
    headers = {"Content-Type": "text/event-stream", "Content-Encoding": "gzip"}
    server.answers = [Raw([gzip.compress(b"".join(text_events("Hello")))], headers=headers)]
    assert text(await read(make())) == "Hello"


async def test_a_refusal_whose_body_never_ends_is_still_a_refusal(server: FakeCompletions, make: Make) -> None:
    server.answers = [
        Raw([b"x" * (200 << 10)], status=404),
        Raw([b"x"], status=404, ending="hang"),
    ]
    for _ in range(2):
        with pytest.raises(Invalid):
            await read(make(patience=Patience(connect_s=0.1)))


async def test_an_unauthorized_error_inside_an_answer_opens_the_circuit(server: FakeCompletions, make: Make) -> None:
    server.answers = [whole({"error": {"code": "invalid_api_key", "message": "secret"}})]
    client = make()
    for _ in range(2):
        with pytest.raises(Unauthorized):
            await read(client)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("answer", "level", "todo"),
    [
        (status(401), "fail", "COMPLETIONS_API_KEY"),
        (status(404), "fail", "COMPLETIONS_MODEL"),
        (status(500), "fail", "COMPLETIONS_BASE_URL"),
        (status(429), "warn", "limit"),
        (BAD["html_with_200"], "fail", "COMPLETIONS_BASE_URL"),
    ],
)
async def test_doctor_says_what_to_do(server: FakeCompletions, make: Make, answer: Raw, level: str, todo: str) -> None:
    server.answers = [answer]
    (finding,) = await make().check()
    assert finding.level == level
    assert todo in finding.todo


@pytest.mark.parametrize(("streams", "level"), [("yes", "ok"), ("refuses", "warn"), ("ignores", "warn")])
async def test_doctor_says_whether_it_streams(server: FakeCompletions, make: Make, streams: Any, level: str) -> None:
    server.streams = streams
    key, mode = await make().check()
    assert key.level == "ok"
    assert mode.level == level


async def test_chaos_answers_stay_whole_or_fail_with_an_error_of_ours(make: Make) -> None:
    async with FakeCompletions(error_rate=0.4) as server:
        client = make(base_url=server.base_url)
        results = await asyncio.gather(*(read(client) for _ in range(60)), return_exceptions=True)
    answers = [text(result) for result in results if isinstance(result, list)]
    assert set(answers) == {"You said: a secret question"}
    failures = [result for result in results if isinstance(result, BaseException)]
    assert all(isinstance(failure, CompletionError) for failure in failures)
    assert len(server.requests) > 60


async def test_a_paced_stream_takes_its_time(server: FakeCompletions, make: Make) -> None:
    server.answers = [Text(" ".join(["word"] * 40), tokens_per_s=200)]
    began = time.monotonic()
    await read(make())
    assert time.monotonic() - began > 0.15


async def _post(client: Completions, messages: Any) -> None:
    async for _ in client.stream(messages, deadline=time.monotonic() + 20):
        pass


@pytest.mark.parametrize("messages", [[], [{"role": "owner", "content": "x"}], [{"role": "user"}], ["x"]])
async def test_the_fake_refuses_what_a_real_server_would(make: Make, messages: Any) -> None:
    refused: Awaitable[None] = _post(make(), messages)
    with pytest.raises(Invalid):
        await refused


async def test_the_fake_knows_its_models(server: FakeCompletions, make: Make) -> None:
    server.models = {"other"}
    with pytest.raises(Invalid):
        await read(make())
