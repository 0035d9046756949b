"""Names that differ by case, normalisation, white space or look-alikes are different names, everywhere a name is a key."""

import itertools

import msgspec
import pytest
from release_world import NOW, forced, good, hexed, label, someone

from relto import acts
from relto.errors import Malformed, NotFound
from relto.release import rosters
from relto.release.catalogue import item_of, name_of
from relto.release.kernel import Kernel
from relto.release.search import what_page
from relto.store import Sqlite

# latin a, capital, cyrillic a, fullwidth a, a with ring in both normal forms, and what white space and NUL do
ALIKE = (
    "arda/a",
    "arda/A",
    "arda/\u0430",
    "arda/\uff41",
    "arda/\u00e5",
    "arda/a\u030a",
    "arda/a ",
    "arda/a\u00a0",
    "arda/a\0",
)


def test_no_act_carries_such_a_name():
    register = good().register()
    facts = register.items["arda/lens"][0].facts
    data = acts.write(
        msgspec.structs.replace(facts, title="Lens", partnership=hexed("p"), under=hexed("u"), readers=("arda",))
    )
    assert acts.read(data)
    for name in ALIKE[1:]:
        odd = data.replace(b'"arda/lens"', msgspec.json.encode(name))
        with pytest.raises(Malformed):
            acts.read(odd)


def test_in_a_register_that_holds_them_all_each_is_itself():
    world = good()
    for n, name in enumerate(ALIKE):
        state = world.item(f"arda/n-{n}", label=label("ARD guarded", rel=("ARD", "BRE") if n % 2 else ("ARD",)))
        del world.items[f"arda/n-{n}"]
        world.items[name] = [forced(state, id=name, act=hexed(name), label_act=hexed(name))]
        world.licence(name) if n % 2 else None
    world.roster("bree", (someone(), 3))
    register = world.register()
    kernel = Kernel(register, NOW)
    for n, name in enumerate(ALIKE):
        assert kernel.explain(name, 1, someone()).answer == ("permit" if n % 2 else "deny")
    with pytest.raises(NotFound):
        kernel.explain("arda/A ", 1, someone())
    (to,) = rosters(register)
    rows = what_page(register, to, NOW, limit=1)
    seen = [row.item for row in rows.rows]
    while rows.next:
        rows = what_page(register, to, NOW, limit=1, cursor=rows.next)
        seen += [row.item for row in rows.rows]
    assert sorted(seen) == sorted([*ALIKE[1::2], "arda/lens"])


def test_names_of_columns_are_one_to_one():
    names = [(one, version) for one in ALIKE[:-1] for version in (1, 2, 10)]
    assert [item_of(name_of(*one)) for one in names] == names
    for one, other in itertools.combinations(names, 2):
        assert name_of(*one) != name_of(*other)
    assert sorted(name_of("a", n) for n in (10, 2, 1)) == [name_of("a", n) for n in (1, 2, 10)]


def test_on_the_database_each_is_a_key_of_its_own(tmp_path):
    with Sqlite(tmp_path / "names.db", create=True) as db:
        for n, name in enumerate(ALIKE):
            with db.transaction("names"):
                db.execute("INSERT INTO used_tokens (jti, until) VALUES ($1, $2)", (name, n))
        for n, name in enumerate(ALIKE):
            assert db.query("SELECT until FROM used_tokens WHERE jti = $1", (name,)) == [(n,)]


def test_a_separator_inside_a_name_makes_no_two_questions_one():
    """`["a,b"]` and `["a", "b"]`: keys are values and not joined words."""
    world = good()
    kernel = Kernel(world.register(), NOW)
    pairs = [(("BRE,ARD",), ("ARD", "BRE")), (("BRE\0",), ("BRE",)), (("ARD BRE",), ("ARD", "BRE"))]
    for one, other in pairs:
        odd, plain = (forced(someone(), nationalities=words) for words in (one, other))
        assert kernel.recipients.number(odd) != kernel.recipients.number(plain)
        assert kernel.explain("arda/lens", 1, odd).id != kernel.explain("arda/lens", 1, plain).id
