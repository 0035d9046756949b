"""Six words by which a person who is called by telephone can tell that an inception is the one that the caller has.

Each party's words are over its own inception alone: its officer reads them from the own screen, the other compares. So
somebody in between needs an inception with the words of a given one, 2^96 tries. Were one set of words made from both,
he would choose both counterfeits, and 2^48 tries find a pair: docs/decisions/0012-words.md.

Pronounceable by construction: each word is five letters, consonant vowel consonant vowel consonant, sixteen bits.
"""

from __future__ import annotations

import hashlib

CONSONANTS, VOWELS = "bdfghjklmnprstvz", "aiou"


def words(inception: str, count: int = 6) -> str:
    """The words of one act's id."""
    digest = hashlib.sha256(b"relto words v1\0" + inception.encode()).digest()
    found = []
    for place in range(count):
        bits = int.from_bytes(digest[2 * place : 2 * place + 2], "big")
        found.append(
            CONSONANTS[bits >> 12]
            + VOWELS[bits >> 10 & 3]
            + CONSONANTS[bits >> 6 & 15]
            + VOWELS[bits >> 4 & 3]
            + CONSONANTS[bits & 15]
        )
    return " ".join(found)
