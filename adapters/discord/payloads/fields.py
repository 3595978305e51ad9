"""Reading what Discord sends, field by field: any field may be missing or of another kind than documented. Pure."""

from collections.abc import Mapping
from typing import Any, cast

Payload = Mapping[str, Any]
"""A JSON object as Discord sent it."""

DIGITS_MAX = 20
"""An id is an unsigned 64-bit number (developer docs, Snowflakes, read November 2026)."""


def text(of: Payload, name: str) -> str:
    """A field's text; "" where there is none. Half a character (a lone surrogate), which has no UTF-8, becomes "?"."""
    value = of.get(name)
    if not isinstance(value, str):
        return ""
    return value if value.isascii() else value.encode(errors="replace").decode()


def key(of: Payload, name: str) -> str:
    """A field's id; "" where it is none."""
    return _key(of.get(name))


def keys(of: Payload, name: str) -> list[str]:
    """The ids in a field's list."""
    value = of.get(name)
    found = cast(list[object], value) if isinstance(value, list) else []
    return list(filter(None, map(_key, found)))


def number(of: Payload, name: str) -> int:
    """A field's number; 0 where it is none."""
    value = of.get(name)
    return value if isinstance(value, int) else 0


def record(of: Payload, name: str) -> Payload:
    """A field's object; an empty one where there is none."""
    value = of.get(name)
    return cast(Payload, value) if isinstance(value, dict) else {}


def records(of: Payload, name: str) -> list[Payload]:
    """The objects in a field's list."""
    value = of.get(name)
    found = cast(list[object], value) if isinstance(value, list) else []
    return [cast(Payload, one) for one in found if isinstance(one, dict)]


def _key(value: object) -> str:
    # Asked a dozen times of each message on all servers: a pattern would take most of the time that one costs.
    if isinstance(value, str):
        return value if value.isdecimal() and value.isascii() and len(value) <= DIGITS_MAX else ""
    if isinstance(value, bool) or not isinstance(value, int):
        return ""
    return str(value) if 0 <= value < 10**DIGITS_MAX else ""
