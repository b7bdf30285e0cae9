"""One guarded POST: to the address that was checked, within one deadline, whatever the other side does."""

import ipaddress
import socket
import ssl
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from providers.addresses import Refused
from providers.outgoing import LARGEST_ANSWER, NoAnswer, Outgoing
from tests.support.hooks import Hooks, Reply

PUBLIC = "93.184.216.34"


@pytest.fixture
def hooks() -> Iterator[Hooks]:
    with Hooks() as running:
        yield running


class Resolver:
    """Answers each look-up with the next list, the last one for ever."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked = 0

    def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked += 1
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class Connector:
    """Notes where a connection would go, and makes it to the listener on loopback instead."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.went_to: list[tuple[str, int]] = []

    def __call__(self, address: str, port: int, seconds: float) -> socket.socket:
        self.went_to.append((address, port))
        return socket.create_connection(("127.0.0.1", self.port), timeout=seconds)


def local(**given: object) -> Outgoing:
    return Outgoing(allow_private=True, **given)  # type: ignore[arg-type]


class TestPost:
    def test_sends_the_bytes_and_gives_the_answer(self, hooks: Hooks) -> None:
        hooks.replies.append(Reply(status=503, headers={"Retry-After": "7"}, body=b"busy"))
        answer = local().post(hooks.url, b'{"a":1}', {"webhook-id": "msg_1"})
        assert (answer.status, answer.headers["retry-after"], answer.body) == (503, "7", b"busy")
        (came,) = hooks.received
        assert (came.path, came.body) == ("/hook?team=1", b'{"a":1}')
        assert came.headers["webhook-id"] == "msg_1"
        assert came.headers["Host"] == f"127.0.0.1:{hooks.port}"

    def test_follows_no_redirect(self, hooks: Hooks) -> None:
        """A redirect is the classic way round a check of the first address."""
        hooks.replies.append(Reply(status=302, headers={"Location": "http://169.254.169.254/latest/meta-data"}))
        connect = Connector(hooks.port)
        assert local(connect=connect).post(hooks.url, b"", {}).status == 302
        assert connect.went_to == [("127.0.0.1", hooks.port)]

    def test_reads_no_proxy_from_the_environment(self, hooks: Hooks, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
        monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
        assert local().post(hooks.url, b"", {}).status == 200

    def test_reads_no_more_than_64_kilobytes(self, hooks: Hooks) -> None:
        hooks.replies.append(Reply(body=b"x" * (3 * LARGEST_ANSWER)))
        assert len(local().post(hooks.url, b"", {}).body) == LARGEST_ANSWER

    def test_an_answer_cut_short_is_no_answer(self, hooks: Hooks) -> None:
        hooks.replies.append(Reply(body=b"half", announce=8))
        with pytest.raises(NoAnswer, match="cut short"):
            local().post(hooks.url, b"", {})

    def test_what_is_not_http_is_no_answer(self, hooks: Hooks) -> None:
        hooks.replies.append(Reply(drip=(b"SSH-2.0-x\r\n", 0.0)))
        with pytest.raises(NoAnswer, match="not HTTP"):
            local().post(hooks.url, b"", {})

    def test_says_that_a_connection_was_refused(self) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            with pytest.raises(NoAnswer, match="refused"):
                local().post(f"http://127.0.0.1:{taken.getsockname()[1]}/", b"", {})


class TestDeadline:
    @pytest.mark.parametrize(
        "dripped",
        [
            b"HTTP/1.1 200 OK\r\nX-Header: " + b"x" * 200,
            b"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n" + b"x" * 200,
            b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 200,
            b"HTTP/1.1 100 Continue\r\n\r\n" * 20,
        ],
        ids=["headers", "body", "endless body", "interim answers"],
    )
    def test_outlasts_no_drip(self, hooks: Hooks, dripped: bytes) -> None:
        """A timeout per read never ends while bytes come now and then; this one counts from the start."""
        hooks.replies.append(Reply(drip=(dripped, 0.02)))
        began = time.monotonic()
        with pytest.raises(NoAnswer, match="deadline"):
            local(deadline=timedelta(seconds=0.5)).post(hooks.url, b"", {})
        assert 0.4 < time.monotonic() - began < 2

    def test_counts_a_slow_resolver(self) -> None:
        def slow(host: str, port: int) -> list[str]:
            time.sleep(0.5)
            return [PUBLIC]

        with pytest.raises(NoAnswer, match="not resolved in time"):
            Outgoing(deadline=timedelta(seconds=0.1), resolve=slow).post("https://hooks.example/", b"", {})


class TestGuard:
    def test_refuses_when_any_answer_is_private(self, hooks: Hooks) -> None:
        """One good address beside a bad one is how a guard that looks at the first is passed."""
        connect = Connector(hooks.port)
        outgoing = Outgoing(resolve=Resolver([PUBLIC, "10.0.0.8"]), connect=connect)
        with pytest.raises(Refused, match="private"):
            outgoing.post("https://hooks.example/", b"", {})
        assert connect.went_to == []

    @pytest.mark.parametrize("address", ["::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "::1"])
    def test_sees_through_other_spellings_of_private_addresses(self, address: str) -> None:
        with pytest.raises(Refused):
            Outgoing(resolve=Resolver([address])).post("https://hooks.example/", b"", {})

    def test_refuses_localhost_by_the_system_resolver(self) -> None:
        with pytest.raises(Refused, match="loopback"):
            Outgoing().post("https://localhost/", b"", {})

    def test_looks_up_again_at_each_attempt(self, hooks: Hooks) -> None:
        resolve = Resolver([PUBLIC], ["127.0.0.1"])
        outgoing = Outgoing(resolve=resolve, connect=Connector(hooks.port), deadline=timedelta(seconds=2))
        with pytest.raises(NoAnswer):  # the listener speaks no TLS
            outgoing.post("https://hooks.example/", b"", {})
        with pytest.raises(Refused, match="loopback"):
            outgoing.post("https://hooks.example/", b"", {})


class TestPinning:
    @pytest.fixture
    def certificate(self, tmp_path: Path) -> Path:
        """Of hooks.example, signed by itself."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hooks.example")])
        today = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(1)
            .not_valid_before(today - timedelta(days=1))
            .not_valid_after(today + timedelta(days=1))
            .add_extension(
                x509.SubjectAlternativeName(
                    [x509.DNSName("hooks.example"), x509.IPAddress(ipaddress.ip_address("127.0.0.2"))]
                ),
                critical=False,
            )
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        path = tmp_path / "certificate.pem"
        plain = serialization.NoEncryption()
        pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        path.write_bytes(certificate.public_bytes(pem) + key.private_bytes(pem, pkcs8, plain))
        return path

    @pytest.fixture
    def tls_hooks(self, certificate: Path) -> Iterator[Hooks]:
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(certificate)
        with Hooks(tls=server) as running:
            yield running

    def test_connects_to_the_checked_address_and_keeps_the_name(self, tls_hooks: Hooks, certificate: Path) -> None:
        """DNS rebinding: the second look-up would lead inside, so there must be none."""
        resolve = Resolver([PUBLIC], ["127.0.0.1"])
        connect = Connector(tls_hooks.port)
        trusting = ssl.create_default_context(cafile=str(certificate))
        outgoing = Outgoing(resolve=resolve, connect=connect, tls=trusting)
        assert outgoing.post("https://hooks.example/in", b"{}", {}).status == 200
        assert (resolve.asked, connect.went_to) == (1, [(PUBLIC, 443)])
        assert tls_hooks.server_names == ["hooks.example"]
        assert tls_hooks.received[0].headers["Host"] == "hooks.example"

    def test_refuses_a_certificate_for_another_name(self, tls_hooks: Hooks, certificate: Path) -> None:
        trusting = ssl.create_default_context(cafile=str(certificate))
        outgoing = Outgoing(resolve=Resolver([PUBLIC]), connect=Connector(tls_hooks.port), tls=trusting)
        with pytest.raises(NoAnswer, match="certificate"):
            outgoing.post("https://other.example/", b"{}", {})
        assert tls_hooks.received == []

    def test_tries_the_next_address_when_one_takes_no_connection(self, hooks: Hooks) -> None:
        class Picky(Connector):
            def __call__(self, address: str, port: int, seconds: float) -> socket.socket:
                if address == "127.0.0.9":
                    self.went_to.append((address, port))
                    raise ConnectionRefusedError
                return super().__call__(address, port, seconds)

        connect = Picky(hooks.port)
        outgoing = local(resolve=Resolver(["127.0.0.9", "127.0.0.1"]), connect=connect)
        assert outgoing.post("http://hooks.example/", b"", {}).status == 200
        assert [address for address, _ in connect.went_to] == ["127.0.0.9", "127.0.0.1"]
