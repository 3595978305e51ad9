"""Settings of tests: what they are given and the defaults, whatever the environment of whoever runs the tests says."""

from typing import Any, TypeVar

from pydantic_settings import BaseSettings, InitSettingsSource

S = TypeVar("S", bound=BaseSettings)


def settings_of(kind: type[S], **values: Any) -> S:
    """Settings with these values; validated as always. Raises ValidationError.

    Called as usual, they look for each of their fields in the environment and in files: 0.4 to 0.7 ms of CPU.
    """
    return kind(_build_sources=((InitSettingsSource(kind, init_kwargs=values),), {}))
