"""What a line of CommonMark holds, in Discord's dialect; code, addresses and link targets stay as they are. Pure."""

import re

CODE = re.compile(r"(?P<ticks>`+)(?!`).*?(?<!`)(?P=ticks)(?!`)")
"""A code span within one line."""

_ADDRESS = r"(?:[^()\s<>]|\([^()\s<>]*\))+"
_REWRITTEN = re.compile(
    rf"{CODE.pattern}"
    rf"|!\[(?P<alt>[^\]]*)\]\(<?(?P<image>{_ADDRESS})>?(?P<title>[^)]*)\)"
    rf"|\[<?(?:https?://|www\.)[^\]\s]*\]\(<?(?P<url>https?://{_ADDRESS})>?[^)]*\)"
    r"|(?P<break><[bB][rR]\s*/?>)"
)
_KEPT = re.compile(
    rf"{CODE.pattern}"
    r"|\]\([^()]*+(?:\([^()]*+\)[^()]*+)*+\)"  # a link's target
    r"|<[^\s<>]+>"
    r"|(?:https?://|www\.)[^\s<>]*[^\s<>_*]"  # marks behind an address belong to the text
)
_LAST_BREAK = re.compile(r"<[bB][rR]\s*/?>\s*$")
_BOLD = re.compile(r"(?<![\w\\_])__(?=[^\s_])(.+?)(?<=[^\s_])__(?![\w_])")
_BARS = re.compile(r"\|\|")


def inline(line: str, *, newline: str = "\n") -> str:
    """A line with images as links, `__bold__` as `**bold**`, double bars escaped and `newline` for each `<br>`."""
    line = _REWRITTEN.sub(lambda found: _rewritten(found, newline), _LAST_BREAK.sub("", line))
    mask = _KEPT.sub(lambda kept: "\ufffc" * len(kept[0]), line)  # as long as the line, so that places agree
    for bold in _BOLD.finditer(mask):
        start, end = bold.span()
        line = f"{line[:start]}**{line[start + 2 : end - 2]}**{line[end:]}"
    bars = list(_BARS.finditer(mask))
    for one in reversed(bars if len(bars) > 1 else ()):
        line = rf"{line[: one.start()]}\|\|{line[one.end() :]}"
    return line


def bold(line: str) -> str:
    """A line all in bold, as a heading is."""
    flat = re.sub(
        rf"{CODE.pattern}|\*\*", lambda found: "" if found[0] == "**" else found[0], inline(line, newline=" ")
    )
    return f"**{flat}**"


def _rewritten(found: re.Match[str], newline: str) -> str:
    if found["image"]:
        return f"[{found['alt']}]({found['image']}{found['title']})" if found["alt"] else f"<{found['image']}>"
    if found["url"]:
        return f"<{found['url']}>"
    return newline if found["break"] else found[0]
