"""A headless Chromium that is gone afterwards, and `qstore dashboard` as a process."""

from __future__ import annotations

import os
import queue
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--hide-scrollbars",
)  # fmt: skip

# All texts and pictures of the page, inside shadow roots too, which TensorBoard is made of.
_TEXTS = """
const found = [];
const visit = (node) => {
  if (node.nodeType === Node.TEXT_NODE) { found.push(node.textContent.trim()); return; }
  if (["STYLE", "SCRIPT", "TEMPLATE"].includes(node.nodeName)) return;
  if (node.shadowRoot) visit(node.shadowRoot);
  for (const child of node.childNodes) visit(child);
};
visit(document.body);
return found.filter((text) => text);
"""
_ELEMENTS = """
const found = [];
const visit = (node) => {
  if (node.matches && node.matches(arguments[0])) found.push(node);
  if (node.shadowRoot) visit(node.shadowRoot);
  for (const child of node.children || []) visit(child);
};
visit(document.body);
return found;
"""


def programs() -> tuple[str, str] | None:
    """The browser and its driver, or None where one is not installed."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    driver = shutil.which("chromedriver")
    return (browser, driver) if browser and driver else None


@contextmanager
def chromium(width: int = 1400, height: int = 1000) -> Iterator[Any]:
    """Starts Chromium with a profile of its own; ends it, its children and the profile."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    found = programs()
    assert found is not None, "chromium and chromedriver are not installed"
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = found[0]
        for flag in (*_FLAGS, f"--user-data-dir={profile}", f"--window-size={width},{height}"):
            options.add_argument(flag)
        # Nothing but this machine is asked for anything.
        options.add_argument("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")
        driver = webdriver.Chrome(options=options, service=Service(found[1]))
        try:
            yield driver
        finally:
            driver.quit()


def texts(driver: Any) -> list[str]:
    """All texts on the page."""
    return driver.execute_script(_TEXTS)


def elements(driver: Any, selector: str) -> list[Any]:
    """All elements on the page that a CSS selector fits."""
    return driver.execute_script(_ELEMENTS, selector)


def wait_for(what: Any, seconds: float = 90.0) -> Any:
    """Calls a function until it returns something true; fails with what it returned last."""
    deadline = time.monotonic() + seconds
    while True:
        result = what()
        if result:
            return result
        assert time.monotonic() < deadline, f"{what} was not true within {seconds:.0f} s"
        time.sleep(0.5)


def open_page(driver: Any, url: str, page: str) -> None:
    """Opens one of TensorBoard's pages anew."""
    driver.get("about:blank")
    driver.get(f"{url}#{page}")


@contextmanager
def dashboard(run: Path, seconds: float = 180.0) -> Iterator[str]:
    """Runs `qstore dashboard` on a free port and gives its address; ends it."""
    command = [sys.executable, "-m", "qstore_tf", "dashboard", str(run), "--port", "0"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    )
    lines: queue.Queue[str] = queue.Queue()
    assert process.stdout is not None
    reader = threading.Thread(target=lambda: [lines.put(line) for line in process.stdout])
    reader.start()
    try:
        said = ""
        deadline = time.monotonic() + seconds
        while (match := re.search(r"http://127\.0\.0\.1:\d+/", said)) is None:
            alive = process.poll() is None and time.monotonic() < deadline
            assert alive, f"qstore dashboard did not start: {said}"
            try:
                said += lines.get(timeout=0.5)
            except queue.Empty:
                continue
        yield match.group()
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        reader.join()
        process.stdout.close()
