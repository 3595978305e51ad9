"""A message that ends although its text goes on: what it still needs, and what the next one begins with.

Knows the text of one message from its start, and at best the beginning of what follows; knows no limits of length.
For platforms that can only append: what `splitting` does for messages that can be written anew.
"""

from bot.markdown.fences import Fence, Span, fences_of
from bot.markdown.lines import line_start, stands_in_list, table_head
from bot.markdown.tables import is_barred

_REPEATED_MAX = 1_000  # characters; a longer opening line or table header is not repeated (chosen)


def closing(text: str) -> str:
    """What to append to a message that ends here so that it stands alone: the end of a fence that is open, or ""."""
    fence = _open_fence(text)
    if fence is None:
        return ""
    return fence.closing.removeprefix("\n") if text.endswith("\n") else fence.closing


def reopening(text: str, following: str = "") -> str:
    """What the message after this one begins with: the opening of a fence that goes on, the header of a table, or "".

    `following` is what is known of the text that comes next: a table or quote that has ended is not begun again, and
    what stands deep in a list gets bullets above it, because without its list it would be indented code.
    """
    fence = _open_fence(text)
    if fence is not None:
        ended = fence.depth and text.endswith("\n") and following and not fence.quoted.match(following)
        return "" if ended else _opening(fence) + ("" if text.endswith("\n") else fence.lead)
    if not text.endswith("\n"):
        return ""
    return _table_head(text, following) or _list_above(text, following)


def _fences(text: str) -> list[Span]:
    return fences_of(text, None, in_list=False, widest=len(text))


def _open_fence(text: str) -> Fence | None:
    fences = _fences(text)
    return fences[-1].fence if fences and fences[-1].open else None


def _table_head(text: str, following: str) -> str:
    goes_on = is_barred(text, line_start(text, len(text) - 1)) and (not following or is_barred(following, 0))
    head = table_head(text, carried="") if goes_on else ""
    return head if len(head) <= _REPEATED_MAX else ""


def _list_above(text: str, following: str) -> str:
    """Empty list items, one in the other, in which the line that follows stands as deep as in the list it was in."""
    line = following.removeprefix("\n")
    columns = len(line[: len(line) - len(line.lstrip(" \t"))].expandtabs(4))
    if columns < 4 or line.lstrip(" \t").startswith("\n") or not stands_in_list(text, len(text), floor=0, known=False):
        return ""
    # Text may stand up to three columns right of its item's; bullets alternate, or three would be a rule.
    bullets = " ".join("-*"[depth % 2] for depth in range((columns - 2) // 2))
    return bullets if line != following else bullets + "\n"


def _opening(fence: Fence) -> str:
    info = fence.info if len(fence.info) <= _REPEATED_MAX else ""
    return f"{_lead(fence)}{fence.run}{info}\n"


def _lead(fence: Fence) -> str:
    """What stands before a fence that is opened anew: where it stood in a list, bullets, so that it ends as it did."""
    if fence.depth:
        return fence.lead.lstrip()
    columns = fence.indent
    if columns <= 3:
        return fence.lead
    # A bullet takes at most five columns (CommonMark 5.2); the code's own lines stand `columns` to the right.
    bullets = "- " * ((columns - 4) // 2)
    return bullets + "-".ljust(columns - len(bullets))
