"""The page of the service: its headers, and what a person sees in headless Chromium."""

import os
import sys
from pathlib import Path

import httpx
import pytest

from qstore_tf.store.database import QuantumDatabase
from qstore_tf.store.definitions.decoherence import ManualClock
from qstore_tf.store.service.keys import Grant, Keys
from qstore_tf.store.service.running import DatabaseServer

sys.path.insert(0, str(Path(__file__).parents[2] / "callbacks"))
import browser

EVIL = "<img src=x onerror=\"document.title='broken'\"><script>document.title='broken'</script>"
KEY = "a-key-of-the-tests-0123456789"
KEYS = Keys({KEY: Grant("tests"), KEY[::-1]: Grant("team", ("team-*",))})
HOUR = 3_600_000.0


def filled(clock):
    """Books with contexts, decay and an archive; stocks with groups."""
    db = QuantumDatabase(clock=clock)
    db.insert(
        "sea", [1.0, 0.2], [("nature", 0.9), ("war", 0.1)], metadata={"year": 1851, "tags": ["a"]}
    )
    db.insert("fleet", [0.8, 0.6], [("nature", 0.2), ("war", 0.8)], 10 * HOUR)
    db.insert("senses", contexts=[("nature", 0.5, [0.0, 1.0]), ("war", 0.5, [1.0, 0.0])])
    db.insert("yesterday", [1.0, 1.0], coherence_time=HOUR)
    db.insert(EVIL, [0.1, 1.0], [(EVIL, 1.0)], metadata={EVIL: EVIL})
    db.insert_many([f"page {n:03}" for n in range(120)], [[1.0, float(n)] for n in range(120)])
    db.insert_many(["shell", "bp"], [[1.0, 1.0, 1.0]] * 2, namespace="stocks")
    db.create_entangled_group("oil", ["shell", "bp"], 0.85, namespace="stocks")
    db.update("shell", [2.0, 1.0, 1.0], namespace="stocks")
    clock.advance(5 * HOUR)
    db.apply_decoherence()
    return db


@pytest.fixture(scope="module")
def served():
    with filled(ManualClock(1.7e12)) as db, DatabaseServer(db, KEYS) as server:
        yield server


def test_only_files_of_this_server_are_run(served):
    files = ("/", "/page/page.js", "/page/drawing.js", "/page/page.css", "/page/icon.svg")
    for path in files:
        answer = httpx.get(served.url + path)
        assert answer.status_code == 200
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert "unsafe" not in policy and answer.headers["x-content-type-options"] == "nosniff"
        # No address of another server; that of the SVG namespace is a name.
        text = answer.text.replace("http://www.w3.org/2000/svg", "")
        assert "http:" not in text and "https:" not in text and "innerHTML" not in text
    assert "javascript" in httpx.get(f"{served.url}/page/page.js").headers["content-type"]


def test_the_page_is_public_and_tells_nothing_of_the_database(served):
    assert httpx.get(f"{served.url}/page/settings.json").json() == {
        "coherence_threshold": 0.01,
        "needs_key": True,
        "version": httpx.get(served.url + "/healthz").json()["version"],
    }
    for name in ("page.html", "__init__.py", "..%2Fapp.py", "none"):
        assert httpx.get(f"{served.url}/page/{name}").status_code == 404


class Reader:
    """A person in front of the page."""

    def __init__(self, driver, url):
        self.driver, self.url = driver, url

    def open(self):
        self.driver.get("about:blank")
        self.driver.get(self.url)

    def see(self, name):
        return self.driver.find_element("id", name)

    def all(self, selector):
        return self.driver.find_elements("css selector", selector)

    def texts(self, selector):
        """What is written in all elements, read at once: the page changes meanwhile."""
        script = "return [...document.querySelectorAll(arguments[0])].map((one) => one.innerText)"
        return self.driver.execute_script(script, selector)

    def soon(self, what):
        browser.wait_for(what, 30)

    def says(self, name, text):
        self.soon(lambda: text in self.see(name).text)

    def type(self, name, text):
        self.see(name).clear()
        self.see(name).send_keys(text + "\n")

    def log_in(self, key=KEY):
        self.open()
        self.soon(lambda: self.see("key").is_displayed())
        self.type("key", key)
        self.soon(lambda: self.texts("#items button"))

    def click(self, selector, text):
        """Clicks the element of a selector that has this text."""
        self.soon(lambda: text in self.texts(selector))
        script = (
            "[...document.querySelectorAll(arguments[0])]"
            ".find((one) => one.innerText === arguments[1]).click()"
        )
        self.driver.execute_script(script, selector, text)

    def keep(self, name):
        folder = os.environ.get("QSTORE_SCREENSHOTS")
        if folder:
            for scheme in ("dark", "light"):
                feature = {"name": "prefers-color-scheme", "value": scheme}
                media = {"features": [feature]}
                self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
                self.driver.save_screenshot(str(Path(folder, f"{name}-{scheme}.png")))


@pytest.fixture(scope="module")
def chromium():
    if browser.programs() is None:
        message = "chromium and chromedriver are not installed (apt-get install chromium-driver)"
        if os.environ.get("QSTORE_REQUIRE_BROWSER") == "1":
            pytest.fail(message)
        pytest.skip(message)
    with browser.chromium() as driver:
        yield driver


@pytest.fixture
def reader(chromium, served):
    return Reader(chromium, served.url)


def names(reader):
    return reader.texts("#items button")


@pytest.mark.slow
def test_a_wrong_key_is_refused_and_a_good_one_stays_in_memory(reader):
    reader.open()
    reader.says("status", "Type in an API key")
    assert not reader.see("inside").is_displayed()
    reader.type("key", "wrong-key-0123456789")
    reader.says("status", "does not know this API key")
    reader.keep("wrong-key")
    reader.type("key", KEY)
    reader.says("status", "126 items in 2 namespaces")
    script = "return [localStorage.length, sessionStorage.length, document.cookie, location.href]"
    assert reader.driver.execute_script(script) == [0, 0, "", reader.url + "/"]
    assert reader.see("key").get_attribute("value") == ""
    reader.open()  # and is gone
    reader.says("status", "Type in an API key")
    reader.type("key", KEY[::-1])
    reader.says("status", "0 items in 0 namespaces")


@pytest.mark.slow
def test_items_come_in_pages_by_prefix_and_from_the_archive(reader):
    reader.log_in()
    reader.soon(lambda: len(names(reader)) == 50)
    reader.keep("items")
    reader.type("prefix", "page")
    reader.soon(lambda: names(reader)[0] == "page 000")
    reader.see("after").click()
    reader.soon(lambda: names(reader)[0] == "page 050")
    reader.see("after").click()
    reader.soon(lambda: names(reader)[0] == "page 100")
    assert len(names(reader)) == 20 and not reader.see("after").is_enabled()
    reader.see("before").click()
    reader.soon(lambda: names(reader)[0] == "page 050")
    reader.type("prefix", "nobody")
    reader.soon(lambda: reader.see("no-items").is_displayed())
    reader.type("prefix", "")
    reader.see("archived").click()
    reader.soon(lambda: names(reader) == ["yesterday"])
    reader.click("#items button", "yesterday")
    reader.says("decay-note", "It is archived")


@pytest.mark.slow
def test_an_item_shows_its_contexts_and_its_decay(reader):
    reader.log_in()
    reader.click("#items button", "fleet")
    reader.says("item-title", "fleet")
    shown = [
        (bar.text.split()[0], float(bar.find_element("tag name", "meter").get_attribute("value")))
        for bar in reader.all("#contexts .bar")
    ]
    assert shown == [("nature", pytest.approx(0.2)), ("war", pytest.approx(0.8))]
    # exp(-1/2) after five of ten hours; below 0.01 after 46.05.
    reader.says("decay-note", "0.6065 now, coherence time 10 h. It falls below 0.01 in 1.71 days")
    assert len(reader.all("#decay svg .curve")) == 1
    assert "0.8  0.6" in reader.see("vector").get_attribute("textContent")
    reader.keep("item")
    reader.type("prefix", "se")
    reader.click("#items button", "sea")
    reader.says("metadata", '"year": 1851')
    assert "kept for ever" in reader.see("decay-note").text


@pytest.mark.slow
def test_queries_by_an_item(reader):
    reader.log_in()
    reader.type("prefix", "se")
    reader.click("#items button", "sea")
    reader.soon(lambda: reader.see("query-id").get_attribute("value") == "sea")
    reader.type("query-id", "sea")
    reader.soon(lambda: len(reader.all("#matches tbody tr")) == 10)
    assert reader.texts("#matches tbody tr")[0].split() == ["sea", "1.0000", "1.0000", "1"]
    reader.type("query-id", "senses")
    reader.says("query-note", "choose one of its contexts")
    reader.driver.execute_script("document.getElementById('query-context').value = 'war'")
    reader.type("query-id", "senses")
    reader.soon(lambda: len(reader.all("#matches tbody tr")) == 3)
    assert [row.split()[0] for row in reader.texts("#matches tbody tr")] == [
        "senses",  # 0.5 of F = 1, more than 0.8 of 0.81 that has decayed
        "fleet",
        "sea",
    ]
    reader.type("query-id", "nobody")
    reader.says("query-note", 'There is no item "nobody"')


@pytest.mark.slow
def test_groups_and_stale_members(reader):
    reader.log_in()
    reader.click("#namespaces td", "stocks")
    reader.says("groups", "oil, 2 members")
    assert reader.texts("#stale .bar")[0].startswith("bp")
    reader.keep("groups")
    reader.click("#stale button", "bp")
    reader.says("item-title", "bp")
    assert "oil" in reader.see("facts").text


@pytest.mark.slow
def test_what_is_stored_stays_text(reader):
    reader.log_in()
    reader.click("#items button", EVIL)
    reader.soon(lambda: reader.see("item-title").text == EVIL)
    reader.type("query-id", EVIL)
    reader.soon(lambda: EVIL in reader.texts("#matches td"))
    assert EVIL in reader.see("contexts").text
    assert EVIL.replace('"', '\\"') in reader.see("metadata").text
    reader.keep("evil")
    assert reader.driver.title == "Quantum database"
    assert not reader.all("img, main script")


@pytest.mark.slow
def test_an_open_and_empty_database_then_a_service_that_is_gone(chromium):
    with QuantumDatabase() as db, DatabaseServer(db) as server:
        reader = Reader(chromium, server.url)
        reader.open()
        reader.says("no-namespaces", "Nothing is stored yet")
        assert server.url in reader.see("no-namespaces").text
        assert not reader.see("login").is_displayed()
        reader.keep("empty")
        db.insert("a", [1.0, 0.0])
        reader.see("refresh").click()
        reader.soon(lambda: names(reader) == ["a"])
    reader.see("refresh").click()
    reader.says("status", "The service does not answer.")
