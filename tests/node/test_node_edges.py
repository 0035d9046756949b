"""Where a node begins and ends: the address it listens at, its TLS, and whom it serves its whole ledger."""

import contextlib
import datetime as dt
import io
import json
import ssl
import subprocess
import sys
import time
import urllib.request

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from world import World

from relto import acts
from relto.cli import run
from relto.demo.stage import free_ports
from relto.errors import Malformed, Unavailable
from relto.node import config as settings
from relto.node.config import Config
from relto.node.desk import Served
from relto.node.home import init
from relto.node.serve import tls_options
from relto.node.words import words

FIELDS = {"party": "gbr", "partnership": "aukus", "name": "UK", "origin": "gbr.localhost/aukus/0"}


@pytest.mark.parametrize(
    ("url", "listen", "wanted"),
    [
        ("http://127.0.0.1:8001", "", ("127.0.0.1", 8001)),
        ("https://relto.example", "", ("relto.example", 443)),
        ("http://relto.example", "", ("relto.example", 80)),
        ("https://relto.example", "127.0.0.1:8443", ("127.0.0.1", 8443)),
        ("https://relto.example", "[::1]:8443", ("::1", 8443)),
        ("http://localhost:9", "", ("127.0.0.1", 9)),
    ],
)
def test_a_node_listens_where_it_is_told(url, listen, wanted):
    assert Config(**FIELDS, url=url, listen=listen).address == wanted


def test_tls_is_all_or_nothing(tmp_path):
    with pytest.raises(Malformed, match="go together"):
        tls_options(Config(**FIELDS, url="https://relto.example", tls_cert="a.pem"), tmp_path)
    with pytest.raises(Malformed, match="asks for TLS"):
        tls_options(Config(**FIELDS, url="https://relto.example"), tmp_path)
    assert tls_options(Config(**FIELDS, url="https://relto.example", listen="127.0.0.1:1"), tmp_path) == (None, None)
    with pytest.raises(Unavailable, match="no such file"):
        tls_options(Config(**FIELDS, url="https://relto.example", tls_cert="a.pem", tls_key="b.pem"), tmp_path)
    (tmp_path / "a.pem").write_text("no certificate")
    (tmp_path / "b.pem").write_text("no key")
    with pytest.raises(Unavailable, match="cannot be used"):
        tls_options(Config(**FIELDS, url="https://relto.example", tls_cert="a.pem", tls_key="b.pem"), tmp_path)


def certificate(directory, days=30):
    """A certificate for loopback, signed by itself: `cert.pem` and `key.pem`."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "relto test")])
    now = dt.datetime.now(dt.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=10))
        .not_valid_after(now + dt.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (directory / "cert.pem").write_bytes(built.public_bytes(serialization.Encoding.PEM))
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (directory / "key.pem").write_bytes(secret)


def test_a_node_speaks_tls_itself_and_its_people_reach_it(tmp_path):
    (port,) = free_ports(1)
    own = init(tmp_path / "gbr", Config(**FIELDS, url=f"https://localhost:{port}", demo=True))
    certificate(tmp_path / "gbr")
    own.save_config(tls_cert="cert.pem", tls_key="key.pem", tls_ca="cert.pem")
    settings.save(own.config, tmp_path / "gbr")
    own.store.close()
    process = subprocess.Popen(
        [sys.executable, "-m", "relto", "node", "serve", "--quiet", "--node", str(tmp_path / "gbr")],
        stderr=subprocess.PIPE,
    )
    desk = Served(tmp_path / "gbr")
    try:
        deadline = time.monotonic() + 30
        while not desk.alive():
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        trusted = ssl.create_default_context(cafile=str(tmp_path / "gbr" / "cert.pem"))
        with urllib.request.urlopen(f"https://localhost:{port}/healthz", context=trusted, timeout=10) as answer:
            assert json.loads(answer.read())["party"] == "gbr"
        with pytest.raises(OSError, match=r"CERTIFICATE_VERIFY_FAILED"):
            urllib.request.urlopen(f"https://localhost:{port}/healthz", timeout=10)
        # The command line of a person speaks to the same door: it is told that nobody of that name is there, over TLS.
        out = io.StringIO()
        with contextlib.redirect_stderr(out):
            assert run(["login", "--as", "nobody", "--node", str(tmp_path / "gbr")]) == 2
        assert "nobody" in out.getvalue()
        assert "does not answer" not in out.getvalue()
    finally:
        process.terminate()
        process.wait(timeout=10)
        process.stderr.close()
        desk.close()


def test_before_a_charter_only_founders_are_served_whole(tmp_path):
    """Regression: whoever was pinned got every entry, for ever at a party that did not found."""
    world = World(tmp_path)
    for party in ("gbr", "usa", "aus", "jpn", "kor"):
        world.start(party, party)
    gbr, jpn = world.nodes["gbr"], world.nodes["jpn"]
    gbr.pin(world.nodes["kor"].inception(), "introduced")
    gbr.pin(world.nodes["usa"].inception(), "words")
    assert gbr.serves_whole("usa")
    assert not gbr.serves_whole("kor")
    assert not gbr.serves_whole("jpn")
    gbr.pin(jpn.inception(), "words")
    assert gbr.serves_whole("jpn"), "nobody has proposed yet, and its officer compared the words"
    world.outsiders |= {"jpn", "kor"}
    proposer = gbr.submit
    seen = []
    gbr.submit = lambda envelope, *rest: seen.append(proposer(envelope, *rest)) or seen[-1]
    founding = world.found("gbr", "usa", "aus")
    assert seen[0] == founding
    assert not gbr.serves_whole("jpn")
    assert all(gbr.serves_whole(party) for party in ("usa", "aus"))
    # A party that did not found: it trusts the founding, and serves whole to the members named to it alone.
    jpn.save_config(pin=founding)
    jpn.pin(world.nodes["kor"].inception(), "words")
    jpn.pin(gbr.inception(), "words")
    assert not jpn.serves_whole("kor")
    world.act(
        "gbr",
        "introduce",
        party="jpn",
        inception=acts.open_act(jpn.inception())[1],
        origin=jpn.origin,
        address=jpn.config.url,
        members=gbr.members_named(),
    )
    world.sync()
    assert {party for party in jpn.peers() if jpn.serves_whole(party)} == {"aus", "gbr", "usa"}


def test_between_a_proposed_founding_and_its_charter_the_listed_are_served(tmp_path):
    world = World(tmp_path)
    for party in ("gbr", "usa", "aus", "kor"):
        world.start(party, party)
    world.join("gbr", "kor")
    gbr, found = world.nodes["gbr"], {}
    act = world.act

    def watched(party, kind, /, **fields):
        id_ = act(party, kind, **fields)
        if kind == "propose":
            found.update({one: gbr.serves_whole(one) for one in gbr.peers()})
        return id_

    world.act = watched
    world.found("gbr", "usa", "aus")
    assert found == {"aus": True, "kor": False, "usa": True}


def test_the_founding_has_words_of_its_own_and_another_one_is_refused(partnership_dirs, capsys):
    gbr, jpn, text = partnership_dirs
    assert run(["node", "invite", "--node", str(gbr), "--json"]) == 0
    invited = json.loads(capsys.readouterr().out)
    assert run(["node", "join", text, "--node", str(jpn), "--json"]) == 0
    joined = json.loads(capsys.readouterr().out)
    assert joined["founding_words"] == invited["founding_words"] == words(joined["partnership"])
    assert joined["founding_words"] != joined["words"]
    forged = settings.load(jpn)
    settings.save(
        settings.Config(**{**{f: getattr(forged, f) for f in forged.__struct_fields__}, "pin": "0" * 64}), jpn
    )
    assert run(["node", "join", text, "--node", str(jpn)]) == 2
    assert "another partnership" in capsys.readouterr().err


@pytest.fixture
def partnership_dirs(tmp_path):
    """Directories of a founded member and of a party that was not there, and the member's invitation."""
    world = World(tmp_path)
    for party in ("gbr", "usa", "aus"):
        world.start(party, party)
    world.found("gbr", "usa", "aus")
    jpn = init(
        tmp_path / "jpn",
        Config(party="jpn", partnership="aukus", name="J", url="http://127.0.0.1:9", origin="jpn.example/aukus/0"),
    )
    for node in (*world.nodes.values(), jpn):
        node.store.close()
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        assert run(["node", "invite", "--node", str(tmp_path / "gbr")]) == 0
    return tmp_path / "gbr", tmp_path / "jpn", out.getvalue().strip()
