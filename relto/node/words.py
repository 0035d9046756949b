"""Six words that two people read to each other to be sure that they hold the same two inceptions.

Pronounceable by construction: each word is five letters, consonant vowel consonant vowel consonant, sixteen bits; six make 96 bits. An attacker who
wants two parties to read the same words over different keys has one try in 2^96.
"""

from __future__ import annotations

import hashlib

CONSONANTS, VOWELS = "bdfghjklmnprstvz", "aiou"


def words(*ids: str, count: int = 6) -> str:
    """The words of a set of act ids; the order in which they are given does not matter."""
    digest = hashlib.sha256(b"relto words v1\0" + b"\0".join(one.encode() for one in sorted(ids))).digest()
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
