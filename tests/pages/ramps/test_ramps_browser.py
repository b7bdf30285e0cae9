"""The stories of the newer kinds in a real browser: long ids fit every window, nothing is complained of."""

from collections.abc import Iterator

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from sqlalchemy import Engine

from tests.support.browsing import DESKTOP, PHONE, Look, axe, browsing, complaints, wear
from tests.support.ramps_scene import RampsScene
from tests.support.visitor import NAME, PASSWORD, visiting
from tests.support.web_server import WebServer

pytestmark = pytest.mark.browser
STORIES = ("credited", "returned", "claimed", "disputed", "rejected")


@pytest.fixture(scope="module")
def desk(engine: Engine, scene: RampsScene) -> Iterator[tuple[Chrome, str]]:
    """A browser that has signed in, and where the pages are."""
    with visiting(engine) as visitor:
        server = WebServer(visitor.client.application)
        try:
            with browsing() as driver:
                driver.get(f"{server.url}/ops/sign-in")
                driver.find_element(By.NAME, "name").send_keys(NAME)
                driver.find_element(By.NAME, "password").send_keys(PASSWORD)
                driver.find_element(By.CSS_SELECTOR, "form button").click()
                yield driver, f"{server.url}/ops"
        finally:
            server.stop()


@pytest.mark.parametrize("look", [Look(DESKTOP, dark=False), Look(PHONE, dark=True)], ids=str)
@pytest.mark.parametrize("name", STORIES)
def test_a_story_fits_and_is_for_everybody(desk: tuple[Chrome, str], scene: RampsScene, name: str, look: Look) -> None:
    driver, address = desk
    wear(driver, look)
    driver.get(f"{address}/flows/{scene.named[name]}")
    wide = driver.execute_script("return document.documentElement.scrollWidth - window.innerWidth")
    assert wide <= 0, "it scrolls sideways"
    assert axe(driver) == []
    assert complaints(driver) == []
