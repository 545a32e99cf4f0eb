"""What the suite costs in processor time, by file and by test: `python tests/cost.py [what pytest takes]`.

Seconds of this process and of those that ended in it or in tests/served.py, so that a busy machine does not count; run
it without `-n`.
"""

import os
import sys
from collections import defaultdict
from collections.abc import Generator

import pytest
from served import STANDS


def used() -> float:
    """Return the seconds used so far, by this process and by its children that ended, and by those that are served."""
    return sum(os.times()[:4]) + STANDS.seconds_used()


class Cost:
    """A plugin that keeps what each test used, its fixtures included, and prints the most expensive in the end."""

    def __init__(self) -> None:
        self.of: dict[str, float] = defaultdict(float)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, bool, bool]:
        before = used()
        result = yield
        self.of[item.nodeid] += used() - before
        return result

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        files: dict[str, float] = defaultdict(float)
        for test, seconds in self.of.items():
            files[test.partition("::")[0]] += seconds
        terminalreporter.write_line(f"{sum(files.values()):8.1f} s of processor time in {len(self.of)} tests")
        for most in (files, self.of):
            for name, seconds in sorted(most.items(), key=lambda item: -item[1])[:10]:
                terminalreporter.write_line(f"{seconds:8.1f} s {name}")


if __name__ == "__main__":
    sys.exit(pytest.main(sys.argv[1:], plugins=[Cost()]))
