"""Where a configured URL may lead."""

import pytest

from providers.addresses import Refused, read_url, why_refused


class TestReadUrl:
    def test_takes_a_plain_https_url_apart(self) -> None:
        target = read_url("https://Hooks.example./a/b?c=d", allow_private=False)
        assert (target.tls, target.host, target.port, target.path) == (True, "hooks.example", 443, "/a/b?c=d")

    @pytest.mark.parametrize(
        "url",
        [
            "http://hooks.example/",
            "ftp://hooks.example/",
            "//hooks.example/",
            "https://",
            "https:///path",
            "https://hooks.example:8443/",
            "https://hooks.example:99999/",
            "https://hooks.example:0/",
            "https://user:password@hooks.example/",
            "https://user@hooks.example/",
            "https://@hooks.example/",
            "https://hooks.example\\@127.0.0.1/",
            "https://hooks.example/a b",
            "https://hooks.example/a\r\nHost: x",
            "https://hooks.example/\x00",
            "https://höoks.example/",
            "https://93.184.216.34/",
            "https://[2606:4700::1111]/",
            "https://[::1",
            "https://134744072/",
            "https://0x8.8.8.8/",
            "https://127.1/",
            "https://" + "a" * 300 + ".example/",
        ],
    )
    def test_refuses(self, url: str) -> None:
        """Each of these either leads elsewhere than it looks or names an address nobody can vouch for."""
        with pytest.raises(Refused) as refusal:
            read_url(url, allow_private=False)
        assert "hooks" not in str(refusal.value)

    @pytest.mark.parametrize("url", ["http://127.0.0.1:8080/x", "https://[::1]:9/", "http://localhost/"])
    def test_takes_local_urls_when_they_are_allowed(self, url: str) -> None:
        read_url(url, allow_private=True)

    @pytest.mark.parametrize("url", ["http://user@127.0.0.1/", "gopher://127.0.0.1/", "http://127.0.0.1/a b"])
    def test_refuses_what_is_wrong_everywhere_even_then(self, url: str) -> None:
        with pytest.raises(Refused):
            read_url(url, allow_private=True)


class TestWhyRefused:
    @pytest.mark.parametrize(
        "address",
        [
            "0.0.0.0",  # noqa: S104 (to be refused, not bound)
            "0.1.2.3",
            "10.255.255.255",
            "100.64.0.1",
            "100.127.255.254",
            "127.0.0.1",
            "127.255.0.1",
            "168.63.129.16",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:93.184.216.34",
            "::ffff:0:93.184.216.34",
            "64:ff9b::7f00:1",
            "64:ff9b::5db8:d822",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:0:53aa:64c:0:7bf4:a247:27dd",
            "2001:db8::1",
            "2002:7f00:1::1",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fe80::1%eth0",
            "fec0::1",
            "ff02::1",
        ],
    )
    def test_refuses(self, address: str) -> None:
        assert why_refused(address)

    @pytest.mark.parametrize(
        "address",
        [
            "1.1.1.1",
            "93.184.216.34",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "223.255.255.254",
            "2606:4700::1111",
            "2a00:1450:4001:81b::200e",
            "2001:4860:4860::8888",
        ],
    )
    def test_lets_public_addresses_be(self, address: str) -> None:
        assert why_refused(address) is None
