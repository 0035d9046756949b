"""Store: what a node keeps on its own machine. The database, objects by digest, key files.

What it is: the first room of the outside. It touches the disk and judges nothing: `relto.ledger` verifies what goes
in and what comes out. What it is not: a place to trust. Whoever holds the database or the objects can stop the node,
not forge an act.

Rules
* Durable means durable: a call that has returned survives `kill -9` and a power cut.
* Before the commit an error changes nothing (`Unavailable`, `Conflict`); at the commit it is `Fatal`, and a restart
  reads the truth.
* One writer at a time, any number of readers, in as many processes.

A session:

    >>> import os
    >>> from relto.keys import SecretKey
    >>> from relto.ledger import Log
    >>> with Sqlite(":memory:") as db:
    ...     Log.create(db, SecretKey.generate("relto.example/au/0", os.urandom, hybrid=False)).head.size
    0
"""

from relto.store.holders import KeyFiles
from relto.store.objects import Directory, Memory, Objects
from relto.store.sql import Sqlite

__all__ = ["Directory", "KeyFiles", "Memory", "Objects", "Sqlite"]
