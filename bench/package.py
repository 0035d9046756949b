"""Packages: sealing and opening against a copy loop, the raw cipher and `otdf-python`; memory; durable key releases.

The copy loop is the one of sealing and opening, pieces, early writing and durability included, without a cipher. One
core is the process bound to one. `otdf-python` works in memory only, so ours is held to it in memory. Releases run in this process through the very function that the route calls, with the clients'
tokens and proofs prepared beforehand.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from relto.keys import AccessKey, SecretKey
from relto.package import Policy, ShareFor, access, open_sealed, read, seal, stream

SIZE = int(os.environ.get("RELTO_BENCH_MIB", "1024")) * 1024 * 1024
PEER_SIZE = 64 * 1024 * 1024
PIECE = 2 * 1024 * 1024
ROUNDS = 3
RELEASES = 1200
CLIENTS = 32
URL, HOST = "https://node.gbr.example/kas", "node.gbr.example"
NODE, OWNER = AccessKey.generate("ec:secp256r1"), SecretKey.generate("gbr/seal-1", os.urandom)


def fill(path, size):
    with path.open("wb") as file:
        for start in range(0, size, PIECE):
            file.write(os.urandom(min(PIECE, size - start)))


def copied(source, target):
    with stream.reading(source) as one, stream.writing(target) as other:
        room, ahead = memoryview(bytearray(PIECE)), stream.Ahead(other)
        while count := stream.fill(one, room):
            other.write(room[:count])
            ahead.passed(count)


def sealed(source, target):
    return seal(
        source,
        target,
        policy=Policy.for_item(HOST, os.urandom(16).hex(), os.urandom),
        recipients=[ShareFor(url=URL, kid=NODE.kid, public_pem=NODE.public_pem)],
        name="trials.bin",
        title="Trials",
        mime="application/octet-stream",
        label_banner="UK OFFICIAL",
        label_statement='{"ocl":{"cls":"OFFICIAL"}}',
        signer=OWNER,
        party="gbr",
        origin=f"{HOST}/aukus/0",
        now=1_767_225_600_000,
        random=os.urandom,
    )


def opened(source, target):
    package = read(source)

    def ask(asked):
        return [access.unwrap({NODE.kid: NODE}, one, package.policy) for one in asked]

    return open_sealed(package, source, target, ask, OWNER.public, {URL})


def timed(call, *arguments):
    began = time.perf_counter()
    call(*arguments)
    return time.perf_counter() - began


def cipher(size):
    """Bytes per second of the cipher by itself, and of all that a format with a signed digest and a zip asks for."""
    aead, data, iv, out = AESGCM(bytes(32)), os.urandom(PIECE), bytes(12), bytearray(PIECE + 16)
    began = time.perf_counter()
    for _ in range(size // PIECE):
        aead.encrypt_into(iv, data, None, out)
    alone = time.perf_counter() - began
    for _ in range(size // PIECE):
        hashlib.sha256(out).digest()
        zlib.crc32(out)
    return size / alone, size / (time.perf_counter() - began)


def bound(cores):
    """The process on so many cores, of those that it may use."""
    os.sched_setaffinity(0, sorted(ALL)[:cores])


ALL = os.sched_getaffinity(0)


def files(folder):
    rows = []
    source, copy, package, out = (folder / name for name in ("in", "copy", "f.tdf", "out"))
    fill(source, SIZE)
    mib = SIZE / 2**20
    for cores in (1, 2):
        if len(ALL) < cores:
            continue
        bound(cores)
        rates = {"copy": [], "seal": [], "open": []}
        for _ in range(ROUNDS):
            for name, call, arguments in (
                ("copy", copied, (source, copy)), ("seal", sealed, (source, package)), ("open", opened, (package, out))
            ):  # fmt: skip
                arguments[1].unlink(missing_ok=True)
                rates[name].append(mib / timed(call, *arguments))
        copying = statistics.median(rates["copy"])
        words = "one core" if cores == 1 else "two cores"
        for name, reach in (("seal", "0.55"), ("open", "0.50")):
            mine = statistics.median(rates[name])
            ratio = statistics.median(a / b for a, b in zip(rates[name], rates["copy"], strict=True))
            rows.append({"measure": f"{name} {mib:.0f} MiB, {words} (MiB/s), against copying", "ours": mine,
                         "peer": copying, "ratio": ratio, "reach": reach if cores == 1 else "shown"})  # fmt: skip
    bound(len(ALL))
    for words, floor in zip(
        ("AES-256-GCM alone", "AES-256-GCM, SHA-256 and CRC-32 alone"), cipher(min(SIZE, 2**28)), strict=True
    ):
        rows.append({"measure": f"open, two cores (MiB/s), against {words} on one", "ours": rows[3]["ours"],
                     "peer": floor / 2**20, "ratio": rows[3]["ours"] * 2**20 / floor, "reach": "shown"})  # fmt: skip
    for path in (source, copy, package, out):
        path.unlink(missing_ok=True)
    return rows


MEMORY = """
import sys, bench.package as b
from pathlib import Path
folder = Path(sys.argv[1])

def peak():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))

Path("/proc/self/clear_refs").write_text("5")  # the high-water mark begins anew
idle = peak()
b.sealed(folder / "in", folder / "m.tdf")
b.opened(folder / "m.tdf", folder / "m.out")
print(idle, peak())
"""


def memory(folder):
    rows = []
    for size in (1024 * 1024, SIZE):
        fill(folder / "in", size)
        done = subprocess.run([sys.executable, "-c", MEMORY, str(folder), str(size)], capture_output=True, text=True,
                              check=True)  # fmt: skip
        idle, peak = (int(word) / 1024 for word in done.stdout.split())
        rows.append({"measure": f"memory over idle, {size // 2**20} MiB (MiB)", "ours": peak - idle, "peer": 64,
                     "ratio": (peak - idle) / 64, "reach": "at most 1.0"})  # fmt: skip
        for path in folder.iterdir():
            path.unlink()
    return rows


def command_line(folder):
    """The most that a command holds, the interpreter and shared libraries included."""
    sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
    import keyaccess_kit as kit

    from relto.node import client

    rows, live = [], kit.found(folder / "line")
    with live.serving("gbr", "aus"):
        client.login(live.directory / "aus", "ada")
        for size in (1024 * 1024, SIZE):
            fill(folder / "in", size)
            package = folder / "c.tdf"
            for words, arguments in (
                ("seal", ("seal", folder / "in", "--item", kit.ITEM, "-o", package, "--node", live.directory / "gbr")),
                ("package show", ("package", "show", package, "--node", live.directory / "gbr")),
                ("open", ("open", package, "-o", folder / "c.out", "--node", live.directory / "aus")),
            ):
                held = kit.weighed(*arguments)
                rows.append({"measure": f"memory of `relto {words}` in all, {size // 2**20} MiB (MiB)", "ours": held,
                             "peer": 64, "ratio": held / 64, "reach": "at most 1.0"})  # fmt: skip
            for name in ("in", "c.tdf", "c.out"):
                (folder / name).unlink()
    for node in live.nodes.values():
        node.store.close()
    return rows


def against_python(folder):
    try:
        from otdf_python.config import KASInfo, TDFConfig
        from otdf_python.tdf import TDF, TDFReaderConfig
    except ImportError:
        return []
    from cryptography.hazmat.primitives import serialization

    data = os.urandom(PEER_SIZE)
    memory = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else folder
    target = memory / f"relto-bench-{os.getpid()}"
    key = AccessKey.generate("rsa:2048")
    private = key._key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    config = TDFConfig(kas_info_list=[KASInfo(url=URL, public_key=key.public_pem, kid=key.kid)], mime_type="text/plain")
    reader = TDFReaderConfig(kas_private_key=private)
    rows, mib = [], PEER_SIZE / 2**20
    for cores in (1, 2):
        if len(ALL) < cores:
            continue
        bound(cores)
        times = {"seal": [], "open": [], "their seal": [], "their open": []}
        for _ in range(ROUNDS):
            theirs, mine = io.BytesIO(), io.BytesIO()
            times["their seal"].append(timed(lambda out=theirs: TDF().create_tdf(data, config, out)))
            times["seal"].append(timed(sealed, io.BytesIO(data), mine))
            times["their open"].append(timed(lambda out=theirs: TDF().load_tdf(out.getvalue(), reader)))
            times["open"].append(timed(opened, mine, target))
            target.unlink()
        words = "one core" if cores == 1 else "two cores"
        for name, reach in (("seal", "3"), ("open", "20")):
            pairs = list(zip(times[name], times[f"their {name}"], strict=True))
            rows.append({"measure": f"{name} {mib:.0f} MiB in memory, {words} (MiB/s), against otdf-python",
                         "ours": statistics.median(mib / one for one, _ in pairs),
                         "peer": statistics.median(mib / other for _, other in pairs),
                         "ratio": statistics.median(other / one for one, other in pairs), "reach": reach})  # fmt: skip
    bound(len(ALL))
    return rows


# ── key releases ──


def releases(folder):
    sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
    import keyaccess_kit as kit

    live = kit.found(folder / "world")
    gbr = live.nodes["gbr"]
    with live.serving("aus", "gbr"):
        files = [sealed_item(gbr, kit.ITEM, folder / "r.tdf") for _ in range(RELEASES)]
        person = live.session("aus", "ada")
        same = person.present(gbr.origin, files[0].policy.item[1], "evaluation", "AUS")
        calls = {
            "a fresh presentation each": [prepared(live, one, person, fresh=True) for one in files],
            "one presentation": [prepared(live, one, person, token=same) for one in files],
        }
        rows, shares = [], Shares()
        for words, batch in calls.items():
            reach = 1000 if "fresh" in words else 2000
            half = len(batch) // 2  # each call serves once: half of them in the process, half over HTTP
            size, commits, cpu = gbr.log.head.size, Commits(gbr.store), time.process_time()
            with shares, ThreadPoolExecutor(CLIENTS) as clients:
                began = time.perf_counter()
                spent = list(clients.map(lambda one: released(gbr, *one), batch[:half]))
                took = time.perf_counter() - began
            cpu = time.process_time() - cpu
            assert all(spent), "a release was refused"
            assert gbr.log.head.size - size >= half, "a release was taken for a retry"
            rate, late = half / took, sorted(spent)[int(half * 0.99)] * 1000
            rows.append({"measure": f"durable key releases, {CLIENTS} clients, {words} (releases/s)", "ours": rate,
                         "peer": reach, "ratio": rate / reach, "reach": "1.0"})  # fmt: skip
            rows.append({"measure": "the same: p99 (ms), and releases in one commit", "ours": late,
                         "peer": half / commits.count, "ratio": late, "reach": "shown"})  # fmt: skip
            shares.whole += cpu
            shares.add("disk, waiting", commits.waited)
            rate, late, served = over_http(live.url["gbr"], batch[half:], folder)
            rows.append({"measure": f"the same over HTTP, {words} (releases/s), and p99 (ms)", "ours": rate,
                         "peer": late, "ratio": rate / reach, "reach": "1.0"})  # fmt: skip
            shares.add("HTTP, beside all", max(0.0, served - cpu))
    for name, part in shares.parts().items():
        rows.append(
            {"measure": f"share of a release: {name}", "ours": part, "peer": 1, "ratio": part, "reach": "shown"}
        )
    for node in live.nodes.values():
        node.store.close()
    return rows


CLIENT = r"""
import asyncio, json, sys, time

async def client(calls, spent):
    reader, writer = await asyncio.open_connection(sys.argv[1], int(sys.argv[2]))
    while calls:
        began, data = time.perf_counter(), calls.pop()
        writer.write(data)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        body = await reader.readexactly(length)
        assert head.startswith(b"HTTP/1.1 200"), (head, body)
        spent.append(time.perf_counter() - began)
    writer.close()

async def main():
    calls, spent, began = [bytes.fromhex(one) for one in json.load(open(sys.argv[4]))], [], time.perf_counter()
    await asyncio.gather(*(client(calls, spent) for _ in range(int(sys.argv[3]))))
    print(json.dumps([time.perf_counter() - began, sorted(spent)[int(len(spent) * 0.99)] * 1000]))

asyncio.run(main())
"""


def over_http(url, calls, folder):
    """Releases a second, p99 (ms), and seconds of processor time that the serving process took."""
    host, _, port = url.removeprefix("http://").partition(":")
    texts = []
    for token, proof, _, body in calls:
        head = (f"POST /kas.AccessService/Rewrap HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n"
                f"authorization: DPoP {token}\r\ndpop: {proof}\r\ncontent-length: {len(body)}\r\n\r\n")  # fmt: skip
        texts.append((head.encode() + body).hex())
    (folder / "calls").write_text(json.dumps(texts))
    cpu = time.process_time()
    command = [sys.executable, "-c", CLIENT, host, port, str(CLIENTS), str(folder / "calls")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    took, late = json.loads(done.stdout)
    return len(calls) / took, late, time.process_time() - cpu


def sealed_item(node, item, path):
    """Another file each time: the same one to the same hands would be a retry, which writes nothing."""
    from relto.node.sealing import seal_item

    seal_item(node, node.register.item(item), io.BytesIO(b"x"), path, name="x", wrap="ec:secp256r1")
    return read(path)


def prepared(live, package, person, *, fresh=False, token=""):
    """Presentation, proof and request of one call."""
    from relto.node.tokens import build_proof

    gbr = live.nodes["gbr"]
    one = live.session("aus", "ada") if fresh else person
    token = one.present(gbr.origin, package.policy.item[1], "evaluation", "AUS") if fresh else token
    now, url = int(time.time()), live.url["gbr"] + "/kas.AccessService/Rewrap"
    session = AccessKey.generate("ec:secp256r1")
    asked = access.asked_of(package.key_access, live.url["gbr"] + "/kas")
    request = access.request_token(package.policy, asked, session=session, key=one.key, audience=gbr.origin, now=now,
                                   random=os.urandom)  # fmt: skip
    proof = build_proof(one.key, method="POST", url=url, token=token, now=now, random=os.urandom)
    return token, proof, url, access.format_request(request)


def released(node, token, proof, url, body):
    """Seconds that it took; 0 when it was refused."""
    from relto.node import handover

    began = time.perf_counter()
    reply = handover.rewrap(node, authorization=f"DPoP {token}", dpop=proof, url=url, body=body)
    return time.perf_counter() - began if reply.status == 200 else 0


class Commits:
    """Counts the commits of a ledger, and the seconds in which a commit waits for the disk."""

    def __init__(self, store):
        self.count, self.waited, self._began = 0, 0.0, (0.0, 0.0)
        store.fault = self._at

    def _at(self, site):
        if site == "append:before-commit":
            self._began = time.perf_counter(), time.thread_time()
        elif site == "append:after-commit":
            self.count += 1
            self.waited += time.perf_counter() - self._began[0] - (time.thread_time() - self._began[1])


class Shares:
    """The processor time that parts of a release take, of all that it takes in the process, by wrapping the functions that
    do them."""

    PARTS = (
        ("tokens", "relto.node.handover", "authenticate"), ("tokens", "relto.node.handover", "_request"),
        ("unwrap", "relto.node.handover", "_share"), ("wrap", "relto.node.handover", "Wrapping"),
        ("decision", "relto.release.remembered.Memory", "judge"), ("sight", "relto.node.node.Node", "sight"),
        ("act and signature", "relto.node.node.Node", "draft"), ("act and signature", "relto.node.node.Node", "write"),
        ("register", "relto.node.node.Node", "_grow"), ("ledger and disk", "relto.ledger.log.Log", "append"),
        ("proof for the client", "relto.node.handover", "_evidence_for"),
    )  # fmt: skip

    def __init__(self):
        self.spent, self.whole, self._before = {}, 0.0, []

    def add(self, name, seconds):
        self.spent[name] = self.spent.get(name, 0.0) + seconds

    def __enter__(self):
        import importlib

        for name, where, function in self.PARTS:
            try:
                owner = importlib.import_module(where)
            except ModuleNotFoundError:
                module, _, kind = where.rpartition(".")
                owner = getattr(importlib.import_module(module), kind)
            inner = getattr(owner, function)
            self._before.append((owner, function, inner))
            setattr(owner, function, self._timed(name, inner))

    def _timed(self, name, inner):
        def call(*arguments, **named):
            began = time.thread_time()
            try:
                return inner(*arguments, **named)
            finally:
                self.add(name, time.thread_time() - began)

        return call

    def __exit__(self, *error):
        while self._before:
            owner, function, inner = self._before.pop()
            setattr(owner, function, inner)

    def parts(self):
        return {name: spent / self.whole for name, spent in self.spent.items()}


def run():
    # Not in the system's temporary directory, which may be in memory.
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as where:
        folder = Path(where)
        rows = files(folder) + memory(folder) + command_line(folder) + against_python(folder)
        return rows + releases(folder)
