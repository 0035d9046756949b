"""A flood from one address is answered with 429 and costs the others nothing."""

import subprocess
import sys
import time

import msgspec
import pytest
from test_served_node import call

from relto.demo.stage import free_ports
from relto.errors import Unavailable
from relto.node import config as settings
from relto.node.config import Config
from relto.node.desk import Served
from relto.node.home import init
from relto.node.rates import STEP, Rates, client_of
from relto.store import Sqlite


@pytest.fixture
def store(tmp_path):
    with Sqlite(tmp_path / "db", create=True) as made:
        yield made


class Clock:
    now = 1_790_000_000_000 - 1_790_000_000_000 % 60_000

    def __call__(self):
        return self.now


def test_a_minute_holds_so_many_calls_and_the_next_one_as_many(store):
    clock = Clock()
    rates = Rates(store, clock)
    assert [rates.take("a", 50) for _ in range(40)] == [0] * 40
    clock.now += 15_000
    assert rates.take("a", 50) == 45, "the rest of the count is less than a step"
    assert rates.take("b", 50) == 0
    clock.now += 45_000
    assert rates.take("a", 50) == 0
    assert store.query("SELECT client FROM rates") == [("a",)], "what is past is not kept"


def test_two_processes_share_one_count(store, tmp_path):
    clock = Clock()
    with Sqlite(tmp_path / "db") as second:
        one, other = Rates(store, clock), Rates(second, clock)
        passed = 0
        for _ in range(100):
            passed += (one.take("a", 100) == 0) + (other.take("a", 100) == 0)
    assert 100 - STEP <= passed <= 100


def test_one_write_serves_many_calls(store):
    rates, writes = Rates(store, Clock()), []
    store.fault = lambda site: writes.append(site) if site == "rates:before-commit" else None
    for _ in range(3 * STEP):
        assert rates.take("a", 6000) == 0
    assert len(writes) == 3


def test_a_disk_that_fails_lets_nobody_in(store):
    def fail(site):
        raise OSError(5, "no")

    store.fault = fail
    with pytest.raises(Unavailable):
        Rates(store, Clock()).take("a", 100)


@pytest.mark.parametrize(
    ("client", "forwarded", "proxy", "wanted"),
    [
        ("192.0.2.7", [], "", "192.0.2.7"),
        ("192.0.2.7", [b"203.0.113.9"], "", "192.0.2.7"),  # anybody may say so
        ("192.0.2.7", [b"203.0.113.9"], "192.0.2.7", "203.0.113.9"),
        ("192.0.2.7", [b"198.51.100.1, 203.0.113.9"], "192.0.2.7", "203.0.113.9"),
        ("192.0.2.7", [b"198.51.100.1", b"203.0.113.9"], "192.0.2.7", "203.0.113.9"),
        ("192.0.2.7", [b"junk"], "192.0.2.7", "unknown"),
        ("2001:db8:1:2:3:4:5:6", [], "", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", [], "", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", [], "", "192.0.2.7"),
        ("fe80::1%eth0", [], "", "fe80::/64"),
    ],
)
def test_whose_call_it_is(client, forwarded, proxy, wanted):
    scope = {"client": (client, 1), "headers": [(b"x-forwarded-for", value) for value in forwarded]}
    assert client_of(scope, proxy) == wanted


def test_a_served_node_turns_away_who_floods_it(tmp_path):
    (port,) = free_ports(1)
    config = Config(
        party="gbr",
        partnership="aukus",
        name="UK",
        url=f"http://127.0.0.1:{port}",
        origin="gbr.localhost/aukus/0",
        demo=True,
        listen=f"127.0.0.1:{port}",
        rate_per_minute=40,
    )
    init(tmp_path / "gbr", config).store.close()
    process = subprocess.Popen(
        [sys.executable, "-m", "relto", "node", "serve", "--quiet", "--node", str(tmp_path / "gbr")]
    )
    desk = Served(tmp_path / "gbr")
    try:
        deadline = time.monotonic() + 30
        while not desk.alive():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        answers = [call(config.url + "/healthz") for _ in range(85)]  # more than two minutes' worth, if one ends now
        refused = [body for status, body in answers if status == 429]
        assert refused
        assert b"too many requests" in refused[0]
        assert {status for status, _ in answers} == {200, 429}
        assert desk.alive(), "the own machine's door is not counted"
        # Another party's node is counted apart, and more of its calls go on.
        assert call(config.url + "/log/checkpoint", headers={"authorization": "Relto x.y.z"})[0] == 404
    finally:
        process.terminate()
        process.wait(timeout=10)
        desk.close()


def test_zero_is_no_limit_and_settings_say_so():
    config = Config(
        party="gbr", partnership="aukus", name="UK", url="http://relto.example", origin="gbr.example/aukus/0"
    )
    assert config.rate_per_minute == 6000
    assert msgspec.structs.replace(config, rate_per_minute=0).rate_per_minute == 0
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({**msgspec.structs.asdict(config), "rate_per_minute": -1}, settings.Config)
