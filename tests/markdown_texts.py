"""Texts for the tests of `bot.markdown`: what they are made of, how they are cut, and what a parser sees in a part."""

from collections.abc import Callable

from hypothesis import strategies as st
from markdown_it import MarkdownIt

from bot.markdown import parts

Length = Callable[[str], int]


def cut(text: str, limit: int, length: Length = len) -> list[str]:
    return parts(text, limit=limit, length=length)


def words(count: int) -> str:
    return " ".join("word" for _ in range(count))


def ends_inside_a_fence(part: str) -> bool:
    """What a CommonMark parser takes a line after the part for."""
    tokens = MarkdownIt("commonmark").parse(part + "\n\nSENTINEL\n")
    return [token.type for token in tokens if "SENTINEL" in token.content][-1:] == ["fence"]


BLOCKS = ["\n", "\n\n", " ", "    ", "word ", "ends. ", "漢字。", "# ", "| a | b |\n", "|---|---|\n", "|", "---\n"]
MARKS = ["[a label](https://x.y/z)", "https://e.org/a", "<", "[", "](", ")", "`", "``", "`a b`", "**", "\\", "!"]
SIGNS = ["👩‍👩‍👧", "🇩🇪", "e\u0301", "\ud83d", "\ude00"]
PLAIN = BLOCKS + MARKS + SIGNS
FENCES = ["```", "~~~", "````", "\n```py\n", "\n```\n", "\n   ~~~ js\n", "```a`b\n", "code\n", "\n  ```  \n"]
NESTED = ["> ", "- ", "1. ", "10. ", "\n> ```\n> x\n", "\n> > ~~~\n", "\n- ```js\n", "\n    ```\n", "\t"]


def texts(tokens: list[str]) -> st.SearchStrategy[str]:
    some = st.lists(st.sampled_from(tokens), min_size=2, max_size=9)
    return some.flatmap(lambda chosen: st.lists(st.sampled_from(chosen), max_size=60)).map("".join)


ANY_TEXT = st.one_of(texts(PLAIN + FENCES + NESTED), texts(FENCES + NESTED), st.text(max_size=200))

# What a platform would act on or a parser read differently, and the lengths at which a growing text is let through.
WIDE = "|" + "a|" * 22 + "\n"
LIVE = ["<!channel>", "<@U1>", "< !here>", "<\u200b#C1", "![x](https://e.org/i.png)", "![x][1]", "[1]: https://e.org\n"]
ODD = ["<img src=x>", "<https://e.org|say>", "[x](", "<https://e.org> 't')", "|-|-|\n", WIDE, "|" + "-|" * 22 + "\n"]
LENGTHY = ["word and word and word and word and word ", "x" * 260]
APPENDED = st.one_of(
    ANY_TEXT, texts(PLAIN + LIVE + ODD + LENGTHY), texts(PLAIN + FENCES + NESTED + LIVE + ODD + LENGTHY)
)
