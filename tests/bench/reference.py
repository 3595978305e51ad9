"""The reference: the leanest handler on the same SDK and the same httpx. No history, no store, no checks.

    python -m tests.bench.reference --platform slack --api-url URL --model-url URL

It writes by the bot's own rule (first at a sentence's end or after 0.7 s, then at the platform's pace with the
newest text, last at once), so that a comparison shows overhead and not policy. With `--transport aiohttp` httpx
runs on the bot's own transport: the difference to the plain reference is what that transport alone gains.
"""

import argparse
import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, cast

import httpx

from tests.bench.tokens import APP_TOKEN, BOT_TOKEN, DISCORD_TOKEN

FIRST_WRITE_S = 0.7
SLACK_PACE_S = 3.0
DISCORD_PACE_S = 1.2

Show = Callable[[str], Awaitable[None]]


class Model:
    """Streams answers of a completions API."""

    def __init__(self, url: str, *, transport: str) -> None:
        limits = httpx.Limits(max_connections=1000, max_keepalive_connections=1000)
        self._url = f"{url}/chat/completions"
        self._http = httpx.AsyncClient(timeout=httpx.Timeout(None), limits=limits, transport=_transport(transport))

    async def tokens(self, text: str) -> AsyncGenerator[str]:
        """The pieces of an answer as they arrive."""
        body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": text}]}
        async with self._http.stream("POST", self._url, json=body) as response:
            rest = b""
            async for chunk in response.aiter_raw():
                *events, rest = (rest + chunk).split(b"\n\n")
                for event in events:
                    if event == b"data: [DONE]":
                        return
                    yield json.loads(event[6:])["choices"][0]["delta"].get("content") or ""


class Live:
    """One answer on its way: at most one write at a time, the newest text, the last at once."""

    def __init__(self, show: Show, *, pace_s: float) -> None:
        self._show = show
        self._pace_s = pace_s
        self._loop = asyncio.get_running_loop()
        self._text = self._shown = ""
        self._due_at = self._loop.time() + FIRST_WRITE_S
        self._write: asyncio.Task[None] | None = None

    def add(self, token: str) -> None:
        """Take a piece; starts a write when one is due."""
        self._text += token
        early = not self._shown and token.rstrip().endswith((".", "!", "?"))
        free = self._write is None or self._write.done()
        if free and (early or self._loop.time() >= self._due_at):
            self._due_at = self._loop.time() + self._pace_s
            self._write = asyncio.create_task(self._put())

    async def end(self) -> None:
        """Let the whole text stand."""
        if self._write:
            await self._write
        if self._shown != self._text:
            await self._put()

    async def _put(self) -> None:
        text = self._shown = self._text
        await self._show(text)


async def answer(model: Model, question: str, show: Show, *, pace_s: float) -> None:
    """Ask and write."""
    live = Live(show, pace_s=pace_s)
    async for token in model.tokens(question):
        live.add(token)
    await live.end()


async def slack(model: Model, api_url: str) -> None:
    """Slack over Socket Mode with Bolt."""
    import aiohttp
    from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
    from slack_bolt.app.async_app import AsyncApp
    from slack_sdk.web.async_client import AsyncWebClient

    client = AsyncWebClient(BOT_TOKEN, base_url=api_url, session=aiohttp.ClientSession())
    app = AsyncApp(client=client, logger=logging.getLogger("reference"))

    async def mentioned(event: dict[str, Any]) -> None:
        channel, thread, ts = event["channel"], event["ts"], ""

        async def show(text: str) -> None:
            nonlocal ts
            if ts:
                await client.chat_update(channel=channel, ts=ts, markdown_text=text)
            else:
                posted = await client.chat_postMessage(channel=channel, thread_ts=thread, markdown_text=text)
                ts = str(cast("dict[str, object]", posted.data)["ts"])

        await answer(model, event["text"], show, pace_s=SLACK_PACE_S)

    async def other() -> None:
        """The same message as a `message` event; Bolt acknowledges it."""

    app.event("app_mention")(mentioned)
    app.event("message")(other)
    await AsyncSocketModeHandler(app, APP_TOKEN, web_client=client).start_async()


async def discord(model: Model, api_url: str, gateway_url: str) -> None:
    """Discord with discord.py's own client."""
    import discord as sdk
    import yarl
    from discord.gateway import DiscordWebSocket
    from discord.http import Route

    Route.BASE = api_url
    DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(gateway_url)
    sdk.VoiceClient.warn_nacl = sdk.VoiceClient.warn_dave = False

    class Client(sdk.Client):
        async def on_message(self, message: sdk.Message) -> None:
            if self.user is None or self.user not in message.mentions or message.author == self.user:
                return
            sent: sdk.Message | None = None

            async def show(text: str) -> None:
                nonlocal sent
                sent = await (sent.edit(content=text) if sent else message.reply(text))

            await answer(model, message.content, show, pace_s=DISCORD_PACE_S)

    intents = sdk.Intents(guilds=True, guild_messages=True, dm_messages=True)
    async with Client(intents=intents, max_messages=None) as client:
        await client.start(DISCORD_TOKEN)


def main() -> None:
    """Run until killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--platform", choices=("slack", "discord"), required=True)
    parser.add_argument("--transport", choices=("httpx", "aiohttp"), default="httpx")
    parser.add_argument("--api-url", required=True)
    parser.add_argument("--gateway-url", default="")
    parser.add_argument("--model-url", required=True)
    given = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    asyncio.run(_run(given))


async def _run(given: argparse.Namespace) -> None:
    model = Model(given.model_url, transport=given.transport)
    if given.platform == "slack":
        await slack(model, given.api_url)
    else:
        await discord(model, given.api_url, given.gateway_url)


def _transport(name: str) -> httpx.AsyncBaseTransport | None:
    if name == "httpx":
        return None
    from bot.completions.transport import AiohttpTransport

    return AiohttpTransport(connections=1000, keep_alive_s=30.0, tls=False)


if __name__ == "__main__":
    main()
