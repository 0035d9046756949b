"""Packages: a file sealed for its owners' nodes in the form of OpenTDF 4.3.0, and signed by its owner as a whole.

A package may travel by any road. It holds the sealed file, a manifest that everyone can read, and for each owner a
share of the key that only the owner's node can unwrap. This room seals, reads and opens, and knows both halves of the
talk between a client and a node; it decides nothing, looks no key up and sends nothing.

Rules
* What is written is what every known reader takes (`spec/package.md`, "Writer"); what is read is bounded, and refused
  when it could mean two things.
* No plaintext leaves before the owner's signature, the addresses, the policy bindings, the root signature and all
  assertions have held; no file appears before the last segment has.
* The manifest is open to every bearer, so it holds no names: an opaque item id, the label, addresses. File name and
  title travel encrypted.
* A policy names exactly one registered item. An empty one, which other software reads as "anyone", is refused.
* A node's address comes from the partnership's directory; one that stands in a file only is never called.

A session:

    >>> import io, os
    >>> from relto.keys import AccessKey, SecretKey
    >>> node, owner = AccessKey.generate("ec:secp256r1"), SecretKey.generate("gbr/seal-1", os.urandom)
    >>> url, file = "https://node.gbr.example/kas", io.BytesIO()
    >>> sealed = seal(
    ...     io.BytesIO(b"depth against speed"), file,
    ...     policy=Policy.for_item("node.gbr.example", os.urandom(16).hex(), os.urandom),
    ...     recipients=[ShareFor(url=url, kid=node.kid, public_pem=node.public_pem)],
    ...     name="trials.csv", title="Trials", mime="text/csv",
    ...     label_banner="UK OFFICIAL-SENSITIVE", label_statement='{"ocl":{"cls":"OFFICIAL-SENSITIVE"}}',
    ...     signer=owner, party="gbr", origin="node.gbr.example/aukus/0", now=1767225600000, random=os.urandom,
    ... )
    >>> package = read(file)
    >>> package.digest == sealed.digest, package.check(owner.public).label
    (True, 'UK OFFICIAL-SENSITIVE')
    >>> def ask(accesses):
    ...     return [access.unwrap({node.kid: node}, part, package.policy) for part in accesses]
    >>> target = os.path.join(os.environ.get("TMPDIR", "/tmp"), f"trials-{os.getpid()}.csv")
    >>> open_sealed(package, file, target, ask, owner.public, {url}).name
    'trials.csv'
    >>> os.remove(target)
"""

from relto.package import access
from relto.package.manifest import KeyAccess, Policy
from relto.package.owner import Owned
from relto.package.tdf import Opened, Package, Sealed, ShareFor, open_sealed, read, seal, spread

__all__ = [
    "KeyAccess",
    "Opened",
    "Owned",
    "Package",
    "Policy",
    "Sealed",
    "ShareFor",
    "access",
    "open_sealed",
    "read",
    "seal",
    "spread",
]
