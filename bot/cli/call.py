"""One command line as its command sees it: what was typed after it, the settings it asks for, and the app behind it.

Settings are read, and adapters loaded, here alone and only when a command asks for them.
"""

import argparse
import sys
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from bot.errors import ConfigError

if TYPE_CHECKING:
    from pydantic_settings import BaseSettings

    from bot.platform import Finding
    from bot.process import Role
    from bot.settings import Config

FINE, FAILED, MISCONFIGURED, INTERRUPTED = 0, 1, 2, 130


class App(Protocol):
    """What the command line needs of `bot.app`."""

    @property
    def ADAPTER_SETTINGS(self) -> tuple[type["BaseSettings"], ...]:  # noqa: N802 - a constant of the module
        """The settings classes of all adapters."""
        ...

    async def run(self, config: "Config", *, role: "Role", load: Callable[[], "Config"]) -> int:
        """Run until SIGTERM or SIGINT and give the exit code."""
        ...

    async def chat(self, config: "Config", *, offline: bool) -> int:
        """Talk in this terminal until the input ends and give the exit code."""
        ...

    async def doctor(self, config: "Config") -> list["Finding"]:
        """Check every setting against the real services."""
        ...

    def manifest(self, *, url: str | None, as_json: bool, agent: bool, oauth: bool, prompts: str) -> str:
        """The Slack app manifest."""
        ...

    async def invite(self, config: "Config") -> str:
        """Discord's install link."""
        ...


class Call:
    """One command with what was typed after it."""

    def __init__(self, given: argparse.Namespace, app: App | None, environ: Mapping[str, str]) -> None:
        self.given = given
        self._app = app
        self.env_file = Path(cast("str | None", given.env_file) or ".env")
        self._named = given.env_file is not None
        self.environ = environ

    @property
    def app(self) -> App:
        """`bot.app`, or what stands in for it."""
        if self._app is None:
            from bot import app

            self._app = app
        return self._app

    def config(self, *, quiet: bool) -> "Config":
        """All settings, with logging set up for them; `quiet` logs warnings only, unless LOG_LEVEL says more.

        Raises ConfigError where they cannot be read.
        """
        from bot import settings

        if self._named and not self.env_file.exists():
            raise ConfigError(f"--env-file: there is no file {self.env_file}.")
        config = settings.load(self.app.ADAPTER_SETTINGS, env_file=self.env_file, environ=self.environ)
        log_as_set(config, quiet=quiet)
        return config

    def setting(self, name: str) -> str:
        """One setting alone, "" where it is not set: others may be missing or wrong."""
        from bot import envfile

        around, (in_file, _) = envfile.from_environment(self.environ), envfile.from_file(self.env_file)
        return next((one.value for source in (around, in_file) if (one := source.get(name)) and one.value), "")


def log_as_set(config: "Config", *, quiet: bool) -> None:
    """Log as the settings say, without their secrets; `quiet` as in `Call.config`."""
    from bot import logs

    core = config.core
    level = "warning" if quiet and "log_level" not in core.model_fields_set else core.log_level
    logs.configure(level, core.log_format, secrets=config.secrets())


def on_terminal() -> bool:
    """Whether a person can be asked: what is piped in is for the command, and a question must be seen."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def wait(work: Coroutine[Any, Any, Any]) -> Any:
    """What comes of it, in a loop of its own."""
    import asyncio

    return asyncio.run(work)
