"""A headless Chromium for looking at pages as a reader does, where there is one."""

import base64
import contextlib
import os
import shutil
import zlib
from collections.abc import Generator
from typing import Any

import numpy as np

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


def unpack(packed: dict) -> np.ndarray:
    """Read a packed array the slow way: byte by byte."""
    kind = np.dtype({"u8": "|u1", "u16": "<u2", "u32": "<u4", "f32": "<f4", "f64": "<f8"}[packed["type"]])
    planes = zlib.decompress(base64.b64decode(packed["data"]))
    length = len(planes) // kind.itemsize
    rows = [bytes(planes[byte * length + i] for byte in range(kind.itemsize)) for i in range(length)]
    return np.frombuffer(b"".join(rows), kind).reshape(packed["shape"])
