"""Keys that are carried by hand: asked for, decided, counted, told. And everything that must not pass for one."""

import io
import json
import os
import shutil

import keyaccess_kit as kit
import msgspec
import pytest
import world

from relto import acts
from relto.cli import main
from relto.errors import Conflict, Forged, Malformed, NotFound, Refused, ReltoError
from relto.keys import OpeningKey
from relto.node import client as person_side
from relto.node import device, granting, sealed_file
from relto.node.custody import custody
from relto.node.granting import DAY_MS, grant, limit_of
from relto.node.sealing import seal_item
from relto.package import read

ALLOWED = """\
carried_keys:
- levels: [GBR OFFICIAL-SENSITIVE]
  lasts: 30 days
  openings: 3
  clause: 5.3.9
  says: A key for such a thing may be carried to a device.
  basis: assumption
freshness:
"""


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    text = (world.DATA / "charters" / "aukus" / "charter.yaml").read_text()
    assert text.count("\nfreshness:\n") == text.count("\nengine: 1 ") == 1
    text = text.replace("\nfreshness:\n", f"\n{ALLOWED}", 1).replace("\nengine: 1 ", "\nengine: 3 ", 1)
    made = kit.found(tmp_path_factory.mktemp("carried"), charter=text.encode())
    with made.serving("aus"):
        person_side.login(made.directory / "aus", "ada")
        yield made


@pytest.fixture
def sealed(live, tmp_path):
    gbr = live.nodes["gbr"]
    seal_item(gbr, gbr.register.item(kit.ITEM), io.BytesIO(b"depth"), tmp_path / "f.tdf", name="f.csv")
    return tmp_path / "f.tdf"


@pytest.fixture
def aus(live):
    yield live.directory / "aus"
    shutil.rmtree(live.directory / "aus" / device.FOLDER, ignore_errors=True)


def asked(aus, sealed, **options):
    out = sealed.parent / f"{os.urandom(4).hex()}.req"
    device.ask(aus, sealed, out, **options)
    return out


def granted(live, request, **options):
    out = request.with_suffix(".key")
    return grant(live.nodes["gbr"], request, out, **options), out


def last_release(live):
    released = [one for one in live.nodes["gbr"].register.releases.values() if one.terms.method == "carried"]
    return max(released, key=lambda one: one.index)


# ── the way ──


def test_a_key_is_carried_opens_as_often_as_was_said_and_is_told(live, aus, sealed, tmp_path, capsys):
    request = asked(aus, sealed, openings=2, days=7)
    before = live.nodes["gbr"].log.head.size
    view, key = granted(live, request)
    assert (view["answer"], view["openings"], view["written"]) == ("permit", 2, str(key))
    assert live.nodes["gbr"].log.head.size > before, "durable before the key is written"
    release = last_release(live)
    assert view["releases"] == [release.act]
    assert abs(limit_of(release.terms).until - kit.now_ms() - 7 * DAY_MS) < 60_000

    # no session and no network: only the directory
    for number in (1, 2):
        out = tmp_path / f"out-{number}"
        arguments = ["open", str(sealed), "--grant", str(key), "-o", str(out), "--node", str(aus), "--json"]
        assert main.run(arguments) == 0
        (held,) = json.loads(capsys.readouterr().out)["keys"]
        assert out.read_bytes() == b"depth"
        assert len(held["opened"]) == number, "the second use is shown"
    assert held["state"] == "over: opened 2 of 2"
    assert main.run([*arguments[:-1], "-o", str(tmp_path / "out-3")]) == 2
    assert "used up: opened 2 of 2, at 20" in capsys.readouterr().err
    assert not (tmp_path / "out-3").exists()
    (kept,) = (aus / device.FOLDER).glob("*.json")
    assert json.loads(kept.read_bytes())["key"] == "", "forgotten with the last opening"
    assert kept.stat().st_mode & 0o077 == 0

    assert custody(live.nodes["gbr"], kit.ITEM, view_package(sealed))[0]["stage"].endswith("opened 0 of 2")
    assert main.run(["grant", "tell", "--node", str(aus)]) == 0
    assert main.run(["grant", "tell", "--node", str(aus)]) == 0
    assert "nothing to tell" in capsys.readouterr().out
    live.sync()
    live.nodes["aus"].tend()
    live.sync()
    (row,) = custody(live.nodes["gbr"], kit.ITEM, view_package(sealed))
    assert row["stage"] == f"out of reach until {row['out_of_reach_until'][:10]}, opened 2 of 2"
    told = [live.nodes["gbr"].register.stated[act].act for _, act, _ in last_release(live).receipts]
    assert [(one.outcome, one.opened) for one in told][-2:] == [("matches", True)] * 2
    assert main.run(["release", "list", "--node", str(live.directory / "gbr")]) == 0
    assert f"carried  evaluation  out of reach until {row['out_of_reach_until'][:10]}" in capsys.readouterr().out


def view_package(sealed):
    return granting.package_of(read(sealed).policy)


def test_a_dry_run_and_a_smaller_grant(live, aus, sealed, capsys):
    request, size = asked(aus, sealed, openings=3), live.nodes["gbr"].log.head.size
    view, key = granted(live, request, dry_run=True)
    assert (view["answer"], view["written"], key.exists()) == ("permit", None, False)
    assert live.nodes["gbr"].log.head.size == size
    view, key = granted(live, request, openings=1, days=2)
    limit = limit_of(last_release(live).terms)
    assert (limit.openings, view["openings"]) == (1, 1)
    assert abs(limit.until - kit.now_ms() - 2 * DAY_MS) < 60_000
    assert main.run(["verify", str(request), "--node", str(aus)]) == 0
    assert main.run(["verify", str(key), "--node", str(aus)]) == 0
    assert "it has the form of a carried key" in capsys.readouterr().out


def test_over_the_desk_as_an_officer_asks(live, aus, sealed, tmp_path, capsys):
    gbr = str(live.directory / "gbr")
    request = asked(aus, sealed)
    assert main.run(["grant", "issue", str(request), "-o", str(tmp_path / "k"), "--dry-run", "--node", gbr]) == 0
    assert "permit: p-" in capsys.readouterr().out
    assert main.run(["grant", "issue", str(tmp_path / "none"), "-o", str(tmp_path / "k"), "--node", gbr]) == 2
    assert main.run(["grant", "list", "--node", str(aus)]) == 0
    assert "asked" in capsys.readouterr().out


# ── what must not pass ──


def test_a_request_is_answered_once(live, aus, sealed):
    request = asked(aus, sealed)
    granted(live, request)
    size = live.nodes["gbr"].log.head.size
    with pytest.raises(Conflict, match="answered before"):
        grant(live.nodes["gbr"], request, request.with_suffix(".again"))
    again = shutil.copy(request, request.with_suffix(".copy"))
    with pytest.raises(Conflict, match="answered before"):
        grant(live.nodes["gbr"], request.parent / again, request.with_suffix(".again"))
    assert live.nodes["gbr"].log.head.size == size, "a replay writes nothing"


def test_another_device_opens_nothing(live, aus, sealed, tmp_path):
    _, key = granted(live, asked(aus, sealed))
    other = tmp_path / "other"
    shutil.copytree(aus, other, ignore=shutil.ignore_patterns(device.FOLDER, "socket"))
    with pytest.raises(NotFound, match="made for another device"):
        device.open_carried(other, sealed, tmp_path / "out", [key])
    # even where it says that it is this device: the key does not open it
    (held,) = device._all(aus)
    stranger = msgspec.structs.replace(held, key=OpeningKey.generate(os.urandom).to_text())
    device._save(other, stranger)
    with pytest.raises(Forged):
        device.open_carried(other, sealed, tmp_path / "out", [key])
    assert not (tmp_path / "out").exists()


def test_a_key_for_another_package_and_one_that_was_altered(live, aus, sealed, tmp_path):
    _, key = granted(live, asked(aus, sealed))
    gbr = live.nodes["gbr"]
    seal_item(gbr, gbr.register.item(kit.ITEM), io.BytesIO(b"other"), tmp_path / "o.tdf", name="o.csv")
    with pytest.raises(Refused, match="another package"):
        device.open_carried(aus, tmp_path / "o.tdf", tmp_path / "out", [key])
    data = bytearray(key.read_bytes())
    for place in (20, len(data) // 2, len(data) - 1):
        broken = tmp_path / "broken"
        broken.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        with pytest.raises((Forged, Malformed, NotFound)):
            device.open_carried(aus, sealed, tmp_path / "out", [broken])
    assert not (tmp_path / "out").exists()
    assert device.listed(aus)[0]["opened"] == [], "what did not hold was not counted"


def test_expiry_and_a_clock_that_went_back(live, aus, sealed, tmp_path, monkeypatch):
    _, key = granted(live, asked(aus, sealed, openings=3, days=1))
    device.open_carried(aus, sealed, tmp_path / "one", [key])
    now = kit.now_ms()
    monkeypatch.setattr(device, "now_ms", lambda: now - DAY_MS)
    with pytest.raises(Refused, match="went back"):
        device.open_carried(aus, sealed, tmp_path / "two", [key])
    monkeypatch.setattr(device, "now_ms", lambda: now + DAY_MS)
    with pytest.raises(Refused, match="was over at"):
        device.open_carried(aus, sealed, tmp_path / "two", [key])
    monkeypatch.setattr(device, "now_ms", lambda: now)
    with pytest.raises(Refused, match="used up"):
        device.open_carried(aus, sealed, tmp_path / "two", [key])  # the key is gone, whatever the clock says
    assert not (tmp_path / "two").exists()


def test_a_request_that_is_late_is_refused(live, aus, sealed, monkeypatch):
    request, gbr = asked(aus, sealed, days=1), live.nodes["gbr"]
    clock = gbr.clock
    monkeypatch.setattr(gbr, "clock", lambda: clock() + 2 * DAY_MS)
    with pytest.raises(Refused, match="expired"):
        grant(gbr, request, request.with_suffix(".key"))


def test_no_more_than_the_charter_and_the_request_allow(live, aus, sealed, monkeypatch):
    with pytest.raises(Refused, match="30 days and 3 openings"):
        asked(aus, sealed, openings=4)
    with pytest.raises(Refused, match="30 days and 3 openings"):
        asked(aus, sealed, days=31)
    request = asked(aus, sealed, openings=1, days=1)
    with pytest.raises(Refused, match="more would be granted"):
        granted(live, request, openings=2)
    with pytest.raises(Refused, match="more would be granted"):
        granted(live, request, days=2)
    monkeypatch.setattr(type(live.nodes["gbr"].register.charter), "carried_key", lambda *_: None)
    with pytest.raises(Refused, match="no clause of the charter lets a key"):
        granted(live, request)


def test_what_is_not_permitted_is_not_granted_and_says_why(live, aus, sealed, monkeypatch):
    session = person_side.session_of(aus)
    assert session.alias == "ada"
    request, size = asked(aus, sealed, purpose="production"), live.nodes["gbr"].log.head.size
    view, key = granted(live, request)
    assert (view["answer"], key.exists(), view["releases"]) == ("deny", False, [])
    assert "purpose" in [one["rule"] for one in view["findings"] if one["value"] == "no"]
    assert live.nodes["gbr"].log.head.size == size


def test_a_presentation_of_one_kind_is_none_of_the_other(live, aus, sealed, tmp_path):
    request = asked(aus, sealed)
    gbr = live.nodes["gbr"]
    held = sealed_file.Sealed(request, gbr.keys.opening, what="key-request")
    said = msgspec.json.decode(held.says, type=granting.KeyRequest)
    package = read(sealed)
    # a carried one is nothing that a client may present
    with live.serving("gbr"), live.session("aus", "ada").http as http:
        answer = http.post(
            live.url["gbr"] + "/kas.AccessService/Rewrap",
            json={"signedRequestToken": "x"},
            headers={"authorization": f"DPoP {said.presentation}"},
        )
    assert answer.status_code == 401
    live.up("aus")

    def changed(**fields):
        out = tmp_path / f"{os.urandom(4).hex()}.req"
        body = msgspec.json.encode(msgspec.structs.replace(said, **fields))
        sealed_file.write(out, "key-request", body, {}, by="aus", to="gbr", public=gbr.keys.opening.public,
                          random=os.urandom)  # fmt: skip
        return out

    # nor an ordinary one anything that may be carried
    person = live.session("aus", "ada")
    plain = person.present(gbr.origin, package.policy.item[1], "evaluation", "AUS")
    with pytest.raises(Malformed, match="not a carried presentation"):
        granted(live, changed(presentation=plain))
    # a device of somebody else's, slipped under a presentation that vouches for another
    with pytest.raises(Forged, match="another device or package"):
        granted(live, changed(device=OpeningKey.generate(os.urandom).public))
    with pytest.raises(Forged, match="another device or package"):
        granted(live, _other_policy(live, changed, tmp_path))
    # the first letter of the signature: its last ones are "AA" by nature once in sixteen times
    head, _, signature = said.presentation.rpartition(".")
    with pytest.raises(ReltoError):
        granted(live, changed(presentation=f"{head}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"))


def _other_policy(live, changed, folder):
    gbr = live.nodes["gbr"]
    seal_item(gbr, gbr.register.item(kit.ITEM), io.BytesIO(b"other"), folder / "p.tdf", name="p.csv")
    return changed(policy=read(folder / "p.tdf").policy.text)


def test_the_request_is_for_its_audience_alone(live, aus, sealed):
    request = asked(aus, sealed)
    with pytest.raises(Forged, match="sealed to the key"):
        grant(live.nodes["usa"], request, request.with_suffix(".key"))


def test_a_crash_before_the_write_leaves_nothing_and_after_it_a_release_that_is_unfetched(
    live, aus, sealed, monkeypatch
):
    request, gbr = asked(aus, sealed), live.nodes["gbr"]
    size = gbr.log.head.size

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(sealed_file, "write", full)
        with pytest.raises(ReltoError, match="no space left"):
            grant(gbr, request, request.with_suffix(".key"))
    assert not request.with_suffix(".key").exists()
    assert gbr.log.head.size > size
    assert isinstance(gbr.register.stated[last_release(live).act].act, acts.Release)
    with pytest.raises(Conflict, match="answered before"):
        grant(gbr, request, request.with_suffix(".key"))


def test_an_opening_is_counted_before_the_share_is_used(live, aus, sealed, tmp_path, monkeypatch):
    _, key = granted(live, asked(aus, sealed, openings=2))

    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr("relto.package.tdf._unlock", killed)
        with pytest.raises(KeyboardInterrupt):
            device.open_carried(aus, sealed, tmp_path / "out", [key])
    assert len(device.listed(aus)[0]["opened"]) == 1
    device.open_carried(aus, sealed, tmp_path / "out", [key])
    assert len(device.listed(aus)[0]["opened"]) == 2


def test_records_that_others_can_read_are_refused(live, aus, sealed):
    asked(aus, sealed)
    (path,) = (aus / device.FOLDER).glob("*.json")
    path.chmod(0o644)
    with pytest.raises(Refused, match="can be read by others"):
        device.listed(aus)
