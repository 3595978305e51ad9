"""What Slack accepts as blocks; reference 2.6. Pure: it reads blocks and text, and refuses with Slack's code."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Literal, cast

from tests.fakes.slack.facts import Json, SlackError

Surface = Literal["message", "view"]

MARKDOWN_MAX = 12_000
ALL_TEXT_MAX = 13_200
BLOCKS_MAX: dict[Surface, int] = {"message": 50, "view": 100}
TABLE_ROWS_MAX, TABLE_COLUMNS_MAX, TABLE_CHARS_MAX = 100, 20, 10_000
_ID_MAX = 255
_TABLES = {"table", "data_table"}
_KNOWN = _TABLES | {
    "actions",
    "alert",
    "call",
    "card",
    "carousel",
    "container",
    "context",
    "context_actions",
    "divider",
    "file",
    "header",
    "image",
    "input",
    "markdown",
    "plan",
    "rich_text",
    "section",
    "task_card",
    "video",
}
_ELEMENTS_MAX = {"actions": 25, "context": 10, "context_actions": 5}
_TEXT_MAX = {"section": 3_000, "header": 150}
_ONLY_CONTEXT_ACTIONS = {"feedback_buttons", "icon_button"}
_FENCE = re.compile(r" {0,3}(```|~~~)")
_DELIMITERS = re.compile(r"\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*")


def check(blocks: object, *, surface: Surface = "message") -> list[Json]:
    """The blocks of a call as a list.

    SlackError invalid_blocks_format where they are none, invalid_blocks where one is wrong, msg_blocks_too_long where
    their text is too long, only_one_table_allowed at a second table.
    """
    if not isinstance(blocks, list) or not all(isinstance(one, dict) for one in cast(list[object], blocks)):
        raise SlackError("invalid_blocks_format")
    found = cast(list[Json], blocks)
    if len(found) > BLOCKS_MAX[surface]:
        raise _wrong(f"no more than {BLOCKS_MAX[surface]} items allowed")
    for block in found:
        _check_block(block, surface)
    ids = [block["block_id"] for block in found if block.get("block_id")]
    if len(ids) != len(set(ids)):
        raise _wrong("block_id is used twice")
    if len(markdown_of(found)) > MARKDOWN_MAX or sum(len(text) for text in _texts(found)) > ALL_TEXT_MAX:
        raise SlackError("msg_blocks_too_long")
    check_tables(markdown_of(found), sum(block["type"] in _TABLES for block in found))
    return found


def check_tables(markdown: str, already: int = 0) -> None:
    """Refuse a second table of a message, and one that is too large; Slack makes a table block of each in Markdown."""
    tables = tables_of(markdown)
    if already + len(tables) > 1:
        raise SlackError("only_one_table_allowed")
    for rows in tables:
        _check_table(rows)


def tables_of(markdown: str) -> list[list[list[str]]]:
    """The tables of a Markdown text outside code fences, as rows of cells without the delimiter row."""
    found: list[list[list[str]]] = []
    fence, before, rows = "", "", None
    for line in markdown.split("\n"):
        if mark := _FENCE.match(line):
            fence = "" if fence == mark[1] else fence or mark[1]
        if fence or not line.strip() or mark:
            rows, before = None, ""
        elif rows is not None and "|" in line:
            rows.append(_cells(line))
        elif "|" in before and _DELIMITERS.fullmatch(line) and len(_cells(before)) == len(_cells(line)):
            rows, before = [_cells(before)], ""
            found.append(rows)
        else:
            rows, before = None, line
    return found


def markdown_of(blocks: Sequence[Json]) -> str:
    """The text of all Markdown blocks."""
    return "\n\n".join(str(block.get("text", "")) for block in blocks if block["type"] == "markdown")


def elements_of(blocks: Sequence[Json]) -> Iterator[tuple[Json, Json]]:
    """Each interactive element with its block."""
    for block in blocks:
        nested = [*_dicts(block.get("elements")), *_dicts([block.get("accessory")]), *_dicts([block.get("element")])]
        for element in nested:
            if "action_id" in element:
                yield block, element


def _check_block(block: Json, surface: Surface) -> None:
    kind = block.get("type")
    if kind not in _KNOWN:
        raise _wrong(f"unsupported type: {kind}")
    if kind == "markdown" and surface == "view":
        raise _wrong("markdown blocks are for messages")
    if len(str(block.get("block_id", ""))) > _ID_MAX:
        raise _wrong("block_id is too long")
    if len(_dicts(block.get("elements"))) > _ELEMENTS_MAX.get(kind, 1_000):
        raise _wrong(f"too many elements in {kind}")
    if kind in ("actions", "context_actions", "context") and not _dicts(block.get("elements")):
        raise _wrong(f"no elements in {kind}")
    _check_text(block)
    if kind == "table":
        _check_table([[_cell(cell) for cell in row] for row in cast(list[list[Json]], block.get("rows", []))])
    for element in _dicts(block.get("elements")):
        _check_place(element, kind)
    for _, element in elements_of([block]):
        _check_element(element)


def _check_text(block: Json) -> None:
    kind = block["type"]
    text = block.get("text")
    length = len(str(cast(Json, text).get("text", "")) if isinstance(text, dict) else str(text or ""))
    if length > _TEXT_MAX.get(kind, MARKDOWN_MAX + ALL_TEXT_MAX):
        raise _wrong(f"text of {kind} is too long")
    if kind in ("markdown", "header") and not length:
        raise _wrong(f"{kind} without text")
    fields = _dicts(block.get("fields"))
    if kind == "section" and (len(fields) > 10 or any(len(str(one.get("text", ""))) > 2_000 for one in fields)):
        raise _wrong("fields of section are too many or too long")


def _check_place(element: Json, kind: str) -> None:
    """Feedback buttons and icon buttons live in context_actions, and nothing else does (2.6)."""
    if (element.get("type") in _ONLY_CONTEXT_ACTIONS) != (kind == "context_actions"):
        raise _wrong(f"{element.get('type')} is not for {kind}")


def _check_element(element: Json) -> None:
    if not 0 < len(str(element["action_id"])) <= _ID_MAX:
        raise _wrong("action_id is empty or too long")
    buttons = [element, *_dicts([element.get("positive_button"), element.get("negative_button")])]
    if element["type"] == "feedback_buttons" and len(buttons) != 3:
        raise _wrong("feedback_buttons need both buttons")
    for button in buttons:
        if len(str(cast(Json, button.get("text") or {}).get("text", ""))) > 75:
            raise _wrong("button text is too long")
        if len(str(button.get("value", ""))) > 2_000:
            raise _wrong("button value is too long")
    options = _dicts(element.get("options"))
    if len(options) > 100:
        raise _wrong("too many options")


def _check_table(rows: Sequence[Sequence[str]]) -> None:
    if not rows or len(rows) > TABLE_ROWS_MAX or any(len(row) > TABLE_COLUMNS_MAX for row in rows):
        raise _wrong("table is too large")
    if sum(len(cell) for row in rows for cell in row) > TABLE_CHARS_MAX:
        raise _wrong("table has too many characters")


def _cell(cell: Json) -> str:
    return "".join(_texts([cell]))


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().removeprefix("|").removesuffix("|"))]


def _texts(value: object) -> Iterator[str]:
    """Every string called text in a tree of blocks."""
    if isinstance(value, list):
        for one in cast(list[object], value):
            yield from _texts(one)
    elif isinstance(value, dict):
        for name, one in cast(Json, value).items():
            if name == "text" and isinstance(one, str):
                yield one
            else:
                yield from _texts(one)


def _dicts(value: object) -> list[Json]:
    found = cast(list[object], value) if isinstance(value, list) else []
    return [cast(Json, one) for one in found if isinstance(one, dict)]


def _wrong(why: str) -> SlackError:
    more: dict[str, Any] = {"response_metadata": {"messages": [f"[ERROR] {why}"]}}
    return SlackError("invalid_blocks", **more)
