"""Provider clients for tests: a gate that lets everything through, short deadlines."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from providers.answers import Classify
from providers.credentials import Credential, bearer
from providers.http import CallReport, ProviderClient


class OpenGate:
    """Lets everything out, and remembers how it ended."""

    def __init__(self) -> None:
        self.ended: list[BaseException | None] = []

    def admit(self) -> None:
        pass

    def settle(self, error: BaseException | None) -> None:
        self.ended.append(error)


def a_client(
    url: str,
    *,
    provider: str = "due",
    deadline: float = 5.0,
    credentials: list[Credential] | None = None,
    classify: Classify | None = None,
    key_used: Callable[[str], None] | None = None,
    report: Callable[[CallReport], None] | None = None,
    gate: OpenGate | None = None,
    **more: Any,
) -> ProviderClient:
    return ProviderClient(
        provider=provider,
        base_url=url,
        credentials=credentials or [bearer("key-one")],
        gate=gate or OpenGate(),
        threads=4,
        deadline=timedelta(seconds=deadline),
        classify=classify,
        key_used=key_used,
        report=report,
        **more,
    )
