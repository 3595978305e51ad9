"""Print how long a megabyte of hostile text takes to split and to render, beside a quarter of it.

A factor near four is linear. What a regular expression does within one call cannot be counted, so no test asserts it.
"""

import time
from collections.abc import Callable

from adapters.discord.text.render import TEXT_MAX, length, render
from bot.markdown import appendable, blocks, parts, settled

SIZE = 1_000_000
UNITS = (
    *(
        "word ",
        "`",
        "`a ``b ",
        "|",
        "|a|\n",
        "|-|-|\n",
        "[",
        "[a](",
        "![",
        "__a ",
        "$a^",
        "> > ",
        "> a\n",
        "```\n",
        "- a\n",
    ),
    *(" ", "\n", "x", "\ud83d", "\u200d", "\u0301", "🇩🇪"),
)


def messages(text: str) -> list[str]:
    """The text as Discord gets it."""
    return [render(part) for part in parts(text, limit=TEXT_MAX, length=length)]


def seconds(work: Callable[[str], object], text: str) -> float:
    """CPU time of one call."""
    began = time.process_time()
    work(text)
    return time.process_time() - began


def main() -> None:
    """Print a line for each unit and kind of work."""
    for work in (messages, render, settled, appendable, blocks):
        for unit in UNITS:
            text = (unit * SIZE)[:SIZE]
            quarter, whole = seconds(work, text[: SIZE // 4]), seconds(work, text)
            print(f"{work.__name__:12}{unit!r:12}{quarter:8.2f} s{whole:8.2f} s{whole / max(quarter, 1e-3):6.1f} x")


if __name__ == "__main__":
    main()
