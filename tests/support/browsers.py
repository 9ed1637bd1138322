"""Headless Chromium for the tests of pages, driven by Playwright, and accessibility checks by axe-core."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from support.field import ROOT

CHROMIUM = shutil.which("chromium")
AXE = ROOT / "tests/node_modules/axe-core/axe.min.js"
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no `chromium` on the PATH: apt-get install chromium")
needs_axe = pytest.mark.skipif(not AXE.is_file(), reason="no axe-core: npm ci --prefix tests")


@contextmanager
def launched() -> Iterator[Browser]:
    """Yield a headless browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


def violations(page: Page) -> list[str]:
    """Return a line for each violation of a rule of axe-core: the rule, the element, the reason."""
    page.evaluate(AXE.read_text())
    rules = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    return [f"{rule['id']}: {node['html']}: {node['failureSummary']}" for rule in rules for node in rule["nodes"]]
