"""Deliveries to the app: events, sent again until acknowledged; interactions and commands, sent once.

Over HTTP, signed, or to any open socket (reference 2.1, 2.2). It knows nothing of what an event means.
"""

import asyncio
import hashlib
import hmac
import itertools
import json
import time
import urllib.parse
from contextlib import suppress
from typing import Any, cast

import aiohttp

from tests.fakes.slack.facts import APP_ID, Delivery, Installation, Json, Kind, Link
from tests.fakes.slack.world import World

_MESSAGE_EVENTS = {"channel": "channels", "group": "groups", "mpim": "mpim", "im": "im"}


class Delivering(World):
    """A world that can reach its app."""

    async def event(self, event: Json, **envelope: Any) -> None:
        """Deliver any event; `envelope` overrides its fields."""
        team = str(envelope.get("team_id") or self.event_team(event))
        await self.deliver_event(event, team, **envelope)

    async def deliver_event(self, event: Json, team: str, **envelope: Any) -> None:
        """Send an event once now; further attempts run in the background.

        Nothing is sent where the app is not installed, or did not ask for such events.
        """
        installation = self.installation(team)
        if not installation or not self._wanted(event):
            self.note("unheard", str(event["type"]), team=team)
            return
        payload = {**self.envelope(event, team, installation), **envelope}
        delivery = Delivery(f"env-{next(self.numbers)}", payload)
        self.deliveries[delivery.envelope_id] = delivery
        await self._send(delivery)
        if not delivery.acked.is_set():
            self.spawn(self._again(delivery))

    async def deliver_interaction(self, payload: Json, *, kind: Kind = "interactive") -> Delivery:
        """Send an interaction or a command once and wait for its acknowledgement.

        Slack does not repeat these: after 3 s without one the person sees a failure, and the ledger a `failed`.
        """
        delivery = Delivery(f"env-{next(self.numbers)}", payload, kind)
        self.deliveries[delivery.envelope_id] = delivery
        await self._send(delivery)
        with suppress(TimeoutError):
            await asyncio.wait_for(delivery.acked.wait(), self.resend_after_s if delivery.sent else 0)
        if not delivery.acked.is_set():
            self.note("failed", delivery.name)
        return delivery

    def event_team(self, event: Json) -> str:
        """The workspace in which an event happens."""
        channel = event.get("channel")
        if isinstance(channel, str) and channel:
            return self.team_of(channel)
        person = self.people.get(str(event.get("user", "")))
        return (person and person.team) or self.team

    def envelope(self, event: Json, team: str, installation: Installation) -> Json:
        """What Slack wraps around an event; reference 2.1, 2.8."""
        enterprise = self.teams[team].enterprise if team in self.teams else None
        channel = event.get("channel")
        facts = self.facts(channel) if isinstance(channel, str) else None
        return {
            "token": "legacy",
            "team_id": team,
            "enterprise_id": enterprise,
            "context_team_id": team,
            "context_enterprise_id": enterprise,
            "api_app_id": APP_ID,
            "event": event,
            "type": "event_callback",
            "event_id": f"Ev{next(self.numbers):08d}",
            "event_time": int(time.time()),
            "authorizations": [
                {
                    "enterprise_id": enterprise,
                    "team_id": team,
                    "user_id": installation.bot_user,
                    "is_bot": True,
                    "is_enterprise_install": installation.team is None,
                }
            ],
            "is_ext_shared_channel": bool(facts and facts.is_ext_shared),
        }

    def sign(
        self,
        body: bytes,
        *,
        at: float | None = None,
        secret: str | None = None,
        content_type: str = "application/json",
    ) -> dict[str, str]:
        """The headers that make a request Slack's."""
        stamp = str(int(time.time() if at is None else at))
        key = (secret or self.signing_secret).encode()
        digest = hmac.new(key, b"v0:" + stamp.encode() + b":" + body, hashlib.sha256).hexdigest()
        return {
            "Content-Type": content_type,
            "X-Slack-Request-Timestamp": stamp,
            "X-Slack-Signature": f"v0={digest}",
        }

    def acknowledge(self, answer: Json, link: Link) -> None:
        """Take what the app sent over a socket."""
        delivery = self.deliveries.get(str(answer.get("envelope_id")))
        if delivery:
            self._acked(delivery, answer.get("payload"), envelope=delivery.envelope_id, socket=link.number)

    def echo(self, channel: str, own: Json, **change: Any) -> None:
        """Tell the app, where it listens, what it did itself; the answer to its call does not wait for that."""
        if not self.echoes or not (self.events_url or self.links):
            return
        where = {"channel": channel, "channel_type": self.kind(channel)}
        event = {**own, **where, "event_ts": own["ts"]}
        if change:
            event = {"type": "message", "hidden": True, **where, **change}
            event["ts"] = event["event_ts"] = self.new_ts()
        event.pop("metadata", None)
        self.spawn(self.deliver_event(event, self.team_of(channel)))

    def _wanted(self, event: Json) -> bool:
        if self.subscribed is None:
            return True
        kind = str(event["type"])
        if kind == "message":
            kind = f"message.{_MESSAGE_EVENTS[str(event.get('channel_type', 'channel'))]}"
        return kind in self.subscribed

    def _address(self, kind: Kind) -> str | None:
        chosen = {"interactive": self.interactive_url, "slash_commands": self.command_url}.get(kind)
        return chosen or self.events_url

    async def _send(self, delivery: Delivery) -> None:
        if url := self._address(delivery.kind):
            await self._send_http(delivery, url)
        else:
            await self._send_socket(delivery)

    async def _again(self, delivery: Delivery) -> None:
        for number in itertools.count():
            pause_s = self.again_s[number] if number < len(self.again_s) else self.resend_after_s
            with suppress(TimeoutError):
                await asyncio.wait_for(delivery.acked.wait(), pause_s)
                return
            if delivery.sent > (len(self.again_s) or self.resends) or not delivery.reason:
                break
            await self._send(delivery)
        self.note("lost", delivery.name, event_id=delivery.payload["event_id"])

    async def _send_socket(self, delivery: Delivery) -> None:
        event = delivery.kind == "events_api"
        envelope: Json = {
            "type": delivery.kind,
            "envelope_id": delivery.envelope_id,
            "payload": delivery.payload,
            "accepts_response_payload": not event,
        }
        if event:
            envelope |= {"retry_attempt": delivery.sent, "retry_reason": delivery.reason if delivery.sent else ""}
        link = self._next_link()
        self._sent(delivery, socket=link.number if link else 0)
        if link:
            with suppress(ConnectionError):
                await link.socket.send_json(envelope)

    def _next_link(self) -> Link | None:
        """Any socket: Slack promises no pattern (2.2). This one goes round."""
        open_links = [link for link in self.links if not link.socket.closed]
        self.turn += 1
        return open_links[self.turn % len(open_links)] if open_links else None

    async def _send_http(self, delivery: Delivery, url: str) -> None:
        body, content_type = _encoded(delivery)
        headers = self.sign(body, content_type=content_type)
        if delivery.sent:
            headers |= {"X-Slack-Retry-Num": str(delivery.sent), "X-Slack-Retry-Reason": delivery.reason}
        self._sent(delivery)
        assert self.session
        status, text = 0, ""
        try:
            async with self.session.post(url, data=body, headers=headers) as response:
                status, text = response.status, await response.text()
            delivery.reason = "" if response.headers.get("X-Slack-No-Retry") == "1" else "http_error"
        except TimeoutError:
            delivery.reason = "http_timeout"
        except aiohttp.ClientError:
            delivery.reason = "connection_failed"
        if 200 <= status < 300:
            self._acked(delivery, _decoded(text), status=status)
        else:
            self.note("refused", delivery.name, status=status)

    def _sent(self, delivery: Delivery, **more: Any) -> None:
        delivery.sent += 1
        what = "event" if delivery.kind == "events_api" else "interaction"
        self.note(what, delivery.name, ts=delivery.ts, envelope=delivery.envelope_id, attempt=delivery.sent, **more)

    def _acked(self, delivery: Delivery, answer: object, **more: Any) -> None:
        if isinstance(answer, dict):
            delivery.answer = cast(Json, answer)
        elif answer:
            delivery.answer = {"text": str(answer)}
        delivery.acked.set()
        self.note("ack", delivery.name, ts=delivery.ts, **more)


def _encoded(delivery: Delivery) -> tuple[bytes, str]:
    """Events are JSON, interactions a form with one field, commands a form; docs.slack.dev, November 2026."""
    if delivery.kind == "events_api":
        return json.dumps(delivery.payload).encode(), "application/json"
    fields = delivery.payload if delivery.kind == "slash_commands" else {"payload": json.dumps(delivery.payload)}
    return urllib.parse.urlencode(fields).encode(), "application/x-www-form-urlencoded"


def _decoded(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text
