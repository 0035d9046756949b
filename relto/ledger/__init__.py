"""Ledger: a party's append-only Merkle log, the C2SP formats around it, and our leaf.

What it is: pure. Bytes come in, values or bytes go out; what must be durable goes to a `Shelf`, which `relto.store`
implements. What it is not: it knows no act, no party and no charter; it orders bytes and proves the order.

Rules
* Formats are C2SP's, read in one spelling only: `format(parse(x)) == x`, and what has two spellings is refused
  (spec/ledger.md).
* A log key signs checkpoints, a cosigner's key cosignatures, and neither anything else.
* A check returns nothing or the checked thing, and raises `Forged`.

A session:

    >>> import os
    >>> from relto.keys import SecretKey
    >>> key = SecretKey.generate("relto.example/au/0", os.urandom, hybrid=False)
    >>> salt, envelope = os.urandom(32), b"an envelope"
    >>> leaf = make_leaf(commit(salt, envelope), [], slots_for(3), os.urandom)
    >>> head = Log.create(shelf, key).append([New(leaf=leaf, salt=salt, envelope=envelope)])  # doctest: +SKIP
    >>> verify_log(shelf, "relto.example/au/0", Verifier.of_log(key.public)).sound           # doctest: +SKIP
    True
"""

from relto.ledger.leaf import (
    LEAF_V1,
    Leaf,
    Opening,
    check_opening,
    commit,
    encode_openings,
    is_tagged,
    make_leaf,
    parse_leaf,
    parse_openings,
    slots_for,
    tag_for,
)
from relto.ledger.log import (
    Beside,
    Head,
    Log,
    New,
    Report,
    Shelf,
    add_openings,
    create_mirror,
    extend_mirror,
    grow_mirror,
    largest_seen,
    tree_of,
    verify_log,
)
from relto.ledger.merkle import (
    EMPTY_ROOT,
    Frontier,
    Grown,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    tree_root,
    verify_consistency,
    verify_fork,
    verify_inclusion,
)
from relto.ledger.note import (
    Checkpoint,
    Cosigner,
    Kind,
    Note,
    OpenCheckpoint,
    Signature,
    Signed,
    Verifier,
    add_signatures,
    format_lines,
    open_checkpoint,
    open_note,
    open_published,
    parse_checkpoint,
    parse_lines,
    parse_note,
    sign_checkpoint,
    witness_name,
)
from relto.ledger.policy import Group, KnownLog, Policy, Witness, parse_policy, policy_of
from relto.ledger.proof import (
    AddCheckpoint,
    Fork,
    Proof,
    Shared,
    last_shared,
    parse_add_checkpoint,
    parse_proof,
    prove_fork,
)
from relto.ledger.tiles import (
    TILE_WIDTH,
    Tile,
    Tree,
    bundles_of,
    encode_bundle,
    is_servable,
    parse_bundle,
    parse_hashes,
    parse_path,
    tiles_of,
    verify_tiles,
)

__all__ = [
    "EMPTY_ROOT",
    "LEAF_V1",
    "TILE_WIDTH",
    "AddCheckpoint",
    "Beside",
    "Checkpoint",
    "Cosigner",
    "Fork",
    "Frontier",
    "Group",
    "Grown",
    "Head",
    "Kind",
    "KnownLog",
    "Leaf",
    "Log",
    "New",
    "Note",
    "OpenCheckpoint",
    "Opening",
    "Policy",
    "Proof",
    "Report",
    "Shared",
    "Shelf",
    "Signature",
    "Signed",
    "Tile",
    "Tree",
    "Verifier",
    "Witness",
    "add_openings",
    "add_signatures",
    "bundles_of",
    "check_opening",
    "commit",
    "consistency_proof",
    "create_mirror",
    "encode_bundle",
    "encode_openings",
    "extend_mirror",
    "format_lines",
    "grow_mirror",
    "inclusion_proof",
    "is_servable",
    "is_tagged",
    "largest_seen",
    "last_shared",
    "leaf_hash",
    "make_leaf",
    "node_hash",
    "open_checkpoint",
    "open_note",
    "open_published",
    "parse_add_checkpoint",
    "parse_bundle",
    "parse_checkpoint",
    "parse_hashes",
    "parse_leaf",
    "parse_lines",
    "parse_note",
    "parse_openings",
    "parse_path",
    "parse_policy",
    "parse_proof",
    "policy_of",
    "prove_fork",
    "sign_checkpoint",
    "slots_for",
    "tag_for",
    "tiles_of",
    "tree_of",
    "tree_root",
    "verify_consistency",
    "verify_fork",
    "verify_inclusion",
    "verify_log",
    "verify_tiles",
    "witness_name",
]
