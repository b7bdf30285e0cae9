"""Where the browser for page tests is."""

import os
import shutil
from dataclasses import dataclass

BROWSER_MISSING = "skipped for want of a browser"


@dataclass(frozen=True, kw_only=True)
class Browser:
    """Paths of the programs: the browser and what drives it."""

    chromium: str
    chromedriver: str


def find_browser() -> Browser | None:
    """CHROMIUM and CHROMEDRIVER if set, else what is on the PATH; None unless both are there."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    chromium = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    driver = os.environ.get("CHROMEDRIVER") or shutil.which("chromedriver")
    return Browser(chromium=chromium, chromedriver=driver) if chromium and driver else None
