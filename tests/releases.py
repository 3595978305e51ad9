"""A release of the chart between the fakes: its names, its Secret, its settings, and its pods once all are ready.

It does not know what a pod is here: a process of the test's, or a container.
"""

import base64
import os
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from tests.manifests import Manifests
from tests.running import KEY, Services

SECRET = "routernesia-bot"
STORE = "bot-routernesia-bot-store"
HELM_TEST = "bot-routernesia-bot-test"

NodeT = TypeVar("NodeT")
PodT = TypeVar("PodT")


@dataclass(frozen=True, slots=True)
class Release(Generic[NodeT, PodT]):
    """An installed release whose pods are all ready: one of each workload."""

    outside: Services
    node: NodeT
    pods: dict[str, PodT]

    @property
    def bots(self) -> list[PodT]:
        return [pod for name, pod in self.pods.items() if name != STORE]

    @property
    def bot(self) -> PodT:
        """The one pod of mode all-in-one."""
        [pod] = self.bots
        return pod


def secrets(outside: Services, **others: str) -> dict[str, dict[str, str]]:
    """The Secret that an operator makes, with all keys that any mode wants."""
    keys = {
        "COMPLETIONS_API_KEY": KEY,
        "SLACK_BOT_TOKEN": outside.slack.bot_token,
        "SLACK_APP_TOKEN": outside.slack.app_token,
        "SLACK_SIGNING_SECRET": outside.slack.signing_secret,
        "SLACK_CLIENT_ID": outside.slack.client_id,
        "SLACK_CLIENT_SECRET": outside.slack.client_secret,
        "DISCORD_TOKEN": outside.discord.token,
        "ENCRYPTION_KEY": base64.b64encode(os.urandom(32)).decode(),
        "REDIS_PASSWORD": 'pass "word" \\ $HOME\n',
    }
    return {SECRET: keys | others}


def config(outside: Services, **others: Any) -> dict[str, Any]:
    """The settings that put the fakes in place of the platforms and the model, and others."""
    return {
        "COMPLETIONS_BASE_URL": outside.completions.base_url,
        "SLACK_API_URL": outside.slack.api_url,
        "DISCORD_API_URL": outside.discord.api_url,
        "SLACK_ALLOW_EXTERNAL": True,
        **others,
    }


def in_order(manifests: Manifests) -> list[str]:
    """The names of the workloads, the store first: only so that no time is lost, for a bot without one waits for it."""
    return sorted((one["metadata"]["name"] for one in manifests.workloads), key=lambda name: name != STORE)
