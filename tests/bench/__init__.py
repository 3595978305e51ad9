"""How fast the bot is, beside the leanest possible handler on the same SDKs: `python -m tests.bench --help`."""
