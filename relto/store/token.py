"""Access keys in a PKCS#11 token: a private half that never leaves it, by a module that its maker ships.

RSA of 2048 bits and P-256. A share wrapped by RSA-OAEP is opened inside the token; for P-256 the token does the ECDH and
what follows from its result is done here, since tokens know no HKDF. A hybrid key has no place in PKCS#11 yet.

The library (`python-pkcs11`, extra `pkcs11`) is loaded when a token is named in the settings and not before. One session
is kept, and used by one thread at a time.

Source: PKCS#11 v2.40; OpenTDF for the wrappings.
"""

from __future__ import annotations

import importlib
import threading
from typing import Any, Final

from relto.errors import Forged, Malformed, NotFound, Refused, Unavailable
from relto.keys import PublicHalf, Random, opened_by_secret

KINDS: Final = ("rsa:2048", "ec:secp256r1")
LABEL_MAX: Final = 32  # characters of a token's label (CK_TOKEN_INFO)


class Token:
    """One token, logged in. Raises: Refused without the library, NotFound without the token, Unavailable."""

    def __init__(self, module: str, label: str, pin: str) -> None:
        try:
            self._api: Any = importlib.import_module("pkcs11")
            self._ec: Any = importlib.import_module("pkcs11.util.ec")
            self._rsa: Any = importlib.import_module("pkcs11.util.rsa")
        except ImportError as error:
            raise Refused(
                "a token is named in the settings and no library for it is here", hint="relto[pkcs11]"
            ) from error
        if not 0 < len(label) <= LABEL_MAX:
            raise Malformed(f"a token's label has 1 to {LABEL_MAX} characters", where="token_label")
        self._lock = threading.Lock()
        try:
            token = self._api.lib(module).get_token(token_label=label)
            try:
                self._session: Any = token.open(user_pin=pin, rw=True)
            except self._api.exceptions.UserAlreadyLoggedIn:
                # PKCS#11, 5.6: a process logs in to a token once, for all its sessions.
                self._session = token.open(rw=True)
        except self._api.exceptions.NoSuchToken as error:
            raise NotFound(f"there is no token `{label}` behind `{module}`") from error
        except (self._api.exceptions.PKCS11Error, RuntimeError, OSError) as error:
            raise Unavailable(f"the token `{label}` cannot be used: {type(error).__name__}") from error

    def generate(self, kind: str, random: Random) -> TokenKey:
        """A new key pair inside; private, sensitive and not extractable."""
        api, id_ = self._api, random(8)
        attribute = api.Attribute
        private = {attribute.SENSITIVE: True, attribute.EXTRACTABLE: False, attribute.PRIVATE: True}
        with self._lock:
            if kind == "rsa:2048":
                pair = self._session.generate_keypair(
                    api.KeyType.RSA, 2048, id=id_, label=f"relto-{id_.hex()}", store=True, private_template=private
                )
            elif kind == "ec:secp256r1":
                curve = self._session.create_domain_parameters(
                    api.KeyType.EC,
                    {attribute.EC_PARAMS: self._ec.encode_named_curve_parameters("secp256r1")},
                    local=True,
                )
                pair = curve.generate_keypair(
                    id=id_, label=f"relto-{id_.hex()}", store=True, private_template=private,
                    capabilities=api.MechanismFlag.DERIVE, mechanism=api.Mechanism.EC_KEY_PAIR_GEN,
                )  # fmt: skip
            else:
                raise Refused(f"`{kind}` is no kind of key that a token holds", hint=f"one of {', '.join(KINDS)}")
            return self._held(*pair)

    def held(self) -> tuple[TokenKey, ...]:
        """relto's keys in this token, by their labels."""
        api = self._api
        with self._lock:
            publics = {
                bytes(one[api.Attribute.ID]): one
                for one in self._session.get_objects({api.Attribute.CLASS: api.ObjectClass.PUBLIC_KEY})
            }
            privates = [
                one
                for one in self._session.get_objects({api.Attribute.CLASS: api.ObjectClass.PRIVATE_KEY})
                if str(one[api.Attribute.LABEL]).startswith("relto-") and bytes(one[api.Attribute.ID]) in publics
            ]
            return tuple(self._held(publics[bytes(one[api.Attribute.ID])], one) for one in privates)

    def destroy(self, kid: str) -> None:
        """Removes a key pair for ever. Raises: NotFound."""
        found = [one for one in self.held() if one.kid == kid]
        if not found:
            raise NotFound(f"the token holds no key `{kid[:32]}`")
        with self._lock:
            for half in found[0].objects:
                half.destroy()

    def close(self) -> None:
        with self._lock:
            self._session.close()

    def _held(self, public: Any, private: Any) -> TokenKey:
        rsa = private.key_type == self._api.KeyType.RSA
        encode = self._rsa.encode_rsa_public_key if rsa else self._ec.encode_ec_public_key
        half = PublicHalf.of_rsa_pkcs1(encode(public)) if rsa else PublicHalf.of_spki(encode(public))
        return TokenKey(self, half, public, private)

    def oaep(self, private: Any, wrapped: bytes) -> bytes:
        """RSA-OAEP with SHA-1, inside."""
        api = self._api
        with self._lock:
            return bytes(
                private.decrypt(
                    wrapped,
                    mechanism=api.Mechanism.RSA_PKCS_OAEP,
                    mechanism_param=(api.Mechanism.SHA_1, api.MGF.SHA1, None),
                )
            )

    def ecdh(self, private: Any, point: bytes) -> bytes:
        """The x-coordinate of ECDH with this point; the private half stays inside."""
        api = self._api
        with self._lock:
            derived = private.derive_key(
                api.KeyType.GENERIC_SECRET, 256, mechanism=api.Mechanism.ECDH1_DERIVE,
                mechanism_param=(api.KDF.NULL, None, point),
                template={api.Attribute.SENSITIVE: False, api.Attribute.EXTRACTABLE: True},
            )  # fmt: skip
            return bytes(derived[api.Attribute.VALUE])

    @property
    def failures(self) -> tuple[type[Exception], ...]:
        """What the token says when something does not open."""
        return (self._api.exceptions.PKCS11Error,)


class TokenKey:
    """An access key whose private half is in a token; an `Unwrapper`."""

    def __init__(self, token: Token, half: PublicHalf, public: Any, private: Any) -> None:
        self.kind, self.kid, self.public_pem = half.kind, half.kid, half.pem
        self._token, self._private = token, private
        self.objects = (public, private)

    def unwrap(self, kind: str, wrapped: bytes, ephemeral_pem: str | None = None) -> bytes:
        """The share. Every way to fail is the same `Forged`."""
        failures: tuple[type[Exception], ...] = (*self._token.failures, Forged, Malformed, Refused, ValueError)
        try:
            if self.kind == "rsa:2048" and kind == "wrapped" and ephemeral_pem is None:
                share = self._token.oaep(self._private, wrapped)
            elif self.kind == "ec:secp256r1" and kind == "ec-wrapped" and ephemeral_pem is not None:
                point = PublicHalf.of_pem(ephemeral_pem).point
                share = opened_by_secret(self._token.ecdh(self._private, point), wrapped)
            else:
                raise Refused("wrapped for another kind of key")
        except failures as error:
            raise Forged("this share does not unwrap with this key") from error
        if len(share) != 32:
            raise Forged("this share does not unwrap with this key")
        return share

    def __repr__(self) -> str:
        return f"TokenKey({self.kind!r}, kid={self.kid!r})"
