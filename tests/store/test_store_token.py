"""Access keys in a PKCS#11 token (SoftHSM2): a node moves its keys there, and packages open as before."""

import io
import os
import shutil
import subprocess
from pathlib import Path

import keyaccess_kit as kit
import pytest

from relto.errors import Forged, NotFound, Refused, Unavailable
from relto.keys import wrap_share
from relto.node import config as settings
from relto.node import home
from relto.node.client import Gathering
from relto.node.desk import note_package, shares_of
from relto.node.rotation import rotate_access
from relto.node.sealing import seal_item
from relto.package import open_sealed, read
from relto.store import KeyFiles
from relto.store.token import Token

pytestmark = [pytest.mark.hsm, pytest.mark.interop]

MODULES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so")
MODULE = next((one for one in MODULES if Path(one).exists()), "")
PIN = "4321"


@pytest.fixture(scope="module")
def softhsm(tmp_path_factory):
    if not MODULE or not shutil.which("softhsm2-util"):
        pytest.skip("NO SOFTHSM2: `apt-get install softhsm2`")
    pytest.importorskip("pkcs11", reason="NO python-pkcs11: run by `make hsm`")
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    (folder / "conf").write_text(f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\n")
    os.environ["SOFTHSM2_CONF"] = str(folder / "conf")
    for label in ("relto", "other", "third"):
        subprocess.run(
            ["softhsm2-util", "--init-token", "--free", "--label", label, "--so-pin", "1234", "--pin", PIN],
            check=True, capture_output=True,
        )  # fmt: skip
    return MODULE


@pytest.fixture(scope="module")
def token(softhsm):
    made = Token(softhsm, "other", PIN)
    yield made
    made.close()


@pytest.mark.parametrize("kind", ["rsa:2048", "ec:secp256r1"])
def test_a_share_is_opened_by_a_key_that_never_leaves(token, kind):
    import pkcs11

    key = token.generate(kind, os.urandom)
    share = os.urandom(32)
    wrapped = wrap_share(key.public_pem, share, os.urandom)
    assert key.unwrap(wrapped.kind, wrapped.wrapped, wrapped.ephemeral_pem) == share
    again = next(one for one in token.held() if one.kid == key.kid)
    assert again.unwrap(wrapped.kind, wrapped.wrapped, wrapped.ephemeral_pem) == share
    for bad in (
        wrapped.wrapped[:-1],
        b"",
        bytes(len(wrapped.wrapped)),
        wrapped.wrapped[:-1] + bytes([wrapped.wrapped[-1] ^ 1]),
    ):
        with pytest.raises(Forged, match=r"^this share does not unwrap with this key$"):
            key.unwrap(wrapped.kind, bad, wrapped.ephemeral_pem)
    for kind_, ephemeral in (("hybrid-wrapped", None), ("wrapped", "x"), ("ec-wrapped", None), ("ec-wrapped", "x")):
        with pytest.raises(Forged, match=r"^this share does not unwrap with this key$"):
            key.unwrap(kind_, wrapped.wrapped, ephemeral)
    private = key.objects[1]
    assert not private[pkcs11.Attribute.EXTRACTABLE]
    secret = pkcs11.Attribute.VALUE if kind.startswith("ec") else pkcs11.Attribute.PRIVATE_EXPONENT
    with pytest.raises(pkcs11.exceptions.PKCS11Error):
        _ = private[secret]
    token.destroy(key.kid)
    assert key.kid not in {one.kid for one in token.held()}
    with pytest.raises(NotFound):
        token.destroy(key.kid)


def test_a_token_that_is_not_there_is_named(softhsm):
    with pytest.raises(NotFound, match="`nowhere`"):
        Token(softhsm, "nowhere", PIN)
    with pytest.raises(Unavailable):
        Token(softhsm, "third", "0000")
    with pytest.raises(Unavailable):
        Token("/nowhere.so", "other", PIN)


def test_a_node_moves_its_keys_into_the_token(softhsm, tmp_path):
    live = kit.found(tmp_path / "world")
    gbr, directory = live.nodes["gbr"], live.directory / "gbr"
    paths = {}
    for wrap in ("rsa:2048", "ec:secp256r1", "hpqt:secp256r1-mlkem768"):
        paths[wrap] = tmp_path / f"{wrap}.tdf"
        made = seal_item(gbr, gbr.register.item(kit.ITEM), io.BytesIO(b"depth"), paths[wrap], name="f", wrap=wrap)
        note_package(gbr, made.digest.hex(), live.opaque, kit.ITEM, 1, shares_of(made))
    gbr.store.close()

    KeyFiles(directory / "keys" / "online").write("token-pin", PIN)
    config = settings.load(directory)
    settings.save(settings.msgspec.structs.replace(config, token_module=softhsm, token_label="relto"), directory)
    node = home.open_node(directory, write=True, clock=live.clock, random=live.random)
    moved = rotate_access(directory, node, directory / "keys" / "offline", destroy=True)
    assert moved.shares == 3
    assert list((directory / "keys" / "online").glob("access-*")) == []
    node.store.close()
    live.nodes["gbr"] = home.open_node(directory, write=True, clock=live.clock, random=live.random)
    assert {key.kind for key in live.nodes["gbr"].keys.access} == {"rsa:2048", "ec:secp256r1"}
    live.sync()

    new = tmp_path / "new.tdf"
    seal_item(live.nodes["gbr"], live.nodes["gbr"].register.item(kit.ITEM), io.BytesIO(b"depth"), new, name="f")
    with live.serving("gbr", "aus"):
        for path in (*paths.values(), new):
            package, aus = read(path), live.nodes["aus"]
            gather = Gathering(live.session("aus", "ada"), aus, package, "evaluation", "AUS")
            key = aus.keys_of(aus.peers()["gbr"]).seal
            open_sealed(package, path, tmp_path / "out", gather, key, set(gather.known))
            assert (tmp_path / "out").read_bytes() == b"depth"
    live.nodes["gbr"].keys.token.close()


def test_without_the_library_it_is_said(monkeypatch):
    import importlib

    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(Refused, match="no library"):
        Token("/x.so", "relto", PIN)
