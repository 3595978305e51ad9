"""The bot as it is measured: without its budgets, as the fakes have no limits, and one workspace has all the load.

Its first argument is the platform: the other's code is not loaded for it.
"""

import sys

from tests.unmetered import lift, lift_discords_second

if __name__ == "__main__":
    platform = sys.argv.pop(1)
    if platform == "slack":
        lift()
    else:
        lift_discords_second()
    from bot.cli import main

    raise SystemExit(main())
