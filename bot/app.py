"""The composition root: the only file of the core that knows the adapters.

Everything heavy is imported in the function that needs it: a bot that is only on Slack never loads discord.py, and
the manifest is printed without any SDK.
"""

import asyncio
import gc
import signal
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from pydantic import SecretStr
from pydantic_settings import BaseSettings

from adapters.discord.settings import DiscordSettings
from adapters.slack.settings import SlackSettings
from bot.errors import ConfigError, InUse, PlatformError, Unreachable
from bot.platform import Finding
from bot.reloading import Load, Reloading
from bot.settings import Config

if TYPE_CHECKING:
    from bot.platform import Platform
    from bot.process import Role

NO_SEAL = Finding(
    "fail",
    "SLACK_CLIENT_ID needs ENCRYPTION_KEY: other people's bot tokens are stored, and only ever sealed",
    "`routernesia-bot key` makes one.",
)

ADAPTER_SETTINGS: tuple[type[BaseSettings], ...] = (SlackSettings, DiscordSettings)


def platforms(config: Config) -> "list[Platform]":
    """The platforms that have tokens. Raises ConfigError for settings that do not go together."""
    found: list[Platform] = []
    slack, discord = config.adapter(SlackSettings), config.adapter(DiscordSettings)
    if slack.enabled:
        if slack.oauth and not config.core.encryption_keys():
            raise ConfigError(f"{NO_SEAL.what}.\n{NO_SEAL.todo}")
        from adapters.slack.adapter import SlackPlatform

        found.append(SlackPlatform(slack))
    if discord.enabled:
        from adapters.discord.adapter import DiscordPlatform

        found.append(DiscordPlatform(discord))
    return found


async def run(config: Config, *, role: "Role" = "all", load: Load) -> int:
    """Run until SIGTERM or SIGINT, drain, and give the exit code. What `load` finds changed meanwhile is taken up.

    Raises ConfigError when nothing can run as configured.
    """
    from bot import logs
    from bot.build import build
    from bot.process import Bot, ended
    from bot.tracing import Tracing, around, exporting

    chosen = platforms(config)
    if not chosen:
        from bot.doctor import NO_PLATFORM

        raise ConfigError(f"{NO_PLATFORM.what}.\n{NO_PLATFORM.todo}")
    if role != "all" and not config.core.redis_url.get_secret_value():
        raise ConfigError(f"--role {role} needs REDIS_URL: gateways and workers meet in one Redis.")
    exporter = exporting(config.core.otel_exporter_otlp_endpoint)
    tracing = Tracing(exporter, version=build(), role=role)
    logs.with_context(around)
    stop = stopped_by(signal.SIGTERM, signal.SIGINT)
    async with AsyncExitStack() as stack:
        async with _cut_short_by(stop):
            bot = await stack.enter_async_context(Bot(config.core, chosen, role=role, tracing=tracing))
        if stop.is_set():
            return 0
        _started()
        reloading = Reloading(config, load, bot.use)
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reloading.now.set)
        looking = asyncio.create_task(reloading.run(), name="reloading")
        try:
            await bot.serve(until=stop)
        finally:
            await ended(looking)
    return 0


async def chat(config: Config, *, offline: bool) -> int:
    """Talk in this terminal until the input ends; 1 when a question got no answer. `offline`: from the echo model.

    Raises ConfigError when the store cannot be used.
    """
    from adapters.console.adapter import at_terminal
    from bot import logs
    from bot.process import Bot, completions_of

    # A store of its own, also where REDIS_URL is set: this process must not claim what waits there for Slack. And who
    # leaves waits for nothing: what they stopped reading needs no time to finish.
    private = {"redis_url": SecretStr(""), "data_dir": config.core.data_dir / "chat", "drain_seconds": 0}
    settings = config.core.model_copy(update=private)
    console = at_terminal(config.core.data_dir, answer_within_s=settings.mention_deadline_seconds + 60)
    completions = completions_of(settings, offline=offline, explaining=True)
    loop = asyncio.get_running_loop()
    # What the model service refuses is said in the answer's place; a warning would only say it again.
    least = None if "log_level" in config.core.model_fields_set else "error"
    async with Bot(settings, [console], completions=completions) as bot:
        _started()
        await bot.inbox.drop()  # asked in a session that broke off; nobody would see the answers
        with logs.through(partial(loop.call_soon_threadsafe, console.remark), least=least):
            await bot.work(until=stopped_by(signal.SIGTERM))
    return 1 if console.failed else 0


async def doctor(config: Config) -> list[Finding]:
    """Check every setting against the real services. Posts nothing anywhere."""
    from bot import doctor, outage, store
    from bot.process import completions_of

    settings = config.core
    completions = completions_of(settings)

    async def redis_info() -> Mapping[str, object]:
        with outage.explained(settings):
            async with store.of(settings) as redis:
                return await store.info(redis)

    try:
        found = await doctor.core(config, redis=redis_info, completions=completions.check)
    finally:
        await completions.aclose()
    slack, discord = config.adapter(SlackSettings), config.adapter(DiscordSettings)
    if slack.enabled:
        from adapters.slack.app.doctor import check as check_slack

        found += await doctor.guarded("Slack", lambda: check_slack(slack))
        if slack.oauth:
            found += await _installations(config, slack)
    if discord.enabled:
        from adapters.discord.app.doctor import check as check_discord

        found += await doctor.guarded("Discord", lambda: check_discord(discord))
    return found


async def _installations(config: Config, slack: SlackSettings) -> list[Finding]:
    """What `doctor` says about the workspaces that have installed the app."""
    from adapters.slack.installs.standing import check_installations
    from bot import doctor, store
    from bot.sealing import Seal
    from bot.shared import RedisShared

    settings = config.core
    if not settings.encryption_keys():
        return [NO_SEAL]

    async def check() -> list[Finding]:
        try:
            async with store.of(settings) as redis:
                return await check_installations(slack, RedisShared(redis, seal=Seal(settings.encryption_keys())))
        except InUse:
            return [Finding("ok", "The installations are in the embedded store of a running bot; its log names them.")]

    return await doctor.guarded("Slack", check)


def manifest(*, url: str | None, as_json: bool, agent: bool = True, oauth: bool = False, prompts: str = "") -> str:
    """The Slack app manifest: Socket Mode, or with `url` events over HTTP to that host; `prompts` is SLACK_PROMPTS.

    Raises ConfigError when these do not go together.
    """
    from adapters.slack import prompts as suggested
    from adapters.slack.app import manifest as slack

    try:
        document = slack.manifest(url=url, agent=agent, oauth=oauth, prompts=suggested.prompts(prompts))
    except ValueError as error:
        raise ConfigError(str(error)) from error
    return slack.to_json(document) if as_json else slack.to_yaml(document)


async def invite(config: Config) -> str:
    """Discord's install links.

    Raises ConfigError without a token, or when Discord refuses it; Unreachable when it cannot be asked.
    """
    from adapters.discord.app.doctor import application
    from adapters.discord.app.invite import invite as links

    try:
        return links(await application(config.adapter(DiscordSettings)))
    except PlatformError as error:
        raise Unreachable(
            f"Discord cannot be asked ({error}).\nCheck the network, a proxy, DISCORD_API_URL."
        ) from error


def _started() -> None:
    # Modules and classes are never garbage: a full collection would walk all of them each time.
    gc.freeze()
    gc.enable()


@asynccontextmanager
async def _cut_short_by(stop: asyncio.Event) -> AsyncGenerator[None]:
    """Do what is within until it is done or `stop` is set: an embedded store may load its file for a minute."""

    async def cut(limit: asyncio.Timeout) -> None:
        await stop.wait()
        limit.reschedule(asyncio.get_running_loop().time())

    try:
        async with asyncio.timeout(None) as limit:
            watching = asyncio.create_task(cut(limit))
            try:
                yield
            finally:
                watching.cancel()
    except TimeoutError:
        if not stop.is_set():
            raise


def stopped_by(*signals: signal.Signals) -> asyncio.Event:
    """An event that any of the signals sets; to be called in the running loop."""
    stop = asyncio.Event()
    for number in signals:
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop
