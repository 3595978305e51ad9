"""How the app is configured at api.slack.com, and what shows it: apps.manifest.export, and what other methods let slip.

The rest of the fake knows only `agent` and `subscribed`; here both follow the manifest.
"""

from dataclasses import replace
from typing import Final

from tests.fakes.slack import sessions
from tests.fakes.slack.deliver import Delivering
from tests.fakes.slack.facts import APP_ID, Call, Installation, Json, SlackError, Token
from tests.fakes.slack.fake import FakeSlack
from tests.fakes.slack.methods import Method

CONFIG_TOKEN: Final = "xoxe.xoxp-fake-canary"
NO_STOP: Final = "missing_agent_session_stopped_event_subscription"


class ConfiguredSlack(FakeSlack):
    """A FakeSlack whose app has a manifest. `app` is its id, `config_token` the token that may read it."""

    def __init__(self, document: Json) -> None:
        self.document: Json = {}
        super().__init__()
        self.app = APP_ID
        self.methods |= {
            "apps.manifest.export": Method(_export, required=frozenset({"app_id"})),
            "users.conversations": Method(_direct, optional=frozenset({"types", "limit"}), scope="im:read"),
            "assistant.threads.setSuggestedPrompts": replace(
                self.methods["assistant.threads.setSuggestedPrompts"], answer=_suggest
            ),
            "agents.sessions.setStatus": replace(self.methods["agents.sessions.setStatus"], answer=_set_status),
        }
        self._owner = Installation(None, None, "", "", "", set())
        self.config_token = CONFIG_TOKEN
        self.configure(document)

    @property
    def config_token(self) -> str:
        """The app configuration token that is good now; setting another ends it."""
        return self._owner.bot_token

    @config_token.setter
    def config_token(self, value: str) -> None:
        self.tokens.pop(self._owner.bot_token, None)
        self._owner.bot_token = value
        self.tokens[value] = Token(value, self._owner)

    def configure(self, document: Json) -> None:
        """Save this manifest for the app."""
        self.document = document
        self.agent = "agent_view" in document["features"]
        self.subscribed = set(document["settings"]["event_subscriptions"]["bot_events"])

    def unsubscribe(self, event: str) -> None:
        """Take one event off the app."""
        self.document["settings"]["event_subscriptions"]["bot_events"].remove(event)
        self.configure(self.document)

    def owns(self, installation: Installation) -> bool:
        """Whether a call came with the configuration token."""
        return installation is self._owner


def _export(slack: Delivering, call: Call) -> Json:
    """apps.manifest.export: for app configuration tokens alone."""
    assert isinstance(slack, ConfiguredSlack)
    if not slack.owns(call.installation):
        raise SlackError("not_allowed_token_type")
    if call.args["app_id"] != slack.app:
        raise SlackError("invalid_app_id")
    return {"manifest": slack.document}


def _direct(slack: Delivering, _: Call) -> Json:
    """users.conversations of type im."""
    return {"channels": [{"id": channel} for channel in slack.channels if slack.kind(channel) == "im"]}


def _suggest(slack: Delivering, call: Call) -> Json:
    """The agent view is asked for before the channel (seen by openclaw/openclaw; not documented)."""
    if not slack.agent and not call.args.get("thread_ts"):
        raise SlackError("not_agent_app")
    return sessions.set_prompts(slack, call)


def _set_status(slack: Delivering, call: Call) -> Json:
    """The warning comes with any status: docs.slack.dev/reference/events/agent_session_stopped names none."""
    answer = sessions.set_status(slack, call)
    if slack.subscribed is None or "agent_session_stopped" in slack.subscribed:
        return answer
    return answer | {"warning": NO_STOP, "response_metadata": {"warnings": [NO_STOP]}}
