"""Unmodified OpenTDF clients of others against real nodes: `otdf-python`, and the JavaScript SDK where it is there.

The SDK is looked for in the folder that `RELTO_OPENTDF_JS` names (one with `node_modules/@opentdf/sdk`); without it
its tests are skipped and say so.
"""

import hashlib
import importlib.metadata
import io
import json
import os
import shutil
import subprocess
from pathlib import Path

import keyaccess_kit as kit
import pytest

from relto import acts
from relto.node import clients
from relto.node.client import directory_urls
from relto.node.sealing import seal_item
from relto.package import open_sealed, read

pytestmark = [pytest.mark.interop, pytest.mark.filterwarnings("ignore")]

DRIVER = Path(__file__).with_name("opentdf-sdk.mjs")
SDK = Path(os.environ.get("RELTO_OPENTDF_JS", "."))
HAS_SDK = shutil.which("node") is not None and (SDK / "node_modules" / "@opentdf" / "sdk" / "package.json").exists()
needs_sdk = pytest.mark.skipif(not HAS_SDK, reason="NO JAVASCRIPT SDK: RELTO_OPENTDF_JS names no folder with it")
SIZES = [0, 1, 2 * 1024 * 1024 - 1, 2 * 1024 * 1024, 2 * 1024 * 1024 + 1, 6 * 1024 * 1024 + 7]


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    made = kit.found(tmp_path_factory.mktemp("live"))
    made.set("gbr", legacy_clients=("aus",))
    with made.serving():
        _, made.secret = clients.add_client(made.nodes["aus"], "ada.gbr", "ada", "gbr", "evaluation", "", bearer=True)
        yield made


def text_of(size):
    return hashlib.shake_256(b"interop").digest(size)


def ours(live, folder, data):
    node = live.nodes["gbr"]
    path = folder / "ours.tdf"
    seal_item(node, node.register.item(kit.ITEM), io.BytesIO(data), path, name="trials.bin")
    return path


def opened_by_us(live, path, target):
    """As `relto open --unsigned` does it, by a logged-in person of another party."""
    client, package = live.session("aus", "ada"), read(path)
    known = directory_urls(live.nodes["aus"])

    def release(accesses):
        shares = [None] * len(accesses)
        for url in dict.fromkeys(one.url for one in accesses):
            presentation = client.present(known[url][1], package.policy.item[1], "evaluation", "AUS")
            answer = client.ask(presentation, url.removesuffix("/kas"), known[url][1], package.policy, accesses)
            for name, share in answer.shares.items():
                shares[int(name.removeprefix("kao-"))] = share
        return shares

    return open_sealed(package, path, target, release, None, set(known))


def shown(capsys, path, who):
    with capsys.disabled():
        print(
            f"\n  {who}: {path.name} {path.stat().st_size} bytes sha256 {hashlib.sha256(path.read_bytes()).hexdigest()}"
        )


# ── otdf-python ──


@pytest.fixture(scope="module")
def python_sdk(live):
    builder = pytest.importorskip("otdf_python.sdk_builder", reason="NO otdf-python: run by `make interop`")
    print(f"otdf-python {importlib.metadata.version('otdf-python')}")
    made = builder.SDKBuilder.new_builder().set_platform_endpoint(live.url["aus"])
    made = made.use_insecure_plaintext_connection(True).client_secret("ada.gbr", live.secret)
    return made.with_kas_allowlist([live.url["gbr"]]).build()


@pytest.mark.parametrize("size", SIZES)
def test_otdf_python_opens_ours(live, python_sdk, tmp_path, size, capsys):
    from otdf_python.tdf import TDFReaderConfig

    path = ours(live, tmp_path, text_of(size))
    shown(capsys, path, f"otdf-python {importlib.metadata.version('otdf-python')} opens")
    assert python_sdk.load_tdf(path.read_bytes(), TDFReaderConfig()).payload == text_of(size)
    assert list(live.register("gbr").releases.values())[-1].terms.legacy_client


@pytest.mark.parametrize("size", SIZES[1:])
def test_we_open_otdf_python_s(live, python_sdk, tmp_path, size, capsys):
    from otdf_python.config import KASInfo

    attribute = f"https://gbr.localhost/attr/item/value/{live.opaque}"
    config = python_sdk.new_tdf_config(
        attributes=[attribute], kas_info_list=[KASInfo(url=live.url["gbr"] + "/kas")], mime_type="text/plain"
    )
    out = io.BytesIO()
    python_sdk.create_tdf(text_of(size), config, out)
    path = tmp_path / "python.tdf"
    path.write_bytes(out.getvalue())
    shown(capsys, path, "otdf-python seals")
    opened_by_us(live, path, tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == text_of(size)


def test_otdf_python_is_refused_what_its_person_may_not_have(live, python_sdk, tmp_path):
    from otdf_python.config import KASInfo
    from otdf_python.tdf import TDFReaderConfig

    # No item is named: what other servers read as "anyone" is nobody's here.
    config = python_sdk.new_tdf_config(attributes=[], kas_info_list=[KASInfo(url=live.url["gbr"] + "/kas")],
                                       mime_type="text/plain")  # fmt: skip
    out, before = io.BytesIO(), len(live.register("gbr").releases)
    python_sdk.create_tdf(b"x", config, out)
    with pytest.raises(ValueError, match="Unable to unwrap"):
        python_sdk.load_tdf(out.getvalue(), TDFReaderConfig())
    assert len(live.register("gbr").releases) == before


# ── the JavaScript SDK ──


def javascript(live, verb, source, target, *, dpop=False, **more):
    order = {
        "sdk": str(SDK.resolve()), "verb": verb, "platform": live.url["aus"], "kas": [live.url["gbr"] + "/kas"],
        "client": "ada.gbr", "secret": getattr(live, "secret", ""), "dpop": dpop, "source": str(source),
        "target": str(target), "attribute": f"https://gbr.localhost/attr/item/value/{live.opaque}", **more,
    }  # fmt: skip
    done = subprocess.run(
        ["node", str(DRIVER)], input=json.dumps(order), capture_output=True, text=True, timeout=120, check=False
    )
    return done.returncode, done.stderr


def sdk_version():
    held = json.loads((SDK / "node_modules" / "@opentdf" / "sdk" / "package.json").read_text())
    return f"{held['name']} {held['version']}"


@needs_sdk
@pytest.mark.parametrize("dpop", [False, True])
@pytest.mark.parametrize("size", [0, 1, 2 * 1024 * 1024 + 1])
def test_the_sdk_opens_ours(live, tmp_path, size, dpop, capsys):
    path = ours(live, tmp_path, text_of(size))
    shown(capsys, path, f"{sdk_version()} opens")
    status, words = javascript(live, "open", path, tmp_path / "out", dpop=dpop)
    assert status == 0, words
    assert (tmp_path / "out").read_bytes() == text_of(size)


@needs_sdk
@pytest.mark.parametrize("algorithm", ["rsa:2048", "ec:secp256r1"])
@pytest.mark.parametrize("size", [1, 3 * 1024 * 1024 + 7])
def test_we_open_the_sdk_s(live, tmp_path, size, algorithm, capsys):
    (tmp_path / "in").write_bytes(text_of(size))
    path = tmp_path / "javascript.tdf"
    status, words = javascript(live, "seal", tmp_path / "in", path, algorithm=algorithm)
    assert status == 0, words
    shown(capsys, path, f"{sdk_version()} seals ({algorithm})")
    opened_by_us(live, path, tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == text_of(size)


@needs_sdk
def test_the_sdk_opens_two_of_three_with_one_node_down_and_not_with_two(tmp_path_factory, capsys):
    folder = tmp_path_factory.mktemp("several")
    owners = ("aus", "gbr", "usa")
    live = kit.found(folder, owners, acts.ReleaseRule(rule="k_of_n", k=2))
    tokens = {}
    for party in owners:
        live.set(party, legacy_clients=("aus",))
        _, secret = clients.add_client(live.nodes["aus"], f"ada.{party}", "ada", party, "evaluation", "", bearer=True)
        tokens[live.url[party]] = [f"ada.{party}", secret]
    with live.serving():
        path = ours(live, folder, text_of(3 * 1024 * 1024))
        shown(capsys, path, f"{sdk_version()} opens (2 of 3)")
        kas = [url + "/kas" for url in tokens]

        def tried():
            (folder / "out").unlink(missing_ok=True)
            status, words = javascript(live, "open", path, folder / "out", clients=tokens, kas=kas, allow=True)
            return status == 0 and (folder / "out").read_bytes() == text_of(3 * 1024 * 1024), words

        assert tried()[0], tried()[1]
        for absent in ("gbr", "usa"):
            live.down(absent)
            opened, words = tried()
            live.up(absent)
            assert opened, words
        live.down("gbr")
        live.down("usa")
        assert not tried()[0]
