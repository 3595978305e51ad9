"""The address where Discord delivers interactions over HTTP, instead of over the gateway.

Any replica takes any of them: nothing is kept between two requests. The response stands in the HTTP body.
"""

import json
import time
from collections.abc import Callable
from typing import Final, cast

from aiohttp import web

from adapters.discord.answers import responses
from adapters.discord.incoming.interactions import Interactions
from adapters.discord.incoming.signature import Verifier
from adapters.discord.payloads.fields import Payload
from adapters.discord.payloads.interactions import PING

PATH: Final = "/discord/interactions"
BODY_MAX_BYTES: Final = 1024 * 1024


class Endpoint:
    """Verifies, reads, hands over."""

    def __init__(self, interactions: Interactions, public_key: str, *, now: Callable[[], float] = time.time) -> None:
        self._interactions = interactions
        self._verifier = Verifier(public_key)
        self._now = now

    async def __call__(self, request: web.Request) -> web.Response:
        """Answer a delivery.

        200 with the response, 400 not readable, 401 not signed by Discord, 413 too long, 503 not taken: Discord tells
        the person that the bot did not respond.
        """
        response = await self._answered(request)
        if self._interactions.leaving:
            response.force_close()
        return response

    async def _answered(self, request: web.Request) -> web.Response:
        body = await request.clone(client_max_size=BODY_MAX_BYTES).read()
        if not self._signed(request, body):
            return web.Response(status=401)
        try:
            payload: object = json.loads(body)
        except (ValueError, RecursionError):
            return web.Response(status=400)
        if not isinstance(payload, dict):
            return web.Response(status=400)
        return await self._taken(cast(Payload, payload))

    async def _taken(self, payload: Payload) -> web.Response:
        if payload.get("type") == PING:
            return web.json_response(responses.PONG)
        response = await self._interactions.over_http(payload)
        return web.Response(status=503) if response is None else web.json_response(response)

    def _signed(self, request: web.Request, body: bytes) -> bool:
        times = request.headers.getall("X-Signature-Timestamp", [])
        signatures = request.headers.getall("X-Signature-Ed25519", [])
        if len(times) != 1 or len(signatures) != 1:
            return False
        return self._verifier.verified(body, timestamp=times[0], signature=signatures[0], now=self._now())
