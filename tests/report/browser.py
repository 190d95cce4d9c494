"""A real browser for pages: Debian's chromium, driven by Playwright; nothing is downloaded."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = shutil.which("chromium")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no chromium here (Debian's package of that name)")


@contextmanager
def started() -> Iterator[Browser]:
    """Start the browser; use it in a fixture of a module, so that its pages share one start."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM)
        yield browser
        browser.close()


@contextmanager
def opened(browser: Browser, path: Path, *, width: int = 1400, height: int = 1000) -> Iterator[Page]:
    """Open a page file; when the block has ended well, neither console nor network may have had anything to say."""
    page = browser.new_page(viewport={"width": width, "height": height})
    said: list[str] = []
    requested: list[str] = []
    page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: said.append(f"error: {error}"))
    page.on("request", lambda request: requested.append(request.url))
    page.goto(path.as_uri())
    yield page
    page.close()
    assert said == []
    assert [url for url in requested if not url.startswith("data:")] == [path.as_uri()]
