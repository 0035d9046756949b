"""Names by blocks are the names that went in: by rank, as columns, and for the rank of any."""

import random

import numpy as np
import pytest

from relto.release.names import BLOCK, Names


def some(rnd, count):
    """Names that share much or little, of many lengths, on both sides of a block's end."""
    begins = [b"arda/", b"arda/lens-drawing-", b"bree/", b"zz/", "dürr/ö".encode()]
    found = {rnd.choice(begins) + b"%d" % rnd.randrange(10 ** rnd.choice([2, 6, 15])) for _ in range(count)}
    found |= {one + b"\x01%06d" % rnd.randrange(2, 9) for one in list(found)[::7]}
    return sorted(found)


@pytest.mark.parametrize("count", [0, 1, 5, BLOCK, BLOCK + 1, 3 * BLOCK + 17])
def test_names_come_out_as_they_went_in(count):
    rnd = random.Random(count)
    every = some(rnd, count)
    names = Names(np.array(every, dtype=np.bytes_) if every else np.zeros(0, "S1"))
    assert len(names) == len(every)
    ranks = np.array(sorted(rnd.sample(range(len(every)), len(every) // 2)), dtype=np.int32)
    assert names[ranks].tolist() == [every[n] for n in ranks]
    assert names[np.arange(len(every))].tolist() == every
    for n in rnd.sample(range(len(every)), min(len(every), 200)):
        assert names[n] == every[n]
        assert names.rank(every[n]) == n
        assert names.rank(every[n] + b"x") == names.rank(every[n][:-1] + b"\x00") == -1
    asked = [b"", b"zzzz", *(rnd.choice(every)[: rnd.randrange(9)] + b"5" for _ in range(100) if every)]
    for one in asked:
        assert names.beyond(one) == sum(each <= one for each in every)
