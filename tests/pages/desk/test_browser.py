"""The pages in a real browser: for every eye and hand, without a complaint in the console, alive by themselves."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from sqlalchemy import Engine, text

from db.breaks import open_break
from funding.outcomes import BreakFound
from tests.pages.desk.looked_into import LookedInto
from tests.support.browsing import DESKTOP, LOOKS, PHONE, Look, axe, browsing, complaints, wear
from tests.support.desk_scene import SCRIPT, Scene
from tests.support.visitor import NAME, PASSWORD, visiting
from tests.support.waiting import eventually
from tests.support.web_server import WebServer

pytestmark = pytest.mark.browser

# Structure is the same at every size and colours are the same on every page: not all is looked at in every look.
TELLING = ("overview", "all", "refused", "under-way", "letters", "breaks", "event", "set-aside", "providers",
           "run", "audit")  # fmt: skip
COLOURFUL = ("overview", "refused", "under-way")
PICTURES = os.environ.get("PAGE_PICTURES")  # a folder to leave a picture of every page in


@pytest.fixture(scope="module")
def server(engine: Engine, scene: Scene) -> Iterator[WebServer]:
    with visiting(engine) as visitor:
        server = WebServer(visitor.client.application)
        yield server
        server.stop()


@pytest.fixture(scope="module")
def paths(engine: Engine, scene: Scene, looked_into: LookedInto) -> dict[str, str]:
    """Every kind of page, by a name for it; of long lists a short part, for axe reads each row."""
    with engine.connect() as connection:
        letter = connection.execute(text("SELECT id FROM dead_letters WHERE kind = 'event'")).scalar_one()
        found = connection.execute(
            text("SELECT id FROM breaks WHERE flow_id = :f"), {"f": scene.ownerless}
        ).scalar_one()
    return {
        "overview": "/",
        "moving": "/flows",
        "parked": "/flows?view=parked",
        "all": "/flows?view=all",
        "none": "/flows?view=moving&state=nowhere",
        "funded": f"/flows/{scene.funded}",
        "under-way": f"/flows/{scene.moving}",
        "refused": f"/flows/{scene.refused}",
        "ownerless": f"/flows/{scene.ownerless}",
        "letters": "/dead-letters",
        "letter": f"/dead-letters/{letter}",
        "breaks": "/breaks",
        "break": f"/breaks/{found}",
        "event": f"/events/{scene.quarantined}",
        "events": "/events?state=ignored",
        "set-aside": "/events?view=set-aside",
        "providers": "/providers",
        "runs": "/reconciliation",
        "run": f"/reconciliation/{looked_into.finished}?after=57",
        "audit": "/audit?action=break.note",
        "search": "/search?q=nothing",
        "missing": "/missing",
    }


@pytest.fixture(scope="module")
def window(server: WebServer) -> Iterator[Chrome]:
    """One browser for all tests: to start it takes longer than most of them."""
    with browsing() as driver:
        yield driver


@pytest.fixture
def driver(window: Chrome, server: WebServer) -> Chrome:
    """Signed in, at a desk, by day, with a silent console."""
    wear(window, Look(DESKTOP, dark=False))
    enter(window, server)
    complaints(window)
    return window


def enter(driver: Chrome, server: WebServer) -> None:
    """Sign in, by the keyboard alone."""
    driver.delete_all_cookies()
    driver.get(f"{server.url}/ops")
    driver.switch_to.active_element.send_keys(NAME, Keys.TAB, PASSWORD, Keys.ENTER)
    eventually(lambda: driver.title.startswith("Overview"), within_s=60, what="signed in")


def status(driver: Chrome) -> str:
    return driver.find_element(By.ID, "live-state").text


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_every_page_is_for_everybody(driver: Chrome, server: WebServer, paths: dict[str, str], look: Look) -> None:
    """At this size and in this scheme: axe finds nothing, nothing sticks out, the console stays silent."""
    thorough = look.dark == (look.width == PHONE)
    wanted = COLOURFUL if not thorough else TELLING if look.width == PHONE else tuple(paths)
    wear(driver, look)
    found = {}
    for name, path in paths.items():
        if name in wanted or PICTURES:
            driver.get(f"{server.url}/ops{path}")
            found[name] = trouble(driver, name, look, thorough=thorough)
    driver.delete_all_cookies()
    driver.get(f"{server.url}/ops/sign-in")
    found["sign-in"] = trouble(driver, "sign-in", look, thorough=thorough)

    assert {name: lines for name, lines in found.items() if lines} == {}


def trouble(driver: Chrome, name: str, look: Look, *, thorough: bool) -> list[str]:
    """All that is wrong with the page that is open."""
    wide = driver.execute_script("return document.documentElement.scrollWidth")
    lines = axe(driver) if thorough else axe(driver, "color-contrast")
    lines += [f"{wide} pixels wide"] if wide > look.width else []
    lines += [line for line in complaints(driver) if "404" not in line or name != "missing"]
    if PICTURES:
        height = driver.execute_script("return document.documentElement.scrollHeight")
        driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": look.width, "height": min(height, 3000), "deviceScaleFactor": 1, "mobile": look.width == PHONE},
        )
        driver.save_screenshot(Path(PICTURES) / f"{name}-{look}.png")
        wear(driver, look)
    return lines


def test_hostile_values_stay_words(driver: Chrome, server: WebServer, paths: dict[str, str]) -> None:
    """They are on the page to be read, and nothing of them came alive."""
    for name in ("overview", "all", "letter", "events", "providers", "runs", "run", "audit", "event"):
        driver.get(f"{server.url}/ops{paths[name]}")
        alive = "return document.querySelectorAll('main script, main svg[onload], img[src=x], [onerror]').length"
        assert driver.execute_script(alive) == 0
        assert complaints(driver) == []
    assert SCRIPT in driver.find_element(By.TAG_NAME, "h1").text


class TestLive:
    def test_news_come_by_themselves_and_nothing_jumps(self, driver: Chrome, server: WebServer, engine: Engine) -> None:
        """The same document: focus, scroll and what was typed are as they were."""
        driver.get(f"{server.url}/ops/breaks")
        driver.execute_script("window.scrollTo(0, 40); window.same = true;")
        link = driver.find_element(By.CSS_SELECTOR, "tbody a.id")
        driver.execute_script("arguments[0].focus({preventScroll: true})", link)
        before = driver.execute_script("return window.scrollY")
        with engine.begin() as connection:
            found = BreakFound(provider="alpaca", type="balance_differs", subject=SCRIPT, suggested_action="look")
            news = open_break(connection, found, found_by="comparison").id

        try:
            eventually(lambda: f"break-{news}" in driver.page_source, what="the new break stands in the list")
        finally:
            with engine.begin() as connection:  # other tests see the day as it was
                close = text("UPDATE breaks SET status = 'closed', closed_at = now() WHERE id = :id")
                connection.execute(close, {"id": news})

        assert driver.execute_script("return window.same") is True
        assert driver.switch_to.active_element == link
        assert driver.execute_script("return window.scrollY") == before
        assert SCRIPT not in driver.page_source
        assert status(driver) == "Live"
        assert complaints(driver) == []

    def test_a_hidden_page_asks_nothing_and_a_seen_one_asks_at_once(self, driver: Chrome, server: WebServer) -> None:
        hide = """
            Object.defineProperty(document, "hidden", {get: () => arguments[0], configurable: true});
            document.dispatchEvent(new Event("visibilitychange"));
        """
        eventually(lambda: len(server.asked) > 1)
        driver.execute_script(hide.replace("arguments[0]", "true"))
        server.asked.clear()
        # So long that it would have asked four times.
        driver.execute_async_script("setTimeout(arguments[arguments.length - 1], 4 * 5000)")
        assert len(server.asked) <= 1, "at most the one under way"

        driver.execute_script(hide.replace("arguments[0]", "false"))
        eventually(lambda: len(server.asked) > 1)

    def test_an_absent_server_is_told_and_waited_for(self, driver: Chrome, server: WebServer) -> None:
        server.stop()
        try:
            eventually(lambda: "Not live" in status(driver))
            assert "Overview" in driver.find_element(By.TAG_NAME, "h1").text, "what was there stays"
        finally:
            server.start()
        eventually(lambda: status(driver) == "Live")

    def test_signed_out_meanwhile_it_says_so_and_stops(self, driver: Chrome, server: WebServer) -> None:
        driver.delete_all_cookies()

        eventually(lambda: "signed out" in status(driver))

        server.asked.clear()
        driver.execute_async_script("setTimeout(arguments[arguments.length - 1], 4 * 5000)")
        assert server.asked == []


class TestHands:
    def test_the_keyboard_finds_its_way(self, driver: Chrome, server: WebServer) -> None:
        driver.get(f"{server.url}/ops/flows")
        body = driver.find_element(By.TAG_NAME, "body")
        body.send_keys(Keys.TAB)
        eventually(lambda: driver.switch_to.active_element.text == "Skip to the page", what="the skip link shows")

        driver.switch_to.active_element.send_keys(Keys.ENTER)
        assert driver.switch_to.active_element.get_attribute("id") == "main"

        driver.find_element(By.ID, "q").send_keys("cus_ana", Keys.ENTER)
        eventually(lambda: "customer=cus_ana" in driver.current_url)

    def test_without_scripts_every_page_is_there_and_can_be_asked_for_again(
        self, driver: Chrome, server: WebServer, scene: Scene
    ) -> None:
        driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
        try:
            driver.get(f"{server.url}/ops/flows/{scene.funded}")
            assert "What happens next" in driver.find_element(By.ID, "live").text
            server.asked.clear()
            driver.find_element(By.LINK_TEXT, "Reload").click()
            eventually(lambda: f"/ops/flows/{scene.funded}" in server.asked)
        finally:
            driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})

    def test_signing_out_is_a_click(self, driver: Chrome, server: WebServer) -> None:
        driver.find_element(By.CSS_SELECTOR, ".out button").click()
        eventually(lambda: driver.title.startswith("Sign in"))

        driver.get(f"{server.url}/ops/flows")
        assert driver.title.startswith("Sign in")
