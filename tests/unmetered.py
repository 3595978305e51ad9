"""Lifts the bot's own budgets, for drivers whose whole load stands in one workspace of a fake that limits nothing.

With them a load test would measure Slack's tiers: one workspace gets some 46 updates a minute (see `budgets`), whatever
the bot could do. It counts for every platform that is made afterwards in this process.
"""

import sys
from dataclasses import replace
from typing import Final

TIMES: Final = 10_000


def lift() -> None:
    """Let every budget grant 10,000 times as much."""
    from adapters.slack.answers import pace
    from adapters.slack.api.budgets import Method, Rate

    for module in [module for name, module in sys.modules.items() if name.startswith("adapters.slack.")]:
        for name, value in list(vars(module).items()):
            if isinstance(value, Method):
                rate = Rate(value.rate.per_minute * TIMES, value.rate.burst * TIMES)
                setattr(module, name, replace(value, rate=rate))
    for name in ("_PER_MINUTE", "_LIVE_PER_MINUTE"):
        setattr(pace, name, getattr(pace, name) * TIMES)


def lift_discords_second() -> None:
    """Let a process make as many calls a second on Discord as it can, for a fake without the limit of 50."""
    from adapters.discord.api.second import Second

    defaults = Second.__init__.__kwdefaults__
    assert defaults is not None
    defaults["limit"] *= TIMES
