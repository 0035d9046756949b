"""What is wrong with a node, or soon will be: one line a finding, each with the next thing to do.

It reads: settings, rights of files, keys against the party's own chain, the clock against the ledgers, the own ledger
against its head, partners, backups, room on the disk, and what runs out. It changes nothing, and may run beside a
serving process.
"""

from __future__ import annotations

import datetime as dt
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Literal

from cryptography import x509
from msgspec import UNSET, Struct, UnsetType

from relto import acts
from relto.errors import NotFound, ReltoError
from relto.keys import PublicKey
from relto.ledger import verify_log
from relto.node import backup, lost, sealed_file
from relto.node import config as settings
from relto.node.config import Config
from relto.node.desk import Served
from relto.node.held import Keys, day_of, log_verifier
from relto.node.home import FileKeys, open_node
from relto.node.node import Node
from relto.node.people import people
from relto.node.watch import DAY_MS, standings
from relto.store import KeyFiles

Level = Literal["ok", "warn", "bad"]

SOON_DAYS: Final = 30
BACKUP_AGE_MS: Final = DAY_MS
CLOCK_MS: Final = 300_000
ROOM: Final = 1 << 30


class Finding(Struct, frozen=True, kw_only=True):
    """fix: the next thing to do, empty when nothing is."""

    check: str
    level: Level
    words: str
    fix: str = ""


def examine(directory: Path) -> list[Finding]:
    """Everything that can be looked at; a check that cannot be made is itself a finding.

    Raises: NotFound when the directory holds no node; Malformed for its settings.
    """
    config = settings.load(directory)
    found = list(_guarded("files", lambda: _files(directory, config)))
    node: Node | None = None
    try:
        node = open_node(directory)
    except ReltoError as error:
        found.append(Finding(check="database", level="bad", words=error.message, fix=error.hint))
    found += _guarded("serving", lambda: _serving(directory, config))
    found += _guarded("tls", lambda: _tls(directory, config))
    if node is not None:
        held = node
        for name, check in (
            ("keys", lambda: _keys(directory, held)),
            ("clock", lambda: _clock(held)),
            ("ledger", lambda: _ledger(held)),
            ("partners", lambda: _partners(held)),
            ("backups", lambda: _backups(directory, held)),
            ("expiries", lambda: _expiries(held)),
        ):
            found += _guarded(name, check)
        node.store.close()
    return found


def _guarded(name: str, check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from check()
    except ReltoError as error:
        yield Finding(check=name, level="bad", words=error.message, fix=error.hint)
    except OSError as error:
        yield Finding(check=name, level="bad", words=f"{error.filename}: {(error.strerror or str(error)).lower()}")


# ---- the machine


def _files(directory: Path, config: Config) -> Iterator[Finding]:
    wrong = False
    for path, most in ((directory, 0o700), (directory / "node.sqlite", 0o600), (directory / "keys" / "online", 0o700)):
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & ~most:
            wrong = True
            yield Finding(
                check="files",
                level="bad",
                words=f"`{path}` has mode {mode:04o}: others may read it",
                fix=f"chmod {most:04o} {path}; rotate the keys if anybody else has been on this machine",
            )
    offline = directory / "keys" / "offline"
    names = KeyFiles(offline).names() if offline.exists() else []
    if names and not config.demo:
        wrong = True
        yield Finding(
            check="files",
            level="warn",
            words=f"{len(names)} offline keys lie on this node, `{names[0]}` among them",
            fix=f"carry {offline} away: root, authority, officer and backup keys do not belong here",
        )
    free = shutil.disk_usage(directory).free
    if free < ROOM:
        wrong = True
        yield Finding(check="files", level="warn", words=f"{free // 2**20} MiB are free", fix="make room on the disk")
    if not wrong:
        yield Finding(check="files", level="ok", words=f"rights are right, {free // 2**30} GiB free")


def _serving(directory: Path, config: Config) -> Iterator[Finding]:
    served = Served(directory)
    try:
        alive = served.alive()
    finally:
        served.close()
    if alive:
        yield Finding(check="serving", level="ok", words=f"a process serves it at {config.url}")
    else:
        yield Finding(
            check="serving",
            level="warn",
            words="no process serves it: partners get no answer",
            fix="`relto node serve`",
        )
    host, _ = config.address
    if config.url.startswith("http:") and host not in {"127.0.0.1", "::1"}:
        yield Finding(
            check="serving",
            level="warn",
            words=f"`{config.url}` speaks without TLS: the network reads what partners tell each other",
            fix="`tls_cert` and `tls_key`, or a proxy and `listen`",
        )


def _tls(directory: Path, config: Config) -> Iterator[Finding]:
    for name in ("tls_cert", "tls_ca"):
        file = getattr(config, name)
        if not file:
            continue
        try:
            chain = x509.load_pem_x509_certificates((directory / file).read_bytes())
        except ValueError:
            yield Finding(check="tls", level="bad", words=f"`{file}` is no PEM certificate", fix=f"look at `{name}`")
            continue
        ends = min(one.not_valid_after_utc for one in chain)
        left = (ends - dt.datetime.now(dt.UTC)).days
        words = f"`{file}` ends on {ends.date().isoformat()}, in {left} days"
        if ends <= dt.datetime.now(dt.UTC):
            words = f"`{file}` ended on {ends.date().isoformat()}"
        level: Level = "bad" if left < 0 else "warn" if left < SOON_DAYS else "ok"
        fix = "" if level == "ok" else "renew it; ledgers and acts do not depend on it, calls between nodes do"
        yield Finding(check="tls", level=level, words=words, fix=fix)


# ---- keys and clock


def _keys(directory: Path, node: Node) -> Iterator[Finding]:
    """Each online key that the party's chain names is here, and is that one."""
    chain = node.register.scans[node.origin].keys
    assert chain is not None
    keys: Keys = FileKeys(directory)
    wrong = 0
    for name, read, wanted in (
        ("node", lambda: keys.node.public, chain.node),
        ("vouch", lambda: keys.vouch.public, chain.vouch),
        ("seal", lambda: keys.seal.public, chain.seal),
        ("log", lambda: keys.log.public, PublicKey(name=node.origin, ed25519=chain.log.ed25519)),
        ("log-mldsa44", lambda: keys.publish.verifiers[-1].public, chain.log.mldsa44),
        ("witness", lambda: keys.witness.verifiers[0].public, chain.witness.ed25519),
        ("opening", lambda: keys.opening.public, chain.opening),
        ("access", lambda: {one.kid for one in keys.access}, None),
        ("pseudonyms", lambda: keys.pseudonyms, None),
    ):
        try:
            got = read()
        except (ReltoError, ValueError) as error:
            wrong += 1
            yield Finding(
                check="keys", level="bad", words=f"{name}: {error}", fix="restore it from a backup, or rotate"
            )
            continue
        if name == "access":
            missing = {one.kid for one in chain.access} - set(got)  # type: ignore[arg-type]
            if missing:
                wrong += 1
                yield Finding(
                    check="keys",
                    level="bad",
                    words=f"access: {len(missing)} of the chain's keys are not here; packages sealed for them do not open",
                    fix="restore them from a backup",
                )
        elif wanted is not None and not isinstance(wanted, UnsetType) and got != wanted:
            wrong += 1
            yield Finding(
                check="keys",
                level="bad",
                words=f"{name}: the key here is not the one that this party's chain names",
                fix="restore it from a backup, or rotate the keys",
            )
    if not wrong:
        yield Finding(check="keys", level="ok", words="every online key is here and is the chain's")


def _clock(node: Node) -> Iterator[Finding]:
    now = node.clock()
    ahead = {origin: scan.time - now for origin, scan in node.register.scans.items() if scan.time - now > CLOCK_MS}
    for origin, by in sorted(ahead.items()):
        own = origin == node.origin
        yield Finding(
            check="clock",
            level="bad" if own or len(ahead) > 1 else "warn",
            words=f"the newest entry of `{origin}` is dated {by // 1000} s ahead of this machine",
            fix="set this machine's clock" if own or len(ahead) > 1 else "ask its party to look at its clock",
        )
    if not ahead:
        yield Finding(
            check="clock", level="ok", words=f"{dt.datetime.fromtimestamp(now / 1000, dt.UTC):%Y-%m-%d %H:%M} UTC"
        )


# ---- ledgers


def _ledger(node: Node) -> Iterator[Finding]:
    if node.recovering:
        yield Finding(
            check="ledger",
            level="bad",
            words=f"recovering, signs nothing: {node.recovering}",
            fix="`relto node recover` says what is missing",
        )
        for one in node.lost({}):
            yield Finding(check="ledger", level="warn" if one.why == "unseen" else "bad", words=one.words, fix=one.next)
    keys = node.register.scans[node.origin].keys
    assert keys is not None
    report = verify_log(node.store, node.origin, log_verifier(node.origin, keys))
    if report.sound:
        yield Finding(check="ledger", level="ok", words=f"{node.origin}: {report.size} entries are what the head signs")
    else:
        yield Finding(check="ledger", level="bad", words=report.problem, fix="stop the node; restore it from a backup")
    rows = node.store.query("SELECT at, party, why FROM recoveries WHERE size < 0 ORDER BY at")
    for at, party, why in rows:
        yield Finding(check="ledger", level="warn", words=f"it came back on {day_of(at)} without asking {party}: {why}")
    for at, why in node.store.query(
        "SELECT min(at), why FROM recoveries WHERE size >= 0 GROUP BY why ORDER BY min(at)"
    ):
        yield Finding(check="ledger", level="warn", words=f"it came back on {day_of(at)}: {why}", fix=lost.AFTERWARDS)


def _partners(node: Node) -> Iterator[Finding]:
    fixes = {
        "silent": "call its officers; a bundle carried by hand renews the sight: `relto bundle import`",
        "unheard": "`relto sync`, or a bundle carried by hand",
        "rewound": "call its officers: was its node restored without asking its partners?",
        "forked": "its rights are stopped; its officers begin a new epoch",
        "damaged": "call its officers; nothing of it was stored",
    }
    found = standings(node)
    for one in found:
        if one.tells:
            yield Finding(check="partners", level="bad", words=f"{one.party} {one.tells}", fix="call its officers")
        if one.way:
            yield Finding(check="partners", level="warn", words=f"{one.party}: {one.way}", fix="`relto sync` goes on")
        if one.state == "current":
            continue
        yield Finding(
            check="partners",
            level="bad" if one.bad else "warn",
            words=f"{one.party}: {one.state}: {one.words}",
            fix=fixes[one.state],
        )
    for party, entries in sorted(node.register.owed.items()):
        yield Finding(
            check="partners",
            level="warn",
            words=f"{party}: {len(entries)} entries for us are not open, the first is {entries[0]}",
            fix="`relto sync`; it permits nothing of theirs after that entry",
        )
    for origin, problem in sorted(node.problems().items()):
        if all(one.origin != origin or not one.bad for one in found):
            yield Finding(check="partners", level="bad", words=f"{origin}: {problem}")
    current = [one.party for one in found if one.state == "current"]
    if current:
        yield Finding(check="partners", level="ok", words=f"current: {', '.join(current)}")
    if not found:
        yield Finding(check="partners", level="warn", words="no party is pinned", fix="`relto node join`")


def _backups(directory: Path, node: Node) -> Iterator[Finding]:
    try:
        key = sealed_file.key_name(backup.public_key(directory))
    except NotFound as error:
        yield Finding(check="backups", level="bad", words=error.message, fix=error.hint)
        return
    rows = node.store.query("SELECT at, size FROM backups ORDER BY at DESC LIMIT 1")
    if not rows:
        yield Finding(
            check="backups",
            level="warn",
            words="no backup was ever made",
            fix="`relto node backup FILE`, and carry it away",
        )
        return
    at, size = int(rows[0][0]), int(rows[0][1])
    age = max(0, node.clock() - at)
    # What partners can give back is what they may open; the rest is in backups alone.
    alone = [one for one in node.register.scans[node.origin].stated if one.index >= size and _alone(one.act, node.me)]
    words = f"the last one is of {day_of(at)}, to the key {key}"
    if alone:
        yield Finding(
            check="backups",
            level="warn",
            words=f"{words}; {len(alone)} acts since then are open to this party alone, and no partner could give them back",
            fix="`relto node backup FILE`",
        )
    elif age > BACKUP_AGE_MS:
        yield Finding(check="backups", level="warn", words=words, fix="`relto node backup FILE`")
    else:
        yield Finding(check="backups", level="ok", words=words)


def _alone(act: acts.Act, me: str) -> bool:
    return not isinstance(act, acts.PARTY_CHAIN) and not isinstance(act.readers, UnsetType) and set(act.readers) <= {me}


# ---- what runs out


def _expiries(node: Node) -> Iterator[Finding]:
    today = day_of(node.clock())
    soon = day_of(node.clock() + SOON_DAYS * DAY_MS)
    found = [*_terms(node), *_clearances(node)]
    for what, until in sorted(found, key=lambda one: (one[1], one[0])):
        if today <= until < soon:
            yield Finding(check="expiries", level="warn", words=f"{what} ends on {until}", fix="renew it")
    count = sum(1 for _, until in found if today <= until < soon)
    if not count:
        yield Finding(check="expiries", level="ok", words=f"nothing of ours ends within {SOON_DAYS} days")


def _terms(node: Node) -> Iterator[tuple[str, str]]:
    register = node.register
    for one in register.attestations:
        if one.party == node.me and not one.revoked and one.terms.term.until is not UNSET:
            yield f"the attestation of {one.terms.about} as {one.terms.claim}", str(one.terms.term.until)
    for engagement in register.engagements.values():
        if not engagement.ended and engagement.term.until is not UNSET:
            yield (
                f"the engagement of {engagement.terms.party} in {engagement.terms.project}",
                str(engagement.term.until),
            )
    for licence in register.licences.values():
        if licence.terms.holder.partition("/")[0] == node.me and not licence.revoked:
            until = licence.terms.term.until
            if until is not UNSET:
                yield f"the licence {licence.act[:8]} of {licence.party} for {licence.terms.holder}", str(until)


def _clearances(node: Node) -> Iterator[tuple[str, str]]:
    for one in people(node):
        clearance = one.recipient.clearance
        if not isinstance(clearance, UnsetType) and not isinstance(clearance.until, UnsetType):
            yield f"the clearance of {one.alias}", clearance.until
