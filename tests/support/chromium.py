"""The system's Chromium, driven without a network; nothing is ever downloaded."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

PROGRAMS = ("chromium", "google-chrome")
_LOCAL = ("file:", "data:", "blob:")
_OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def program() -> str | None:
    """The path of the browser; None where there is none."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


@contextmanager
def started() -> Iterator[Browser]:
    """A browser without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program(), args=list(_OPTIONS))
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Visit:
    """One reader: a window of one's own on files of this machine, and what it complained of."""

    context: BrowserContext
    complaints: list[str] = field(default_factory=list)
    """Messages of level warning or error, errors of scripts, requests that leave this machine."""

    def open(self, path: Path, anchor: str = "") -> Page:
        """A new page with that file, when it and its scripts are there."""
        page = self.context.new_page()
        page.goto(path.as_uri() + (f"#{anchor}" if anchor else ""), wait_until="load")
        return page


@contextmanager
def visit(browser: Browser, **options: Any) -> Iterator[Visit]:
    """A reader with that size of window, colours and so on, as playwright names them."""
    context = browser.new_context(**options)
    made = Visit(context)
    context.route(re.compile(r"^(?!file:|data:|blob:)"), lambda route: route.abort())
    context.on("request", lambda one: _notice(made, f"asked for {one.url}", one.url))
    context.on("requestfailed", lambda one: made.complaints.append(f"failed: {one.url}"))
    context.on("console", lambda one: _heed(made, one.type, one.text))
    context.on("weberror", lambda one: made.complaints.append(f"error: {one.error}"))
    try:
        yield made
    finally:
        context.close()


def _notice(visit: Visit, text: str, address: str) -> None:
    if not address.startswith(_LOCAL):
        visit.complaints.append(text)


def _heed(visit: Visit, kind: str, text: str) -> None:
    if kind in ("warning", "error", "assert"):
        visit.complaints.append(f"{kind}: {text}")
