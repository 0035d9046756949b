"""Key access over HTTP as clients of others call it: the routes, the token endpoint, the switch, and what is refused."""

import base64
import gzip
import io
import json
import time
import urllib.error
import urllib.request
from urllib.parse import urlencode

import keyaccess_kit as kit
import msgspec
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from relto import acts
from relto.errors import Conflict, Malformed, NotFound
from relto.keys import AccessKey, ProofKey, to_base64, wrap_share
from relto.node import clients, handover
from relto.node.people import person
from relto.node.sealing import seal_item
from relto.node.tokens import build_proof
from relto.package import access, proto, read
from relto.package.manifest import Binding, KeyAccess, Policy
from relto.package.strict import sign_jws

REWRAP = "/kas.AccessService/Rewrap"


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    made = kit.found(tmp_path_factory.mktemp("live"))
    with made.serving("gbr", "aus"):
        yield made


@pytest.fixture(autouse=True)
def strict(live):
    live.set("gbr", legacy_clients=(), browser_origins=())


@pytest.fixture(scope="module")
def sealed(live, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sealed")
    node = live.nodes["gbr"]
    seal_item(node, node.register.item(kit.ITEM), io.BytesIO(b"depth"), folder / "f.tdf", name="f.csv")
    return read(folder / "f.tdf")


def call(url, body=None, *, method="", **headers):
    request = urllib.request.Request(
        url, data=body, method=method or ("GET" if body is None else "POST"),
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )  # fmt: skip
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read(), answer.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(), error.headers


class Foreign:
    """A client of another make: RSA key, hours of lifetime, no audience, no `jti`, both forms of the request at once."""

    def __init__(self, live, *, binary=False, packed=True):
        self.live, self.binary, self.packed = live, binary, packed
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.session = AccessKey.generate("rsa:2048")

    def token(self, client, secret, **more):
        form = {"grant_type": "client_credentials", "client_id": client, "client_secret": secret, **more}
        return call(self.live.url["aus"] + "/oauth2/token", urlencode(form).encode())

    def request(self, package, *, edit=lambda body: None, claims=None):
        asked = {name: value for name, value in msgspec.to_builtins(package.key_access[0]).items() if value}
        body = {
            "clientPublicKey": self.session.public_pem,
            "requests": [
                {
                    "policy": {"id": "policy", "body": package.policy.text},
                    "keyAccessObjects": [{"keyAccessObjectId": "kao-0", "keyAccessObject": asked}],
                }
            ],
            "keyAccess": asked,
            "policy": package.policy.text,
            "algorithm": "RS256",
        }
        edit(body)
        now = int(time.time())
        held = {"requestBody": json.dumps(body), "iat": now, "exp": now + 7200} | (claims or {})
        return sign_jws(
            {"alg": "RS256", "typ": "JWT"},
            json.dumps(held).encode(),
            lambda text: self.key.sign(text, padding.PKCS1v15(), hashes.SHA256()),
        )

    def rewrap(self, token, request, **headers):
        raw = proto.delimited(1, request) if self.binary else json.dumps({"signedRequestToken": request}).encode()
        kind = "application/proto" if self.binary else "application/json"
        if self.packed:
            raw, headers = gzip.compress(raw), {**headers, "content_encoding": "gzip"}
        url = self.live.url["gbr"] + REWRAP
        return call(url, raw, content_type=kind, authorization=f"Bearer {token}", **headers)


@pytest.fixture(scope="module")
def bearer(live):
    _, secret = clients.add_client(live.nodes["aus"], "ada.gbr", "ada", "gbr", "evaluation", "", bearer=True)
    _, body, _ = Foreign(live).token("ada.gbr", secret)
    return json.loads(body)["access_token"]


def releases(live):
    return len(live.register("gbr").releases)


# ── what is open to all ──


def test_public_keys_in_every_form(live):
    url = live.url["gbr"]
    kid = {key.kind: key.kid for key in live.nodes["gbr"].keys.access}
    for algorithm, name in kid.items():
        status, body, _ = call(
            url + "/kas.AccessService/PublicKey", json.dumps({"algorithm": algorithm}).encode(),
            content_type="application/json",
        )  # fmt: skip
        assert (status, json.loads(body)["kid"]) == (200, name)
        status, body, headers = call(
            url + "/kas.AccessService/PublicKey", gzip.compress(proto.delimited(1, algorithm)),
            content_type="application/proto", content_encoding="gzip",
        )  # fmt: skip
        assert (status, headers["content-type"]) == (200, "application/proto")
        assert proto.read_text(body, 2, what="answer") == name
        assert "BEGIN PUBLIC KEY" in proto.read_text(body, 1, what="answer")
    assert json.loads(call(url + "/kas/v2/kas_public_key")[1])["kid"] == kid["rsa:2048"]
    assert "BEGIN PUBLIC KEY" in json.loads(call(url + "/kas/kas_public_key")[1])
    assert json.loads(call(url + "/kas/kas_public_key?v=2&algorithm=ec:secp256r1")[1])["kid"] == kid["ec:secp256r1"]
    status, body, _ = call(url + "/kas.AccessService/PublicKey", b'{"algorithm":"rsa:512"}')
    assert (status, json.loads(body)["code"]) == (404, "not_found")


def test_the_configuration_names_the_own_token_endpoint(live):
    url = live.url["aus"]
    held = json.loads(call(url + "/.well-known/opentdf-configuration")[1])
    assert held["idp"]["token_endpoint"] == url + "/oauth2/token"
    rpc = url + "/wellknownconfiguration.WellKnownService/GetWellKnownConfiguration"
    assert json.loads(call(rpc, b"{}", content_type="application/json")[1]) == {"configuration": held}
    wire = proto.read(call(rpc, b"", content_type="application/proto")[1], what="answer")
    assert url.encode() in wire[1]


def test_nodes_are_listed_to_who_holds_a_token(live, bearer):
    path = "/policy.kasregistry.KeyAccessServerRegistryService/ListKeyAccessServers"

    def listed(party, **headers):
        body = json.loads(call(live.url[party] + path, b"{}", content_type="application/json", **headers)[1])
        return {one["uri"] for one in body["keyAccessServers"]}

    everyone = {live.url[party] + "/kas" for party in kit.MEMBERS}
    assert listed("aus") == {live.url["aus"] + "/kas"}
    assert listed("aus", authorization="Bearer a.b.c") == {live.url["aus"] + "/kas"}
    assert listed("aus", authorization=f"Bearer {bearer}") == everyone
    assert listed("gbr", authorization=f"Bearer {bearer}") == everyone


def test_browsers_are_answered_for_the_origins_that_the_settings_name(live):
    url = live.url["gbr"] + "/kas/v2/kas_public_key"
    assert "access-control-allow-origin" not in call(url, origin="https://app.example")[2]
    live.set("gbr", browser_origins=("https://app.example",))
    status, _, headers = call(url, method="OPTIONS", origin="https://app.example")
    assert status == 204
    assert "DPoP" in headers["access-control-allow-headers"]
    assert call(url, origin="https://app.example")[2]["access-control-allow-origin"] == "https://app.example"
    assert call(url, method="OPTIONS", origin="https://evil.example")[0] == 403


# ── the token endpoint ──


def test_a_token_needs_the_secret_and_a_proven_key(live):
    aus = live.nodes["aus"]
    made, secret = clients.add_client(aus, "tom.gbr", "tom", "gbr", "evaluation", "", bearer=False)
    foreign = Foreign(live)
    assert made.audience == live.nodes["gbr"].origin
    assert secret not in str(aus.store.query("SELECT * FROM clients"))
    refusals = {foreign.token(name, word)[:2] for name, word in (("tom.gbr", "x"), ("nobody", secret), ("", ""))}
    assert len(refusals) == 1
    assert refusals.pop()[0] == 401
    assert foreign.token("tom.gbr", secret)[0] == 400, "no key is proven"
    assert foreign.token("tom.gbr", secret, audience="usa.localhost/aukus/0")[0] == 401
    url = live.url["aus"] + "/oauth2/token"
    key = ProofKey.generate("ES256", live.random)
    form = urlencode({"grant_type": "client_credentials"}).encode()
    proof = build_proof(key, method="POST", url=url, token=None, now=int(time.time()), random=live.random)
    basic = base64.b64encode(f"tom.gbr:{secret}".encode()).decode()
    status, body, headers = call(url, form, authorization=f"Basic {basic}", dpop=proof)
    held = json.loads(body)
    assert (status, held["token_type"], held["expires_in"], headers["cache-control"]) == (200, "DPoP", 300, "no-store")
    payload = json.loads(base64.urlsafe_b64decode(held["access_token"].split(".")[1] + "=="))
    assert payload["cnf"] == {"jkt": key.jkt}
    assert payload["aud"] == live.nodes["gbr"].origin
    assert call(url, form, authorization=f"Basic {basic}", dpop=proof)[0] == 400, "a proof is for one call"
    clients.remove_client(aus, "tom.gbr")
    assert foreign.token("tom.gbr", secret)[0] == 401
    for wrong in (b"", b"grant_type=password", b"\xff", b"a" * (1024 * 1024 + 1)):
        assert call(url, wrong)[0] == 400


def test_a_client_is_for_a_person_and_a_node_that_are_known(live):
    aus = live.nodes["aus"]
    for arguments, error in (
        (("Bad Name", "ada", "gbr", "evaluation", ""), Malformed),
        (("ok", "nobody", "gbr", "evaluation", ""), NotFound),
        (("ok", "ada", "xyz", "evaluation", ""), NotFound),
        (("ok", "ada", "gbr", "Not A Word", ""), Malformed),
        (("ok", "ada", "gbr", "evaluation", "Nowhere"), Malformed),
    ):
        with pytest.raises(error):
            clients.add_client(aus, *arguments, bearer=False)
    clients.add_client(aus, "twice", "ada", "gbr", "evaluation", "", bearer=False)
    with pytest.raises(Conflict):
        clients.add_client(aus, "twice", "ada", "gbr", "evaluation", "", bearer=False)
    with pytest.raises(NotFound):
        clients.remove_client(aus, "never")


# ── the switch ──


def test_without_the_switch_an_older_client_gets_what_everybody_gets(live, bearer, sealed):
    foreign, before = Foreign(live), releases(live)
    assert foreign.rewrap(bearer, foreign.request(sealed))[:2] == (401, handover.UNAUTHENTICATED)
    live.set("gbr", legacy_clients=("usa",))
    assert foreign.rewrap(bearer, foreign.request(sealed))[0] == 401
    assert releases(live) == before


@pytest.mark.parametrize("binary", [False, True])
def test_with_the_switch_it_is_served_and_the_release_says_so(live, bearer, sealed, binary):
    live.set("gbr", legacy_clients=("aus/" + person(live.nodes["aus"], "ada").pseudonym,))
    foreign, before = Foreign(live, binary=binary), releases(live)
    request = foreign.request(sealed)
    status, body, headers = foreign.rewrap(bearer, request)
    assert status == 200, body
    if binary:
        assert headers["content-type"] == "application/proto"
        group = proto.read(proto.read(body, what="answer")[5], what="group")
        result = proto.read(group[2], what="result")
        assert (group[1], result[2], result[3]) == (b"policy", b"kao-0", b"permit")
        wrapped = result[4]
    else:
        (result,) = json.loads(body)["responses"][0]["results"]
        wrapped = base64.b64decode(result["kasWrappedKey"])
    share = foreign.session.unwrap("wrapped", wrapped)
    assert sealed.policy.binding(share) == sealed.key_access[0].binding
    assert list(live.register("gbr").releases.values())[-1].terms.legacy_client
    assert releases(live) <= before + 1
    assert foreign.rewrap(bearer, request)[0] == 401, "a request token is for one use, whether it says so or not"


def test_our_own_client_stays_strict_where_the_switch_is_on(live, sealed):
    live.set("gbr", legacy_clients=("aus",))
    ours, gbr = live.session("aus", "tom"), live.nodes["gbr"]
    presentation = ours.present(gbr.origin, sealed.policy.item[1], "evaluation", "AUS")
    answer = ours.ask(presentation, live.url["gbr"], gbr.origin, sealed.policy, sealed.key_access)
    assert answer.status == 200
    assert not live.register("gbr").releases[answer.release].terms.legacy_client


def test_a_request_in_two_forms_must_be_one_request(live, bearer, sealed):
    live.set("gbr", legacy_clients=("aus",))
    foreign = Foreign(live)

    def other(body):
        body["keyAccess"] = body["keyAccess"] | {"wrappedKey": base64.b64encode(bytes(60)).decode()}

    assert foreign.rewrap(bearer, foreign.request(sealed, edit=other))[0] == 401
    old = foreign.request(sealed, edit=lambda body: body.pop("requests"))
    status, body, _ = foreign.rewrap(bearer, old)
    assert status == 200
    assert base64.b64decode(json.loads(body)["entityWrappedKey"])


def test_a_token_for_another_node_or_time_is_refused_also_with_the_switch(live, bearer, sealed):
    live.set("gbr", legacy_clients=("aus",))
    foreign, now = Foreign(live), int(time.time())
    for claims in (
        {"aud": "usa.localhost/aukus/0"},
        {"iat": now - 7300, "exp": now - 100},
        {"iat": now + 100, "exp": now + 200},
        {"iat": now, "exp": now + 7201},
    ):
        assert foreign.rewrap(bearer, foreign.request(sealed, claims=claims))[0] == 401
    _, secret = clients.add_client(live.nodes["aus"], "ada.usa", "ada", "usa", "evaluation", "", bearer=True)
    elsewhere = json.loads(foreign.token("ada.usa", secret)[1])["access_token"]
    assert foreign.rewrap(elsewhere, foreign.request(sealed))[0] == 401


# ── what a body may be ──


def test_a_compressed_body_that_grows_is_stopped_at_the_limit(live):
    url = live.url["gbr"] + REWRAP
    bomb = gzip.compress(b"0" * 50_000_000)
    for raw in (bomb, gzip.compress(b"{}")[:-4], gzip.compress(b"{}") + b"x", gzip.compress(b"{}") * 2, b"\x1f\x8bxx"):
        assert call(url, raw, content_encoding="gzip")[0] == 401
    assert call(url, b"{}", content_encoding="br")[0] == 401
    assert call(live.url["gbr"] + "/kas.AccessService/PublicKey", bomb, content_encoding="gzip")[0] == 400


@pytest.mark.parametrize("raw", [b"\x0a", b"\x0a\xff", b"\xff" * 11, b"\x0f\x00", b"\x0b", b"\x08\x01" * 5000])
def test_a_broken_message_is_malformed(raw):
    with pytest.raises(Malformed):
        proto.read(raw, what="message")


def test_a_message_is_read_past_what_it_does_not_ask_for():
    raw = (
        b"\x08\x96\x01" + b"\x11" + bytes(8) + b"\x1d" + bytes(4) + proto.delimited(4, "text") + proto.delimited(5, "")
    )
    assert proto.read(raw, what="message") == {4: b"text"}
    assert proto.value({"a": [1, True, None, ""]}).startswith(b"\x2a")
    with pytest.raises(Malformed):
        proto.value(object())


# ── one share, one release ──


def test_two_files_under_one_policy_are_two_releases(live, bearer, sealed):
    """Regression: other software gives all files the same uuid, and a second file's share went out as a retry."""
    live.set("gbr", legacy_clients=("aus",))
    foreign, node = Foreign(live), live.nodes["gbr"]
    fqn = f"https://gbr.localhost/attr/item/value/{live.opaque}"
    text = json.dumps({"uuid": "0" * 8 + "-0000" * 3 + "-" + "0" * 12,
                       "body": {"dataAttributes": [{"attribute": fqn}], "dissem": None}})  # fmt: skip
    policy = Policy.parse(to_base64(text.encode()))
    key = next(one for one in node.keys.access if one.kind == "rsa:2048")
    before = releases(live)
    for share in (b"1" * 32, b"2" * 32):
        wrapped = wrap_share(key.public_pem, share, live.random)
        one = KeyAccess(kind="wrapped", url=live.url["gbr"] + "/kas", protocol="kas", kid=key.kid,
                        wrapped_key=to_base64(wrapped.wrapped), policy_binding=Binding.of(policy.binding(share)))  # fmt: skip
        package = type("P", (), {"policy": policy, "key_access": (one,)})
        status, body, _ = foreign.rewrap(bearer, foreign.request(package))
        assert status == 200
        (result,) = json.loads(body)["responses"][0]["results"]
        assert foreign.session.unwrap("wrapped", base64.b64decode(result["kasWrappedKey"])) == share
    assert releases(live) == before + 2


def test_a_release_too_large_to_stand_beside_its_proof_still_hands_its_key_out(live, sealed, monkeypatch):
    """Regression: the answer failed behind the durable release, and looked like any refusal."""
    monkeypatch.setattr("relto.ledger.proof.EXTRA_MAX", 100)
    ours, gbr, before = live.session("aus", "ada"), live.nodes["gbr"], releases(live)
    presentation = ours.present(gbr.origin, sealed.policy.item[1], "evaluation", "AUS")
    answer = ours.ask(presentation, live.url["gbr"], gbr.origin, sealed.policy, sealed.key_access)
    assert answer.status == 200
    assert answer.shares["kao-0"]
    assert answer.release in gbr.register.releases
    assert answer.proof == ""
    assert releases(live) == before + 1


def test_a_share_that_is_not_this_policy_s_leaves_no_decision_and_no_release(live, sealed):
    ours, gbr, before = live.session("aus", "ada"), live.nodes["gbr"], releases(live)
    other = seal_item(gbr, gbr.register.item(kit.ITEM), io.BytesIO(b"x"), io.BytesIO(), name="f")
    presentation = ours.present(gbr.origin, sealed.policy.item[1], "evaluation", "AUS")
    answer = ours.ask(presentation, live.url["gbr"], gbr.origin, sealed.policy, other.key_access)
    assert (answer.status, answer.body) == (403, access.DENIED)
    assert releases(live) == before
    rows = gbr.store.query("SELECT answer, decision FROM journal ORDER BY at DESC LIMIT 1")
    assert rows == [("unopened", "")]


def test_the_register_of_a_release_is_kept(live):
    live.sync()
    for release in live.register("gbr").releases.values():
        assert isinstance(live.register("gbr").stated[release.act].act, acts.Release)
        assert any(outcome == "matches" for _, _, outcome in release.receipts)
