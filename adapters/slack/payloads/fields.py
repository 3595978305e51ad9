"""Reading what Slack sends, field by field: any field may be missing or of another kind than documented. Pure."""

import math
from typing import Any, cast

Json = dict[str, Any]


def text(of: Json, name: str) -> str:
    """A field's text; "" where there is none."""
    value = of.get(name)
    return value if isinstance(value, str) else ""


def record(of: Json, name: str) -> Json:
    """A field's object; an empty one where there is none."""
    value = of.get(name)
    return cast(Json, value) if isinstance(value, dict) else {}


def records(of: Json, name: str) -> list[Json]:
    """The objects in a field's list."""
    value = of.get(name)
    found = cast(list[object], value) if isinstance(value, list) else []
    return [cast(Json, one) for one in found if isinstance(one, dict)]


def seconds(ts: str) -> float:
    """A Slack ts as Unix seconds; NaN when it is none."""
    whole, dot, rest = ts.partition(".")
    return float(ts) if whole.isdecimal() and ts.isascii() and (rest.isdecimal() or not dot) else math.nan
