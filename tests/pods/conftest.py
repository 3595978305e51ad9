"""The last line of `make pods`."""

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many scenarios passed and failed."""
    count = {kind: len(terminalreporter.stats.get(kind, [])) for kind in ("passed", "failed", "error", "skipped")}
    skipped = f", {count['skipped']} skipped" if count["skipped"] else ""
    terminalreporter.write_line(f"pods: {count['passed']} passed, {count['failed'] + count['error']} failed{skipped}")
