"""The last line of `make pods`."""

import pytest


def pytest_unconfigure(config: pytest.Config) -> None:
    """Say how many scenarios passed and failed, where it was they that were asked for."""
    if not any("pods" in one for one in config.args):
        return
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    assert isinstance(reporter, pytest.TerminalReporter)
    count = {kind: len(reporter.stats.get(kind, [])) for kind in ("passed", "failed", "error", "skipped")}
    skipped = f", {count['skipped']} skipped" if count["skipped"] else ""
    reporter.write_line(f"pods: {count['passed']} passed, {count['failed'] + count['error']} failed{skipped}")
