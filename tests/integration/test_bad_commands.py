"""The first mistakes of a newcomer: each is told in a sentence that says what to do, without traceback or secret."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from ops.cli.main import cli
from tests.support.command_line import CommandLine

HOME = Path(__file__).parents[2]
HEADER = b"customer,level,provider,kind,external_id,attributes\n"
UUID = b"9f0d1c1e-0a52-4c39-9d40-2f6d8a7b1c01"


def rampkeeper(*words: str | bytes, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ops.cli.main", *words],
        cwd=HOME,
        env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql://ana:hunter2@127.0.0.1:1/x", "Postgres at 127.0.0.1:1 cannot be used: Connection refused"),
        ("postgresql://ana:hunter2@127.0.0.1:port/x", "DATABASE_URL is no address"),
        ("postgresql://ana:hunter2@127.0.0.1:1/x?hunter2=1", "DATABASE_URL is no address"),
        ("mysql://ana:hunter2@127.0.0.1/x", "DATABASE_URL must be one address that begins with postgresql://"),
        ("hunter2", "DATABASE_URL must be one address that begins with postgresql://"),
    ],
)
@pytest.mark.parametrize("words", [("flows", "list"), ("doctor",), ("migrate",)])
def test_a_database_that_cannot_be_used(words: tuple[str, ...], url: str, says: str) -> None:
    done = CliRunner().invoke(cli, words, env={"DATABASE_URL": url, "REDIS_URL": "", "DATABASE_POOLER": ""})
    told = done.output
    assert done.exit_code in {1, 2}
    assert isinstance(done.exception, SystemExit)
    assert says in told
    assert "Traceback" not in told
    assert "hunter2" not in told


@pytest.mark.parametrize("word", [b"\x1b[31m", b"%s", b"'; DROP TABLE flows; --"])
def test_odd_words_are_no_flow(database_url: str, word: bytes) -> None:
    done = rampkeeper("flows", "show", word, DATABASE_URL=database_url)
    assert done.returncode == 1
    assert "there is no flow" in done.stderr
    assert "Traceback" not in done.stderr
    assert "\x1b" not in done.stderr


def test_a_word_of_other_bytes_is_a_wrong_call() -> None:
    done = rampkeeper("flows", "show", b"\xff")
    assert (done.returncode, done.stderr) == (2, "Error: a word of this command is not UTF-8\n")


BAD_FILES = {
    "empty": (b"", "line 1: the file is empty; the header must be"),
    "other columns": (b"a,b\n1,2\n", "line 1: the header must be"),
    "UTF-16": ("customer".encode("utf-16"), "line 1: is not UTF-8"),
    "Latin-1": (HEADER + b"jos\xe9,2,due,account,acct_1,\n", "line 2: is not UTF-8"),
    "too few fields": (HEADER + b"ana,2,due\n", "line 2: has 3 fields instead of 6"),
    "level in words": (HEADER + b"ana,high,due,account,acct_1,\n", "line 2: level must be a whole number"),
    "unknown provider": (HEADER + b"ana,2,nobody,account,a,\n", "line 2: provider must be one of"),
    "unknown kind": (HEADER + b"ana,2,due,wallet,a,\n", "line 2: kind of due must be one of"),
    "attributes cut short": (HEADER + b'ana,2,due,account,a,"{nope"\n', "line 2: attributes are no JSON object"),
    "NUL in attributes": (HEADER + b'ana,2,due,account,a,"{""x"":[""\\u0000""]}"\n', "attributes hold a NUL character"),
    "half a pair": (HEADER + b'ana,2,due,account,a,"{""x"":{""y"":""\\ud800""}}"\n', "half of a surrogate pair"),
    "control codes": (HEADER + b"\x1b[31mana,2,due,account,a,\n", "line 2: customer has spaces around it or control"),
    "open quote": (HEADER + b'ana,2,due,account,"a\n', "line 2: is no CSV"),
    "a good line before": (HEADER + b"bo,2,alpaca,brokerage_account," + UUID + b",\nana,2\n", "line 3: has 2 fields"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_bad_file_of_customers_names_its_line_and_imports_nothing(
    database_url: str, tmp_path: Path, case: str
) -> None:
    content, says = BAD_FILES[case]
    file = tmp_path / "customers.csv"
    file.write_bytes(content)
    command = CommandLine(database_url)
    assert says in command("customers", "import", str(file), "--yes", "--by", "ana", expect=1).output
    assert command.json("customers", "list") == []
