"""The talk between a client and a key access service, both halves, and every way to spoil it."""

import io
import json
import os

import msgspec
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from joserfc import jws
from joserfc.jwk import RSAKey
from package_forge import (
    KEYS,
    MINE,
    NODE,
    OTHER_NODE,
    OTHER_URL,
    OWNER,
    PLAIN,
    THEIRS,
    URL,
    dek_of,
    sealed,
)

from relto import package
from relto.errors import Forged, Malformed, Refused, ReltoError
from relto.keys import AccessKey, ProofKey, Wrapping, to_base64
from relto.package import access, spread
from relto.package.access import Answer, Asked
from relto.package.strict import from_base64url, sign_jws, to_base64url

NOW = 1_767_225_600
AUDIENCE = "node.gbr.example/aukus/0"
DATA = sealed(recipients=spread([MINE, THEIRS], 2))
PACKAGE = package.read(io.BytesIO(DATA))
CLIENT = ProofKey.generate("ES256", os.urandom)
SESSION = AccessKey.generate("ec:secp256r1")
RSA_SESSION = AccessKey.generate("rsa:2048")


def token(key=CLIENT, session=SESSION, now=NOW, url=URL, audience=AUDIENCE):
    asked = access.asked_of(PACKAGE.key_access, url)
    return access.request_token(
        PACKAGE.policy, asked, session=session, key=key, audience=audience, now=now, random=os.urandom
    )


def verify(text, key=CLIENT.jwk, now=NOW, audience=AUDIENCE, **options):
    return access.verify_request(text, key=key, audience=audience, now=now, **options)


def resigned(edit, key=CLIENT, **options):
    """The token with other claims, signed by the client itself."""
    claims = json.loads(from_base64url(token(**options).split(".")[1]))
    edited = edit(claims)
    return sign_jws({"alg": key.alg}, msgspec.json.encode(claims if edited is None else edited), key.sign)


def serve(request, keys=KEYS, permit=True):
    """What a node does after it has decided."""
    wrapping = Wrapping(request.session_pem, os.urandom)
    answers = []
    for group in request.groups:
        made = []
        for one in group.asked:
            share = access.unwrap(keys, one.access, group.policy)
            made.append(
                Answer(id=one.id, wrapped=wrapping.wrap(share), metadata={"relto.release": "ab"})
                if permit
                else Answer(id=one.id)
            )
        answers.append((group.id, made))
    return access.format_response(answers, wrapping)


@pytest.mark.parametrize("session", [SESSION, RSA_SESSION], ids=["ec", "rsa"])
@pytest.mark.parametrize("alg", ["ES256", "EdDSA"])
def test_a_package_opens_over_the_wire(session, alg, tmp_path):
    key = ProofKey.generate(alg, os.urandom)
    seen = set()

    def release(accesses):
        shares = [None] * len(accesses)
        for url in (URL, OTHER_URL):
            asked = access.asked_of(accesses, url)
            text = access.request_token(
                PACKAGE.policy, asked, session=session, key=key, audience=url, now=NOW, random=os.urandom
            )
            body = access.format_request(text)
            request = verify(access.parse_request(body), key=key.jwk, audience=url)
            assert request.proven
            assert request.jti not in seen
            seen.add(request.jti)
            assert request.expires == NOW + 65
            answer = access.read_response(serve(request), asked, session)
            for id_, released in answer.items():
                assert released.metadata == {"relto.release": "ab"}
                shares[int(id_.removeprefix("kao-"))] = released.share
        return shares

    target = tmp_path / "out"
    package.open_sealed(PACKAGE, io.BytesIO(DATA), target, release, OWNER.public, {URL, OTHER_URL})
    assert target.read_bytes() == PLAIN


def test_a_node_is_sent_its_own_and_no_names():
    body = json.loads(json.loads(from_base64url(token().split(".")[1]))["requestBody"])
    (group,) = body["requests"]
    assert group["policy"] == {"id": PACKAGE.policy.uuid, "body": PACKAGE.policy.text}
    (one,) = group["keyAccessObjects"]
    assert one["keyAccessObjectId"] == "kao-0"
    assert one["keyAccessObject"]["url"] == URL
    assert "encryptedMetadata" not in one["keyAccessObject"]
    assert body["clientPublicKey"] == SESSION.public_pem


def test_all_refusals_are_the_same_bytes():
    request = verify(token())
    one = serve(request, permit=False)
    wrapping = Wrapping(request.session_pem, os.urandom)
    assert one == access.format_response([(PACKAGE.policy.uuid, [Answer(id="kao-0")])], wrapping)
    assert one == access.format_response([(PACKAGE.policy.uuid, [Answer(id="kao-0")])], None)
    assert json.loads(one) == {
        "responses": [
            {
                "policyId": PACKAGE.policy.uuid,
                "results": [
                    {
                        "keyAccessObjectId": "kao-0",
                        "status": "fail",
                        "error": "request error\nrpc error: code = PermissionDenied desc = forbidden",
                    }
                ],
            }
        ]
    }
    asked = access.asked_of(PACKAGE.key_access, URL)
    assert access.read_response(one, asked, SESSION)["kao-0"].share is None
    assert json.loads(access.DENIED) == {"code": "permission_denied", "message": "forbidden"}


# ── the token ──


@pytest.mark.parametrize("offset", [-5, 0, 60, 64])
def test_times_that_are_taken(offset):
    verify(token(), now=NOW + offset)


def claim(**changes):
    def edit(claims):
        claims.update(changes)

    return edit


def without(name):
    def edit(claims):
        del claims[name]

    return edit


TOKENS = {
    "expired": (token(now=NOW - 65), Refused),
    "not yet valid": (token(now=NOW + 6), Refused),
    "lives too long": (resigned(claim(exp=NOW + 61)), Refused),
    "ends before it begins": (resigned(claim(exp=NOW - 1)), Refused),
    "for another node": (token(audience="node.usa.example/aukus/0"), Refused),
    "for nobody": (resigned(without("aud")), Refused),
    "for many": (resigned(claim(aud=[AUDIENCE])), Malformed),
    "usable twice": (resigned(without("jti")), Refused),
    "empty jti": (resigned(claim(jti="")), Refused),
    "without end": (resigned(without("exp")), Malformed),
    "without beginning": (resigned(without("iat")), Malformed),
    "time a fraction": (resigned(claim(iat=NOW + 0.5)), Malformed),
    "no body": (resigned(without("requestBody")), Malformed),
    "body no JSON": (resigned(claim(requestBody="x")), Malformed),
    "body an object": (resigned(claim(requestBody={})), Malformed),
    "body empty": (resigned(claim(requestBody='{"clientPublicKey":""}')), Malformed),
    "no claims": (resigned(lambda claims: []), Malformed),
    "another key": (token(key=ProofKey.generate("ES256", os.urandom)), Forged),
    "another algorithm": (token(key=ProofKey.generate("EdDSA", os.urandom)), Forged),
    "key of its own": (
        sign_jws(
            {"alg": "EdDSA", "jwk": (own := ProofKey.generate("EdDSA", os.urandom)).jwk},
            from_base64url(token().split(".")[1]),
            own.sign,
        ),
        Forged,
    ),
    "unsigned": (sign_jws({"alg": "none"}, from_base64url(token().split(".")[1]), lambda text: b""), Forged),
    "nothing": ("", Malformed),
    "huge": ("x" * 600_000, Malformed),
}


@pytest.mark.parametrize("case", TOKENS)
def test_tokens_refused(case):
    text, error = TOKENS[case]
    with pytest.raises(error):
        verify(text)


def test_a_token_needs_a_key_unless_the_client_is_an_old_one():
    with pytest.raises(Refused, match="not bound"):
        verify(token(), key=None)
    request = verify(token(), key=None, legacy=True)
    assert not request.proven
    assert verify(token(), legacy=True).proven


OLD = {
    "python": claim(iat=NOW, exp=NOW + 7200),
    "javascript": claim(iat=NOW - 3600, exp=NOW + 3600),
    "go": claim(iat=NOW, exp=NOW + 60),
}


@pytest.mark.parametrize("case", OLD)
def test_old_clients(case):
    def edit(claims):
        del claims["aud"], claims["jti"]
        OLD[case](claims)

    text = resigned(edit)
    with pytest.raises(Refused):
        verify(text)
    request = verify(text, legacy=True)
    assert (request.proven, request.jti) == (True, "")
    with pytest.raises(Forged):
        verify(text, key=ProofKey.generate("ES256", os.urandom).jwk, legacy=True)


@pytest.mark.parametrize("edit", [claim(exp=NOW + 7201), claim(aud="node.usa.example/aukus/0"), claim(iat=NOW + 6)])
def test_an_old_client_is_not_let_off_everything(edit):
    with pytest.raises(Refused):
        verify(resigned(edit), legacy=True, key=None)


def test_an_rsa_key_of_another_client():
    key = RSAKey.generate_key(2048, auto_kid=False)
    payload = from_base64url(token().split(".")[1])
    text = jws.serialize_compact({"alg": "RS256", "typ": "JWT"}, payload, key, algorithms=["RS256"])
    assert verify(text, key=key.as_dict(private=False)).proven


def test_a_short_rsa_key_proves_nothing():
    key = rsa.generate_private_key(65537, 1024)
    numbers = key.public_key().public_numbers()
    jwk = {"kty": "RSA", "n": to_base64url(numbers.n.to_bytes(128, "big")), "e": "AQAB"}
    text = sign_jws(
        {"alg": "RS256"},
        from_base64url(token().split(".")[1]),
        lambda text: key.sign(text, padding.PKCS1v15(), hashes.SHA256()),
    )
    with pytest.raises(Forged):
        verify(text, key=jwk)


def body_with(edit):
    def change(claims):
        body = json.loads(claims["requestBody"])
        edit(body)
        claims["requestBody"] = json.dumps(body)

    return resigned(change)


def many(body, count):
    one = body["requests"][0]["keyAccessObjects"][0]
    body["requests"][0]["keyAccessObjects"] = [one | {"keyAccessObjectId": str(n)} for n in range(count)]


BODIES = {
    "nothing asked": lambda body: body.update(requests=[]),
    "nothing in a group": lambda body: body["requests"][0].update(keyAccessObjects=[]),
    "too much": lambda body: many(body, 65),
    "too many groups": lambda body: body.update(requests=body["requests"] * 17),
    "same id twice": lambda body: body["requests"][0].update(
        keyAccessObjects=body["requests"][0]["keyAccessObjects"] * 2
    ),
    "no policy": lambda body: body["requests"][0].pop("policy"),
    "policy no base64": lambda body: body["requests"][0]["policy"].update(body="!"),
    "no session key": lambda body: body.pop("clientPublicKey"),
    "two forms at once": lambda body: body.update(keyAccess={}, policy=PACKAGE.policy.text),
    "remote key": lambda body: body["requests"][0]["keyAccessObjects"][0]["keyAccessObject"].update(type="remote"),
}


@pytest.mark.parametrize("case", BODIES)
def test_bodies_refused(case):
    with pytest.raises((Malformed, Refused)):
        verify(body_with(BODIES[case]))


def test_the_old_form_with_one_key():
    def old(body):
        one = body.pop("requests")[0]
        body["keyAccess"] = one["keyAccessObjects"][0]["keyAccessObject"]
        body["policy"] = one["policy"]["body"]
        body["algorithm"] = "ec:secp256r1"

    request = verify(body_with(old))
    assert request.single
    (group,) = request.groups
    share = access.unwrap(KEYS, group.asked[0].access, group.policy)
    wrapping = Wrapping(request.session_pem, os.urandom)
    held = json.loads(access.format_single(Answer(id="", wrapped=wrapping.wrap(share)), wrapping))
    assert list(held) == ["entityWrappedKey", "metadata", "sessionPublicKey"]
    assert access.format_single(Answer(id=""), wrapping) == access.DENIED


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"signedRequestToken":1}',
        b'{"signedRequestToken":"a","signedRequestToken":"b"}',
        b"x" * 600_000,
    ],
)
def test_calls_refused(body):
    with pytest.raises(Malformed):
        access.parse_request(body)


# ── unwrapping ──


def test_unwrap():
    first, second = PACKAGE.key_access
    shares = [access.unwrap(KEYS, part, PACKAGE.policy) for part in (first, second)]
    assert bytes(a ^ b for a, b in zip(*shares, strict=True)) == dek_of(DATA)
    nameless = msgspec.structs.replace(first, kid="")
    assert access.unwrap(KEYS, nameless, PACKAGE.policy) == shares[0]


def test_every_failure_looks_the_same():
    first, second = PACKAGE.key_access
    other = package.Policy.for_item("node.gbr.example", "0" * 32, os.urandom)
    swap = msgspec.structs.replace
    cases = [
        ({}, first, PACKAGE.policy),
        ({"x": NODE}, first, PACKAGE.policy),
        ({NODE.kid: OTHER_NODE}, first, PACKAGE.policy),
        (KEYS, first, other),
        (KEYS, swap(first, wrapped_key=second.wrapped_key), PACKAGE.policy),
        (KEYS, swap(first, policy_binding=second.policy_binding), PACKAGE.policy),
        (KEYS, swap(second, wrapped_key=to_base64(bytes(256))), PACKAGE.policy),
        ({}, swap(first, kid=""), PACKAGE.policy),
    ]
    words = set()
    for keys, part, policy in cases:
        with pytest.raises(Forged) as caught:
            access.unwrap(keys, part, policy)
        words.add((str(caught.value), caught.value.hint, caught.value.where))
    assert len(words) == 1


# ── the answer ──


def answer(edit):
    held = json.loads(serve(verify(token())))
    edit(held, held["responses"][0]["results"])
    return json.dumps(held).encode()


ANSWERS = {
    "not asked": lambda held, results: results[0].update(keyAccessObjectId="kao-1"),
    "twice": lambda held, results: results.append(results[0]),
    "unknown status": lambda held, results: results[0].update(status="maybe"),
    "altered": lambda held, results: results[0].update(kasWrappedKey=to_base64(bytes(60))),
    "empty": lambda held, results: results[0].update(kasWrappedKey=""),
    "no session key": lambda held, results: held.pop("sessionPublicKey"),
    "session key empty": lambda held, results: held.update(sessionPublicKey=""),
    "another session key": lambda held, results: held.update(sessionPublicKey=NODE.public_pem),
    "not base64": lambda held, results: results[0].update(kasWrappedKey="?"),
    "no responses": lambda held, results: held.pop("responses"),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_answers_refused(case):
    asked = access.asked_of(PACKAGE.key_access, URL)
    with pytest.raises(ReltoError):
        access.read_response(answer(ANSWERS[case]), asked, SESSION)


def test_an_answer_that_says_nothing_is_a_refusal():
    asked = [Asked(id="kao-0", access=PACKAGE.key_access[0])]
    for body in (b'{"responses":[]}', answer(lambda held, results: results.clear())):
        assert access.read_response(body, asked, SESSION)["kao-0"].share is None
    with pytest.raises(Malformed, match="at most"):
        access.read_response(b" " * 1_100_000, asked, SESSION)


def test_what_else_a_node_sends_along_is_passed_by():
    asked = access.asked_of(PACKAGE.key_access, URL)
    body = answer(lambda held, results: results[0].update(metadata={"a": "b", "X-Required-Obligations": ["x"]}, new=1))
    assert access.read_response(body, asked, SESSION)["kao-0"].metadata == {"a": "b"}
