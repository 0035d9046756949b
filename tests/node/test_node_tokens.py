"""Tokens: each refusal, one by one."""

import json
import os

import msgspec
import pytest
from joserfc import jws
from joserfc.jwk import OctKey, RSAKey

from relto.acts import RecipientClass
from relto.acts.act import Clearance
from relto.errors import Forged, Malformed, Refused, ReltoError
from relto.keys import ProofKey, SecretKey
from relto.node import tokens
from relto.node.tokens import Presentation
from relto.package.strict import from_base64url, sign_jws, to_base64url

NOW = 1_767_225_600
VOUCH = SecretKey.generate("aus/vouch-1", os.urandom, hybrid=False)
NODE = SecretKey.generate("aus/node-1", os.urandom, hybrid=False)
STRANGER = SecretKey.generate("aus/vouch-1", os.urandom, hybrid=False)
HYBRID = SecretKey.generate("aus/officer-1", os.urandom)
HERE, THERE, ELSEWHERE = "node.aus.example/aukus/0", "node.gbr.example/aukus/0", "node.usa.example/aukus/0"
CLIENT = ProofKey.generate("ES256", os.urandom)
URL = "https://node.gbr.example/kas.AccessService/Rewrap"
CLASS = RecipientClass(
    party="aus",
    organisation="aus/acme",
    employment="regular",
    nationalities=("AUS", "NZL"),
    clearance=Clearance(system="AUS", level="SECRET", until="2027-01-31"),
    says={"employment": "party", "nationalities": "party", "clearance": "party"},
)


def presentation(**changes):
    given = {
        "issuer": HERE,
        "audience": THERE,
        "pseudonym": "p-" + "a" * 26,
        "place": "AUS",
        "place_says": "node",
        "purpose": "evaluation",
        "jkt": CLIENT.jkt,
        "now": NOW,
        "random": os.urandom,
    } | changes
    return Presentation.of(CLASS, **given)


def verify(token, key=VOUCH.public, issuer=HERE, audience=THERE, now=NOW, **options):
    return tokens.verify_presentation(token, key, issuer=issuer, audience=audience, now=now, **options)


def raw(kind, claims, key=VOUCH, **header):
    """A token with any claims and header, signed well."""
    (name,) = key.public.key_ids
    held = {"alg": "EdDSA", "kid": name, "typ": kind} | header
    return sign_jws(held, msgspec.json.encode(claims), lambda text: key.sign(text)[name])


def edited(edit, source=None):
    claims = json.loads(msgspec.json.encode(presentation() if source is None else source))
    edit(claims)
    return raw(tokens.PRESENTATION_TYPE, claims)


def put(**changes):
    return lambda claims: claims.update(changes)


def drop(name):
    return lambda claims: claims.pop(name)


# ── presentations ──


def test_a_presentation_comes_over_whole():
    made = presentation()
    token = tokens.issue_presentation(made, VOUCH)
    assert tokens.issuer_of_presentation(token) == HERE
    held = verify(token)
    assert held == made
    assert held.recipient("aus") == CLASS
    assert msgspec.json.encode(held.recipient("aus"), order="sorted") == msgspec.json.encode(CLASS, order="sorted")
    assert held.says["place"] == "node"
    assert held.cnf.jkt == CLIENT.jkt
    assert held.keep_until == NOW + 305
    assert json.loads(from_base64url(token.split(".")[0])) == {
        "alg": "EdDSA",
        "kid": VOUCH.public.key_ids[0],
        "typ": "relto-presentation+jwt",
    }


def test_what_is_not_stated_stays_unstated():
    bare = RecipientClass(party="aus", organisation="aus/acme")
    made = Presentation.of(
        bare,
        issuer=HERE,
        audience=THERE,
        pseudonym="p-" + "b" * 26,
        place="AUS",
        place_says="person",
        purpose="evaluation",
        jkt=CLIENT.jkt,
        now=NOW,
        random=os.urandom,
    )
    token = tokens.issue_presentation(made, VOUCH)
    assert verify(token).recipient("aus") == bare
    assert not {"nationalities", "clearance", "employment"} & json.loads(from_base64url(token.split(".")[1])).keys()


def test_a_party_speaks_for_its_own_people():
    with pytest.raises(Refused, match="not one of its organisations"):
        presentation().recipient("gbr")


def test_every_presentation_has_its_own_jti():
    assert presentation().jti != presentation().jti


@pytest.mark.parametrize("offset", [-5, 0, 299, 304])
def test_times_that_are_taken(offset):
    verify(tokens.issue_presentation(presentation(), VOUCH), now=NOW + offset)


GOOD = tokens.issue_presentation(presentation(), VOUCH)
HEAD, BODY, LAST = GOOD.split(".")
UNSIGNED = json.dumps({"alg": "none", "kid": VOUCH.public.key_ids[0], "typ": tokens.PRESENTATION_TYPE}).encode()
PRESENTATIONS = {
    "no audience": (edited(drop("aud")), Malformed),
    "empty audience": (edited(put(aud="")), Malformed),
    "other audience": (tokens.issue_presentation(presentation(audience=ELSEWHERE), VOUCH), Refused),
    "audience among others": (edited(put(aud=[THERE, ELSEWHERE])), Malformed),
    "audience in capitals": (edited(put(aud=THERE.upper())), Malformed),
    "no issuer": (edited(drop("iss")), Malformed),
    "other issuer": (tokens.issue_presentation(presentation(issuer=ELSEWHERE), VOUCH), Forged),
    "expired": (tokens.issue_presentation(presentation(now=NOW - 305), VOUCH), Refused),
    "not yet valid": (tokens.issue_presentation(presentation(now=NOW + 6), VOUCH), Refused),
    "no end": (edited(drop("exp")), Malformed),
    "no beginning": (edited(drop("iat")), Malformed),
    "too long": (edited(put(exp=NOW + 301)), Refused),
    "no time at all": (edited(put(exp=NOW)), Refused),
    "ends before it begins": (edited(put(exp=NOW - 1)), Refused),
    "end without end": (edited(put(exp=2**53)), Malformed),
    "time as text": (edited(put(exp=str(NOW + 60))), Malformed),
    "time as fraction": (edited(put(iat=NOW + 0.5)), Malformed),
    "negative time": (edited(put(iat=-1)), Malformed),
    "no jti": (edited(drop("jti")), Malformed),
    "short jti": (edited(put(jti="1")), Malformed),
    "no pseudonym": (edited(drop("sub")), Malformed),
    "a name for a pseudonym": (edited(put(sub="alice")), Malformed),
    "pseudonym with a line": (edited(put(sub="p-" + "a" * 26 + "\n")), Malformed),
    "no organisation": (edited(drop("org")), Malformed),
    "no place": (edited(drop("place")), Malformed),
    "place of another kind": (edited(put(place="Australia")), Malformed),
    "no purpose": (edited(drop("purpose")), Malformed),
    "not bound": (edited(drop("cnf")), Refused),
    "bound to something else": (edited(put(cnf={"x5t": "A" * 43})), Malformed),
    "bound to something more": (edited(put(cnf={"jkt": "A" * 43, "jwk": {}})), Malformed),
    "unknown claim": (edited(put(admin=True)), Malformed),
    "nbf": (edited(put(nbf=NOW)), Malformed),
    "unknown saying": (edited(put(says={"nationalities": "self"})), Malformed),
    "saying about something else": (edited(put(says={"sub": "party"})), Malformed),
    "nationalities no list": (edited(put(nationalities="AUS")), Malformed),
    "nationalities without end": (edited(put(nationalities=["AUS"] * 17)), Malformed),
    "nationality in small letters": (edited(put(nationalities=["aus"])), Malformed),
    "employment unknown": (edited(put(employment="friend")), Malformed),
    "clearance with more": (edited(put(clearance={"system": "AUS", "level": "SECRET", "x": 1})), Malformed),
    "claims repeated": (
        raw(tokens.PRESENTATION_TYPE, msgspec.Raw(b'{"aud":"x",' + msgspec.json.encode(presentation())[1:])),
        Malformed,
    ),
    "claims no object": (raw(tokens.PRESENTATION_TYPE, []), Malformed),
    "alg none": (raw(tokens.PRESENTATION_TYPE, json.loads(from_base64url(BODY)), alg="none"), Forged),
    "alg none, unsigned": (f"{to_base64url(UNSIGNED)}.{BODY}.", Forged),
    "alg HS256 with the public key": (
        jws.serialize_compact(
            {"alg": "HS256", "kid": VOUCH.public.key_ids[0]},
            from_base64url(BODY),
            OctKey.import_key(VOUCH.public.ed25519),
        ),
        Forged,
    ),
    "alg ES256": (
        sign_jws({"alg": "ES256", "typ": tokens.PRESENTATION_TYPE}, from_base64url(BODY), CLIENT.sign),
        Forged,
    ),
    "alg in small letters": (raw(tokens.PRESENTATION_TYPE, json.loads(from_base64url(BODY)), alg="eddsa"), Forged),
    "alg of RFC 9864": (raw(tokens.PRESENTATION_TYPE, json.loads(from_base64url(BODY)), alg="Ed25519"), Forged),
    "unknown kid": (
        raw(tokens.PRESENTATION_TYPE, json.loads(from_base64url(BODY)), kid="aus/vouch-2+00000000"),
        Forged,
    ),
    "kid of the attacker": (tokens.issue_presentation(presentation(), STRANGER), Forged),
    "kid ours, key theirs": (
        raw(tokens.PRESENTATION_TYPE, json.loads(from_base64url(BODY)), STRANGER, kid=VOUCH.public.key_ids[0]),
        Forged,
    ),
    "kid a path": (raw(tokens.PRESENTATION_TYPE, json.loads(from_base64url(BODY)), kid="../../etc/passwd"), Forged),
    "key at an address": (
        raw(tokens.PRESENTATION_TYPE, json.loads(from_base64url(BODY)), jku="https://evil.example/keys"),
        Forged,
    ),
    "key in the header": (raw(tokens.PRESENTATION_TYPE, json.loads(from_base64url(BODY)), jwk=CLIENT.jwk), Forged),
    "certificate in the header": (raw(tokens.PRESENTATION_TYPE, json.loads(from_base64url(BODY)), x5c=["AA"]), Forged),
    "critical extension": (raw(tokens.PRESENTATION_TYPE, json.loads(from_base64url(BODY)), crit=["exp"]), Malformed),
    "another kind of token": (raw("JWT", json.loads(from_base64url(BODY))), Forged),
    "a node's request": (raw(tokens.REQUEST_TYPE, json.loads(from_base64url(BODY))), Forged),
    "no kind": (raw(None, json.loads(from_base64url(BODY))), Forged),
    "altered": (f"{HEAD}.{to_base64url(from_base64url(BODY).replace(b'evaluation', b'production'))}.{LAST}", Forged),
    "signature of another": (f"{HEAD}.{BODY}.{tokens.issue_presentation(presentation(), VOUCH).split('.')[2]}", Forged),
    "no signature": (f"{HEAD}.{BODY}.", Forged),
    "padded": (GOOD + "=", Malformed),
    "two parts": (f"{HEAD}.{BODY}", Malformed),
    "line behind": (GOOD + "\n", Malformed),
    "empty": ("", Malformed),
    "huge": ("x" * 20_000, Malformed),
}


@pytest.mark.parametrize("case", PRESENTATIONS)
def test_presentations_refused(case):
    token, error = PRESENTATIONS[case]
    with pytest.raises(error):
        verify(token)


def test_a_node_without_a_name_takes_nobodys_token():
    for issuer, audience in ((HERE, ""), ("", THERE)):
        with pytest.raises(Malformed, match="without an origin"):
            verify(GOOD, issuer=issuer, audience=audience)


def test_an_unbound_presentation_is_for_old_clients():
    token = tokens.issue_presentation(presentation(jkt=msgspec.UNSET), VOUCH)
    with pytest.raises(Refused, match="not bound"):
        verify(token)
    assert verify(token, legacy=True).cnf is msgspec.UNSET


def test_presentations_that_are_not_issued():
    with pytest.raises(Refused, match="at most 300"):
        tokens.issue_presentation(presentation(lifetime=301), VOUCH)
    with pytest.raises(Refused, match="signs acts"):
        tokens.issue_presentation(presentation(), HYBRID)
    for change in ({"place": "au"}, {"purpose": "X"}, {"pseudonym": "alice"}, {"jkt": "short"}, {"audience": "x"}):
        with pytest.raises(Malformed):
            presentation(**change)


def test_a_key_with_two_halves_verifies_no_token():
    with pytest.raises(Forged):
        verify(GOOD, key=HYBRID.public)


@pytest.mark.parametrize(
    "token",
    [
        raw("JWT", {"iss": HERE}),
        raw(tokens.PRESENTATION_TYPE, []),
        raw(tokens.PRESENTATION_TYPE, {}),
        raw(tokens.PRESENTATION_TYPE, {"iss": "https://evil.example"}),
        "x",
    ],
    ids=["another-type", "list", "no-issuer", "another-issuer", "no-token"],
)
def test_issuers_that_are_none(token):
    with pytest.raises(Malformed):
        tokens.issuer_of_presentation(token)


# ── proof of possession ──


def proof(key=CLIENT, method="POST", url=URL, token=GOOD, now=NOW, **options):
    return tokens.build_proof(key, method=method, url=url, token=token, now=now, random=os.urandom, **options)


def check(text, method="POST", url=URL, token=GOOD, jkt=CLIENT.jkt, now=NOW, **options):
    return tokens.verify_proof(text, method=method, url=url, token=token, jkt=jkt, now=now, **options)


@pytest.mark.parametrize("alg", ["ES256", "EdDSA"])
def test_a_proof(alg):
    key = ProofKey.generate(alg, os.urandom)
    held = check(proof(key), jkt=key.jkt)
    assert (held.jkt, held.jwk, held.iat, held.keep_until) == (key.jkt, key.jwk, NOW, NOW + 65)
    assert len(held.jti) == 32
    assert check(proof(key, token=None), token=None, jkt=None).jkt == key.jkt


def test_rfc9449_example():
    # RFC 9449, figure 2: a proof by somebody else's software.
    text = (
        "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZld"
        "WQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2M"
        "ybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP"
        "0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg"
    )
    held = check(text, url="https://server.example.com/token", token=None, jkt=None, now=1562262616)
    assert held.jkt == "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
    assert held.jti == "-BwC3ESc6acc2lTc"


def test_an_rsa_key_only_where_it_is_allowed():
    key = RSAKey.generate_key(2048, auto_kid=False)
    header = {"alg": "RS256", "typ": "dpop+jwt", "jwk": key.as_dict(private=False)}
    text = jws.serialize_compact(header, from_base64url(proof().split(".")[1]), key, algorithms=["RS256"])
    with pytest.raises(Forged, match="another algorithm"):
        check(text, jkt=None)
    assert check(text, jkt=None, allowed=("RS256",)).jkt == key.thumbprint()


def reproved(edit=None, key=CLIENT, **header):
    claims = json.loads(from_base64url(proof(key).split(".")[1]))
    if edit is not None:
        edit(claims)
    return sign_jws({"alg": key.alg, "jwk": key.jwk, "typ": "dpop+jwt"} | header, json.dumps(claims).encode(), key.sign)


OTHER = ProofKey.generate("ES256", os.urandom)
PROOFS = {
    "another method": (proof(method="GET"), Refused),
    "method in small letters": (proof(method="post"), Refused),
    "another address": (proof(url="https://node.usa.example/kas.AccessService/Rewrap"), Refused),
    "another path": (proof(url="https://node.gbr.example/kas.AccessService/PublicKey"), Refused),
    "another port": (proof(url="https://node.gbr.example:8443/kas.AccessService/Rewrap"), Refused),
    "without TLS": (proof(url="http://node.gbr.example/kas.AccessService/Rewrap"), Refused),
    "path in capitals": (proof(url=URL.upper()), Refused),
    "no address": (reproved(put(htu="node.gbr.example")), Malformed),
    "address with a user": (
        reproved(put(htu="https://node.gbr.example@evil.example/kas.AccessService/Rewrap")),
        Malformed,
    ),
    "address with a wild port": (reproved(put(htu="https://node.gbr.example:x/")), Malformed),
    "another token": (proof(token="x"), Refused),
    "no token": (proof(token=None), Refused),
    "hash of another form": (reproved(put(ath="x")), Malformed),
    "too old": (proof(now=NOW - 65), Refused),
    "from tomorrow": (proof(now=NOW + 6), Refused),
    "no time": (reproved(drop("iat")), Malformed),
    "no jti": (reproved(drop("jti")), Malformed),
    "empty jti": (reproved(put(jti="")), Malformed),
    "no method": (reproved(drop("htm")), Malformed),
    "no htu": (reproved(drop("htu")), Malformed),
    "another key": (proof(OTHER), Forged),
    "another key under this name": (
        sign_jws(
            {"alg": "ES256", "jwk": CLIENT.jwk, "typ": "dpop+jwt"}, from_base64url(proof().split(".")[1]), OTHER.sign
        ),
        Forged,
    ),
    "alg none": (reproved(alg="none"), Forged),
    "alg EdDSA with an EC key": (reproved(alg="EdDSA"), Forged),
    "alg HS256": (reproved(alg="HS256", jwk={"kty": "oct", "k": "AAAA"}), Refused),
    "no key": (
        sign_jws({"alg": "ES256", "typ": "dpop+jwt"}, from_base64url(proof().split(".")[1]), CLIENT.sign),
        Malformed,
    ),
    "key no object": (reproved(jwk="x"), Malformed),
    "secret key in it": (reproved(jwk=CLIENT.jwk | {"d": "AAAA"}), Refused),
    "key at an address": (reproved(jku="https://evil.example"), Malformed),
    "certificate": (reproved(x5c=["AA"]), Malformed),
    "another kind": (reproved(typ="JWT"), Malformed),
    "a presentation": (GOOD, Malformed),
    "key on no curve": (reproved(jwk=CLIENT.jwk | {"x": to_base64url(bytes(32))}), Forged),
    "altered": (proof()[:-4] + "AAAA", Forged),
    "huge": ("x" * 20_000, Malformed),
    "empty": ("", Malformed),
}


@pytest.mark.parametrize("case", PROOFS)
def test_proofs_refused(case):
    text, error = PROOFS[case]
    with pytest.raises(error):
        check(text)


def test_a_stolen_token_is_of_no_use():
    with pytest.raises(Forged, match="another key than the token is bound to"):
        check(proof(OTHER), jkt=verify(GOOD).cnf.jkt)


@pytest.mark.parametrize("offset", [-5, 0, 64])
def test_times_of_proofs(offset):
    check(proof(), now=NOW + offset)


@pytest.mark.parametrize(
    "url",
    [
        URL + "?a=b",
        URL + "#x",
        URL.replace("https", "HTTPS"),
        URL.replace("node.gbr", "Node.GBR"),
        URL.replace(".example", ".example:443"),
    ],
)
def test_addresses_that_are_the_same(url):
    check(proof(url=url))
    check(reproved(put(htu=url)))


def test_addresses_of_a_machine():
    here = "http://[::1]:8441/x"
    assert check(proof(url=here), url=here).jkt == CLIENT.jkt
    assert check(proof(url="http://node.gbr.example"), url="http://node.gbr.example:80/").jkt == CLIENT.jkt


def test_a_nonce_that_was_asked_for():
    check(proof(nonce="n1"), nonce="n1")
    check(proof(nonce="n1"))
    for text in (proof(), proof(nonce="n2")):
        with pytest.raises(Refused, match="nonce"):
            check(text, nonce="n1")


def test_more_claims_in_a_proof_are_passed_by():
    check(reproved(put(exp=1, extra={"a": [1]})))


# ── node to node ──


def signed(key=NODE, **changes):
    given = {
        "origin": HERE,
        "audience": THERE,
        "method": "POST",
        "path": "/api/v1/hints?since=3",
        "body": b"{}",
        "now": NOW,
    } | changes
    return tokens.sign_request(key, **given, random=os.urandom)


def called(value, key=NODE.public, **changes):
    given = {
        "issuer": HERE,
        "audience": THERE,
        "method": "POST",
        "path": "/api/v1/hints?since=3",
        "body": b"{}",
        "now": NOW,
    } | changes
    return tokens.verify_request(value, key, **given)


def test_a_request():
    value = signed()
    assert value.startswith("Relto ey")
    assert tokens.issuer_of_request(value) == HERE
    held = called(value)
    assert (held.iss, held.aud, held.keep_until) == (HERE, THERE, NOW + 65)
    assert called(value.replace("Relto", "relto")) == held
    assert called(signed(body=b"", method="GET"), body=b"", method="GET").body == to_base64url(
        bytes.fromhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    )
    assert called(signed()).jti != held.jti


@pytest.mark.parametrize("offset", [-5, 0, 64])
def test_times_of_requests(offset):
    called(signed(), now=NOW + offset)


def recalled(edit, **header):
    claims = json.loads(from_base64url(signed().split(".")[1]))
    edit(claims)
    return "Relto " + raw(tokens.REQUEST_TYPE, claims, NODE, **header)


def same(claims):
    pass


REQUESTS = {
    "other audience": (signed(audience=ELSEWHERE), {}, Refused),
    "no audience": (recalled(drop("aud")), {}, Malformed),
    "other issuer": (signed(origin=ELSEWHERE), {}, Forged),
    "other method": (signed(), {"method": "PUT"}, Refused),
    "other path": (signed(), {"path": "/api/v1/hints"}, Refused),
    "other query": (signed(), {"path": "/api/v1/hints?since=4"}, Refused),
    "other body": (signed(), {"body": b"[]"}, Forged),
    "no body": (signed(), {"body": b""}, Forged),
    "expired": (signed(), {"now": NOW + 65}, Refused),
    "not yet valid": (signed(), {"now": NOW - 6}, Refused),
    "too long": (recalled(put(exp=NOW + 61)), {}, Refused),
    "no time at all": (recalled(put(exp=NOW)), {}, Refused),
    "no jti": (recalled(drop("jti")), {}, Malformed),
    "no exp": (recalled(drop("exp")), {}, Malformed),
    "unknown claim": (recalled(put(sub="x")), {}, Malformed),
    "alg none": (recalled(same, alg="none"), {}, Forged),
    "unknown kid": (recalled(same, kid="aus/node-2+00000000"), {}, Forged),
    "key in the header": (recalled(same, jwk=CLIENT.jwk), {}, Forged),
    "kind of a presentation": (recalled(same, typ=tokens.PRESENTATION_TYPE), {}, Forged),
    "by the vouch key": (signed(VOUCH), {}, Forged),
    "checked with another key": (signed(), {"key": VOUCH.public}, Forged),
    "bearer": (signed().replace("Relto", "Bearer"), {}, Malformed),
    "no scheme": (signed().removeprefix("Relto "), {}, Malformed),
    "two spaces": (signed().replace("Relto ", "Relto  "), {}, Malformed),
    "empty": ("", {}, Malformed),
    "scheme alone": ("Relto ", {}, Malformed),
    "no own name": (signed(), {"audience": ""}, Malformed),
}


@pytest.mark.parametrize("case", REQUESTS)
def test_requests_refused(case):
    value, changes, error = REQUESTS[case]
    with pytest.raises(error):
        called(value, **changes)


@pytest.mark.parametrize(
    "change", [{"path": "api"}, {"path": "/a b"}, {"path": "/" + "x" * 2048}, {"method": "post"}, {"origin": "x"}]
)
def test_requests_that_are_not_signed(change):
    with pytest.raises(ReltoError):
        signed(**change)
