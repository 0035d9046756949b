"""What `tests/vectors/acts/` holds, computed from samples and fixed seeds.

`PYTHONPATH=tests/acts python tests/acts/acts_vectors.py` writes it.

An ML-DSA signature differs each time, so the envelopes are written once and verified; all else is compared to the byte.
"""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

from acts_kit import MEMBERS, Kit, secret
from acts_samples import RESTRICTED, every, sample

from relto import acts
from relto.acts.table import opaque_of
from relto.keys import SecretKey, pae

VECTORS = Path(__file__).parent.parent / "vectors" / "acts"

# signer class -> a kind that it signs, and the keys
SIGNERS: dict[str, tuple[str, list[SecretKey]]] = {
    "root": ("rotate", [secret(f"arda/root-{n}", hybrid=True) for n in (1, 2)]),
    "authority": ("consent", [secret(f"arda/authority-{n}", hybrid=True) for n in (1, 2)]),
    "officer": ("suspend", [secret("arda/safety-1", hybrid=True)]),
    "node": ("acknowledge", [secret("arda/node")]),
}

# What a reader must refuse, each with what is wrong: changes of the sample of a `dispute`.
REFUSED: list[tuple[str, bytes, bytes]] = [
    ("a key twice", b'"index":4,', b'"index":4,"index":4,'),
    ("a key twice, once escaped", b'"index":4,', b'"index":9,"\\u0069ndex":4,'),
    ("minus zero", b'"index":4,', b'"index":-0,'),
    ("a fraction", b'"index":4,', b'"index":4.0,'),
    ("an exponent", b'"index":4,', b'"index":4e0,'),
    ("a number as text", b'"index":4,', b'"index":"4",'),
    ("a number over 2^53-1", b'"index":4,', b'"index":9007199254740992,'),
    ("null", b'"index":4,', b'"index":null,'),
    ("white space", b'"index":4,', b'"index":4, '),
    ("a line feed at the end", b'"v":1}', b'"v":1}\n'),
    ("an escape that is not needed", b'"stolen"', b'"stol\\u0065n"'),
    ("an escaped slash", b'"stolen"', b'"a\\/b"'),
    ("text that is not in form C", b'"stolen"', '"e\u0301"'.encode()),
    ("a character unassigned in Unicode 3.2", b'"stolen"', '"\u20b9"'.encode()),
    ("a zero-width space", b'"stolen"', '"a\u200bb"'.encode()),
    ("a soft hyphen", b'"stolen"', '"a\u00adb"'.encode()),
    ("an override of direction", b'"stolen"', '"a\u202eb"'.encode()),
    ("a tab", b'"stolen"', b'"a\\tb"'),
    ("another version", b'"v":1}', b'"v":2}'),
    ("an unknown field", b'"v":1}', b'"v":1,"x":1}'),
    ("an unknown kind", b'"kind":"dispute"', b'"kind":"pardon"'),
    ("readers that are not sorted", b'["arda","bree","cora"]', b'["bree","arda","cora"]'),
    ("readers without the author", b'["arda","bree","cora"]', b'["bree","cora"]'),
    ("a key name for a key id", b'"bree/node+0123abcd"', b'"bree/node"'),
]


def kinds() -> dict[str, Any]:
    found: dict[str, list[dict[str, str]]] = {}
    for act in every():
        row = {"payload": acts.write(act).decode(), "id": acts.act_id(acts.write(act))}
        rows = found.setdefault(acts.kind_of(act), [])
        if row not in rows:
            rows.append(row)
    return {"payload_type": acts.PAYLOAD_TYPE, "kinds": found}


def refused() -> list[dict[str, str]]:
    good = acts.write(sample("dispute"))
    rows = []
    for what, old, new in REFUSED:
        assert good.count(old) == 1, what
        rows.append({"what": what, "payload": good.replace(old, new).decode()})
    return rows


def signer(name: str) -> dict[str, Any]:
    """All that is the same each time: seeds, keys, what is signed, and the Ed25519 halves."""
    kind, keys = SIGNERS[name]
    payload = acts.write(sample(kind))
    message = pae(acts.PAYLOAD_TYPE, payload)
    return {
        "kind": kind,
        "id": acts.act_id(payload),
        "signed_sha256": hashlib.sha256(message).hexdigest(),
        "seeds": {key.public.name: json.loads(key.to_text()) for key in keys},
        "key_ids": {key.public.name: list(key.public.key_ids) for key in keys},
        "ed25519": {
            key.public.key_ids[0]: base64.b64encode(key.sign(message)[key.public.key_ids[0]]).decode() for key in keys
        },
    }


def envelopes() -> dict[str, Any]:
    return {
        name: {**signer(name), "envelope": acts.sign(sample(kind), keys).decode()}
        for name, (kind, keys) in SIGNERS.items()
    }


def partnership() -> Kit:
    """Three members found a partnership and engage an outsider; one suspends; one act is void; one entry unopened."""
    kit = Kit(*MEMBERS, "dune").found()
    proposal = kit.engage()
    readers = tuple(sorted((*MEMBERS, "dune")))
    kit.bree.say("refuse", proposal=proposal, reason="too late", readers=readers)
    kit.cora.say("suspend", engagement=proposal, reason="pending a review", readers=readers)
    kit.bree.say(
        "evidence",
        readers=("bree",),
        candidate="dune",
        date="2026-05-01",
        standing="press",
        status="floated",
        says="x",
        source="y",
    )
    return kit


def register() -> dict[str, Any]:
    """Ledgers as `arda` holds them, and what follows."""
    kit = partnership()
    found = kit.fold("arda")
    ledgers = {
        origin: [
            {"leaf": one.leaf.hex(), "root_after": kit.parties[origin.partition(".")[0]].roots[one.index + 1].hex()}
            | ({"salt": one.salt.hex(), "envelope": one.envelope.decode()} if one.salt and one.envelope else {})
            for one in entries
        ]
        for origin, entries in kit.logs("arda").items()
    }
    return {
        "reader": "arda",
        "common_key": acts.COMMON_KEY.hex(),
        "objects": {digest: text.decode() for digest, text in sorted(kit.objects.items())},
        "ledgers": ledgers,
        "expected": {
            "partnership": found.partnership,
            "charter": found.charter_id,
            "sight": {origin: list(seen) for origin, seen in found.sight.items()},
            "slots": {
                id_: {
                    "subject": one.subject,
                    "n": one.n,
                    "state": one.state,
                    "votes": [
                        {"party": v.party, "vote": v.vote, "act": v.act, "confirmed": v.confirmed, "void": v.void}
                        for v in one.votes
                    ],
                }
                for id_, one in found.slots.items()
            },
            "engagements": {
                name: {
                    "proposal": one.proposal,
                    "suspended": [list(stop) for stop in one.suspended],
                    "by": list(one.by),
                }
                for name, one in found.engagements.items()
            },
            "confirmed": {name: one.confirmed for name, one in found.parties.items()},
            "void": [{"origin": one.origin, "index": one.index, "why": one.why} for one in found.void],
            "common": found.common,
        },
    }


def table() -> dict[str, Any]:
    """A table, and the opaque id of each of its rows under a seed."""
    full = sample("register")
    names = acts.Row.__struct_fields__
    wide = acts.Row(**{name: getattr(full, name) for name in names})
    plain = acts.Row(
        item="arda/a",
        version=1,
        title="Ωmega",
        areas=(),
        label=full.label,
        nature="software",
        restriction=RESTRICTED["restriction"],
    )
    text = acts.write_table([wide, plain])
    seed = "5" * 64
    opaque = [opaque_of(seed, one.item, one.version) for one in acts.read_table(text)]
    return {"text": text.decode(), "sha256": hashlib.sha256(text).hexdigest(), "seed": seed, "opaque": opaque}


FILES = {"kinds": kinds, "refused": refused, "envelopes": envelopes, "register": register, "table": table}


if __name__ == "__main__":
    VECTORS.mkdir(parents=True, exist_ok=True)
    for name, make in FILES.items():
        (VECTORS / f"{name}.json").write_text(
            json.dumps(make(), indent=1, ensure_ascii=False, sort_keys=name != "kinds") + "\n", "utf-8"
        )
