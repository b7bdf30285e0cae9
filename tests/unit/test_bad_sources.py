"""The limit per source counts who opened the connection, whatever the request says of itself."""

from db.engine import make_engine
from tests.support.door import Signer, event, no_redis, settings
from web.app import create_app, stop

NOWHERE = "postgresql://nobody:none@127.0.0.1:1/none"
SIGNER = Signer()
CLAIMS = [
    {"X-Forwarded-For": "10.1.2.3"},
    {"Forwarded": "for=10.1.2.3"},
    {"X-Real-Ip": "10.1.2.3"},
    {"True-Client-Ip": "10.1.2.3", "Cf-Connecting-Ip": "10.1.2.3"},
    {"X-Forwarded-For": "10.1.2.3, 10.4.5.6", "X-Forwarded-Host": "elsewhere", "X-Forwarded-Prefix": "/x"},
]


def test_a_forwarding_header_gives_nobody_another_turn() -> None:
    read = settings(
        NOWHERE, "redis://127.0.0.1:1", DUE_WEBHOOK_PUBLIC_KEYS=SIGNER.setting, RECEIVER_RATE_PER_SOURCE="1/hour"
    )
    app = create_app(read, engine=make_engine(NOWHERE), redis=no_redis(), wake=lambda ids: None)
    client, body = app.test_client(), event()

    def post(source: str, **more: str) -> int:
        headers = SIGNER.headers(body) | more
        return client.post(
            "/webhooks/due", data=body, headers=headers, environ_overrides={"REMOTE_ADDR": source}
        ).status_code

    try:
        assert post("192.0.2.1") == 503  # its one turn: it passed the limit, and there is no database here
        assert [post("192.0.2.1", **claim) for claim in CLAIMS] == [429] * len(CLAIMS)
        assert post("192.0.2.2") == 503
    finally:
        stop(app)
