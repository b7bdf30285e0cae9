"""The pages as the settings want them."""

from typing import Final

from flask import Flask
from sqlalchemy import Engine
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from settings import GROUPS, Settings
from web.body import BodyReader
from web.pages.application import PagesConfig, create_pages

PLACE: Final = "/ops"
AT_ONCE: Final = 4  # pages read at a time, where there are connections enough


def mount_pages(app: Flask, settings: Settings, *, engine: Engine, bodies: BodyReader) -> None:
    """Answer every path under /ops with the pages. They take a third of the connections, and few threads to wait."""
    at_once = min(AT_ONCE, max(1, settings.database_pool // 3))
    secrets = [settings.database_url.reveal(), *(key.key.hex() for key in settings.encryption_keys or ())]
    config = PagesConfig(
        users=settings.ops_users or (),
        secrets=tuple(secrets),
        providers={name: bool(getattr(settings, name).enabled) for name, group in GROUPS if group.CREDENTIALS},
        at_once=at_once,
        in_all=max(at_once, min(3 * at_once, settings.web_threads // 4)),
    )
    pages = create_pages(config, engine=engine, bodies=bodies)
    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {PLACE: pages})  # type: ignore[method-assign]  # Flask's way
