"""The client's settings, and the offline echo, which needs no server."""

import math
import re

import httpx
import pytest

from bot.completions import ChatMessage, Completions
from bot.completions.echo import EchoTransport
from bot.errors import BotError, ConfigError, Invalid, Overloaded

NOW = 100.0


def client(transport: httpx.AsyncBaseTransport, *, base_url: str = "http://echo/v1") -> Completions:
    return Completions(
        base_url=base_url, api_key=None, model="echo", transport=transport, clock=lambda: NOW, jitter=lambda: 0.0
    )


async def ask(completions: Completions, *messages: ChatMessage) -> str:
    deltas = [delta async for delta in completions.stream(messages, deadline=NOW + 60)]
    await completions.aclose()
    assert deltas[-1].finish == "stop"
    return "".join(delta.text for delta in deltas)


@pytest.mark.parametrize("key", ["sk-se\ncret", "sk-secrét", "sk-sec\x7fret"])
def test_a_key_that_cannot_be_one_is_named_but_not_told(key: str) -> None:
    with pytest.raises(ConfigError, match="COMPLETIONS_API_KEY") as raised:
        Completions(base_url="http://x/v1", api_key=key, model="m")
    assert "sk-" not in str(raised.value)


@pytest.mark.parametrize("url", ["", "example.org/v1", "ftp://x/v1", "http://", "http://[x]", "http://x:y/v1"])
def test_a_base_url_that_cannot_be_one_is_named(url: str) -> None:
    with pytest.raises(ConfigError, match="COMPLETIONS_BASE_URL"):
        Completions(base_url=url, api_key=None, model="m")


@pytest.mark.parametrize("base_url", ["http://x/v1", "http://x/v1/", " http://x/v1 "])
async def test_the_path_is_appended_to_the_base_url(base_url: str) -> None:
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(str(request.url))
        return httpx.Response(200, json={"choices": [{"message": {"content": "hi"}}]})

    assert await ask(client(httpx.MockTransport(answer), base_url=base_url)) == "hi"
    assert seen == ["http://x/v1/chat/completions"]


async def test_the_echo_repeats_what_was_said_and_says_what_it_is() -> None:
    said: ChatMessage = {"role": "user", "content": "first line\nsecond line"}
    answer = await ask(client(EchoTransport(pause_s=0)), {"role": "system", "content": "be kind"}, said)
    assert "offline echo" in answer
    assert "> first line\n> second line" in answer
    assert "first message of this thread" in answer
    assert "be kind" not in answer


async def test_the_echo_shows_that_it_was_given_the_thread() -> None:
    said: ChatMessage = {"role": "user", "content": "and now?"}
    earlier: list[ChatMessage] = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    answer = await ask(client(EchoTransport(pause_s=0)), *earlier, said)
    assert re.search(r"\b2 earlier messages\b", answer)
    answer = await ask(client(EchoTransport(pause_s=0)), earlier[0], said)
    assert re.search(r"\b1 earlier message\b", answer)


async def test_the_echo_streams_word_by_word_at_its_pace() -> None:
    naps: list[float] = []

    async def nap(seconds: float) -> None:
        naps.append(seconds)

    answer = await ask(client(EchoTransport(pause_s=0.25, sleep=nap)), {"role": "user", "content": "hi"})
    assert math.isclose(sum(naps), 0.25 * len(answer.split()))


async def test_the_echo_has_one_path_only() -> None:
    async with httpx.AsyncClient(transport=EchoTransport()) as http:
        assert (await http.get("http://echo/v1/models")).status_code == 404


async def test_the_echo_survives_an_empty_prompt() -> None:
    assert "(nothing)" in await ask(client(EchoTransport(pause_s=0)))


@pytest.mark.parametrize("attempts", [1, 2])
async def test_a_request_that_failed_is_repeated_only_as_often_as_its_caller_wants(attempts: int) -> None:
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(500)

    async def at_once(_: float) -> None: ...

    transport = httpx.MockTransport(answer)
    completions = Completions(base_url="http://x/v1", api_key=None, model="m", transport=transport, sleep=at_once)
    with pytest.raises(Overloaded):
        await anext(completions.stream([{"role": "user", "content": "a"}], deadline=math.inf, attempts=attempts))
    await completions.aclose()
    assert len(sent) == attempts


async def test_the_refusal_of_a_key_that_was_renewed_meanwhile_says_nothing_about_the_new_one() -> None:
    keys: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers["Authorization"])
        completions.use_key("new")
        if keys[-1] != "Bearer new":
            return httpx.Response(401)
        return httpx.Response(200, json={"choices": [{"message": {"content": "hi"}}]})

    completions = client(httpx.MockTransport(answer))
    completions.use_key("old")
    assert await ask(completions, {"role": "user", "content": "a"}) == "hi"
    assert keys == ["Bearer old", "Bearer new"]


async def test_a_server_that_cannot_be_reached_is_named_without_its_path_and_login() -> None:
    def refused(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("canary", request=request)

    transport = httpx.MockTransport(refused)
    completions = Completions(base_url="http://typo.example:8000/v1", api_key="k", model="m", transport=transport)
    with pytest.raises(Overloaded, match=r"^the request to typo\.example:8000 failed \(ConnectError\)$"):
        await anext(completions.stream([{"role": "user", "content": "a"}], deadline=math.inf, attempts=1))
    await completions.aclose()


async def test_errors_of_the_client_are_errors_of_the_bot() -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(404))
    with pytest.raises(BotError) as raised:
        await ask(client(transport))
    assert isinstance(raised.value, Invalid)
