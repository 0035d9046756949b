"""A real served node, asked by whoever: what is not for you and what is not there get the same bytes."""

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from relto.demo.stage import free_ports
from relto.node.config import Config
from relto.node.desk import SOCKET, Served
from relto.node.home import init
from relto.node.tokens import sign_request


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    """A served demo node with one pinned partner (which is not served)."""
    root = tmp_path_factory.mktemp("served")
    (port,) = free_ports(1)
    config = Config(
        party="gbr",
        partnership="aukus",
        name="United Kingdom",
        url=f"http://127.0.0.1:{port}",
        origin="gbr.localhost/aukus/0",
        demo=True,
    )
    own = init(root / "gbr", config)
    other = init(
        root / "usa",
        Config(
            party="usa",
            partnership="aukus",
            name="United States",
            url="http://127.0.0.1:1",
            origin="usa.localhost/aukus/0",
            demo=True,
        ),
    )
    own.pin(other.inception(), "words")
    own.store.close()
    log = (root / "log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", "relto", "node", "serve", "--node", str(root / "gbr")], stdout=log, stderr=log
    )
    desk = Served(root / "gbr")
    deadline = time.monotonic() + 30
    while not desk.alive():
        assert time.monotonic() < deadline, (root / "log").read_text()
        time.sleep(0.05)
    yield config.url, root, other
    process.terminate()
    process.wait(timeout=10)
    log.close()
    desk.close()
    other.store.close()


def call(url, *, method="GET", body=None, headers=None):
    request = urllib.request.Request(url, data=body, method=method, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def signed(other, path, *, method="GET", body=b"", audience="gbr.localhost/aukus/0", now=None, key=None):
    return {
        "authorization": sign_request(
            key or other.keys.node,
            origin=other.origin,
            audience=audience,
            method=method,
            path=path,
            body=body,
            now=int(time.time()) if now is None else now,
            random=other.random,
        )
    }


PRIVATE = [
    "/log/checkpoint",
    "/log/tile/0/000.p/1",
    "/log/tile/entries/000.p/1",
    "/api/v1/objects/" + "0" * 64,
    "/api/v1/consistency?old=0&new=1",
    "/api/v1/yours",
    "/api/v1/proofs/0",
    "/witness/" + "0" * 64 + "/checkpoint",
    "/api/v1/nothing",
    "/nothing",
]


def test_without_a_signature_everything_private_looks_like_nothing(node):
    url, _, _ = node
    answers = {call(url + path) for path in PRIVATE if not path.startswith("/nothing")}
    assert len(answers) == 1
    status, body = answers.pop()
    assert status == 404
    assert json.loads(body)["error"]["code"] == "not-found"


def test_a_pinned_node_gets_the_ledger_and_only_with_a_fresh_signature_for_this_call(node):
    url, _, other = node
    good = signed(other, "/log/checkpoint")
    status, note = call(url + "/log/checkpoint", headers=good)
    assert status == 200
    assert note.startswith(b"gbr.localhost/aukus/0\n2\n")
    assert call(url + "/log/checkpoint", headers=good)[0] == 404, "a signature is for one use"
    for wrong in (
        signed(other, "/log/tile/0/000.p/1"),
        signed(other, "/log/checkpoint", audience="aus.localhost/aukus/0"),
        signed(other, "/log/checkpoint", now=int(time.time()) - 120),
        signed(other, "/log/checkpoint", now=int(time.time()) + 120),
        signed(other, "/log/checkpoint", key=other.keys.vouch),
        {"authorization": "Relto not.a.token"},
        {"authorization": "Bearer " + "a" * 20},
    ):
        assert call(url + "/log/checkpoint", headers=wrong)[0] == 404


def test_openings_are_the_ones_that_the_caller_may_open(node):
    url, _, other = node
    body = json.dumps({"since": 0, "also": [], "size": 100}).encode()
    status, answer = call(
        url + "/api/v1/openings",
        method="POST",
        body=body,
        headers=signed(other, "/api/v1/openings", method="POST", body=body),
    )
    assert status == 200
    assert [one["index"] for one in json.loads(answer)["openings"]] == [0, 1]
    junk = b'{"since": -1e999}'
    status, answer = call(
        url + "/api/v1/openings",
        method="POST",
        body=junk,
        headers=signed(other, "/api/v1/openings", method="POST", body=junk),
    )
    assert status == 400
    assert b"Traceback" not in answer


def test_a_client_without_a_presentation_gets_one_answer(node):
    url, _, _ = node
    answers = {
        call(url + "/kas.AccessService/Rewrap", method="POST", body=body, headers=headers)
        for body in (b"", b"{}", b"\xff", b'{"signedRequestToken":"a.b.c"}')
        for headers in ({}, {"authorization": "DPoP x.y.z", "dpop": "a.b.c"}, {"authorization": "Bearer x"})
    }
    assert answers == {(401, b'{"code":"unauthenticated","message":"unauthenticated"}')}


def test_public_keys_are_open_to_all_and_pages_to_nobody_without_a_ticket(node):
    url, root, _ = node
    status, body = call(url + "/kas/v2/kas_public_key?algorithm=ec:secp256r1")
    assert status == 200
    assert "BEGIN PUBLIC KEY" in json.loads(body)["publicKey"]
    assert call(url + "/api/v1/partnership")[0] == 403
    status, page = call(url + "/")  # regression: the frame around the refusal once showed ledgers and counts
    assert status == 403
    assert b"Answered from" in page
    for known in (b"GBR 2", b"gbr.localhost", b"AUKUS", b'href="/proposals"'):
        assert known not in page
    assert call(url + "/api/v1/partnership", headers={"host": "evil.example"})[0] == 403
    desk = Served(root / "gbr")
    ticket = desk.ticket()
    desk.close()
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    with opener.open(url + "/?ticket=" + ticket, timeout=10) as answer:
        assert answer.status == 200
    with opener.open(url + "/api/v1/partnership", timeout=10) as answer:
        assert json.loads(answer.read())["me"] == "gbr"
    assert call(url + "/?ticket=" + ticket)[0] != 200, "a ticket is taken once"
    cookie = next(iter(_jar(opener)))
    inside = {"cookie": f"relto={cookie.value}", "content-type": "application/x-www-form-urlencoded"}
    body = b"token=0&proposal=" + b"0" * 64 + b"&vote=consent"
    for headers in (
        {"origin": url},  # no session
        {**inside, "origin": "http://evil.example"},
        inside,  # no origin at all
        {**inside, "origin": url},  # a token that is not of this session
    ):
        status, page = call(url + "/forms/vote", method="POST", body=body, headers=headers)
        assert status == 403
        assert b"Traceback" not in page
    assert call(url + "/proposals/" + "0" * 64, headers=inside)[0] == 404


def _jar(opener):
    return next(one.cookiejar for one in opener.handlers if hasattr(one, "cookiejar"))


def test_an_opened_package_is_told_by_the_session_s_own_key_only(node):
    """Regression: a copied session token alone once wrote a receipt."""
    url, _, _ = node
    body = json.dumps({"release": "0" * 64}).encode()
    for headers in ({}, {"authorization": "DPoP " + "a" * 43}):
        assert call(url + "/api/v1/opened", method="POST", body=body, headers=headers)[0] == 403


def test_a_signed_call_whose_body_is_not_json_is_named_so(node):
    """Regression: it was a bare 500."""
    url, _, other = node
    body = b"not json"
    status, answer = call(
        url + "/api/v1/openings",
        method="POST",
        body=body,
        headers=signed(other, "/api/v1/openings", method="POST", body=body),
    )
    assert status == 400
    assert json.loads(answer)["error"]["message"] == "this is not JSON"


def test_a_second_process_is_told_who_holds_the_directory(node):
    _, root, _ = node
    done = subprocess.run(
        [sys.executable, "-m", "relto", "node", "serve", "--node", str(root / "gbr")],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 2
    assert "another process writes to" in done.stderr


def test_a_body_over_the_limit_is_refused(node):
    url, _, _ = node
    status, _ = call(
        url + "/api/v1/login",
        method="POST",
        body=b"x" * (1024 * 1024 + 1),
        headers={"content-type": "application/json"},
    )
    assert status == 400


def test_a_dead_socket_is_no_node(tmp_path):
    """Regression: asking at a socket that nobody listens to left one of ours open."""
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(tmp_path / SOCKET))
        desk = Served(tmp_path)
        assert not desk.alive()
        desk.close()


def test_a_party_hears_of_its_own_ledger_what_is_held_here_and_nothing_of_others(node):
    url, _, other = node
    status, answer = call(url + "/api/v1/yours", headers=signed(other, "/api/v1/yours"))
    assert (status, json.loads(answer)) == (200, {"note": None, "heard": []})
    body = b'{"since": 0, "size": 10}'
    path = "/api/v1/yours/entries"
    status, answer = call(url + path, method="POST", body=body, headers=signed(other, path, method="POST", body=body))
    assert (status, json.loads(answer)) == (200, {"entries": [], "more": None})
    for wrong in (b'{"since": -1, "size": 10}', b'{"since": 0}', b'{"since": 0, "size": 1, "origin": "x"}', b"[]"):
        headers = signed(other, path, method="POST", body=wrong)
        assert call(url + path, method="POST", body=wrong, headers=headers)[0] == 400


def test_what_a_partner_says_it_refused_is_bounded_and_shown(node):
    url, root, other = node
    path = "/api/v1/refused"

    def say(body):
        return call(url + path, method="POST", body=body, headers=signed(other, path, method="POST", body=body))[0]

    assert say(json.dumps({"size": 1, "problem": "x" * 501}).encode()) == 400
    assert say(b'{"size": -1, "problem": ""}') == 400
    assert say(b'{"size": 1, "problem": "entry 1 is damaged"}') == 200
    desk = Served(root / "gbr")
    assert 'relto_ledger_refused{party="usa"} 1' in desk._client.get("http://node/local/metrics").text
    assert b'"usa"' not in call(url + "/metrics")[1], "regression: whoever asked was told every party that is known"
    assert say(b'{"size": 1, "problem": ""}') == 200
    assert 'relto_ledger_refused{party="usa"} 0' in desk._client.get("http://node/local/metrics").text
    desk.close()
    assert call(url + path, method="POST", body=b"{}")[0] == 404
