"""Reading what Discord sends, field by field: any field may be missing or of another kind than documented. Pure."""

import re
from collections.abc import Mapping
from typing import Any, cast

Payload = Mapping[str, Any]
"""A JSON object as Discord sent it."""

_SNOWFLAKE = re.compile(r"[0-9]{1,20}")  # an unsigned 64-bit number (developer docs, Snowflakes)


def text(of: Payload, name: str) -> str:
    """A field's text; "" where there is none. Half a character (a lone surrogate), which has no UTF-8, becomes "?"."""
    value = of.get(name)
    if not isinstance(value, str):
        return ""
    return value if value.isascii() else value.encode(errors="replace").decode()


def key(of: Payload, name: str) -> str:
    """A field's id; "" where it is none."""
    value = of.get(name)
    found = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    return found if _SNOWFLAKE.fullmatch(found) else ""


def keys(of: Payload, name: str) -> list[str]:
    """The ids in a field's list."""
    value = of.get(name)
    found = cast(list[object], value) if isinstance(value, list) else []
    return [str(one) for one in found if isinstance(one, str | int) and _SNOWFLAKE.fullmatch(str(one))]


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
