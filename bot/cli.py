"""The command line: what each command needs, does and prints. Exit codes: 0 fine, 1 failed, 2 wrong configuration.

Everything heavy is imported inside the command that needs it, so that help is there at once.
"""

import argparse
import gc
import logging
import os
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast
from urllib.parse import urlsplit

from bot import arguments
from bot.errors import BotError, ConfigError

if TYPE_CHECKING:
    from pydantic_settings import BaseSettings

    from bot.platform import Finding
    from bot.settings import Config

log = logging.getLogger(__name__)

FINE, FAILED, MISCONFIGURED, INTERRUPTED = 0, 1, 2, 130

Role = Literal["all", "gateway", "worker"]


class App(Protocol):
    """What the command line needs of `bot.app`."""

    @property
    def ADAPTER_SETTINGS(self) -> tuple[type["BaseSettings"], ...]:  # noqa: N802 - a constant of the module
        """The settings classes of all adapters."""
        ...

    async def run(self, config: "Config", *, role: Role, load: Callable[[], "Config"]) -> int:
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


def main(argv: Sequence[str] | None = None, *, app: App | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Run one command and give its exit code. `app` stands in for `bot.app` in tests."""
    parser = arguments.parser()
    try:
        given = parser.parse_args(argv)
    except SystemExit as ended:  # argparse has printed help or what is wrong
        return ended.code if isinstance(ended.code, int) else FINE
    if given.command is None:
        parser.print_help()
        return FINE
    return _walled(_COMMANDS[given.command], _Call(given, app, environ))


class _Call:
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
        """The settings, with logging set up for them; `quiet` logs warnings only, unless LOG_LEVEL says more."""
        from bot import logs, settings

        if self._named and not self.env_file.exists():
            raise ConfigError(f"--env-file: there is no file {self.env_file}.")
        config = settings.load(self.app.ADAPTER_SETTINGS, env_file=self.env_file, environ=self.environ)
        core = config.core
        level = "warning" if quiet and "log_level" not in core.model_fields_set else core.log_level
        logs.configure(level, core.log_format, secrets=config.secrets())
        return config


def _walled(command: Callable[[_Call], int], call: _Call) -> int:
    """The outermost wall: no traceback reaches a person or a log without redaction."""
    from bot import logs

    logs.configure("warning")
    try:
        code = command(call)
        sys.stdout.flush()  # here, where a reader that has gone is no traceback
    except BotError as error:
        return _told([error])
    except BaseExceptionGroup as group:
        ours = _leaves(group)
        if not all(isinstance(one, BotError) for one in ours):
            log.exception("crashed")
            return FAILED
        return _told(ours)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone; without this Python complains once more while it flushes at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception:  # the wall
        log.exception("crashed")
        return FAILED
    return code


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    leaves: list[BaseException] = []
    for one in group.exceptions:
        inner = cast("BaseExceptionGroup[BaseException] | None", one if isinstance(one, BaseExceptionGroup) else None)
        leaves += _leaves(inner) if inner else [one]
    return leaves


def _told(errors: Sequence[BaseException]) -> int:
    for line in "\n".join(map(str, errors)).splitlines():
        print(f"routernesia-bot: {line}", file=sys.stderr)
    return MISCONFIGURED if any(isinstance(one, ConfigError) for one in errors) else FAILED


def _wait(work: Coroutine[Any, Any, Any]) -> Any:
    import asyncio

    return asyncio.run(work)


def _warn_of_unknown(config: "Config") -> None:
    if config.unknown:
        log.warning("unknown_settings_in_environment", extra={"names": list(config.unknown)})


def _run(call: _Call) -> int:
    # What is imported lives for ever: collecting in between takes a tenth of the start. `app.run` ends it.
    gc.disable()
    config = call.config(quiet=False)
    _warn_of_unknown(config)
    _refuse_what_is_missing(config, role=cast("Role", call.given.role))
    role = cast("Role", call.given.role)
    return _wait(call.app.run(config, role=role, load=lambda: call.config(quiet=False)))


def _refuse_what_is_missing(config: "Config", *, role: Role) -> None:
    from bot import doctor

    # A gateway asks no model.
    lacking = [one for one in doctor.missing(config) if role != "gateway" or one is doctor.NO_PLATFORM]
    if wrong := [one for one in lacking if one.level == "fail"]:
        raise ConfigError("\n".join(f"{one.what}.\n{one.todo}" for one in wrong))
    for one in lacking:
        log.warning("setting_missing", extra={"what": one.what, "todo": one.todo})


def _chat(call: _Call) -> int:
    from bot import first_key, settings

    config = call.config(quiet=True)
    _warn_of_unknown(config)
    core = config.core
    # A server of one's own may need no key; Routernesia does.
    offline = core.completions_api_key is None and core.completions_base_url == settings.ROUTERNESIA
    if offline and first_key.on_terminal():
        keyed = _asked(config, call.env_file)
        config, offline = keyed or config, keyed is None
    if offline:
        print("No API key: answers come from the built-in offline echo, not from a model.", file=sys.stderr)
    return _wait(call.app.chat(config, offline=offline))


def _asked(config: "Config", env_file: Path) -> "Config | None":
    from bot import first_key, logs

    try:
        keyed = first_key.asked(config, env_file, say=lambda line: print(line, file=sys.stderr))
    except EOFError:
        return None
    if keyed:
        core = keyed.core
        level = core.log_level if "log_level" in core.model_fields_set else "warning"
        logs.configure(level, core.log_format, secrets=keyed.secrets())
    return keyed


def _doctor(call: _Call) -> int:
    findings: list[Finding] = _wait(call.app.doctor(call.config(quiet=True)))
    unicode = "utf" in (sys.stdout.encoding or "").lower()
    marks = {"ok": "✓", "warn": "!", "fail": "✗"} if unicode else {"ok": "+", "warn": "!", "fail": "x"}
    for finding in findings:
        print("\n    ".join([f"{marks[finding.level]} {finding.what}", *finding.todo.splitlines()]))
    failed = sum(finding.level == "fail" for finding in findings)
    print(f"\n{failed} to mend." if failed else "\nEverything the bot needs is there.")
    return FAILED if failed else FINE


def _manifest(call: _Call) -> int:
    given = call.given
    hosts = {_public_url(flag, host) for flag in ("http", "oauth") if (host := getattr(given, flag))}
    if len(hosts) > 1:
        raise ConfigError("--http and --oauth name different addresses; Slack can call only one.")
    if given.oauth is not None and not hosts:
        raise ConfigError("--oauth needs the public address that Slack shall call, like https://bot.example.com")
    printed = call.app.manifest(
        url=next(iter(hosts), None),
        as_json=given.json,
        # That choice cannot be undone for an app, so whoever has set "off" must not get the other by a forgotten flag.
        agent=not given.no_agent and _setting(call, "SLACK_AGENT").strip().lower() != "off",
        oauth=given.oauth is not None,
        prompts=_setting(call, "SLACK_PROMPTS"),
    )
    print(printed.rstrip("\n"))
    return FINE


def _setting(call: _Call, name: str) -> str:
    # One setting alone: the manifest is also printed where others are missing or wrong.
    from bot.settings import envfile

    around, (in_file, _) = envfile.from_environment(call.environ), envfile.from_file(call.env_file)
    return next((one.value for source in (around, in_file) if (one := source.get(name)) and one.value), "")


def _public_url(flag: str, host: str) -> str:
    try:
        parts = urlsplit(host)
        fine = parts.scheme == "https" and bool(parts.hostname) and not (parts.query or parts.fragment)
    except ValueError:
        fine = False
    if not fine:
        raise ConfigError(f"--{flag} needs the public address that Slack shall call, like https://bot.example.com")
    return host.rstrip("/")


def _invite(call: _Call) -> int:
    link: str = _wait(call.app.invite(call.config(quiet=True)))
    print(link)
    return FINE


def _key(_: _Call) -> int:
    from bot import sealing

    print(sealing.new_key())
    return FINE


def _config(call: _Call) -> int:
    from bot import doctor

    print("\n".join(doctor.shown(call.config(quiet=True))))
    return FINE


def _status(call: _Call) -> int:
    from bot import operating

    return _printed(operating.status(call.config(quiet=True).core))


def _dead(call: _Call) -> int:
    from bot import operating

    act, wanted, settings = call.given.act, call.given.id, call.config(quiet=True).core
    if act == "list":
        return _printed(operating.dead(settings))
    if not wanted:
        raise ConfigError(f"dead {act} needs an id, or all")
    return _printed(operating.retry(settings, wanted) if act == "retry" else operating.drop(settings, wanted))


def _forget(call: _Call) -> int:
    from bot import operating

    given = call.given
    what = operating.Memory(given.platform, given.workspace, user=given.user, conversation=given.conversation)
    return _printed(operating.forget(call.config(quiet=True).core, what))


def _recount(call: _Call) -> int:
    from bot import operating

    return _printed(operating.recount(call.config(quiet=True).core))


def _printed(work: Coroutine[Any, Any, list[str]]) -> int:
    print("\n".join(_wait(work)))
    return FINE


def _health(call: _Call) -> int:
    from urllib.error import HTTPError, URLError
    from urllib.request import ProxyHandler, build_opener

    from bot.settings import Settings

    # One setting alone: a probe comes every few seconds, and must not fail for another one.
    port = _setting(call, "HTTP_PORT") or Settings.model_fields["http_port"].default
    path = "readyz" if call.given.ready else "livez"
    try:
        # Nothing stands between: a proxy of the environment is for what is outside.
        with build_opener(ProxyHandler({})).open(f"http://127.0.0.1:{port}/{path}", timeout=4) as answer:
            print(answer.read().decode().strip())
    except HTTPError as error:
        print(error.read().decode(errors="replace").strip())
        return FAILED
    except (URLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        print(f"no bot answers at port {port}: {getattr(reason, 'strerror', None) or reason}")
        return FAILED
    return FINE


_COMMANDS: Mapping[str, Callable[[_Call], int]] = {
    "run": _run,
    "chat": _chat,
    "doctor": _doctor,
    "manifest": _manifest,
    "invite": _invite,
    "key": _key,
    "config": _config,
    "status": _status,
    "dead": _dead,
    "forget": _forget,
    "recount": _recount,
    "health": _health,
}
