"""The bot as it is measured on Slack: without its budgets, as the fake has no limits and one workspace all the load."""

from tests.unmetered import lift

if __name__ == "__main__":
    lift()
    from bot.cli import main

    raise SystemExit(main())
