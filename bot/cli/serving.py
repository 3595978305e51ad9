"""What answers people: `run` on the platforms, `chat` in this terminal."""

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, cast

from bot.cli.call import Call, log_as_set, on_terminal, wait
from bot.errors import ConfigError

if TYPE_CHECKING:
    from bot.process import Role
    from bot.settings import Config

log = logging.getLogger(__name__)


def run(call: Call) -> int:
    """Serve every platform that has a token, until SIGTERM or Ctrl-C. Raises ConfigError."""
    config, role = call.config(quiet=False), cast("Role", call.given.role)
    _warn_of_unknown(config)
    _refuse_what_is_missing(config, role=role)
    return wait(call.app.run(config, role=role, load=lambda: call.config(quiet=False)))


def _refuse_what_is_missing(config: "Config", *, role: "Role") -> None:
    from bot import doctor

    # A gateway asks no model.
    lacking = [one for one in doctor.missing(config) if role != "gateway" or one is doctor.NO_PLATFORM]
    if wrong := [one for one in lacking if one.level == "fail"]:
        raise ConfigError("\n".join(f"{one.what}.\n{one.todo}" for one in wrong))
    for one in lacking:
        log.warning("setting_missing", extra={"what": one.what, "todo": one.todo})


def chat(call: Call) -> int:
    """Talk in this terminal until the input ends. Raises ConfigError."""
    from bot import settings

    config = call.config(quiet=True)
    _warn_of_unknown(config)
    core = config.core
    # A server of one's own may need no key; Routernesia does.
    offline = core.completions_api_key is None and core.completions_base_url == settings.ROUTERNESIA
    if offline and on_terminal():
        keyed = _asked(config, call.env_file)
        config, offline = keyed or config, keyed is None
    if offline:
        print("No API key: answers come from the built-in offline echo, not from a model.", file=sys.stderr)
    return wait(call.app.chat(config, offline=offline))


def _asked(config: "Config", env_file: Path) -> "Config | None":
    from bot.cli import first_key

    try:
        keyed = first_key.asked(config, env_file, say=lambda line: print(line, file=sys.stderr))
    except EOFError:
        return None
    if keyed:
        log_as_set(keyed, quiet=True)
    return keyed


def _warn_of_unknown(config: "Config") -> None:
    if config.unknown:
        log.warning("unknown_settings_in_environment", extra={"names": list(config.unknown)})
