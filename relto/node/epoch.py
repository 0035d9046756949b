"""A party goes on in a new ledger: what it takes over, the keys of its own that this needs, and the beginning itself.

1. `taken_over` asks the partners: all they hold of this ledger, or where their histories still agree;
2. `prepare` makes new log and witness keys (a log's keys bear its name) under `keys/epoch-N`, and drafts the act;
3. the root keys sign it, wherever they are;
4. `begin` writes it as entry 0 of the new ledger, puts the keys in place and changes the settings, in an order that may
   be begun again wherever it broke off.

Nobody serves the node meanwhile. What is written then counts once the members' nodes have acknowledged the new ledger,
which they do by themselves when they next fetch it (`Mirror.ingest`).

docs/decisions/0088-epochs.md
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from relto import acts
from relto.errors import Conflict, NotFound, Refused, ReltoError
from relto.keys import SecretKey
from relto.ledger import Cosigner, Log, New, commit, leaf_hash, make_leaf, open_checkpoint, slots_for, witness_name
from relto.node import config as settings
from relto.node import home
from relto.node.held import log_verifier
from relto.node.node import Node
from relto.node.recovery import Witness
from relto.store import KeyFiles

KEYS: Final = ("log", "log-mldsa44", "witness")  # they bear the ledger's name


def next_origin(origin: str) -> str:
    """The name of the ledger after this one."""
    place, _, number = origin.rpartition("/")
    return f"{place}/{int(number) + 1}"


def taken_over(node: Node, partners: Mapping[str, Witness]) -> acts.Former:
    """How much of this ledger a new one goes on after: all of it, or what every partner's history shares with it.

    Raises: Refused when a partner holds more than is here, or a member does not say.
    """
    head = node.store.head(node.origin)
    keys = node.register.scans[node.origin].keys
    assert head is not None
    assert keys is not None
    size, verifier, own = head.size, log_verifier(node.origin, keys), node.tree(node.origin)
    missing = set(node.register.members) - {node.me} - set(partners)
    for party, partner in sorted(partners.items()):
        try:
            note = partner.yours().note
        except ReltoError:
            missing |= {party} & set(node.register.members)
            continue
        if note is None:
            continue
        held = open_checkpoint(note, verifier).checkpoint
        if held.size <= head.size and own.root(held.size) == held.root:
            continue
        leaves = [leaf_hash(one.leaf) for one in partner.your_entries(0, min(held.size, head.size))]
        mine = node.store.hashes(node.origin, 0, len(leaves))
        same = next((n for n, (a, b) in enumerate(zip(mine, leaves, strict=True)) if a != b), len(leaves))
        if same == head.size:
            raise Refused(
                f"`{party}` holds {held.size} entries of this ledger, and {head.size} are here",
                hint="`relto node recover` takes them back first",
            )
        size = min(size, same)
    if missing:
        raise Refused(
            f"{', '.join(sorted(missing))} did not say what they hold of this ledger",
            hint="a ledger that leaves out what a member holds is not accepted: try when they answer",
        )
    return acts.Former(origin=node.origin, size=size, root=own.root(size).hex())


def prepare(node: Node, directory: Path, former: acts.Former, keys: acts.KeySet, reason: str) -> acts.Epoch:
    """The draft, with log and witness keys under the new name; these are made once and kept until it begins.

    keys: the party's new set, as for a recovery.
    """
    origin = next_origin(node.origin)
    files = KeyFiles(directory / "keys" / f"epoch-{origin.rpartition('/')[2]}")
    if "log" not in files.names():
        files.write("log-mldsa44", Cosigner.generate(origin, node.random, log=True).to_text())
        files.write("witness", Cosigner.generate(witness_name(origin), node.random).to_text())
        files.write("log", SecretKey.generate(origin, node.random, hybrid=False).to_text())
    log = SecretKey.from_text(files.read("log")).public
    second, witness = (Cosigner.from_text(files.read(name)) for name in KEYS[1:])
    scan = node.register.scans[node.origin]
    before = next(span for span in reversed(scan.chain) if span.since < former.size)
    return acts.Epoch(
        v=3,
        author=node.me,
        log=origin,
        at=node.now(),
        name=node.config.name,
        address=node.config.url,
        inception=scan.inception_id,
        former=former,
        prev=before.id,
        keys=msgspec.structs.replace(
            keys,
            log=acts.LogKey(ed25519=log.ed25519, mldsa44=second.verifiers[0].public),
            witness=acts.LogKey(ed25519=witness.verifiers[0].public, mldsa44=witness.verifiers[1].public),
        ),
        reason=reason,
    )


def begin(directory: Path, envelope: bytes, node: Node) -> str:
    """Entry 0 of the new ledger, and the node under its name; returns the act's id. The caller holds the lock.

    Raises: Refused when this node cannot begin so; Malformed, Forged; then nothing has changed.
    """
    act, id_, signed = acts.open_act(envelope)
    if not isinstance(act, acts.Epoch) or act.author != node.me or act.log != next_origin(act.former.origin):
        raise Refused("this begins no ledger of this node")
    files = KeyFiles(directory / "keys" / f"epoch-{act.log.rpartition('/')[2]}")
    online = KeyFiles(directory / "keys" / "online")
    place = files if "log" in files.names() else online
    log = SecretKey.from_text(place.read("log"))
    if log.public.ed25519 != act.keys.log.ed25519 or log.public.name != act.log:
        raise NotFound("the log key that it names is not here", hint="`relto act epoch` made it, on this machine")
    if not acts.satisfied(signed, act.keys, "root"):
        raise Refused("it is not signed by the root keys that it names", hint="`relto act sign` adds signatures")
    why = acts.epoch_fault(act, node.register.scans.get(act.former.origin))
    if why:
        raise Refused(f"the members would not take it for a successor: {why}")
    held = node.store.head(act.log)
    if held is None or not held.size:
        salt = node.random(32)
        commitment = commit(salt, envelope)
        leaf = make_leaf(commitment, acts.common_tags(act, commitment), slots_for(1), node.random)
        new = Log.create(node.store, log) if held is None else Log.load(node.store, act.log, log)
        new.append([New(leaf=leaf, salt=salt, envelope=envelope)])
    elif (
        node.store.openings(act.log, 0, 1)
        and acts.open_act(next(iter(node.store.openings(act.log, 0, 1)))[2])[1] != id_
    ):
        raise Conflict(f"another `{act.log}` is begun here", hint="a ledger is begun once")
    _put_in_place(directory, files)
    with node.store.transaction("epoch"):
        node.store.execute("DELETE FROM channels")  # their tag keys are published in the ledger before
    settings.save(msgspec.structs.replace(node.config, origin=act.log), directory)
    return id_


def _put_in_place(directory: Path, files: KeyFiles) -> None:
    """The former ledger's keys go aside, the new one's into their place; each step may have been done already."""
    online = directory / "keys" / "online"
    aside = directory / "keys" / f"former-{int(files.directory.name.partition('-')[2]) - 1}"
    aside.mkdir(mode=0o700, exist_ok=True)
    for name in (f"{one}.key" for one in KEYS):
        if (files.directory / name).exists():
            if not (aside / name).exists():
                (online / name).replace(aside / name)
            (files.directory / name).replace(online / name)


def open_channels(node: Node) -> None:
    """Tag keys for every pinned party, published in the new ledger; those that are there already stay."""
    known = {row[0] for row in node.store.query("SELECT reader FROM channels")}
    for pinned in node.peers().values():
        if pinned.party not in known:
            node.open_channel(pinned)


def reopen(directory: Path, node: Node) -> Node:
    """The node under its new ledger's name."""
    clock, random = node.clock, node.random
    node.store.close()
    return home.open_node(directory, write=True, clock=clock, random=random)
