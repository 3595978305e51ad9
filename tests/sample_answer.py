"""A long answer in the spirit of the API's documented example: everything that Markdown of a model may hold.

GitHub-style headings, bold, nested lists, rules, quotes, tables, fenced code with fences inside, emoji, formulas,
CJK, links. `sample(6000)` gives one of about that length; each paragraph begins with its number, so that order and
completeness can be seen in whatever becomes of it.
"""

import re
from itertools import count

SECTION = """\
## {0} The **theory of relativity** in simple terms 🚀

{1} Sure! It comes in *two* parts, and both change how we think of space and time ([source](https://example.com/a_(b)?q=1&r=2)).

- {2} **Special relativity** (1905)
  - {3} Nothing is faster than light, `c ≈ 299 792 458 m/s`.
    1. {4} Moving clocks run slow ⏱️, moving rods are short.
    2. {5} Mass is energy: E = mc², always.
- {6} **General relativity** (1915) 👩‍🔬👨‍👩‍👧‍👦
  * {7} Mass bends space; space tells mass how to move.

> {8} "Time is what a clock reads."
> {9} And a clock in a valley reads less.

| {10} effect | where seen | size |
|:---|:---:|---:|
| {11} time dilation | GPS satellites 🛰️ | 38 µs a day |
| {12} 重力レンズ | 銀河団 | 秒角 |

```python
# {13} how slow does a clock run?
def gamma(v: float, c: float = 299_792_458.0) -> float:
    return (1 - (v / c) ** 2) ** -0.5  # never for v >= c


print(f"{{gamma(1e8):.3f}}")
```

{14} 相対性理論は、時間と空間が観測者によって異なることを示しています。光の速さは誰にとっても同じです。宇宙は広い。🌌

~~~~markdown
{15} ```
a fence inside a fence
```
~~~~

---

{16} In short: *there is no absolute time*, and __gravity__ is ~~a force~~ geometry. Does `a || b` help? ✨

"""

MARK = re.compile(r"§(\d{3})§")


def sample(characters: int = 6_000) -> str:
    """An answer of at least so many characters."""
    numbers = (f"§{number:03}§" for number in count())
    text = ""
    while len(text) < characters:
        text += SECTION.format(*(next(numbers) for _ in range(17)))
    return text.strip()


def marks(text: str) -> list[int]:
    """The numbers of the paragraphs in a text, in the order in which they stand there."""
    return [int(number) for number in MARK.findall(text)]


def fences_are_closed(text: str) -> bool:
    """Whether every fence that opens in a text is closed in it, by CommonMark's rule."""
    opened = ""
    for line in text.split("\n"):
        found = re.match(r"^ {0,3}(`{3,}|~{3,})(.*)$", line)
        if not found:
            continue
        run, rest = found[1], found[2]
        if opened and run[0] == opened[0] and len(run) >= len(opened) and not rest.strip():
            opened = ""
        elif not opened and not (run[0] == "`" and "`" in rest):
            opened = run
    return not opened
