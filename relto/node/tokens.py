"""Tokens: presentations of the party's people, proofs of possession, and requests from node to node.

A presentation is what a party's node vouches for about one of its people, for one other node and five minutes. A proof
shows that the bearer holds the key that the presentation is bound to (RFC 9449). A node signs a request for one other
node, for a minute, once. This file makes and reads them, and does nothing else.

Rules
* The key is handed in by the caller, who has it from a ledger. What a header says about keys is compared, never
  followed; only a proof brings its own, and counts by that key's thumbprint alone.
* One algorithm per kind of key. A token of one kind is none of another: the header says which it is.
* No clock and no memory: `now` comes in (seconds); `jti` goes out, with the time until which it must be remembered.
* Unknown claims are refused in what relto's nodes write to each other; in a proof, which others write too, they are
  passed by.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Collection
from functools import lru_cache
from typing import Annotated, Final, Literal, TypeVar
from urllib.parse import urlsplit

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from relto.acts import RecipientClass
from relto.acts.act import Clearance, Country, OrgId, Origin, Pseudonym, Saying, Word
from relto.errors import Forged, Malformed, Refused
from relto.keys import ProofKey, PublicKey, Random, Signer, jwk_thumbprint
from relto.package.strict import check_jws, peek_jws, read_json, sign_jws, to_base64url, verify_jws

PRESENTATION_S: Final = 300
REQUEST_S: Final = 60
PROOF_S: Final = 60
SKEW_S: Final = 5
TOKEN_MAX: Final = 16 * 1024

CARRIED_S_MAX: Final = 366 * 86400
PRESENTATION_TYPE: Final = "relto-presentation+jwt"
CARRIED_TYPE: Final = "relto-carried+jwt"
REQUEST_TYPE: Final = "relto-request+jwt"
PROOF_TYPE: Final = "dpop+jwt"
SCHEME: Final = "Relto "

Jti = Annotated[str, Meta(pattern=r"\A[0-9a-f]{32}\Z")]
Seconds = Annotated[int, Meta(ge=0, le=2**40)]
Thumbprint = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_-]{43}\Z")]
Hash = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_-]{43}\Z")]
HttpMethod = Annotated[str, Meta(pattern=r"\A[A-Z]{1,16}\Z")]
Path = Annotated[str, Meta(pattern=r"\A/[\x21-\x7e]{0,2047}\Z")]

Said = Literal["employment", "nationalities", "clearance", "place"]

_T = TypeVar("_T", bound=Struct)


class _Claims(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


def _read(payload: bytes, kind: type[_T], what: str) -> _T:
    try:
        return msgspec.convert(read_json(payload, limit=TOKEN_MAX, what=what), kind)
    except msgspec.ValidationError as error:
        raise Malformed(f"the {what} is not as it must be: {error}") from error


def _timely(iat: int, exp: int, now: int, lifetime: int, what: str) -> None:
    if not 0 < exp - iat <= lifetime:
        raise Refused(f"the {what} is valid for longer than {lifetime} seconds, or not at all")
    if now >= exp + SKEW_S:
        raise Refused(f"the {what} has expired", hint="ask for a new one")
    if now < iat - SKEW_S:
        raise Refused(f"the {what} is not valid yet", hint="compare the clocks of the two nodes")


def _signed(kind: str, claims: Struct, signer: Signer) -> str:
    key = signer.public
    if key.mldsa65 is not UNSET:
        raise Refused(f"`{key.name}` signs acts, not tokens", hint="a node's and a vouch key are Ed25519 alone")
    (name,) = key.key_ids
    header = {"alg": "EdDSA", "kid": name, "typ": kind}
    return sign_jws(header, msgspec.json.encode(claims), lambda text: signer.sign(text)[name])


def _verified(token: str, kind: str, key: PublicKey, what: str) -> bytes:
    header, payload = verify_jws(token, key, allowed=("EdDSA",), what=what, limit=TOKEN_MAX)
    # `jku`, `jwk`, `x5c` and their like have no place here, so none is ever looked at by accident.
    if header != {"alg": "EdDSA", "kid": key.key_ids[0], "typ": kind}:
        raise Forged(f"the {what} is of another kind, or names another key than the one that its party has")
    return payload


def _issuer(token: str, kind: str, what: str) -> str:
    header, payload = peek_jws(token, what=what, limit=TOKEN_MAX)
    held = read_json(payload, limit=TOKEN_MAX, what=what)
    if header.get("typ") != kind or not isinstance(held, dict):
        raise Malformed(f"not a {what}")
    try:
        return msgspec.convert(held.get("iss"), Origin)
    except msgspec.ValidationError as error:
        raise Malformed(f"the {what} does not say who issued it") from error


# ── presentations ──


class Confirmation(_Claims, frozen=True, kw_only=True):
    """RFC 7800: the key that the bearer must prove to have."""

    jkt: Thumbprint


class Presentation(_Claims, frozen=True, kw_only=True):
    """What a party says about one of its people, to one node.

    `says` tells who states each fact: the party's register, the person, or the node that saw it.
    """

    iss: Origin
    aud: Origin
    sub: Pseudonym
    org: OrgId
    employment: Literal["regular", "contract", "none"] | UnsetType = UNSET
    nationalities: Annotated[tuple[Country, ...], Meta(max_length=16)] | UnsetType = UNSET
    clearance: Clearance | UnsetType = UNSET
    place: Country
    purpose: Word
    says: dict[Said, Saying] = {}
    cnf: Confirmation | UnsetType = UNSET
    jti: Jti
    iat: Seconds
    exp: Seconds

    @classmethod
    def of(
        cls,
        recipient: RecipientClass,
        *,
        issuer: str,
        audience: str,
        pseudonym: str,
        place: str,
        place_says: Saying,
        purpose: str,
        jkt: str | UnsetType,
        now: int,
        random: Random,
        lifetime: int = PRESENTATION_S,
    ) -> Presentation:
        """For a person of this class."""
        made = cls(
            iss=issuer,
            aud=audience,
            sub=pseudonym,
            org=recipient.organisation,
            employment=recipient.employment,
            nationalities=recipient.nationalities,
            clearance=recipient.clearance,
            place=place,
            purpose=purpose,
            says=dict[Said, Saying]([*recipient.says.items(), ("place", place_says)]),
            cnf=UNSET if jkt is UNSET else Confirmation(jkt=jkt),
            jti=random(16).hex(),
            iat=now,
            exp=now + lifetime,
        )
        return _read(msgspec.json.encode(made), cls, "presentation")

    def recipient(self, party: str) -> RecipientClass:
        """The class that rules read. `party` is whose ledger `iss` is: it speaks for its own organisations only."""
        if self.org.partition("/")[0] != party:
            raise Refused(f"`{party}` vouches for a person of `{self.org}`, which is not one of its organisations")
        says = {name: who for name, who in self.says.items() if name != "place"}
        return RecipientClass(
            party=party,
            organisation=self.org,
            employment=self.employment,
            nationalities=self.nationalities,
            clearance=self.clearance,
            says=says,
        )

    @property
    def keep_until(self) -> int:
        """How long `jti` must be kept."""
        return self.exp + SKEW_S


def issue_presentation(presentation: Presentation, vouch: Signer) -> str:
    """Sign it with the party's vouch key."""
    if not 0 < presentation.exp - presentation.iat <= PRESENTATION_S:
        raise Refused(f"a presentation is valid for at most {PRESENTATION_S} seconds")
    return _signed(PRESENTATION_TYPE, presentation, vouch)


def issuer_of_presentation(token: str) -> str:
    """The origin that it names, unverified: for looking up whose vouch key to check it with."""
    return _issuer(token, PRESENTATION_TYPE, "presentation")


def verify_presentation(
    token: str, key: PublicKey, *, issuer: str, audience: str, now: int, legacy: bool = False
) -> Presentation:
    """A presentation by the party whose vouch key this is, for this node, now.

    Only with `legacy`, a switch for one client, may it be bound to no key.
    """
    held = _read(_verified(token, PRESENTATION_TYPE, key, "presentation"), Presentation, "presentation")
    check_presentation(held, issuer=issuer, audience=audience, now=now)
    if held.cnf is UNSET and not legacy:
        raise Refused("the presentation is not bound to a key", hint="the client must prove possession of one")
    return held


def check_presentation(held: Presentation, *, issuer: str, audience: str, now: int) -> None:
    """What of a presentation whose signature held may differ from one call to the next.

    Raises: Refused, Forged.
    """
    _for(held.iss, held.aud, issuer, audience, "presentation")
    _timely(held.iat, held.exp, now, PRESENTATION_S, "presentation")


class Device(_Claims, frozen=True, kw_only=True):
    """For which device, which package, how often and until when (its `exp`) a person asks.

    key: SHA-256 in hex over the device's opening key. package: hex digest of the policy string.
    """

    key: Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
    package: Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
    openings: Annotated[int, Meta(ge=1, le=1000)]


class CarriedPresentation(Presentation, frozen=True, kw_only=True):
    """A presentation that travels by hand. It is bound to a device's opening key, which alone the answer is sealed to,
    and is of another type than one that a client sends: neither passes for the other."""

    device: Device


def issue_carried(presentation: Presentation, device: Device, vouch: Signer) -> str:
    """Sign what a presentation says, for a device. Raises: Refused for one that lasts too long."""
    if not 0 < presentation.exp - presentation.iat <= CARRIED_S_MAX:
        raise Refused(f"a key is carried for at most {CARRIED_S_MAX // 86400} days")
    fields = {name: getattr(presentation, name) for name in Presentation.__struct_fields__}
    return _signed(CARRIED_TYPE, CarriedPresentation(**fields, device=device), vouch)


def issuer_of_carried(token: str) -> str:
    """As `issuer_of_presentation`."""
    return _issuer(token, CARRIED_TYPE, "carried presentation")


def verify_carried(token: str, key: PublicKey, *, issuer: str, audience: str, now: int) -> CarriedPresentation:
    """A carried presentation by the party whose vouch key this is, for this node, not yet over."""
    what = "carried presentation"
    held = _read(_verified(token, CARRIED_TYPE, key, what), CarriedPresentation, what)
    _for(held.iss, held.aud, issuer, audience, what)
    _timely(held.iat, held.exp, now, CARRIED_S_MAX, what)
    return held


def _for(iss: str, aud: str, issuer: str, audience: str, what: str) -> None:
    # A node that does not know its own name would take everybody's tokens; others' servers have done so.
    if not audience or not issuer:
        raise Malformed("a node without an origin checks no tokens")
    if aud != audience:
        raise Refused(f"the {what} is for another node", hint="ask for one with this node as audience")
    if iss != issuer:
        raise Forged(f"the {what} names another issuer than the one whose key was asked for")


# ── proof of possession: DPoP, RFC 9449 ──


class Proof(Struct, frozen=True, kw_only=True):
    """A proof that held, by the key with this thumbprint. `jti` must be new, and is kept until `keep_until`."""

    jkt: str
    jti: str
    iat: int
    jwk: dict[str, str]

    @property
    def keep_until(self) -> int:
        return self.iat + PROOF_S + SKEW_S


class _ProofClaims(Struct, frozen=True, kw_only=True):
    jti: Annotated[str, Meta(min_length=1, max_length=256)]
    htm: Annotated[str, Meta(max_length=16)]
    htu: Annotated[str, Meta(max_length=2048)]
    iat: Seconds
    ath: Hash | UnsetType = UNSET
    nonce: Annotated[str, Meta(max_length=256)] | UnsetType = UNSET


def build_proof(
    key: ProofKey,
    *,
    method: str,
    url: str,
    token: str | None,
    now: int,
    random: Random,
    nonce: str | UnsetType = UNSET,
) -> str:
    """The `DPoP` header for one call with this token."""
    ath = UNSET if token is None else _hash(token.encode())
    claims = _ProofClaims(jti=random(16).hex(), htm=method, htu=_target(url), iat=now, ath=ath, nonce=nonce)
    header = {"alg": key.alg, "jwk": key.jwk, "typ": PROOF_TYPE}
    return sign_jws(header, msgspec.json.encode(claims), key.sign)


def verify_proof(
    proof: str,
    *,
    method: str,
    url: str,
    token: str | None,
    jkt: str | None,
    now: int,
    nonce: str | None = None,
    allowed: Collection[str] = ("EdDSA", "ES256"),
    legacy: bool = False,
) -> Proof:
    """A proof for this call, with this token, by the key with this thumbprint.

    `jkt` None is for the one call that asks for a token: the thumbprint that comes back is what the token will be bound
    to. `allowed` grows by RS256 for a client that has no other key. With `legacy`, a switch for one client, the proof
    may leave out for which token it is (`ath`) and name the path alone as its address: a client in use does both.
    """
    header, payload = peek_jws(proof, what="proof of possession", limit=TOKEN_MAX)
    jwk = header.get("jwk")
    if header.get("typ") != PROOF_TYPE or not header.keys() <= {"alg", "jwk", "typ"} or not isinstance(jwk, dict):
        raise Malformed("the proof of possession is of another kind, or brings no key")
    # RFC 9449, 4.3 (7): the key must not hold its private half.
    if jwk.keys() & {"d", "k", "p", "q", "dp", "dq", "qi", "oth"}:
        raise Refused("the proof of possession gives the secret key away", hint="that key must not be used again")
    check_jws(proof, header, jwk, allowed=allowed, what="proof of possession")
    held = _read(payload, _ProofClaims, "proof of possession")
    found = jwk_thumbprint(jwk)
    if jkt is not None and not hmac.compare_digest(found, jkt):
        raise Forged("the proof of possession is by another key than the token is bound to")
    here = legacy and held.htu == urlsplit(url).path
    if held.htm != method or not (here or _target(held.htu) == _target(url)):
        raise Refused("the proof of possession is for another call")
    expected = {UNSET if token is None else _hash(token.encode())} | ({UNSET} if legacy else set())
    if held.ath not in expected:
        raise Refused("the proof of possession is for another token")
    if nonce is not None and held.nonce != nonce:
        raise Refused("the proof of possession lacks the nonce that was asked for")
    if not held.iat - SKEW_S <= now < held.iat + PROOF_S + SKEW_S:
        raise Refused("the proof of possession is not from this minute", hint="compare the clocks")
    return Proof(jkt=found, jti=held.jti, iat=held.iat, jwk={name: str(value) for name, value in jwk.items()})


def _hash(data: bytes) -> str:
    return to_base64url(hashlib.sha256(data).digest())


@lru_cache(maxsize=256)
def _target(url: str) -> str:
    """RFC 9449, 4.3 (9): without query and fragment; scheme and host in lower case, the scheme's own port left out."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise Malformed("the proof of possession names no address") from error
    if parts.scheme.lower() not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
        raise Malformed("the proof of possession names no address")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    usual = {"http": 80, "https": 443}[parts.scheme.lower()]
    return f"{parts.scheme.lower()}://{host}{'' if port in {None, usual} else f':{port}'}{parts.path or '/'}"


# ── node to node ──


class NodeRequest(_Claims, frozen=True, kw_only=True):
    """A request of one node to another: exactly this call with exactly this body. `jti` must not have been seen."""

    iss: Origin
    aud: Origin
    htm: HttpMethod
    path: Path
    body: Hash
    jti: Jti
    iat: Seconds
    exp: Seconds

    @property
    def keep_until(self) -> int:
        """How long `jti` must be kept."""
        return self.exp + SKEW_S


def sign_request(
    node: Signer, *, origin: str, audience: str, method: str, path: str, body: bytes, now: int, random: Random
) -> str:
    """The value of `Authorization` for one call; `path` as it is sent, with its query."""
    made = NodeRequest(
        iss=origin,
        aud=audience,
        htm=method,
        path=path,
        body=_hash(body),
        jti=random(16).hex(),
        iat=now,
        exp=now + REQUEST_S,
    )
    return SCHEME + _signed(REQUEST_TYPE, _read(msgspec.json.encode(made), NodeRequest, "request"), node)


def issuer_of_request(authorization: str) -> str:
    """The origin that it names, unverified: for looking up whose node key to check it with."""
    return _issuer(_bare(authorization), REQUEST_TYPE, "signed request")


def verify_request(
    authorization: str,
    key: PublicKey,
    *,
    issuer: str,
    audience: str,
    method: str,
    path: str,
    body: bytes,
    now: int,
) -> NodeRequest:
    """A call by the node whose key this is, to this node, now, with this body."""
    held = _read(_verified(_bare(authorization), REQUEST_TYPE, key, "signed request"), NodeRequest, "signed request")
    _for(held.iss, held.aud, issuer, audience, "signed request")
    _timely(held.iat, held.exp, now, REQUEST_S, "signed request")
    if (held.htm, held.path) != (method, path):
        raise Refused("the signed request is for another call")
    if not hmac.compare_digest(held.body, _hash(body)):
        raise Forged("the signed request came with another body")
    return held


def _bare(authorization: str) -> str:
    # RFC 9110, 11.1: the scheme's name has no case.
    if not re.match(r"relto ", authorization, re.IGNORECASE):
        raise Malformed("the call is not signed by a node", hint="`Authorization: Relto …` is missing")
    return authorization[len(SCHEME) :]
