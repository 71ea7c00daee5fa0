"""Says once for each server what is not on this machine, however many tests need it."""

from collections import Counter


def pytest_terminal_summary(terminalreporter):
    skipped = (each for each in terminalreporter.stats.get("skipped", []) if "networks" in each.keywords)
    reasons = Counter(each.longrepr[2].removeprefix("Skipped: ") for each in skipped)
    for reason, count in sorted(reasons.items()):
        terminalreporter.write_line(f"not tried ({count} tests): {reason}")
