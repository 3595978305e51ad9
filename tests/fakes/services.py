"""The core's services for an adapter alone: real shared state, and a note of what it was told."""

from redis.asyncio import Redis

from bot.sealing import Seal
from bot.services import Command, Feedback
from bot.shared import RedisShared


class FakeServices:
    """Implements `bot.services.Services`; several on one Redis are several processes."""

    def __init__(self, redis: Redis, *, seal: Seal | None = None) -> None:
        self._shared = RedisShared(redis, seal=seal or Seal())
        self.commands: list[Command] = []
        self.feedbacks: list[Feedback] = []
        self.forgotten: list[str] = []
        self.fallen_back: list[str] = []

    @property
    def shared(self) -> RedisShared:
        return self._shared

    @property
    def models(self) -> list[str]:
        return ["fake-model"]

    async def command(self, command: Command) -> str:
        self.commands.append(command)
        return f"{command.name} is done"

    async def feedback(self, feedback: Feedback) -> None:
        self.feedbacks.append(feedback)

    async def forget(self, *, platform: str, workspace: str) -> None:
        self.forgotten.append(f"{platform}:{workspace}")

    def fell_back(self, platform: str, reason: str) -> None:
        self.fallen_back.append(reason)
