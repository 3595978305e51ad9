"""Links whose target stands elsewhere in the text, like `[a][1]` and `[1]: https://...`: unknown to Discord. Pure."""

import re

from adapters.discord.text.blocks import Block, blocks
from adapters.discord.text.inline import CODE

_DEFINITION = re.compile(r"""\s{0,3}\[([^\[\]^][^\[\]]*)\]:\s*<?(https?://[^\s<>]+)>?(?:\s+["'(].*)?\s*""")
_LINK = re.compile(rf"{CODE.pattern}|\[(?P<text>[^\[\]]+)\](?:\[(?P<label>[^\[\]]*)\])?(?![\[(:])")


def with_targets(text: str) -> str:
    """The text with each target in its link. A definition that no link here uses stays: its link is in another part."""
    if "]:" not in text:
        return text
    found = list(blocks(text.split("\n")))
    targets = {one[1].lower(): one[2] for block in found if (one := _definition(block))}
    used: set[str] = set()

    def linked(link: re.Match[str]) -> str:
        label = (link["label"] or link["text"] or "").lower()
        if label not in targets:
            return link[0]
        used.add(label)
        return f"[{link['text']}]({targets[label]})"

    lines: list[tuple[str, str]] = []
    for block in found:
        definition = _definition(block)
        prose = block.kind not in ("fence", "code") and not definition
        key = definition[1].lower() if definition else ""
        lines += ((_LINK.sub(linked, line) if prose else line, key) for line in block.lines)
    return "\n".join(line for line, key in lines if not key or key not in used)


def _definition(block: Block) -> re.Match[str] | None:
    return _DEFINITION.fullmatch(block.lines[0]) if block.kind == "line" else None
