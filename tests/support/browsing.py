"""A real browser without a screen, at a size and in a scheme, which reaches nothing but this machine."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from selenium.webdriver import Chrome, ChromeOptions, ChromeService

from tests.support.browser import find_browser

OPTIONS: Final = (
    "--headless=new",
    "--no-sandbox",  # as root there is none
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-extensions",
    "--disable-background-networking",
    "--no-first-run",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
# Pages look again after so many seconds: tests wait a twentieth of that.
_HURRY: Final = "const later = window.setTimeout; window.setTimeout = (act, ms) => later(act, ms / 20);"


@dataclass(frozen=True, slots=True)
class Look:
    """How wide a window is, and whether its system is set to dark."""

    width: int
    dark: bool

    def __str__(self) -> str:
        return f"{'dark' if self.dark else 'light'}-{self.width}"


PHONE: Final = 360
DESKTOP: Final = 1280
LOOKS: Final = tuple(Look(width, dark) for width in (DESKTOP, PHONE) for dark in (False, True))


@contextmanager
def browsing() -> Iterator[Chrome]:
    """A window of its own, whose pages' timers run twenty times as fast."""
    found = find_browser()
    if found is None:
        raise RuntimeError("there is no browser: mark the test `browser`")
    options = ChromeOptions()
    options.binary_location = found.chromium
    for option in OPTIONS:
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = Chrome(options=options, service=ChromeService(found.chromedriver))
    try:
        driver.set_page_load_timeout(60)
        driver.set_script_timeout(60)
        driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": _HURRY})
        yield driver
    finally:
        driver.quit()


def wear(driver: Chrome, look: Look) -> None:
    """Have the window look so from now on."""
    metrics = {"width": look.width, "height": 800, "deviceScaleFactor": 1, "mobile": look.width == PHONE}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    scheme = {"name": "prefers-color-scheme", "value": "dark" if look.dark else "light"}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})


def complaints(driver: Chrome) -> list[str]:
    """What the console was told since the last call: errors, refused styles and scripts."""
    entries = driver.get_log("browser")  # type: ignore[no-untyped-call]  # selenium's own
    return [entry["message"] for entry in entries if entry["level"] in {"SEVERE", "WARNING"}]


def axe(driver: Chrome, *rules: str) -> list[str]:
    """What axe-core finds wrong with the page, one line a finding; only by these rules, if any are named."""
    if not driver.execute_script("return Boolean(window.axe)"):
        driver.execute_script(_axe_source())
    options: dict[str, Any] = {"resultTypes": ["violations"]}
    if rules:
        options["runOnly"] = list(rules)
    found = driver.execute_async_script(
        "const done = arguments[arguments.length - 1]; axe.run(document, JSON.parse(arguments[0])).then(done, done);",
        json.dumps(options),
    )
    return [
        f"{one['id']}: {node['target']} {node['failureSummary']}"
        for one in found["violations"]
        for node in one["nodes"]
    ]


def _axe_source() -> str:
    spec = find_spec("axe_core_python")
    if spec is None or spec.origin is None:
        raise RuntimeError("axe-core-python is not installed")
    return (Path(spec.origin).parent / "axe.min.js").read_text(encoding="utf-8")
