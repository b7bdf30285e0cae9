"""Whatever a setting is set to, the start goes on or names it, and what it was set to is said nowhere."""

import re
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.engine import make_engine
from providers.rotation import Secret
from settings import GROUPS, Setting, Settings, SettingsError, load, table

GROUPED: list[type[Any]] = [Settings, *(group for _, group in GROUPS)]
ALL: dict[str, Setting] = {setting.name: setting for group in GROUPED for _, setting in table(group)}
WHOLE: Mapping[str, str] = {
    name: setting.example for name, setting in ALL.items() if name not in {"ALPACA_KEY_ID", "ALPACA_SECRET"}
} | {"ALPACA_KEY_ID": "CKNEW", "ALPACA_SECRET": "s3cr3t"}
PRIVATE = "hunter2-zXq9"
# Words that are close to right for one setting or another, besides any text at all.
NEARLY = [
    "",
    " ",
    PRIVATE,
    f"postgresql://u:{PRIVATE}@h:port/x",
    f"postgresql://u:{PRIVATE}@h:99999999/x",
    f"postgresql://u:{PRIVATE}@h/x?nonsense={PRIVATE}",
    f"postgresql://u:{PRIVATE}@[::1/x",
    f"mysql://{PRIVATE}",
    f"redis://:{PRIVATE}@h:port/0",
    f"redis://:{PRIVATE}@h:6379/0?socket_timeout={PRIVATE}",
    f"https://{PRIVATE}",
    f"https://{PRIVATE}@h",
    f"https://u:{PRIVATE}@10.0.0.1/hook",
    f"http://169.254.169.254/{PRIVATE}",
    f"whsec_{PRIVATE}",
    f"{PRIVATE}\r\nX-Injected: 1",
    f"{PRIVATE}%0d%0aX-Injected",
    f"{PRIVATE}@2026-01-01/",
    f"{PRIVATE}@2026-01-01",
    f"{PRIVATE}@//",
    f"../../{PRIVATE}",
    f"a:{PRIVATE}",
    f"a:b:{PRIVATE}",
    "1e99999",
    "0x1f",
    "\u0661\u0662",
    "9" * 5000,
    "," * 100,
    "@,@,@",
    "\x00",
    "\udcff",
]


def told_of(environ: Mapping[str, str]) -> str:
    """What a start says; empty when it goes on."""
    try:
        read = load(environ)
    except SettingsError as error:
        return f"{error}{error.__cause__ or ''}"
    assert PRIVATE not in re.sub(r"(base_url|auth_url|audience|endpoint_id|firm_account_id)='[^']*'", "", repr(read))
    return ""


def test_every_example_is_good() -> None:
    assert told_of(WHOLE) == ""


@pytest.mark.parametrize("name", ALL)
def test_each_example_alone_is_never_called_malformed(name: str) -> None:
    """It may lack its companions, which are then named; it is not at fault itself."""
    needed = {known: ALL[known].example for known in ALL if ALL[known].required}
    told = told_of({**needed, name: ALL[name].example})
    assert not re.search(rf"^  {name}: (?!is missing|must have as many)", told, re.MULTILINE)


@pytest.mark.parametrize("name", [name for name, setting in ALL.items() if setting.required])
@pytest.mark.parametrize("blank", [None, "", "  "])
def test_a_required_one_that_is_missing_is_named_with_an_example(name: str, blank: str | None) -> None:
    environ = {known: text for known, text in WHOLE.items() if known != name}
    told = told_of(environ if blank is None else {**environ, name: blank})
    assert told.splitlines()[1:] == [f"  {name}: is missing; for example {name}={ALL[name].example}"]


@pytest.mark.parametrize("name", ALL)
def test_what_is_nearly_right_is_taken_or_named_and_never_quoted(name: str) -> None:
    for value in NEARLY:
        told = told_of({**WHOLE, name: value})
        assert PRIVATE not in told, value
        named = re.search(rf"^  {name}: .+; for example {name}=", told, re.MULTILINE) or name in COMPANIONS
        assert not told or named, value


# Blank, they are missed by others that need them.
COMPANIONS = {"ALPACA_KEY_ID", "IBEX_CLIENT_ID", "IBEX_EMAIL", "NOTIFY_ALLOW_PRIVATE"}


@given(name=st.sampled_from(sorted(ALL)), value=st.text(max_size=60))
def test_any_text_at_all_ends_in_a_start_or_a_named_setting(name: str, value: str) -> None:
    told = told_of({**WHOLE, name: value})
    if told and len(value.strip()) > 8 and value.strip() not in str(ALL):
        assert value.strip() not in told


@given(value=st.builds("postgresql://{}@{}:{}/{}".format, *[st.text(max_size=8)] * 4))
def test_an_address_that_is_taken_makes_an_engine(value: str) -> None:
    if not told_of({**WHOLE, "DATABASE_URL": value}):
        make_engine(value.strip()).dispose()


HEADERS = ["DUE_API_KEY", "ALPACA_KEY_ID", "ALPACA_SECRET", "BRIDGE_API_KEY", "STRIPE_SECRET_KEY", "METRICS_TOKEN"]


@pytest.mark.parametrize("name", HEADERS)
@pytest.mark.parametrize("value", ["a%0d%0ab", "a%20b", "a%00", "k\u00e9y"])
def test_what_goes_into_a_header_cannot_end_it(name: str, value: str) -> None:
    assert f"{name}: must be printable ASCII" in told_of({**WHOLE, name: value if name != "METRICS_TOKEN" else "a b"})


def test_secrets_are_hidden_in_every_form() -> None:
    secret: Any = Secret(PRIVATE)
    for form in (repr(secret), str(secret), f"{secret}", f"{secret!s:>40}", "%s" % secret):  # noqa: UP031 - each way
        assert PRIVATE not in form
