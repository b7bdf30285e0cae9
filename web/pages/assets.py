"""The few files that pages are made with, held in memory, under names that change with their content."""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from flask import Flask, Response, abort, url_for

_FOLDER: Final = Path(__file__).with_name("static")
_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_FOR_EVER: Final = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class _Asset:
    body: bytes
    mimetype: str
    version: str


def mount(app: Flask) -> None:
    """Serve them, and let templates name them with `asset("pages.css")`."""
    assets = {path.name: _read(path) for path in sorted(_FOLDER.iterdir()) if path.suffix in _TYPES}

    def serve(version: str, name: str) -> Response:
        asset = assets.get(name)
        if asset is None or asset.version != version:
            abort(404)
        return Response(asset.body, mimetype=asset.mimetype, headers={"Cache-Control": _FOR_EVER})

    def address(name: str) -> str:
        return url_for("asset", version=assets[name].version, name=name)

    app.add_url_rule("/static/<version>/<name>", "asset", serve)
    app.jinja_env.globals["asset"] = address


def _read(path: Path) -> _Asset:
    body = path.read_bytes()
    return _Asset(body, _TYPES[path.suffix], sha256(body).hexdigest()[:16])
