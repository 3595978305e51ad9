"""Asking for the API key once, on a terminal, and keeping it in the `.env` file if the person wants that."""

import getpass
import os
from collections.abc import Callable
from pathlib import Path

from bot.settings import Config, SettingsError

Ask = Callable[[str], str]


def asked(
    config: Config,
    env_file: Path,
    *,
    hidden: Ask = getpass.getpass,
    plain: Ask = input,
    say: Callable[[str], None],
) -> Config | None:
    """The settings with the key that was typed in, or None when the person only pressed Enter.

    Raises EOFError when the input ends.
    """
    say("No API key is set. Paste the key of your completions service (it stays hidden),")
    say("or press Enter to try the chat with the built-in offline echo.")
    while key := hidden("Key: ").strip():
        try:
            config = config.with_api_key(key)
        except SettingsError as error:
            say(str(error))
            continue
        if plain(f"Keep it in {env_file} for the next time? [Y/n] ").strip().lower() in ("", "y", "yes"):
            _keep(env_file, key, say=say)
        return config
    return None


def _keep(env_file: Path, key: str, *, say: Callable[[str], None]) -> None:
    try:
        keep(env_file, key)
    except OSError as error:
        say(f"{env_file} cannot be written ({type(error).__name__}); the key is used for this time only.")
    else:
        say(f"Kept in {env_file}; only you can read that file.")


def keep(env_file: Path, key: str) -> None:
    """Add the key at the end of the file, for its owner's eyes only; what stands there stays as it is.

    The last of two lines with one name counts, so an empty line from a template does no harm. Raises OSError.
    """
    handle = os.open(env_file, os.O_RDWR | os.O_CREAT, 0o600)
    with os.fdopen(handle, "r+b") as file:
        os.fchmod(file.fileno(), 0o600)
        before = file.read()
        line_end = b"" if not before or before.endswith((b"\n", b"\r")) else b"\n"
        # Single quotes keep # and $ as they are; the key itself is visible ASCII.
        quoted = key.replace("\\", "\\\\").replace("'", "\\'")
        file.write(line_end + f"COMPLETIONS_API_KEY='{quoted}'\n".encode())
