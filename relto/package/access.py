"""What a client and a key access service say to each other (OpenTDF "rewrap", Connect JSON), without saying it.

The client sends a token, signed with the key that its access token is bound to, that holds the wrapped shares and a
fresh public key. The node unwraps a share, checks that it belongs to the policy it decided about, and wraps it to that
fresh key.

Rules
* A token is for one node, for a minute, once: the caller keeps `jti` until `expires`. Other clients' tokens lack this
  and need `legacy=True`; of these the caller keeps `once`.
* JSON or, for the clients that speak it, the binary form of Connect (`proto`); the same content in both.
* All refusals are the same bytes. Why stands in the node's journal, not in the answer.
* Each node is sent its own key access objects only, and no names.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import UNSET, Struct, UnsetType, field

from relto.errors import Forged, Malformed, Refused
from relto.keys import HYBRID, AccessKey, ProofKey, Random, Unwrapper, Wrapping, from_base64, to_base64
from relto.package import proto
from relto.package.manifest import ACCESS_MAX, KeyAccess, Policy, parse_access, present
from relto.package.strict import peek_jws, read_json, sign_jws, verify_jws

LIFETIME_S: Final = 60
LEGACY_LIFETIME_S: Final = 7200
SKEW_S: Final = 5
REQUEST_MAX: Final = 512 * 1024
RESPONSE_MAX: Final = 1024 * 1024
GROUPS_MAX: Final = 16
ALGORITHMS: Final = ("EdDSA", "ES256", "RS256")

_JTI = re.compile(r"[0-9a-f]{32}")

# Connect, "Error codes"; by the reference server's words clients tell a refusal from a damaged file.
DENIED: Final = b'{"code":"permission_denied","message":"forbidden"}'
DENIED_ONE: Final = "request error\nrpc error: code = PermissionDenied desc = forbidden"


class Asked(Struct, frozen=True, kw_only=True):
    """One key access object under the id that its answer must carry."""

    id: str
    access: KeyAccess


class Group(Struct, frozen=True, kw_only=True):
    """What is asked under one policy; `id` is the client's word for the policy."""

    id: str
    policy: Policy
    asked: tuple[Asked, ...]


class Request(Struct, frozen=True, kw_only=True):
    """A request token, read. `proven` says that the client's key signed it; without `legacy` it is always so.

    `once` must not have been seen before, and is kept until `expires`: the token's `jti` or, where it has none, its
    digest.
    """

    session_pem: str
    groups: tuple[Group, ...]
    single: bool
    proven: bool
    jti: str
    once: str
    expires: int


class Answer(Struct, frozen=True, kw_only=True):
    """To one key access object: the wrapped share, or nothing."""

    id: str
    wrapped: bytes | None = None
    metadata: Mapping[str, str] = {}


class Released(Struct, frozen=True, kw_only=True):
    """What the client got for one key access object: the share, or None; and what the node sent along."""

    share: bytes | None
    metadata: Mapping[str, str]


# ── the client's side ──


def request_token(
    policy: Policy,
    asked: Sequence[Asked],
    *,
    session: AccessKey,
    key: ProofKey,
    audience: str,
    now: int,
    random: Random,
) -> str:
    """The token for one node. `now` in seconds."""
    accesses = [
        {
            "keyAccessObjectId": part.id,
            "keyAccessObject": msgspec.to_builtins(msgspec.structs.replace(part.access, encrypted_metadata="")),
        }
        for part in asked
    ]
    body = {
        "clientPublicKey": session.public_pem,
        "requests": [
            {
                "policy": {"id": policy.uuid, "body": policy.text},
                "keyAccessObjects": accesses,
                "algorithm": session.kind,
            }
        ],
    }
    claims = {
        "requestBody": msgspec.json.encode(body).decode(),
        "aud": audience,
        "jti": random(16).hex(),
        "iat": now,
        "exp": now + LIFETIME_S,
    }
    return sign_jws({"alg": key.alg, "typ": "JWT"}, msgspec.json.encode(claims), key.sign)


def asked_of(accesses: Sequence[KeyAccess], url: str, missing: Collection[str] | None = None) -> tuple[Asked, ...]:
    """Those that one node is asked for, of the shares still `missing` where that is given; the id is the place in the
    package."""
    return tuple(
        Asked(id=f"kao-{place}", access=one)
        for place, one in enumerate(accesses)
        if one.url == url and (missing is None or one.sid in missing)
    )


def format_request(token: str) -> bytes:
    """The body of the call."""
    return msgspec.json.encode({"signedRequestToken": token})


def read_response(body: bytes, asked: Sequence[Asked], session: AccessKey) -> dict[str, Released]:
    """What the node answered, one for each that was asked, by id."""
    held = _typed(read_json(body, limit=RESPONSE_MAX, what="answer of the node"), _ResponseText, "answer of the node")
    wanted = {part.id for part in asked}
    found: dict[str, Released] = {}
    kind = {"rsa:2048": "wrapped", HYBRID: "hybrid-wrapped"}.get(session.kind, "ec-wrapped")
    pem = None if held.session_pem in {UNSET, ""} else str(held.session_pem)
    for result in (one for response in held.responses for one in response.results):
        if result.id not in wanted or result.id in found:
            raise Malformed(f"the node answered `{result.id[:64]}`, which was not asked, or twice")
        share = None
        if result.status == "permit":
            share = session.unwrap(kind, from_base64(result.wrapped), pem if kind == "ec-wrapped" else None)
        elif result.status != "fail":
            raise Malformed(f"the node answered with the status `{result.status[:32]}`")
        texts = {name: value for name, value in result.metadata.items() if isinstance(value, str)}
        found[result.id] = Released(share=share, metadata=texts)
    nothing = Released(share=None, metadata={})
    return {part.id: found.get(part.id, nothing) for part in asked}


# ── the node's side ──


def parse_request(body: bytes, *, binary: bool = False) -> str:
    """The token in the body of a call; `binary` for `application/proto`."""
    if binary:
        if len(body) > REQUEST_MAX:
            raise Malformed(f"the request has {len(body)} bytes; at most {REQUEST_MAX} are read")
        found = proto.read_text(body, 1, what="request")
        if not found:
            raise Malformed("the request holds no signed request token")
        return found
    held = read_json(body, limit=REQUEST_MAX, what="request")
    if not isinstance(held, dict) or not isinstance(held.get("signedRequestToken"), str):
        raise Malformed("the request holds no signed request token")
    token: str = held["signedRequestToken"]
    return token


def verify_request(
    token: str, *, key: Mapping[str, Any] | None, audience: str, now: int, legacy: bool = False
) -> Request:
    """Read a request token. `key` is the public JWK that the access token is bound to.

    With `legacy` a token without audience, `jti` or key is taken, for up to two hours: clients exist that send no more.
    It is a switch for one client, off by default, and `proven` records what was lacking.
    """
    what = "request token"
    if key is not None:
        _, payload = verify_jws(token, key, allowed=ALGORITHMS, what=what, limit=REQUEST_MAX)
    elif legacy:
        _, payload = peek_jws(token, what=what, limit=REQUEST_MAX)
    else:
        raise Refused("the request token is not bound to a key")
    claims = _typed(read_json(payload, limit=REQUEST_MAX, what=what), _Claims, what)
    lifetime = LEGACY_LIFETIME_S if legacy else LIFETIME_S
    inside = claims.iat - SKEW_S <= now < claims.exp + SKEW_S
    if not inside or not claims.iat < claims.exp <= claims.iat + lifetime:
        raise Refused("the request token is not valid at this time")
    if not legacy and claims.aud != audience:
        raise Refused("the request token is for another node, or may be used twice")
    if not legacy and (claims.jti is UNSET or not _JTI.fullmatch(claims.jti)):
        raise Refused("the request token may be used twice", hint="`jti` is 32 hex digits, new each time")
    if claims.aud not in {UNSET, audience}:
        raise Refused("the request token is for another node")
    body = read_json(claims.body.encode("utf-8", "surrogatepass"), limit=REQUEST_MAX, what="request")
    held = _typed(present(body), _BodyText, "request")
    return Request(
        session_pem=held.session_pem,
        groups=_groups(held),
        single=not held.requests,
        proven=key is not None,
        jti="" if claims.jti is UNSET else claims.jti,
        # Its own word is enough only where it must have one: a client that draws none could repeat any.
        once=claims.jti if not legacy and claims.jti is not UNSET else hashlib.sha256(token.encode()).hexdigest(),
        expires=claims.exp + SKEW_S,
    )


def _groups(held: _BodyText) -> tuple[Group, ...]:
    groups = []
    for one in held.requests:
        asked = tuple(Asked(id=part.id, access=parse_access(part.access)) for part in one.asked)
        groups.append(Group(id=one.policy.id, policy=Policy.parse(one.policy.body), asked=asked))
    if held.access is not UNSET and held.policy is not UNSET:
        policy, old = Policy.parse(held.policy), parse_access(held.access)
        if not groups:
            groups.append(Group(id=policy.uuid, policy=policy, asked=(Asked(id="", access=old),)))
        # Clients that know the new form repeat it in the old one beside it. It must then be the same.
        elif (
            len(groups) > 1 or groups[0].policy.text != policy.text or [one.access for one in groups[0].asked] != [old]
        ):
            raise Malformed("the request is in two forms at once, which differ")
    ids = [part.id for group in groups for part in group.asked]
    if not 0 < len(groups) <= GROUPS_MAX or not 0 < len(ids) <= ACCESS_MAX or len(set(ids)) != len(ids):
        raise Malformed("the request asks for nothing, for too much, or for the same twice")
    return tuple(groups)


def unwrap(keys: Mapping[str, Unwrapper], access: KeyAccess, policy: Policy) -> bytes:
    """The share, if it is wrapped to one of these keys and bound to this policy; else `Forged`, whatever the reason."""
    # Old files name no key.
    tried = list(keys.values()) if not access.kid else [keys[access.kid]] if access.kid in keys else []
    for key in tried:
        try:
            pem = None if access.ephemeral_pem is UNSET else access.ephemeral_pem
            share = key.unwrap(access.kind, access.wrapped, pem)
        except Forged:
            continue
        if hmac.compare_digest(policy.binding(share), access.binding):
            return share
    # One text for a wrong key, a wrong binding and an unknown key: told apart they would be an oracle.
    raise Forged("the key access object does not open here")


def format_response(
    answers: Sequence[tuple[str, Sequence[Answer]]], wrapping: Wrapping | None, *, binary: bool = False
) -> bytes:
    """The body of the answer: for each policy id its answers. Refused ones are the same, whatever the reason."""
    if binary:
        return _binary_response(answers, wrapping)
    responses = [{"policyId": policy, "results": [_result(answer) for answer in group]} for policy, group in answers]
    permitted = any(answer.wrapped is not None for _, group in answers for answer in group)
    pem = wrapping.ephemeral_pem if wrapping is not None and permitted else None
    return msgspec.json.encode({"responses": responses} | ({} if pem is None else {"sessionPublicKey": pem}))


def format_single(answer: Answer, wrapping: Wrapping, *, binary: bool = False) -> bytes:
    """The answer to the old form with one key; a refusal is `DENIED` with the status for it."""
    if answer.wrapped is None:
        return DENIED
    pem = wrapping.ephemeral_pem
    if binary:
        return proto.delimited(2, answer.wrapped) + proto.delimited(3, pem or "")
    held = {"entityWrappedKey": to_base64(answer.wrapped), "metadata": dict(answer.metadata)}
    return msgspec.json.encode(held | ({} if pem is None else {"sessionPublicKey": pem}))


def _result(answer: Answer) -> dict[str, Any]:
    if answer.wrapped is None:
        return {"keyAccessObjectId": answer.id, "status": "fail", "error": DENIED_ONE}
    return {
        "keyAccessObjectId": answer.id,
        "status": "permit",
        "kasWrappedKey": to_base64(answer.wrapped),
        "metadata": dict(answer.metadata),
    }


def _binary_response(answers: Sequence[tuple[str, Sequence[Answer]]], wrapping: Wrapping | None) -> bytes:
    """`RewrapResponse`: 3 session_public_key, 5 responses {1 policy_id, 2 results}."""
    made = b""
    for policy, group in answers:
        made += proto.delimited(
            5, proto.delimited(1, policy) + b"".join(proto.delimited(2, _binary_result(one)) for one in group)
        )
    permitted = any(answer.wrapped is not None for _, group in answers for answer in group)
    pem = wrapping.ephemeral_pem if wrapping is not None and permitted else None
    return proto.delimited(3, pem or "") + made


def _binary_result(answer: Answer) -> bytes:
    """`KeyAccessRewrapResult`: 1 metadata, 2 key_access_object_id, 3 status, 4 kas_wrapped_key, 5 error."""
    if answer.wrapped is None:
        return proto.delimited(2, answer.id) + proto.delimited(3, "fail") + proto.delimited(5, DENIED_ONE)
    head = proto.fields_of(answer.metadata) + proto.delimited(2, answer.id)
    return head + proto.delimited(3, "permit") + proto.delimited(4, answer.wrapped)


# ── texts ──


class _PolicyPart(Struct, frozen=True):
    id: str
    body: str


class _AskedText(Struct, frozen=True):
    id: str = field(name="keyAccessObjectId")
    access: dict[str, Any] = field(name="keyAccessObject")


class _GroupText(Struct, frozen=True):
    policy: _PolicyPart
    asked: tuple[_AskedText, ...] = field(name="keyAccessObjects")


class _BodyText(Struct, frozen=True, kw_only=True):
    session_pem: str = field(name="clientPublicKey")
    requests: tuple[_GroupText, ...] = ()
    access: dict[str, Any] | UnsetType = field(name="keyAccess", default=UNSET)
    policy: str | UnsetType = UNSET


class _Claims(Struct, frozen=True, kw_only=True):
    body: str = field(name="requestBody")
    iat: int
    exp: int
    aud: str | UnsetType = UNSET
    jti: str | UnsetType = UNSET


class _ResultText(Struct, frozen=True, kw_only=True):
    id: str = field(name="keyAccessObjectId")
    status: str
    wrapped: str = field(name="kasWrappedKey", default="")
    metadata: dict[str, Any] = {}


class _ResponseGroup(Struct, frozen=True, kw_only=True):
    results: tuple[_ResultText, ...] = ()


class _ResponseText(Struct, frozen=True, kw_only=True):
    responses: tuple[_ResponseGroup, ...]
    session_pem: str | UnsetType = field(name="sessionPublicKey", default=UNSET)


def _typed(value: Any, kind: type[Any], what: str) -> Any:
    try:
        return msgspec.convert(value, kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise Malformed(f"the {what} is not as it must be: {error}") from error
