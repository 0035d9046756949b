"""The schema's one SQL text on PostgreSQL: from nothing, and from the version before with ledgers in it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from relto.store.sql import migrations

pytestmark = pytest.mark.interop

PLACES = ["/usr/local/pgsql/bin", *map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True))]


def program(name):
    return shutil.which(name) or next((f"{one}/{name}" for one in PLACES if Path(one, name).exists()), None)


@pytest.fixture(scope="module")
def psql(tmp_path_factory):
    """Runs SQL in a new server that listens on a socket in a directory of its own; returns the rows as text."""
    initdb, control, client = program("initdb"), program("pg_ctl"), program("psql")
    if not (initdb and control and client):
        pytest.skip("PostgreSQL is not installed: its half of the SQL text was NOT tried")
    # PostgreSQL refuses to run as root.
    as_who, where = [], tmp_path_factory.mktemp("pg")
    if os.geteuid() == 0:
        if not shutil.which("runuser"):
            pytest.skip("PostgreSQL does not run as root, and `runuser` is not here: NOT tried")
        as_who = ["runuser", "-u", "postgres", "--"]
        where = Path(subprocess.check_output([*as_who, "mktemp", "-d", "-t", "pg-XXXXXX"], text=True).strip())
    try:
        subprocess.run([*as_who, initdb, "-A", "trust", "-U", "relto", "-D", f"{where}/data"], check=True, cwd="/",
                       capture_output=True)  # fmt: skip
        options = f"-k {where} -c listen_addresses='' -c fsync=off"
        subprocess.run([*as_who, control, "-D", f"{where}/data", "-w", "-l", f"{where}/log", "-o", options, "start"],
                       check=True, cwd="/", capture_output=True)  # fmt: skip
        try:

            def run(sql, database="postgres"):
                done = subprocess.run(
                    [client, "-h", str(where), "-U", "relto", "-At", "-q", "-v", "ON_ERROR_STOP=1", database],
                    input=sql, text=True, capture_output=True, check=False,
                )  # fmt: skip
                assert done.returncode == 0, done.stderr
                return done.stdout.splitlines()

            yield run
        finally:
            subprocess.run([*as_who, control, "-D", f"{where}/data", "-m", "immediate", "stop"], cwd="/", check=False,
                           capture_output=True)  # fmt: skip
    finally:
        subprocess.run([*as_who, "rm", "-rf", str(where)], check=False)


def test_every_version_of_the_schema(psql):
    psql("CREATE DATABASE fresh")
    for number, text in migrations():
        psql(f"BEGIN; {text} INSERT INTO schema_version (version) VALUES ({number}); COMMIT;", "fresh")
    assert psql("SELECT count(*) FROM bundles", "fresh") == ["0"]


def test_from_the_version_before(psql):
    psql("CREATE DATABASE before")
    for _, text in migrations()[:7]:
        psql(text, "before")
    psql(
        "INSERT INTO heads VALUES ('a/0', 3, decode(repeat('00', 32), 'hex'), '', '', 0);"
        "INSERT INTO leaves SELECT 'a/0', n, decode('0a', 'hex'), decode(repeat('11', 32), 'hex')"
        " FROM generate_series(0, 2) n;"
        "INSERT INTO openings VALUES ('a/0', 1, decode(repeat('22', 32), 'hex'), 'signed');",
        "before",
    )
    for _, text in migrations()[7:]:
        psql(f"BEGIN; {text} COMMIT;", "before")
    assert psql("SELECT origin, idx, length(salt), envelope FROM openings", "before") == ["a/0|1|32|\\x7369676e6564"]
    assert psql("SELECT count(*) FROM leaves", "before") == ["3"]
    with pytest.raises(AssertionError, match="check constraint"):
        psql(
            "INSERT INTO bundles VALUES ('a/0', 100, decode(repeat('00', 8192), 'hex'), decode(repeat('00', 512), 'hex'))",
            "before",
        )
    psql(
        "INSERT INTO bundles VALUES ('a/0', 256, decode(repeat('00', 8192), 'hex'), decode(repeat('00', 512), 'hex'))",
        "before",
    )
    with pytest.raises(AssertionError, match="duplicate key"):
        psql("INSERT INTO openings VALUES ('a/0', 1, decode(repeat('22', 32), 'hex'), 'again')", "before")
