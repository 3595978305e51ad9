"""What is needed before the bot runs: `manifest`, `invite` and `key` print it, `doctor` says what is still missing."""

import sys
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bot.cli.call import FAILED, FINE, Call, wait
from bot.errors import ConfigError

if TYPE_CHECKING:
    from bot.platform import Finding


def doctor(call: Call) -> int:
    """Check every setting against the real services."""
    findings: list[Finding] = wait(call.app.doctor(call.config(quiet=True)))
    unicode = "utf" in (sys.stdout.encoding or "").lower()
    marks = {"ok": "✓", "warn": "!", "fail": "✗"} if unicode else {"ok": "+", "warn": "!", "fail": "x"}
    for finding in findings:
        print("\n    ".join([f"{marks[finding.level]} {finding.what}", *finding.todo.splitlines()]))
    failed = sum(finding.level == "fail" for finding in findings)
    print(f"\n{failed} to mend." if failed else "\nEverything the bot needs is there.")
    return FAILED if failed else FINE


def manifest(call: Call) -> int:
    """Print the Slack app manifest, also where settings are missing or wrong. Raises ConfigError for its own."""
    given = call.given
    hosts = {_public_url(flag, host) for flag in ("http", "oauth") if (host := getattr(given, flag))}
    if len(hosts) > 1:
        raise ConfigError("--http and --oauth name different addresses; Slack can call only one.")
    if given.oauth is not None and not hosts:
        raise ConfigError("--oauth needs the public address that Slack shall call, like https://bot.example.com")
    printed = call.app.manifest(
        url=next(iter(hosts), None),
        as_json=given.json,
        # That choice cannot be undone for an app, so whoever has set "off" must not get the other by a forgotten flag.
        agent=not given.no_agent and call.setting("SLACK_AGENT").strip().lower() != "off",
        oauth=given.oauth is not None,
        prompts=call.setting("SLACK_PROMPTS"),
    )
    print(printed.rstrip("\n"))
    return FINE


def _public_url(flag: str, host: str) -> str:
    try:
        parts = urlsplit(host)
        fine = parts.scheme == "https" and bool(parts.hostname) and not (parts.query or parts.fragment)
    except ValueError:
        fine = False
    if not fine:
        raise ConfigError(f"--{flag} needs the public address that Slack shall call, like https://bot.example.com")
    return host.rstrip("/")


def invite(call: Call) -> int:
    """Print Discord's install links. Raises ConfigError without a token, Unreachable when Discord is away."""
    link: str = wait(call.app.invite(call.config(quiet=True)))
    print(link)
    return FINE


def key(_: Call) -> int:
    """Print a new key for ENCRYPTION_KEY."""
    from bot import sealing

    print(sealing.new_key())
    return FINE
