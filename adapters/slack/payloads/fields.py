"""Reading what Slack sends, field by field: any field may be missing or of another kind than documented. Pure."""

import math
import re
from collections.abc import Iterator
from typing import Any, cast

Json = dict[str, Any]

_WORDS = ("text", "title", "pretext", "value")
_DEPTH_MAX = 12  # chosen: Slack's own blocks nest five deep

_TS = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,9})?")  # "1700000000.000100"; what is longer is no time


def text(of: Json, name: str) -> str:
    """A field's text; "" where there is none. Half a character (a lone surrogate), which has no UTF-8, becomes "?"."""
    value = of.get(name)
    if not isinstance(value, str):
        return ""
    return value if value.isascii() else value.encode(errors="replace").decode()


def record(of: Json, name: str) -> Json:
    """A field's object; an empty one where there is none."""
    value = of.get(name)
    return cast(Json, value) if isinstance(value, dict) else {}


def records(of: Json, name: str) -> list[Json]:
    """The objects in a field's list."""
    value = of.get(name)
    found = cast(list[object], value) if isinstance(value, list) else []
    return [cast(Json, one) for one in found if isinstance(one, dict)]


def words(message: Json) -> str:
    """A message's text, or where it has none (an app's that only has blocks or attachments) what stands in those."""
    if said := text(message, "text"):
        return said
    return "\n".join(dict.fromkeys(_said({name: message.get(name) for name in ("blocks", "attachments")})))


def _said(node: object, depth: int = 0) -> Iterator[str]:
    """The texts in blocks and attachments, in their order; "fallback" repeats what the rest of an attachment says."""
    if depth > _DEPTH_MAX:
        return
    if isinstance(node, list):
        for part in cast(list[object], node):
            yield from _said(part, depth + 1)
    elif isinstance(node, dict):
        for name, value in cast(Json, node).items():
            if name in _WORDS and isinstance(value, str) and value.strip():
                yield text(cast(Json, node), name)
            elif not isinstance(value, str):
                yield from _said(value, depth + 1)


def seconds(ts: str) -> float:
    """A Slack ts as Unix seconds; NaN when it is none."""
    return float(ts) if _TS.fullmatch(ts) else math.nan
