"""httpx on aiohttp's connections: what httpx promises still holds."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from bot.completions.transport import AiohttpTransport
from tests.fakes.completions import FakeCompletions, Raw, Text, cut_after, stall, status

BODY = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture
async def server() -> AsyncIterator[FakeCompletions]:
    async with FakeCompletions() as server:
        yield server


@pytest.fixture
async def http(server: FakeCompletions, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx.AsyncClient]:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    transport = AiohttpTransport(connections=2, keep_alive_s=5, tls=False)
    async with httpx.AsyncClient(transport=transport, base_url=server.base_url) as http:
        yield http


async def test_a_whole_answer_is_read(http: httpx.AsyncClient, server: FakeCompletions) -> None:
    response = await http.post("chat/completions", json=BODY)
    assert response.json()["choices"][0]["message"]["content"] == "You said: hi"
    assert server.requests[0].body == BODY


async def test_a_redirect_is_not_followed(http: httpx.AsyncClient, server: FakeCompletions) -> None:
    server.answers = [Raw(status=307, headers={"Location": "/elsewhere"})]
    response = await http.post("chat/completions", json=BODY)
    assert (response.status_code, response.headers["location"]) == (307, "/elsewhere")


async def test_only_the_headers_given_are_sent(http: httpx.AsyncClient, server: FakeCompletions) -> None:
    await http.post("chat/completions", json=BODY, headers={"User-Agent": "me", "Accept-Encoding": "identity"})
    headers = server.requests[0].headers
    assert (headers["User-Agent"], headers["Accept-Encoding"]) == ("me", "identity")


async def test_a_request_without_a_body_is_sent(http: httpx.AsyncClient) -> None:
    assert (await http.get("nowhere")).status_code == 404


async def test_a_refused_connection_is_a_connect_error() -> None:
    async with FakeCompletions() as gone:
        url = gone.base_url
    async with httpx.AsyncClient(transport=AiohttpTransport(connections=1, keep_alive_s=5, tls=False)) as http:
        with pytest.raises(httpx.ConnectError):
            await http.post(url)


async def test_a_cut_body_is_a_read_error(http: httpx.AsyncClient, server: FakeCompletions) -> None:
    server.answers = [cut_after("Half")]
    with pytest.raises(httpx.ReadError):
        await http.post("chat/completions", json=BODY | {"stream": True})


async def test_no_free_connection_in_time_is_a_connect_timeout(
    http: httpx.AsyncClient, server: FakeCompletions
) -> None:
    server.answers = [stall(), stall()]
    async with asyncio.TaskGroup() as group:
        waiting = [group.create_task(http.post("chat/completions", json=BODY, timeout=None)) for _ in range(2)]
        while server.open_now < 2:  # noqa: ASYNC110 - the fake server has no event for it
            await asyncio.sleep(0.005)
        with pytest.raises(httpx.ConnectTimeout):
            await http.post("chat/completions", json=BODY, timeout=httpx.Timeout(None, connect=0.05))
        for task in waiting:
            task.cancel()


async def test_a_read_response_gives_its_connection_back(http: httpx.AsyncClient, server: FakeCompletions) -> None:
    server.answers = [Text("a"), status(500), Text("b")]
    for _ in range(3):
        await http.post("chat/completions", json=BODY)
    assert server.connections == 1


@pytest.mark.parametrize("name", ["http_proxy", "ALL_PROXY"])
async def test_a_proxy_of_the_environment_is_used_with_its_password(
    http: httpx.AsyncClient, server: FakeCompletions, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, server.base_url.replace("http://", "me:pass@").removesuffix("/v1"))
    monkeypatch.setenv("no_proxy", "other.invalid")
    await http.post("http://model.invalid/v1/chat/completions", json=BODY)
    assert server.requests[0].headers["Host"] == "model.invalid"
    assert server.requests[0].headers["Proxy-Authorization"].startswith("Basic ")


async def test_no_proxy_is_obeyed(
    http: httpx.AsyncClient, server: FakeCompletions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://nowhere.invalid:1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert (await http.post("chat/completions", json=BODY)).is_success


async def test_a_proxy_of_another_kind_is_refused(http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "socks5://127.0.0.1:1")
    with pytest.raises(httpx.UnsupportedProtocol):
        await http.post("chat/completions", json=BODY)


async def test_netrc_is_not_read(
    http: httpx.AsyncClient, server: FakeCompletions, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password other")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    await http.post("chat/completions", json=BODY, headers={"Authorization": "Bearer key"})
    assert server.requests[0].headers["Authorization"] == "Bearer key"


async def test_certificates_are_checked(server: FakeCompletions) -> None:
    async with httpx.AsyncClient(transport=AiohttpTransport(connections=1, keep_alive_s=5, tls=True)) as http:
        with pytest.raises(httpx.ConnectError, match="SSL"):
            await http.post(server.base_url.replace("http:", "https:"))


async def test_closing_without_any_request_is_fine() -> None:
    await AiohttpTransport(connections=1, keep_alive_s=5, tls=False).aclose()
