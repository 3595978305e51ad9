"""The fake's rules for blocks: what Slack accepts stands, what it refuses is refused with Slack's code."""

from typing import Any

import pytest

from tests.fakes.slack import SlackError
from tests.fakes.slack.blocks import Surface, check, check_tables, tables_of

Block = dict[str, Any]


def markdown(text: str) -> Block:
    return {"type": "markdown", "text": text}


def button(**more: Any) -> Block:
    return {"type": "button", "action_id": "a", "text": {"type": "plain_text", "text": "Go"}, **more}


def side(label: str = "Good", value: str = "good") -> Block:
    return {"text": {"type": "plain_text", "text": label}, "value": value}


def feedback(**more: Any) -> Block:
    return {"type": "feedback_buttons", "action_id": "f", "positive_button": side(), "negative_button": side(), **more}


def row(*elements: Block, kind: str = "actions") -> Block:
    return {"type": kind, "elements": list(elements)}


def table(rows: int, columns: int, cell: str = "x") -> Block:
    return {"type": "table", "rows": [[{"type": "raw_text", "text": cell}] * columns] * rows}


def refusal(blocks: object, surface: Surface = "message") -> str:
    try:
        check(blocks, surface=surface)
    except SlackError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("within", "beyond", "code"),
    [
        ([{"type": "divider"}] * 50, [{"type": "divider"}] * 51, "invalid_blocks"),
        ([markdown("x" * 12_000)], [markdown("x" * 12_001)], "msg_blocks_too_long"),
        ([markdown("x" * 5_998), markdown("y" * 6_000)], [markdown("x" * 6_000)] * 2, "msg_blocks_too_long"),
        (
            [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3_000}}] * 4,
            [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3_001}}],
            "invalid_blocks",
        ),
        (
            [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 2_640}}] * 5,
            [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 2_641}}] * 5,
            "msg_blocks_too_long",
        ),
        ([row(*[button()] * 25)], [row(*[button()] * 26)], "invalid_blocks"),
        (
            [row(*[feedback()] * 5, kind="context_actions")],
            [row(*[feedback()] * 6, kind="context_actions")],
            "invalid_blocks",
        ),
        (
            [row(button(text={"type": "plain_text", "text": "x" * 75}))],
            [row(button(text={"type": "plain_text", "text": "x" * 76}))],
            "invalid_blocks",
        ),
        ([row(button(value="x" * 2_000))], [row(button(value="x" * 2_001))], "invalid_blocks"),
        (
            [row(feedback(positive_button=side(value="x" * 2_000)), kind="context_actions")],
            [row(feedback(positive_button=side(value="x" * 2_001)), kind="context_actions")],
            "invalid_blocks",
        ),
        ([row(button(action_id="x" * 255))], [row(button(action_id="x" * 256))], "invalid_blocks"),
        (
            [{"type": "divider", "block_id": "x" * 255}],
            [{"type": "divider", "block_id": "x" * 256}],
            "invalid_blocks",
        ),
        ([table(100, 20)], [table(101, 20)], "invalid_blocks"),
        ([table(2, 20)], [table(2, 21)], "invalid_blocks"),
        ([table(100, 10, "x" * 10)], [table(100, 10, "x" * 11)], "invalid_blocks"),
        ([table(1, 1)], [table(1, 1), table(1, 1)], "only_one_table_allowed"),
        ([markdown("|a|\n|-|\n|1|")], [markdown("|a|\n|-|\n|1|"), table(1, 1)], "only_one_table_allowed"),
    ],
)
def test_each_limit_of_blocks_holds_exactly(within: list[Block], beyond: list[Block], code: str) -> None:
    assert refusal(within) == ""
    assert refusal(beyond) == code


def test_a_view_holds_a_hundred_blocks() -> None:
    assert refusal([{"type": "divider"}] * 100, "view") == ""
    assert refusal([{"type": "divider"}] * 101, "view") == "invalid_blocks"


@pytest.mark.parametrize(
    ("blocks", "code"),
    [
        ([{"type": "speech"}], "invalid_blocks"),
        ([Block()], "invalid_blocks"),
        ("divider", "invalid_blocks_format"),
        (["divider"], "invalid_blocks_format"),
        ([row(feedback())], "invalid_blocks"),
        ([row({"type": "icon_button", "action_id": "i", "icon": "trash"})], "invalid_blocks"),
        ([row(button(), kind="context_actions")], "invalid_blocks"),
        ([row(feedback(negative_button=None), kind="context_actions")], "invalid_blocks"),
        ([row()], "invalid_blocks"),
        ([{"type": "divider", "block_id": "b"}] * 2, "invalid_blocks"),
        ([markdown("")], "invalid_blocks"),
    ],
)
def test_what_is_no_block_or_stands_in_the_wrong_place_is_refused(blocks: object, code: str) -> None:
    assert refusal(blocks) == code


def test_tables_are_found_where_slack_makes_table_blocks_of_them() -> None:
    text = "intro\n\n| a | b |\n|:--|--:|\n| 1 | 2 |\n\n```\n|c|\n|-|\n```\n\nx | y\n--|--\n3 | 4\n"
    assert tables_of(text) == [[["a", "b"], ["1", "2"]], [["x", "y"], ["3", "4"]]]
    assert tables_of("a | b\nc | d") == []
    assert tables_of("|a|b|\n|-|") == []  # the delimiter row has another width
    with pytest.raises(SlackError, match="only_one_table_allowed"):
        check_tables(text)


def test_a_markdown_table_has_the_limits_of_a_table_block() -> None:
    head = "|a|\n|-|\n"
    check_tables(head + "|x|\n" * 99)
    with pytest.raises(SlackError, match="invalid_blocks"):
        check_tables(head + "|x|\n" * 100)
    with pytest.raises(SlackError, match="invalid_blocks"):
        check_tables("|a" * 21 + "|\n" + "|-" * 21 + "|\n")
