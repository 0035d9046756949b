"""Kleene's laws, on all values and on trees of them."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relto.law import Three, all_of, any_of

NO, UNKNOWN, YES = Three.NO, Three.UNKNOWN, Three.YES
PAIRS = list(itertools.product(Three, repeat=2))
TRIPLES = list(itertools.product(Three, repeat=3))


def test_the_tables():
    assert [[a.and_(b) for b in (NO, UNKNOWN, YES)] for a in (NO, UNKNOWN, YES)] == [
        [NO, NO, NO],
        [NO, UNKNOWN, UNKNOWN],
        [NO, UNKNOWN, YES],
    ]
    assert [[a.or_(b) for b in (NO, UNKNOWN, YES)] for a in (NO, UNKNOWN, YES)] == [
        [NO, UNKNOWN, YES],
        [UNKNOWN, UNKNOWN, YES],
        [YES, YES, YES],
    ]
    assert [a.not_() for a in (NO, UNKNOWN, YES)] == [YES, UNKNOWN, NO]


@pytest.mark.parametrize(("a", "b", "c"), TRIPLES)
def test_laws(a, b, c):
    assert a.and_(b) is b.and_(a)
    assert a.or_(b) is b.or_(a)
    assert a.and_(b.and_(c)) is a.and_(b).and_(c)
    assert a.or_(b.or_(c)) is a.or_(b).or_(c)
    assert a.and_(b.or_(c)) is a.and_(b).or_(a.and_(c))
    assert a.or_(b.and_(c)) is a.or_(b).and_(a.or_(c))
    assert a.and_(a.or_(b)) is a
    assert a.and_(b).not_() is a.not_().or_(b.not_())
    assert a.not_().not_() is a


def test_nothing_asked_is_granted_and_nothing_granted_is_refused():
    assert all_of([]) is YES
    assert any_of([]) is NO


TREES = st.recursive(
    st.integers(0, 4),
    lambda inner: st.tuples(st.sampled_from(["all", "any", "not"]), st.lists(inner, min_size=1, max_size=3)),
    max_leaves=12,
)


def run(tree, values):
    if isinstance(tree, int):
        return values[tree]
    kind, parts = tree
    found = [run(part, values) for part in parts]
    return {"all": all_of, "any": any_of, "not": lambda each: all_of(each).not_()}[kind](found)


@given(TREES, st.lists(st.sampled_from([NO, YES]), min_size=5, max_size=5), st.sets(st.integers(0, 4)))
def test_forgetting_never_turns_an_answer_round(tree, values, forgotten):
    before = run(tree, values)
    after = run(tree, [UNKNOWN if i in forgotten else value for i, value in enumerate(values)])
    assert after in (before, UNKNOWN)


@pytest.mark.parametrize("answer", Three)
def test_an_answer_is_not_a_truth_value(answer):
    with pytest.raises(TypeError, match="truth value"):
        bool(answer)
