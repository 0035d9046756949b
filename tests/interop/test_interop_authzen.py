"""The published AuthZEN suites over real HTTP, and the working group's own runners where they are there.

The runners are looked for in the folder that `RELTO_AUTHZEN` names: a copy of openid/authzen in which
`npm install cli-color tsx` has been run at the top. Without it they are skipped and say so.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import httpx2 as httpx
import pytest

from tests.node import test_node_authzen_suite as suite

pytestmark = [pytest.mark.interop, pytest.mark.filterwarnings("ignore")]

ROOT = Path(__file__).parents[2]
COPY = Path(os.environ.get("RELTO_AUTHZEN", "."))
HAS_RUNNERS = shutil.which("node") is not None and (COPY / "node_modules" / "tsx").is_dir()
RUNNERS = [
    ("interop/authzen-todo-backend/test/runner.ts", ("authorization-api-1_0-02", "console"), 43),
    ("interop/authzen-api-gateways/test-harness/test/runner.ts", ("console",), 25),
    ("interop/authzen-search-demo/test-harness/src/runner.ts", ("console",), 198),
    ("interop/authzen-idp/test-harness/src/runner.ts", ("console",), 6),
]


@pytest.fixture(scope="module", params=[(), ("--key", suite.KEY), ("--key", suite.KEY, "--merge")], ids=str)
def served(request):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tests.interop.authzen_fixture", "--port", str(port), *request.param]
    process = subprocess.Popen(command, cwd=ROOT)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(100):
            try:
                httpx.get(f"{url}/.well-known/authzen-configuration")
                break
            except httpx.HTTPError:
                time.sleep(0.1)
        yield url, request.param
    finally:
        process.terminate()
        process.wait(10)


def test_every_module_over_http(served, monkeypatch):
    url, how = served
    with httpx.Client(base_url=url) as client:
        monkeypatch.setattr(suite, "STRICT", client)
        monkeypatch.setattr(suite, "TOLERANT", client)
        failed = []
        for row in suite.SUITE["modules"]:
            if (row.get("key") and "--key" not in how) or (row["name"] == suite.MERGED and "--merge" not in how):
                continue
            try:
                suite.module(row)
            except AssertionError as error:
                failed.append(f"{row['name']}: {error}")
        for row in suite.SUITE["published"]:
            suite.published(row)
    assert failed == []


@pytest.mark.skipif(not HAS_RUNNERS, reason="NO RUNNERS: RELTO_AUTHZEN names no copy of openid/authzen with tsx")
@pytest.mark.parametrize(("runner", "words", "count"), RUNNERS, ids=[one[0].split("/")[1] for one in RUNNERS])
def test_the_published_runner_passes_all(served, runner, words, count):
    url, how = served
    key = f"Bearer {suite.KEY}" if "--key" in how else "none"
    found = subprocess.run(
        ["node", "--import", "tsx", runner, url, *words],
        cwd=COPY,
        env={**os.environ, "AUTHZEN_PDP_API_KEY": key},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    said = Counter(re.findall(r"^(?:\x1b\[[0-9;]*m)*(PASS|FAIL|ERROR)", found.stdout, re.MULTILINE))
    assert said == {"PASS": count}, found.stdout[-2000:] + found.stderr[-2000:]
