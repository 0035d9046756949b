"""Words that two people read to each other."""

import hashlib
import re

from hypothesis import given
from hypothesis import strategies as st

from relto.node.words import words

IDS = st.binary(min_size=32, max_size=32).map(bytes.hex)


def test_a_vector_worked_by_hand():
    inception = "00" * 32
    digest = hashlib.sha256(b"relto words v1\0" + inception.encode()).hexdigest()
    assert digest.startswith("dd81")  # 1101 11 0110 00 0001: t u k a d
    assert words(inception) == "tukad binus hokol nomaz luvug rudin"


@given(IDS)
def test_six_words_that_can_be_said(inception):
    assert re.fullmatch(r"([bdfghjklmnprstvz][aiou][bdfghjklmnprstvz][aiou][bdfghjklmnprstvz] ?){6}", words(inception))
    assert len(words(inception)) == 35


def reverse(text):
    """The bits back from the words: none is lost on the way."""
    bits = 0
    for letter in text.replace(" ", ""):
        place = "aiou".find(letter)
        bits = bits << 2 | place if place >= 0 else bits << 4 | "bdfghjklmnprstvz".index(letter)
    return bits.to_bytes(12, "big")


@given(IDS)
def test_the_words_are_ninety_six_bits_of_the_digest(inception):
    assert reverse(words(inception)) == hashlib.sha256(b"relto words v1\0" + inception.encode()).digest()[:12]
