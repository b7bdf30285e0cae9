"""One provider's HTTP: a call, its total deadline, its credentials, and the error it comes to.

Nothing here retries, follows a redirect, reads the environment or keeps a cookie.
"""

import http.client
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol, TypeVar

import requests
import structlog
import urllib3
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict

from funding.errors import (
    Misconfigured,
    OutcomeUnknown,
    ProviderError,
    ProviderUnavailable,
    UnexpectedAnswer,
)
from providers import guards
from providers.answers import Answer, Classify, error_for, problem
from providers.credentials import Credential, Keyring
from providers.fields import WrongShape, parse_json
from providers.transport import TrackedAdapter, Wire, carrying
from providers.watchdog import Watchdog

Loaded = TypeVar("Loaded")
_log = structlog.get_logger(__name__)
DEADLINE: Final = timedelta(seconds=20)
LARGEST_BODY: Final = 16 * 1024 * 1024  # bytes, unpacked: a page of a listing is far below it
_CHUNK: Final = 64 * 1024
_PLAIN_PATH: Final = re.compile(r"(/[A-Za-z0-9_.:-]*)+")  # nothing in it to quote
_BROKEN = (requests.RequestException, urllib3.exceptions.HTTPError, http.client.HTTPException, OSError, ValueError)


class CallGate(Protocol):
    """What is asked once before a call, and told how it went (`providers.gate.Gate`)."""

    def admit(self) -> None:
        """Let the call go out. Raises: ProviderThrottled, ProviderUnavailable: not now; nothing was sent."""
        ...

    def settle(self, error: BaseException | None) -> None:
        """The admitted call ended so: None for an answer. Never raises."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CallReport:
    """One finished call, for the counters: `outcome` is "ok" or the error's class, `seconds` the whole call."""

    provider: str
    operation: str
    outcome: str
    seconds: float
    status: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One call. `operation` names it in counters; `creates` says that a lost answer may hide an effect.

    `parse` makes a value of its answer's body (raising WrongShape), `problem` a code and a text of an error's.
    `classify` reads an error's status and code before the provider's own reading does.
    """

    operation: str
    method: str
    path: str
    params: Mapping[str, str] | None = None
    body: str | None = None
    headers: Mapping[str, str] | None = None
    creates: bool = False
    parse: Callable[[bytes], Any] = parse_json
    problem: Callable[[bytes], tuple[str | None, str | None]] = problem
    classify: Classify | None = None


class ProviderClient:
    """Calls one provider, from many threads.

    `credentials` come newest first; after a 401 the next is tried, and the one that worked is remembered and told to
    `key_used` by fingerprint. `transport` replaces the sockets, for simulations: it gets each prepared request after
    the last check, and a `requests.ConnectTimeout` it raises means that nothing was sent.
    """

    def __init__(
        self,
        *,
        provider: str,
        base_url: str,
        credentials: Sequence[Credential],
        gate: CallGate,
        threads: int,
        deadline: timedelta = DEADLINE,
        largest_body: int = LARGEST_BODY,
        classify: Classify | None = None,
        key_used: Callable[[str], None] | None = None,
        report: Callable[[CallReport], None] | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        transport: BaseAdapter | None = None,
    ) -> None:
        self.provider = provider
        self._base_url = (requests.Request("GET", base_url).prepare().url or base_url).rstrip("/")
        self._keys = Keyring(credentials, used=key_used)
        self._gate = gate
        self._deadline = deadline
        self._largest_body = largest_body
        self._classify = classify
        self._report = report
        self._clock = clock
        self._asks_itself = transport is not None  # a foreign transport knows nothing of the last check
        self._watchdog = Watchdog()
        self._transport = transport or TrackedAdapter(threads=threads)

    def call(self, request: Request, load: Callable[[Any], Loaded]) -> Loaded:
        """Make one call and read its JSON answer with `load`, which raises WrongShape for what it cannot read.

        Raises: ProviderUnavailable (not sent, or a read without an answer), ProviderThrottled, OutcomeUnknown (a
        creating call whose effect may exist), NotFound, ProviderRejected, Misconfigured, UnexpectedAnswer (a read in
        another shape than documented), and what the check before sending raises.
        """
        wire = self._wire()
        try:
            with self._admitted(request):
                with self._watchdog.watch(wire, seconds=wire.left()):
                    answer = self._exchange(request, wire)
                return self._loaded(request, answer, load)
        finally:
            wire.finish()

    @contextmanager
    def stream(self, request: Request, *, silence: timedelta) -> Iterator["Stream"]:
        """Open an endless answer: its headers must come within the deadline, then bytes at least every `silence`.

        Raises: as `call` does for a read.
        """
        wire = self._wire()
        try:
            with self._admitted(request), self._watchdog.watch(wire, seconds=wire.left()):
                response = self._accepted(request, wire, silence)
            with closing(response):
                yield Stream(self.provider, response, wire)
        finally:
            wire.finish()

    def close(self) -> None:
        """Close idle connections, those of what gets tokens too, and end the deadlines' thread."""
        self._keys.close()
        self._transport.close()
        self._watchdog.close()

    def _wire(self) -> Wire:
        return Wire(ask=guards.ask, until=time.monotonic() + self._deadline.total_seconds())

    @contextmanager
    def _admitted(self, request: Request) -> Iterator[None]:
        """Ask the gate, and tell it and the counters how the call ended."""
        began = time.monotonic()
        self._gate.admit()
        try:
            yield
        except BaseException as error:
            self._ended(request, began, error)
            raise
        self._ended(request, began, None)

    def _ended(self, request: Request, began: float, error: BaseException | None) -> None:
        self._gate.settle(error)
        if self._report is not None:
            outcome = "ok" if error is None else type(error).__name__
            status = error.status if isinstance(error, ProviderError) else None
            seconds = time.monotonic() - began
            report = CallReport(
                provider=self.provider, operation=request.operation, outcome=outcome, seconds=seconds, status=status
            )
            with _told("report"):
                self._report(report)

    def _exchange(self, request: Request, wire: Wire) -> Answer:
        """Send with one credential after the other until one is taken. A 401 had no effect, whatever was asked."""
        for credential, headers in self._attempts():
            response = self._send(request, wire, headers, wire.left())
            with closing(response):
                answer = self._read(request, response, wire)
            if answer.status != requests.codes.unauthorized:
                with _told("key_used"):
                    self._keys.worked(credential)
                break
        return answer

    def _accepted(self, request: Request, wire: Wire, silence: timedelta) -> requests.Response:
        """The open answer to the first credential that is taken. Raises: the error of any answer but 200."""
        for credential, headers in self._attempts():
            response = self._send(request, wire, headers, silence.total_seconds())
            if response.status_code == requests.codes.ok:
                with _told("key_used"):
                    self._keys.worked(credential)
                return response
            with closing(response):
                answer = self._read(request, response, wire)
            if answer.status != requests.codes.unauthorized:
                break
        raise self._error(request, answer)

    def _attempts(self) -> Iterator[tuple[Credential, Mapping[str, str]]]:
        """Every way to sign in, one after the other; some find other headers after a 401."""
        refused: Misconfigured | None = None
        for credential in self._keys.in_order():
            try:
                for headers in credential.attempts():
                    yield credential, headers
            except Misconfigured as error:  # no token is given for this one: an older one may still be good
                refused = error
        if refused is not None:
            raise refused

    def _send(self, request: Request, wire: Wire, signed: Mapping[str, str], read_timeout: float) -> requests.Response:
        """Headers of the answer, the body still to be read."""
        wire.sent = False
        prepared = self._prepared(request, signed)
        try:
            if self._asks_itself:
                wire.leaving()
            with carrying(wire):
                # The transport itself, not a session: no redirects, no cookies, nothing read from the environment.
                return self._transport.send(
                    prepared, stream=True, timeout=(wire.left(), read_timeout), verify=True, proxies={}
                )
        except _BROKEN as error:
            raise self._broken(request, wire, error) from error

    def _prepared(self, request: Request, signed: Mapping[str, str]) -> requests.PreparedRequest:
        """The request as the transport takes it."""
        body = None if request.body is None else request.body.encode()
        url, headers = self._base_url + request.path, self._headers(request, signed)
        if request.params or not _PLAIN_PATH.fullmatch(request.path):
            return requests.Request(request.method, url, params=request.params, data=body, headers=headers).prepare()
        # Its own preparing reads such a URL to write the same again, and looks for cookies and ways to sign in.
        prepared = requests.PreparedRequest()
        prepared.method, prepared.url, prepared.body = request.method, url, body
        if body is not None:
            headers["Content-Length"] = str(len(body))
        elif request.method != "GET":
            headers["Content-Length"] = "0"
        prepared.headers = CaseInsensitiveDict(headers)
        return prepared

    def _headers(self, request: Request, signed: Mapping[str, str]) -> dict[str, str]:
        body = {} if request.body is None else {"Content-Type": "application/json"}
        return {
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
            "User-Agent": "rampkeeper",
            **body,
            **(request.headers or {}),
            **signed,
        }

    def _read(self, request: Request, response: requests.Response, wire: Wire) -> Answer:
        try:
            body: bytes = response.raw.read(self._largest_body + 1, decode_content=True)
        except _BROKEN as error:
            raise self._broken(request, wire, error) from error
        if len(body) > self._largest_body:
            raise self._unreadable(request, "an answer larger than we take", response.status_code)
        if wire.late:  # cut short, an answer without a length looks whole
            raise self._broken(request, wire, None)
        return Answer(response.status_code, response.headers, body)

    def _loaded(self, request: Request, answer: Answer, load: Callable[[Any], Loaded]) -> Loaded:
        if not answer.ok:
            raise self._error(request, answer)
        try:
            return load(request.parse(answer.body))
        except WrongShape as error:
            raise self._unreadable(request, str(error), answer.status, answer.request_id) from error

    def _error(self, request: Request, answer: Answer) -> ProviderError:
        return error_for(
            answer,
            provider=self.provider,
            creates=request.creates,
            now=self._clock(),
            classify=request.classify or self._classify,
            secrets=self._keys.secrets,
            read_problem=request.problem,
        )

    def _unreadable(self, request: Request, why: str, status: int, request_id: str | None = None) -> ProviderError:
        """An answer that says nothing: after a creating call the effect may exist all the same."""
        kind = OutcomeUnknown if request.creates else UnexpectedAnswer
        message = f"{self.provider} answered {request.operation} in a shape we do not know: {why}"
        return kind(message, provider=self.provider, status=status, request_id=request_id)

    def _broken(self, request: Request, wire: Wire, error: Exception | None) -> ProviderError:
        """The connection failed us: before anything left, the call did not happen; after that, who knows."""
        unsent = not wire.sent or (self._asks_itself and isinstance(error, requests.ConnectTimeout))
        late = wire.late or isinstance(error, requests.Timeout)
        why = "no whole answer in time" if late else f"the connection failed ({type(error).__name__})"
        if unsent:
            return ProviderUnavailable(f"{request.operation} was not sent: {why}", provider=self.provider)
        kind = OutcomeUnknown if request.creates else ProviderUnavailable
        return kind(f"{request.operation} was sent: {why}", provider=self.provider)


class Stream:
    """An open endless answer. `close` may be called from any thread: the reader then sees its end."""

    def __init__(self, provider: str, response: requests.Response, wire: Wire) -> None:
        self._provider = provider
        self._response = response
        self._wire = wire

    def chunks(self) -> Iterator[bytes]:
        """Bytes as they come. Raises: ProviderUnavailable: silence, a broken connection, or closed by us."""
        try:
            while chunk := self._response.raw.read1(_CHUNK, decode_content=True):
                yield chunk
        except _BROKEN as error:
            why = "closed" if self._wire.late else f"silent or broken ({type(error).__name__})"
            raise ProviderUnavailable(f"the stream is {why}", provider=self._provider) from error
        if self._wire.late:
            raise ProviderUnavailable("the stream is closed", provider=self._provider)

    def close(self) -> None:
        """End the stream now."""
        self._wire.cut()


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Tell somebody else of a call: if that fails, what the call came to must not be lost with it."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 -- whoever is told, whatever fails there: it is logged and the call goes on
        _log.warning("call.not_told", about=what, error=type(error).__name__)
