"""Every cell of the table who may say what when is tried on the fold."""

import pytest
from acts_roles import PARTY, TRIES, Tried

from relto import acts
from relto.acts.roles import ROLES, STATES, role_of, state_of, why_not


def test_the_table_has_every_kind_and_every_role():
    assert set(TRIES) == set(acts.KINDS)
    assert set(PARTY) == set(ROLES)


# Where the state is another party's affair the cells repeat those of `founded`: once in a while is often enough.
CELLS = [
    pytest.param(role, state, marks=[] if role == "engaged" or state in {"founding", "founded"} else pytest.mark.slow)
    for role in ROLES
    for state in STATES
]


@pytest.mark.parametrize(("role", "state"), CELLS)
def test_every_cell_says_what_the_fold_says(role, state):
    wrong = []
    for kind in sorted(TRIES):
        got = Tried(role, state).outcome(kind)
        can = got == ""
        if can != (why_not(kind, role, state) == ""):
            wrong.append(
                f"{kind}: the table says `{why_not(kind, role, state) or 'counts'}`, the fold `{got or 'counts'}`"
            )
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("state", [state for state in STATES if state != "founding"])
@pytest.mark.parametrize("role", ROLES)
def test_a_register_tells_role_and_state(role, state):
    one = Tried(role, state)
    register = one.kit.fold("arda")
    assert role_of(register, one.name) == role
    told = state_of(register, one.name, "2026-09-22")
    # Of an engagement's state only the engaged party has any.
    assert told == (state if role == "engaged" or state in {"leaving", "frozen"} else "founded")
