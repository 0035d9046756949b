"""`relto verify`: whatever somebody hands over, what it proves, and what it does not.

A thing is recognised by its bytes, never by its name. Keys come from this node's mirror and pins, or from a policy file
that the caller brings; never from the thing itself. Where neither is there, what can be checked without is checked, and
the rest stands under "does not prove". What nothing here understands is refused with what it is not.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from relto import acts
from relto.errors import Forged, Malformed, NotFound, Refused, ReltoError
from relto.keys import AccessKey, OpeningKey, ProofKey, PublicKey, SecretKey, from_base64
from relto.ledger import (
    Cosigner,
    OpenCheckpoint,
    Policy,
    check_opening,
    leaf_hash,
    open_checkpoint,
    parse_note,
    parse_policy,
    parse_proof,
    verify_inclusion,
)
from relto.node import bundle, carried, sealed_file
from relto.node.client import directory_urls
from relto.node.held import log_verifier, post_quantum, texts_of, witness_verifiers
from relto.node.node import Node
from relto.node.officer import parse_request
from relto.node.officer import request as make_request
from relto.node.sealed_file import key_name
from relto.node.words import words
from relto.package import read
from relto.package.container import scan as scan_container

READ_MAX: Final = 1 << 20  # of what is read whole: everything but packages and sealed files

KNOWN: Final = (
    "a package (.tdf), a tlog-proof, a checkpoint, a bundle, a backup, an audit bundle, a signing request, a signed act,"
    " a key file, an invitation, a policy file, or the id or hash of something held here"
)
_HEX = re.compile(r"[0-9a-f]{8,64}")


class Verdict(Struct, frozen=True, kw_only=True, rename={"is_": "is", "not_": "not"}):
    """is_: what the thing is. act: what it opens to, where it does."""

    is_: str
    proves: list[str]
    not_: list[str]
    act: Any = None


class Trust(Struct, frozen=True, kw_only=True):
    """What a thing is checked by: a node's own view, a policy file, the founding id that somebody pins."""

    node: Node | None = None
    policy: Policy | None = None
    pin: str = ""


def verify(thing: str, trust: Trust) -> Verdict:
    """Raises: NotFound, Malformed (what it is not); Forged, Refused (what does not hold)."""
    path = Path(thing)
    if len(thing) < 4096 and path.is_dir():
        return _directory(path, trust)
    if len(thing) < 4096 and path.is_file():
        return _file(path, trust)
    if _HEX.fullmatch(thing):
        return _named(thing, trust)
    invitation = _invitation(thing)
    if invitation is not None:
        return invitation
    raise NotFound(
        f"there is no file `{thing[:80]}`, and it is no id or hash either",
        hint=f"`relto verify` takes {KNOWN}",
    )


def named(thing: str, node: Node) -> Verdict:
    """What an id or a hash means here, and nothing else: no file of this machine is looked at.

    Raises: Malformed, NotFound.
    """
    if not _HEX.fullmatch(thing):
        raise Malformed("an id or a hash is 8 to 64 digits, 0 to 9 and a to f", hint="a file: `relto verify FILE`")
    return _named(thing, Trust(node=node))


# ── directories and files ──


def _directory(path: Path, trust: Trust) -> Verdict:
    if (path / bundle.FILE).is_file():
        return _audit_bundle(path, trust)
    if (path / "relto.toml").is_file():
        raise Malformed(f"`{path}` is a node's directory", hint=f"`relto node doctor --node {path}` examines it")
    if (path / "checkpoint").is_file():
        raise Malformed(f"`{path}` is a directory of tiles", hint=f"`relto ledger verify --tiles {path}` recomputes it")
    raise Malformed(f"`{path}` is a directory, and no audit bundle", hint=f"`relto verify` takes {KNOWN}")


def _file(path: Path, trust: Trust) -> Verdict:
    with path.open("rb") as file:
        head = file.read(64)
        if head.startswith(b"PK"):
            return _package(path, trust)
        if head.startswith(sealed_file.MAGIC):
            return _sealed(path, trust)
        data = head + file.read(READ_MAX + 1 - len(head))
    if len(data) > READ_MAX:
        raise Malformed(
            f"`{path}` is none of what can be verified, and larger than any but a package", hint=f"that is {KNOWN}"
        )
    for recognised, check in _BY_BYTES:
        if recognised(data):
            return check(data, path, trust)
    invitation = _invitation(data.decode("ascii", "replace").strip())
    if invitation is not None:
        return invitation
    raise Malformed(f"`{path}` is {_describe(data)}, and nothing that can be verified", hint=f"that is {KNOWN}")


def _describe(data: bytes) -> str:
    if not data:
        return "empty"
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return f"{len(data)} bytes of an unknown kind"
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        lines = text.count("\n") + (not text.endswith("\n"))
        return f"a text of {lines} {'line' if lines == 1 else 'lines'}"
    return "JSON of another kind"


def _json_member(name: str, value: str = "") -> Callable[[bytes], bool]:
    """Whether the data is a JSON object with this member, of this value where one is given."""

    def recognised(data: bytes) -> bool:
        try:
            held = json.loads(data)
        except (ValueError, RecursionError):
            return False
        return isinstance(held, dict) and name in held and (not value or held[name] == value)

    return recognised


# ── by a node's view, a policy, or neither ──


def _open_note(note: bytes, trust: Trust) -> tuple[OpenCheckpoint, list[str]]:
    """A checkpoint by keys that somebody here trusts, and what that proves.

    Raises: Forged; NotFound when nothing says whose signatures to ask for.
    """
    origin = parse_note(note).text.split(b"\n", 1)[0].decode("ascii", "replace")
    if trust.policy is not None:
        opened = trust.policy.open(note)
        seen = ", ".join(sorted({one.by.name for one in opened.cosigned})) or "nobody, as the policy asks for none"
        return opened, [
            f"the ledger {origin} signed {opened.checkpoint.size} entries with root {opened.checkpoint.root.hex()[:16]}…",
            f"the policy's quorum is reached; cosigned by {seen}",
        ]
    if trust.node is None:
        raise NotFound(
            f"nothing here says whose signatures to ask for on a checkpoint of `{origin[:128]}`",
            hint="`--node DIR`, or `--policy FILE` as `relto ledger policy` wrote it at a node that you trust",
        )
    node = trust.node
    keys = _log_keys(node, origin)
    witnesses = [
        one
        for other, scan in node.register.scans.items()
        if other != origin and scan.keys is not None
        for one in witness_verifiers(other, scan.keys)
    ]
    second = post_quantum(origin, keys)
    opened = open_checkpoint(note, log_verifier(origin, keys), [*witnesses, *([second] if second is not None else [])])
    proves = [
        f"the ledger {origin} signed {opened.checkpoint.size} entries with root {opened.checkpoint.root.hex()[:16]}…",
        *(f"{one.by.name} had seen it at {_time(one.at)}" for one in opened.cosigned if one.by in witnesses),
    ]
    scan = node.register.scans.get(origin)
    if scan is not None and not scan.sparse and scan.size >= opened.checkpoint.size:
        if scan.root_at(opened.checkpoint.size) != opened.checkpoint.root:
            raise Forged(
                f"`{origin}` signed another history than the one mirrored here at size {opened.checkpoint.size}",
                hint="keep this checkpoint: with the mirror it is a fork proof",
            )
        proves.append("it is a prefix of the ledger held here")
    return opened, proves


def _log_keys(node: Node, origin: str) -> acts.KeySet:
    """The keys of a ledger as this node's mirror or pin has them, never as the thing that is checked has them."""
    if origin == node.origin:
        return node.register.scans[origin].chain[-1].keys
    return node.keys_of(node.peer_by_origin(origin))


def _time(at: int) -> str:
    return dt.datetime.fromtimestamp(at, dt.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _keys_at(node: Node, origin: str, index: int) -> acts.KeySet:
    """The keys that judge an entry: those that the author's chain had there."""
    scan = node.register.scans.get(origin)
    if scan is not None and scan.chain:
        return scan.keys_at(index)
    return node.keys_of(node.peer_by_origin(origin))


def _signed(node: Node | None, act: acts.Act, id_: str, signed: Any, index: int) -> tuple[list[str], list[str]]:
    """(proves, not) about an act's signatures."""
    if node is None:
        return [], [f"that {act.author} signed it: no keys of {act.author} are known without a node"]
    if not acts.satisfied(signed, _keys_at(node, act.log, index), acts.SIGNERS[acts.kind_of(act)]):
        raise Forged(f"act {id_[:16]} is not signed by the keys that its kind needs")
    return [f"it is signed by the keys of {act.author} that its kind needs there"], []


def _void(node: Node | None, id_: str) -> list[str]:
    found = next((one for one in node.register.void if one.id == id_), None) if node is not None else None
    return [f"that it counts: here it is void, since it {found.why}"] if found is not None else []


_LATER: Final = "that it still holds: later acts may end it"
_TRUE: Final = "that what it says is true"


def _proof(data: bytes, path: Path, trust: Trust) -> Verdict:
    proof = parse_proof(data)
    opened, proves = _open_note(proof.note, trust)
    origin, size = opened.checkpoint.origin, opened.checkpoint.size
    same = [] if trust.policy is not None else ["that the ledger shows everybody the same history"]
    try:
        held = msgspec.json.decode(proof.extra) if proof.extra else {}
        leaf, salt, envelope = (bytes(msgspec.convert(held[name], bytes)) for name in ("leaf", "salt", "envelope"))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, KeyError, TypeError) as error:
        raise Malformed(
            "the proof does not open its leaf: it proves a leaf that you must have from elsewhere",
            where=str(path),
            hint="`relto ledger proof` and `relto open --evidence` write ones that do",
        ) from error
    verify_inclusion(leaf_hash(leaf), proof.index, size, opened.checkpoint.root, proof.hashes)
    check_opening(leaf, salt, envelope)
    act, id_, signed = acts.open_act(envelope)
    if act.log != origin:
        raise Forged(f"the act was written for `{act.log}`, and stands in `{origin}`: a copy counts for nothing")
    by, missing = _signed(trust.node, act, id_, signed, proof.index)
    return Verdict(
        is_=f"proof: {acts.kind_of(act)} {id_} by {act.author}, entry {proof.index} of {origin} at size {size}",
        act=msgspec.to_builtins(act),
        proves=["the act stands in that ledger, under that checkpoint", *proves, *by],
        not_=[*missing, *same, *_void(trust.node, id_), _LATER, _TRUE],
    )


def _checkpoint(data: bytes, path: Path, trust: Trust) -> Verdict:
    opened, proves = _open_note(data, trust)
    return Verdict(
        is_=f"checkpoint of {opened.checkpoint.origin} at size {opened.checkpoint.size}",
        proves=proves,
        not_=["what the entries say", "that it is the newest one"],
    )


def _act(data: bytes, path: Path, trust: Trust) -> Verdict:
    """A signed act by itself: an envelope."""
    act, id_, signed = acts.open_act(data)
    node = trust.node
    stated = node.register.stated.get(id_) if node is not None else None
    scan = node.register.scans.get(act.log) if node is not None else None
    by, missing = _signed(node, act, id_, signed, stated.index if stated else scan.size if scan else 0)
    place = [f"it stands at entry {stated.index} of {stated.origin}, as held here"] if stated else []
    return Verdict(
        is_=f"signed act: {acts.kind_of(act)} {id_} by {act.author}, for {act.log}",
        act=msgspec.to_builtins(act),
        proves=["its bytes have the one form of an act, which has this id", *by, *place],
        not_=[
            *missing,
            *([] if stated else ["that it stands in any ledger: until then it counts for nothing"]),
            *_void(node, id_),
            _LATER,
            _TRUE,
        ],
    )


def _signing_request(data: bytes, path: Path, trust: Trust) -> Verdict:
    request = parse_request(data, str(path))
    act = acts.read(request.payload)
    id_ = acts.act_id(request.payload)
    have = sorted({key_id.partition("+")[0] for key_id in request.signatures})
    chain = trust.node.register.scans.get(act.log) if trust.node is not None else None
    known = chain is not None and chain.keys is not None
    if chain is not None and chain.keys is not None:
        wanted = make_request(act, chain.keys)
        if (wanted.signer, wanted.threshold, wanted.keys) != (request.signer, request.threshold, request.keys):
            raise Forged(
                f"this request does not ask for the keys that the chain of {act.author} names",
                where=str(path),
                hint=f"it would be {wanted.threshold} of {', '.join(wanted.keys)}; ask its node for it anew",
            )
    return Verdict(
        is_=f"signing request: {acts.kind_of(act)} {id_} by {act.author}, not yet an act",
        act=msgspec.to_builtins(act),
        proves=[
            "its words are what its bytes say:",
            *(f"  {line}" for line in request.reads),
            f"it asks for {request.threshold} of {', '.join(request.keys)}; signed so far: {', '.join(have) or 'nobody'}",
            *(["these are the keys of the author's chain, as held here"] if known else []),
        ],
        not_=[
            *([] if known else ["that the keys it names are those of the author's chain: no node here knows them"]),
            "that the signatures hold: they are checked when it is submitted",
            "that it is wanted: compare the id with the one that its author reads to you",
        ],
    )


# ── packages and sealed files ──


def _package(path: Path, trust: Trust) -> Verdict:
    package = read(path)
    if package.owner is None:
        raise Refused(
            "the package has no statement of its owner", hint="it was not sealed by a node of this partnership"
        )
    party, node = package.owner.says.party, trust.node
    is_ = f"package {package.digest.hex()}, {package.size} bytes inside"
    rest = [
        "that you may have it: the owner's node decides when a key is asked for",
        "anything about the content, which is sealed",
    ]
    if node is None:
        return Verdict(
            is_=is_,
            proves=["its parts fit each other: manifest, policy and the table of its segments"],
            not_=[f"that `{party[:64]}` sealed it: no keys of that party are known without a node", *rest],
        )
    owned = package.check(node.register.party(party).keys.seal)
    known = directory_urls(node)
    strange = [url for url in package.urls if url not in known]
    if strange:
        raise Refused(
            f"the package names a node that is not in the signed directory: {strange[0][:120]}", hint="do not open it"
        )
    if _payload_digest(path) != owned.payload:
        raise Forged("the payload is not the one that its owner signed", where=str(path), hint="fetch the file again")
    proves = [
        f"sealed by {party} as {owned.label}",
        "its manifest, label, policy and segment table are the ones that the owner signed, and so is its sealed content",
        f"its key is held by {', '.join(sorted({known[url][0] for url in package.urls}))}",
    ]
    try:
        item = node.register.item_by_opaque(package.policy.item[1])
        proves.append(f"it is {item.id}@{item.version} of the register that this node may read")
    except ReltoError:
        rest.append("which item it is: no act that is open here names it")
    return Verdict(is_=is_, proves=proves, not_=rest)


def _payload_digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        container = scan_container(file)
        file.seek(container.payload_at)
        left = container.payload_size
        while left and (block := file.read(min(left, 1 << 20))):
            digest.update(block)
            left -= len(block)
    return digest.hexdigest()


def _sealed(path: Path, trust: Trust) -> Verdict:
    cover, node = sealed_file.cover(path), trust.node
    outside = f"{cover.what} by {cover.by[:64]} for {cover.to[:64]}, sealed to the key {cover.key}"
    if cover.what == "backup":
        return Verdict(
            is_=outside,
            proves=["it has the form of a backup"],
            not_=[
                "that it is whole: only the backup key opens it, `relto node restore FILE --key K` into a new directory",
                "who made it",
            ],
        )
    if cover.what in {"key-request", "carried-key"}:
        opens = (
            "`relto grant issue` of the owner" if cover.what == "key-request" else "`relto open --grant` on the device"
        )
        return Verdict(
            is_=outside,
            proves=[f"it has the form of a {cover.what.replace('-', ' ')}"],
            not_=[f"that it is whole, who made it and for which package: only {opens} can open it"],
        )
    if node is None or node.keys is None or key_name(node.keys.opening.public) != cover.key:
        return Verdict(
            is_=outside,
            proves=["it has the form of a bundle"],
            not_=["that it is whole, who made it and when: only the reader it is for can open it"],
        )
    held, says, pinned = carried.open_bundle(node, path)
    inside = [
        f"{one.party}: entries {one.since} to {one.size}{'' if one.whole else ', as far as they are open here'}"
        for one in says.ledgers
    ]
    return Verdict(
        is_=f"bundle by {pinned.party} for {node.me}, of {len(held.sections)} sections",
        proves=["it is whole, and every byte is what its maker sealed", f"{pinned.party} signed it; it holds:"]
        + [f"  {line}" for line in inside],
        not_=[
            "that its ledgers fit what is held here: `relto bundle import` checks that, and stores only what does",
            "that it is the newest one",
        ],
    )


def _audit_bundle(path: Path, trust: Trust) -> Verdict:
    node = trust.node
    pin = trust.pin or ((node.register.partnership or node.config.pin) if node is not None else "")
    if not pin:
        raise NotFound(
            "nothing here says which founding to trust", hint="`--pin FOUNDING-ID`, as the auditor was given it"
        )
    register, _ = bundle.read_audit(path, pin)
    ledgers = ", ".join(f"{scan.party} to {scan.size}" for _, scan in sorted(register.scans.items()))
    return Verdict(
        is_=f"audit bundle of {register.me}, with {len(register.releases)} releases",
        proves=[
            f"its ledgers ({ledgers}) are those that their own keys signed, each entry as it stands there",
            f"they found the partnership {register.partnership[:16]}… that was pinned",
        ],
        not_=[
            f"that each release was right: `relto audit {path} --pin {pin[:16]}` decides them again",
            "that nothing came after: it ends where its checkpoints end",
        ],
    )


# ── keys, policies, invitations ──


def _key_file(data: bytes, path: Path, trust: Trust) -> Verdict:
    try:
        text = data.decode()
        kind = json.loads(text)["relto"]
        readers: dict[str, Callable[[str], Any]] = {
            "signing-key": SecretKey.from_text,
            "opening-key": OpeningKey.from_text,
            "access-key": AccessKey.from_text,
            "proof-key": ProofKey.from_text,
            "cosigning-key": Cosigner.from_text,
        }
        made = readers[kind](text)
    except (UnicodeDecodeError, ValueError, KeyError, TypeError) as error:
        raise Malformed("this is no key file that is known here", where=str(path)) from error
    place, found = _key_words(made), _in_chain(made, trust.node)
    mode = path.stat().st_mode & 0o077
    return Verdict(
        is_=f"secret key file: {place}",
        proves=[f"it is {where}" for where in found] or ["it has the one form of a key file"],
        not_=[
            *([] if found else ["whose it is: no chain that is held here names it"]),
            "that it is the only copy",
            *([f"that nobody else has read it: its mode is {path.stat().st_mode & 0o777:04o}"] if mode else []),
        ],
    )


def _key_words(made: Any) -> str:
    if isinstance(made, SecretKey):
        halves = "Ed25519 with ML-DSA-65" if not isinstance(made.public.mldsa65, msgspec.UnsetType) else "Ed25519"
        return f"signing key `{made.public.name}`, {halves}"
    if isinstance(made, OpeningKey):
        return f"opening key {key_name(made.public)}, ML-KEM-768 with X25519"
    if isinstance(made, AccessKey):
        return f"access key {made.kid}, {made.kind}"
    if isinstance(made, Cosigner):
        return f"cosigning key `{made.verifiers[0].name}`"
    return "proof key of a client"


def _in_chain(made: Any, node: Node | None) -> list[str]:
    """Where the parties' chains name this key."""
    found: list[str] = []
    for scan in node.register.scans.values() if node is not None else ():
        keys = scan.keys
        if keys is None:
            continue
        public: Any = getattr(made, "public", None)
        roles: list[tuple[str, bool]] = []
        if isinstance(made, SecretKey):
            roles = [
                ("a root key", public in keys.root.keys),
                ("one of the next root keys", acts.key_digest(public) in keys.next_root.digests),
                ("an authority key", public in keys.authority.keys),
                *((f"the {one.office} officer's key", public == one.key) for one in keys.officers),
                ("the node key", public == keys.node),
                ("the vouch key", public == keys.vouch),
                ("the seal key", public == keys.seal),
                ("the log key", public == PublicKey(name=scan.origin, ed25519=keys.log.ed25519)),
            ]
        elif isinstance(made, OpeningKey):
            roles = [("the opening key", public == keys.opening)]
        elif isinstance(made, AccessKey):
            roles = [("a key access key", made.kid in {one.kid for one in keys.access})]
        elif isinstance(made, Cosigner):
            publics = {one.public for one in made.verifiers}
            roles = [
                ("the witness key", keys.witness.ed25519 in publics),
                ("the ML-DSA-44 half of the log key", keys.log.mldsa44 in publics),
            ]
        found += [f"{role} of {scan.party}, by its chain as held here" for role, holds in roles if holds]
    return found


def _policy(data: bytes, path: Path, trust: Trust) -> Verdict:
    held = parse_policy(data)
    names = ", ".join(one.key.name for one in held.logs) or "no log"
    return Verdict(
        is_=f"policy file: signatures to ask for on checkpoints of {names}",
        proves=[f"it has the form of tlog-policy; its quorum is `{held.quorum}`"],
        not_=["that its keys are those of the parties: it is to be trusted as whoever handed it over"],
    )


def _invitation(text: str) -> Verdict | None:
    """None when it is no invitation."""
    try:
        held = json.loads(from_base64(text))
        act, id_, signed = acts.open_act(from_base64(held["inception"]))
        if (held["relto"], held["v"]) != ("invitation", 1) or not isinstance(act, acts.Inception):
            return None
    except (Malformed, ValueError, KeyError, TypeError):
        return None
    if not acts.satisfied(signed, act.keys, "root"):
        raise Forged("the inception in this invitation is not signed by its own root keys")
    founding = str(held.get("partnership", ""))
    return Verdict(
        is_=f"invitation of {act.author}, whose ledger is {act.log}",
        act=msgspec.to_builtins(act),
        proves=["the inception in it is signed by its own root keys"],
        not_=[
            f"that it is {act.author}'s: its officer reads you these words: {words(id_)}",
            *([f"that its partnership is yours: these words go with it: {words(founding)}"] if founding else []),
        ],
    )


# ── ids and hashes ──


def _named(text: str, trust: Trust) -> Verdict:
    """Everything held here that an id or hash, or the beginning of one, may mean."""
    node = trust.node
    if node is None:
        raise NotFound(
            f"`{text[:16]}` means nothing without a node", hint="`--node DIR` says where one is; a proof needs none"
        )
    found = [*_acts_named(node, text), *_others_named(node, text)]
    if not found:
        raise NotFound(
            f"nothing that is held here has the id or hash `{text[:64]}`",
            hint="it may be another party's, not open here, or not yet fetched: `relto sync`",
        )
    if len(found) > 1:
        raise Malformed(
            f"`{text}` is the beginning of {len(found)} things", hint="; ".join(one.is_ for one in found[:4])
        )
    return found[0]


def _acts_named(node: Node, text: str) -> list[Verdict]:
    found = []
    for id_, one in node.register.stated.items():
        decision = one.act.decision if isinstance(one.act, acts.Release) else ""
        if not (id_.startswith(text) or (decision and str(decision).startswith(text))):
            continue
        kind = acts.kind_of(one.act)
        proves = [
            f"its bytes stand at entry {one.index} of the ledger {'of this node' if one.origin == node.origin else 'mirrored here'}",
            f"it is signed by the keys that this kind of act of {one.act.author} needs there",
        ]
        unproven = [_TRUE, "when it was written, beyond its author's word and the acknowledgements after it"]
        if isinstance(one.act, acts.Release):
            proves.append(f"it covers one share of a key, by the decision {decision}")
            unproven.append("that the decision was right: `relto audit` decides it again")
            unproven.append("that the key was fetched or the file opened: receipts say so")
        if isinstance(one.act, acts.Receipt):
            proves.append(f"its party says that release {one.act.release[:16]} {one.act.outcome}")
        found.append(
            Verdict(
                is_=f"{kind} {id_} by {one.act.author}, entry {one.index} of {one.origin}",
                act=msgspec.to_builtins(one.act),
                proves=proves,
                not_=unproven,
            )
        )
    for void in node.register.void:
        if void.id.startswith(text) and void.id not in node.register.stated:
            found.append(
                Verdict(
                    is_=f"{void.kind} {void.id}, entry {void.index} of {void.origin}",
                    proves=[f"its bytes stand at entry {void.index} of the ledger held here"],
                    not_=[f"that it counts: it is void, since it {void.why}"],
                )
            )
    return found


def _others_named(node: Node, text: str) -> list[Verdict]:
    """Texts by digest, packages sealed here, roots and leaves; by whole hashes, texts and packages also by a beginning."""
    found = []
    for digest in sorted(node.register.objects):
        if digest.startswith(text):
            naming = [
                f"{acts.kind_of(one.act)} {id_[:16]} of {one.act.author}"
                for id_, one in node.register.stated.items()
                if digest in texts_of(one.act)
            ]
            found.append(
                Verdict(
                    is_=f"text {digest}, {len(node.register.objects[digest])} bytes",
                    proves=["its bytes have this digest", *(f"{one} names it" for one in naming)],
                    not_=["that it counts: the acts that name it say so"],
                )
            )
    for digest, item, version in node.store.query("SELECT digest, item, version FROM packages ORDER BY digest"):
        if str(digest).startswith(text):
            found.append(
                Verdict(
                    is_=f"package {digest}",
                    proves=[f"it was sealed here as {item}@{version}"],
                    not_=["where it is now, and who has opened it: releases and receipts say so"],
                )
            )
    if len(text) == 64:
        found += _hashes_named(node, bytes.fromhex(text))
    return found


def _hashes_named(node: Node, wanted: bytes) -> list[Verdict]:
    found = []
    for origin, scan in sorted(node.register.scans.items()):
        size = next((size for size in _sizes(node, origin) if scan.root_at(size) == wanted), None)
        if size is not None:
            found.append(
                Verdict(
                    is_=f"root of {origin} at size {size}",
                    proves=[f"the first {size} entries held here have this root"],
                    not_=["that its log signed it: a checkpoint of that size would"],
                )
            )
        index = node.store.find(origin, wanted)
        if index is not None:
            found.append(
                Verdict(
                    is_=f"leaf hash of entry {index} of {origin}",
                    proves=["the entry stands in the ledger held here"],
                    not_=["what it says: `relto ledger show --entry` opens it where it is open here"],
                )
            )
    return found


def _sizes(node: Node, origin: str) -> list[int]:
    """The sizes at which somebody has looked: the heads held here, and those that anybody acknowledged."""
    head = node.store.head(origin)
    sizes = {head.size} if head is not None else set()
    for stated in node.register.stated.values():
        if isinstance(stated.act, acts.Acknowledge):
            sizes |= {seen.size for seen in stated.act.heads if seen.origin == origin}
    return sorted(sizes)


_BY_BYTES: Final[tuple[tuple[Callable[[bytes], bool], Callable[[bytes, Path, Trust], Verdict]], ...]] = (
    (lambda data: data.startswith(b"c2sp.org/tlog-proof@"), _proof),
    (lambda data: "\n\n— ".encode() in data, _checkpoint),
    (_json_member("relto", "signing-request"), _signing_request),
    (_json_member("payloadType"), _act),
    (
        lambda data: any(
            _json_member("relto", kind)(data)
            for kind in ("signing-key", "opening-key", "access-key", "proof-key", "cosigning-key")
        ),
        _key_file,
    ),
    (lambda data: bool(re.match(rb"(#[^\n]*\n|[ \t]*\n)*log [^\n ]+\+[0-9a-f]{8}\+", data)), _policy),
)
