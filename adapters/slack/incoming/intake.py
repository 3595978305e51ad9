"""Slack's deliveries on their way in: verify, read, hand over, and only then acknowledge.

Bolt runs the protocol (challenge, envelopes, answers); its listeners are not used. Even with
`process_before_response` an event would pass authorization, matching and argument injection, and one that no listener
wants is logged with its whole body (slack_bolt 1.30, app/async_app.py). A middleware before authorization sees every
event once, costs one parse, and what it answers is what Slack gets: 200 acknowledges; anything else is a failed
delivery over HTTP and no acknowledgement over Socket Mode. Slack then sends an event again; of a press, a shortcut, a
form or a command it tells the person that it failed, and everything that those need is done before the answer as well.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, cast
from urllib.parse import parse_qsl

from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response
from slack_bolt.adapter.socket_mode.async_internals import send_async_response
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.middleware.async_middleware import AsyncMiddleware
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse
from slack_sdk.signature import Clock, SignatureVerifier
from slack_sdk.socket_mode.request import SocketModeRequest

from adapters.slack.api.sdklog import sdk_logger
from adapters.slack.incoming.dispatch import Dispatch
from adapters.slack.incoming.entrance import Entrance, Rules
from adapters.slack.incoming.sockets import Socket
from adapters.slack.payloads.fields import Json, record, text
from adapters.slack.workspaces import Workspaces
from bot.errors import PlatformError, StoreError
from bot.platform import Submit
from bot.services import Services

log = logging.getLogger(__name__)

BODY_MAX_BYTES: Final = 1024 * 1024
SUBMIT_WITHIN_S: Final = 2.5  # chosen: Slack gives an acknowledgement 3 s (docs.slack.dev/apis/events-api, Nov 2026)
_AGAIN_EVERY_S: Final = 0.5  # chosen: five tries of an event, and Slack's own second one comes at once
_TIMESTAMP_MAX: Final = 12
_NO_RETRY: Final = {"X-Slack-No-Retry": "1"}  # what cannot be read now cannot be read later


class Intake(AsyncMiddleware):
    """Takes deliveries while `submit` is set. Without `services` there are no commands and no opinions of answers.

    `leaving` says that it soon will not be, or is not any more: then each answer over HTTP ends its connection.
    """

    def __init__(
        self,
        workspaces: Workspaces,
        *,
        within_s: float = SUBMIT_WITHIN_S,
        rules: Rules | None = None,
        services: Services | None = None,
    ) -> None:
        self.submit: Submit | None = None
        self.leaving = False
        self._dispatch = Dispatch(workspaces, Entrance(rules or Rules(), services))
        self._within_s = within_s
        self._app = AsyncApp(
            name="slack",
            logger=sdk_logger(),
            token="-",  # noqa: S106 - Bolt insists on one; nothing that it answers here calls Slack
            process_before_response=True,
            request_verification_enabled=False,  # done in `Webhook` before anything is parsed
            ssl_check_enabled=False,
            before_authorize=self,
        )

    async def async_process(
        self,
        *,
        req: AsyncBoltRequest,
        resp: BoltResponse,
        next: Callable[[], Awaitable[BoltResponse]],  # noqa: A002  Bolt passes it by this name
    ) -> BoltResponse:
        """Answer a delivery; leave the challenge that checks the address to Bolt."""
        payload = req.body
        if payload.get("type") == "url_verification":
            return await next()
        status, answer = await self._taken(payload)
        return BoltResponse(status=status, body=answer or "")

    async def envelope(self, socket: Socket, request: SocketModeRequest) -> None:
        """Take one envelope of Socket Mode and acknowledge it on the socket that brought it."""
        # Only HTTP has headers; what says here that a delivery is a repetition, nobody reads.
        response = await self.dispatch(cast(Json, request.payload), {})
        await send_async_response(socket, request, response, 0.0)

    async def dispatch(self, payload: Json, headers: Mapping[str, str]) -> BoltResponse:
        """Take one delivery, verified before, and answer it.

        One whose fields are not of the kinds that Bolt reads at once is acknowledged: it would be no better when it
        came again.
        """
        try:
            # As over a socket: Bolt's own reading of forms loses a command whose text holds the word "payload".
            request = AsyncBoltRequest(body=payload, headers=dict(headers), mode="socket_mode")
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            log.warning("slack_delivery_malformed", extra=_about(payload, error))
            return BoltResponse(status=200)
        return await self._app.async_dispatch(request)

    async def _taken(self, payload: Json) -> tuple[int, Json]:
        if (submit := self.submit) is None:
            return 503, {}
        try:
            async with asyncio.timeout(self._within_s):
                return 200, await self._take(payload, submit)
        except (StoreError, PlatformError, TimeoutError) as error:
            log.warning("slack_event_not_taken", extra=_about(payload, error))
            return 503, {}
        except Exception as error:  # noqa: BLE001  the listener's wall: one bad event must not end the listening
            log.error("slack_event_failed", extra=_about(payload, error))  # its text may quote people
            return 500, {}

    async def _take(self, payload: Json, submit: Submit) -> Json:
        """Take a delivery; an event again and again while there is time and the store is away.

        It would be the same when Slack sent it again, but after the second time that is a minute later.
        """
        while True:
            try:
                return await self._dispatch.take(payload, submit)
            except StoreError:
                if payload.get("type") != "event_callback":  # what a person waits for comes once
                    raise
            await asyncio.sleep(_AGAIN_EVERY_S)


class Webhook:
    """The address where Slack delivers events over HTTP."""

    def __init__(self, intake: Intake, signing_secret: str, *, clock: Clock | None = None) -> None:
        self._intake = intake
        self._verifier = SignatureVerifier(signing_secret, clock or Clock())

    async def __call__(self, request: web.Request) -> web.Response:
        """Answer a delivery.

        200 taken, 400 not readable, 401 not signed by Slack, 413 too long, 500 and 503 not taken: Slack sends it again.
        """
        response = await self._answer(request)
        if self._intake.leaving:
            response.force_close()
        return response

    async def _answer(self, request: web.Request) -> web.Response:
        if self._intake.submit is None:
            return web.Response(status=503)
        bounded = request.clone(client_max_size=BODY_MAX_BYTES)
        if not self._signed(request, await bounded.read()):
            return web.Response(status=401)
        try:
            payload = _payload(await bounded.text(), request.content_type)
        except (ValueError, LookupError, TypeError, RecursionError):  # signed, but no object in a known charset
            return web.Response(status=400, headers=_NO_RETRY)
        return await to_aiohttp_response(await self._intake.dispatch(payload, request.headers))

    def _signed(self, request: web.Request, body: bytes) -> bool:
        """Whether Slack signed these bytes in the last five minutes.

        The SDK's verifier raises on a timestamp that is no number and on anything that is not ASCII or UTF-8.
        """
        times = request.headers.getall("X-Slack-Request-Timestamp", [])
        signatures = request.headers.getall("X-Slack-Signature", [])
        if len(times) != 1 or len(signatures) != 1:
            return False
        time, signature = times[0], signatures[0]
        if not (time.isascii() and time.isdigit() and len(time) <= _TIMESTAMP_MAX and signature.isascii()):
            return False
        try:
            return self._verifier.is_valid(body, time, signature)
        except UnicodeDecodeError:
            return False


def _payload(body: str, content_type: str) -> Json:
    """What a request carries: JSON for an event, a form for a command, JSON in a form for all other interactions.

    Raises ValueError and TypeError for what is none of these.
    """
    if content_type != "application/x-www-form-urlencoded":
        return _object(json.loads(body)) if body else {}
    fields = dict(parse_qsl(body, keep_blank_values=True))
    return _object(json.loads(fields["payload"])) if "payload" in fields else cast(Json, fields)


def _object(read: object) -> Json:
    if not isinstance(read, dict):
        raise TypeError
    return cast(Json, read)


def _about(payload: Json, error: Exception) -> dict[str, Any]:
    """What a log may say of a delivery: ids and kinds, nothing that somebody wrote."""
    kind = (
        text(record(payload, "event"), "type") or text(payload, "type") or ("command" if "command" in payload else "")
    )
    return {"slack_event": text(payload, "event_id"), "kind": kind, "error": type(error).__name__}
