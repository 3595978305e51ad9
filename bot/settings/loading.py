"""Reading all settings at once, the adapters' as well, from the environment, a folder of secrets and a file.

The rule for empty values: where the default is nothing (keys, tokens, REDIS_URL, SYSTEM_PROMPT,
SYSTEM_PROMPT_FILE, REPLY_TOKENS, LOG_FORMAT) an empty value counts as not written there; everywhere else it
is an error. White space around a value does not count. The environment goes before the
folder, the folder before the file.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote

from pydantic import SecretStr
from pydantic_settings import BaseSettings

from bot import envfile
from bot.errors import ConfigError
from bot.settings.core import Settings
from bot.settings.urls import password_in
from bot.settings.validation import made, setting_names, validated

S = TypeVar("S", bound=BaseSettings)


class SettingsError(ConfigError):
    """Everything that is wrong with the settings: `problems` holds a sentence for each, without any value."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Config:
    """All settings. `unknown` names variables of the environment that look like ours but are not."""

    core: Settings
    adapters: Mapping[type[BaseSettings], BaseSettings] = field(default_factory=dict[type[BaseSettings], BaseSettings])
    unknown: tuple[str, ...] = ()

    def adapter(self, kind: type[S]) -> S:
        """The settings of one adapter. Raises KeyError where `load` was not given that class."""
        found = self.adapters[kind]
        if not isinstance(found, kind):
            raise KeyError(kind.__name__)
        return found

    def with_api_key(self, key: str) -> "Config":
        """The same with another COMPLETIONS_API_KEY. Raises SettingsError when it cannot be one."""
        values: dict[str, Any] = {name: getattr(self.core, name) for name in self.core.model_fields_set}
        values["completions_api_key"] = key.strip()
        core, problems = validated(Settings, values, {})
        if core is None:
            raise SettingsError(problems)
        return replace(self, core=core)

    def secrets(self) -> tuple[str, ...]:
        """Every secret that is set, and passwords inside URLs, in plain text: what logs must never show."""
        return tuple(text for part in (self.core, *self.adapters.values()) for text in _secrets(part))


def _secrets(settings: BaseSettings) -> Iterator[str]:
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        text: str = value.get_secret_value() if isinstance(value, SecretStr) else ""
        password = password_in(text) if "://" in text else ""
        # A list of keys: one alone is a secret too.
        keys = map(str.strip, text.split(",")) if name == "encryption_key" else ()
        yield from (one for one in dict.fromkeys((text, *keys, password, unquote(password))) if one)


def load(
    classes: Sequence[type[BaseSettings]] = (),
    *,
    env_file: Path = Path(".env"),
    environ: Mapping[str, str] = os.environ,
) -> Config:
    """The core's settings and those of the given classes, read by the rule on top.

    Raises:
        SettingsError: with everything that is wrong, also unknown names of ours in the file.
    """
    kinds = (Settings, *classes)
    known = {name for kind in kinds for name in setting_names(kind)}
    in_file, problems = envfile.from_file(env_file)
    problems += envfile.unknown_in_file(in_file, known)
    around = envfile.from_environment(environ)
    if (folder := around.get("SETTINGS_DIR") or in_file.get("SETTINGS_DIR")) and folder.value:
        in_folder, unread = envfile.from_folder(Path(folder.value), known)
        in_file |= in_folder
        problems += unread
    parts: dict[type[BaseSettings], BaseSettings] = {}
    for kind in kinds:
        settings, wrong = made(kind, in_file, around)
        problems += wrong
        if settings is not None:
            parts[kind] = settings
    core = parts.pop(Settings, None)
    if problems or not isinstance(core, Settings):
        raise SettingsError(problems)
    return Config(core, parts, tuple(envfile.unknown_in_environment(around, known)))
