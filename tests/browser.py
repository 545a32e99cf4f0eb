"""A headless Chromium for looking at pages as a reader does, where there is one."""

import contextlib
import os
import shutil
from collections.abc import Generator
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def found() -> str | None:
    """Return the path of the browser: $KOFN_CHROMIUM, or the first of its usual names; None where there is none."""
    return os.environ.get("KOFN_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


@contextlib.contextmanager
def browser() -> Generator[Any]:
    """Give a running browser, playwright's."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # Everything it opens is a file of our own; as root, in a container, it has no sandbox to run in.
        made = playwright.chromium.launch(executable_path=found(), args=["--no-sandbox"])
        try:
            yield made
        finally:
            made.close()
