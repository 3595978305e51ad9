"""What people do with buttons, commands, shortcuts and modals: signed, sent once, never repeated (reference 2.6).

Payloads as docs.slack.dev/reference/interaction-payloads says, November 2026.
"""

import json
import secrets
import time
from collections.abc import Mapping
from typing import cast

from tests.fakes.slack import replies, views
from tests.fakes.slack.agent import Viewing
from tests.fakes.slack.blocks import elements_of
from tests.fakes.slack.facts import APP_ID, Delivery, Json
from tests.fakes.slack.records import NOTHING_TYPED, Reply, Trigger, View


class Interacting(Viewing):
    """A world whose people press, choose and submit."""

    async def press(self, user: str, channel: str, ts: str, action_id: str, *, value: str | None = None) -> Delivery:
        """Press a button of a message; `value` chooses one of two feedback buttons. LookupError where there is none."""
        message = self.channels[channel][ts]
        block, element = _element(cast(list[Json], message.get("blocks") or []), action_id)
        container = {"type": "message", "message_ts": ts, "channel_id": channel, "is_ephemeral": False}
        if message.get("thread_ts"):
            container["thread_ts"] = message["thread_ts"]
        payload: Json = self._about(user, channel) | {
            "type": "block_actions",
            "container": container,
            "message": dict(message),
            "actions": [self._action(block, element, value)],
            "response_url": self.response_url(channel, user, message_ts=ts),
            "state": NOTHING_TYPED,
        }
        return await self.deliver_interaction(payload)

    async def press_in_view(self, user: str, view_id: str, action_id: str, *, value: str | None = None) -> Delivery:
        """Press a button of a modal or of the Home."""
        view = self._view(user, view_id)
        block, element = _element(cast(list[Json], view.body["blocks"]), action_id)
        payload = self._about(user, None) | {
            "type": "block_actions",
            "container": {"type": "view", "view_id": view_id},
            "view": views.shown(view),
            "actions": [self._action(block, element, value)],
        }
        return await self.deliver_interaction(payload)

    async def submit_view(self, user: str, view_id: str, values: Mapping[str, str] | None = None) -> Delivery:
        """Submit a modal with what was typed, by action id; its answer is carried out.

        LookupError for an input that the modal does not have.
        """
        view = self._view(user, view_id)
        state: dict[str, Json] = {}
        for action_id, typed in (values or {}).items():
            block, element = _element(cast(list[Json], view.body["blocks"]), action_id)
            state[str(block.get("block_id", action_id))] = {action_id: {"type": element["type"], "value": typed}}
        payload: Json = self._about(user, None) | {
            "type": "view_submission",
            "view": views.shown(view) | {"state": {"values": state}},
            "response_urls": list[Json](),
        }
        delivery = await self.deliver_interaction(payload)
        if delivery.acked.is_set():
            self._respond(view, delivery.answer)
        return delivery

    async def command(self, user: str, channel: str, command: str, text: str = "") -> Delivery:
        """Use a slash command in a channel; Slack has none in threads. An answer in the acknowledgement is shown."""
        self.channels[channel] = self.channels[channel]
        team = self.team_of(channel)
        enterprise = self.teams[team].enterprise
        payload: Json = {
            "token": "legacy",
            "team_id": team,
            "team_domain": "fake",
            "channel_id": channel,
            "channel_name": "directmessage" if self.kind(channel) == "im" else channel.lower(),
            "user_id": user,
            "user_name": user.lower(),
            "command": command,
            "text": text,
            "api_app_id": APP_ID,
            "is_enterprise_install": json.dumps(self._org_wide(team)),
            "response_url": self.response_url(channel, user),
            "trigger_id": self.trigger(user, team),
        }
        if enterprise:
            payload |= {"enterprise_id": enterprise, "enterprise_name": f"Fake {enterprise}"}
        delivery = await self.deliver_interaction(payload, kind="slash_commands")
        if delivery.answer:
            replies.show(self, Reply(channel, user, team, self.now()), delivery.answer, via="command")
        return delivery

    async def shortcut(self, user: str, channel: str, ts: str, callback_id: str) -> Delivery:
        """Use a message shortcut."""
        payload = self._about(user, channel) | {
            "type": "message_action",
            "callback_id": callback_id,
            "message": dict(self.channels[channel][ts]),
            "message_ts": ts,
            "action_ts": self.new_ts(),
            "response_url": self.response_url(channel, user),
        }
        return await self.deliver_interaction(payload)

    def trigger(self, user: str, team: str) -> str:
        """A new trigger id."""
        made = f"{next(self.numbers)}.{team}.{secrets.token_hex(8)}"
        self.triggers[made] = Trigger(user, team, self.now())
        return made

    def response_url(self, channel: str, user: str, *, message_ts: str | None = None) -> str:
        """A new response URL: 30 minutes, five posts."""
        made = secrets.token_hex(8)
        self.replies[made] = Reply(channel, user, self.team_of(channel), self.now(), message_ts)
        return f"http://{self.host}:{self.port}/response/{made}"

    def open_views(self, user: str) -> list[View]:
        """The modals that a person sees, the lowest first."""
        homes = {view.id for view in self.homes.values()}
        return [view for view in self.views.values() if view.user == user and view.open and view.id not in homes]

    def _about(self, user: str, channel: str | None) -> Json:
        """What all payloads share."""
        person = self.people.get(user)
        own = (person and person.team) or (self.team_of(channel) if channel else self.team)
        team = self.team_of(channel) if channel else own
        enterprise = self.teams[team].enterprise if team in self.teams else None
        found: Json = {
            "api_app_id": APP_ID,
            "token": "legacy",
            "trigger_id": self.trigger(user, team),
            "user": {"id": user, "username": user.lower(), "name": user.lower(), "team_id": own},
            "team": {"id": team, "domain": "fake"},
            "enterprise": {"id": enterprise, "name": f"Fake {enterprise}"} if enterprise else None,
            "is_enterprise_install": self._org_wide(team),
        }
        if enterprise:
            found["team"] |= {"enterprise_id": enterprise}
        return found | ({"channel": {"id": channel, "name": channel.lower()}} if channel else {})

    def _org_wide(self, team: str) -> bool:
        installation = self.installation(team)
        return bool(installation and installation.team is None)

    def _action(self, block: Json, element: Json, value: str | None) -> Json:
        found = {name: element[name] for name in ("type", "action_id", "value", "text") if name in element}
        found |= {"block_id": block.get("block_id", "b1"), "action_ts": f"{time.time():.6f}"}
        if element["type"] == "feedback_buttons":
            sides = [cast(Json, element[name]) for name in ("positive_button", "negative_button")]
            chosen = next((side for side in sides if side.get("value") == value), None)
            if not chosen:
                raise LookupError(f"no feedback button has the value {value!r}")
            found |= {"value": value, "text": chosen["text"]}
        return found

    def _view(self, user: str, view_id: str) -> View:
        view = self.views[view_id]
        if view.user != user or not view.open:
            raise LookupError("this person does not see that view")
        return view

    def _respond(self, view: View, answer: Json) -> None:
        """Carry out the answer to a submission: without one the modal closes."""
        match answer.get("response_action"):
            case "errors":
                return
            case "update":
                views.replace(self, view, views.check_view(answer.get("view")))
            case "push":
                body = views.check_view(answer.get("view"))
                new = View(f"V{next(self.numbers)}", view.user, view.team, body, f"hash-{view.id}", view.app)
                self.views[new.id] = new
            case "clear":
                for one in self.open_views(view.user):
                    one.open = False
            case _:
                view.open = False


def _element(blocks: list[Json], action_id: str) -> tuple[Json, Json]:
    for block, element in elements_of(blocks):
        if element["action_id"] == action_id:
            return block, element
    raise LookupError(f"nothing there has the action id {action_id!r}")
