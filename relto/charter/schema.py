"""The JSON Schema of charters, made from the code that reads them.

A charter is read key by key (`draft`); which keys may stand there depends on some values (`k` only with `k_of_n`). So
the readers are run on lines that are not there: a `Probe` answers every key with a value of its reader's kind, notes
what was asked, and the run is repeated for every other value, and for a key that is there or not. What was asked in any
run may stand there, what was asked without a default in every run must. A value is tried once after the same keys: what
may stand in an entry never depends on two values that do not bring up each other's keys.

    schema()["properties"]["decisions"]["items"]["required"]     # ["act", "clause", "rule", "voters"]
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from relto.charter.draft import Reading, test_schema
from relto.charter.text import Map, Node, Reads, Schema
from relto.errors import Malformed

Try = tuple[frozenset[str], str, int]  # after which keys, what was asked, which answer it got
RUNS_MAX: Final = 4096  # of one kind of entry
SCHEMA: Final = "https://json-schema.org/draft/2020-12/schema"


def schema() -> Schema:
    """The schema of a charter text, of whatever engine, for editors that read YAML as JSON."""
    whole = explored(lambda root: Reading(root, b"").charter())
    return {"$schema": SCHEMA, "title": "A charter of relto", "$defs": {"test": test_schema()}, **whole}


def explored(read: Callable[[Any], object]) -> Schema:
    """The schema of the lines that `read` takes: an object, with what must and what may stand in it."""
    properties: dict[str, Schema] = {}
    required: list[set[str]] = []
    ahead: list[tuple[tuple[int, ...], Try | None]] = [((), None)]
    tried: set[Try] = set()
    gone: set[tuple[int, ...]] = set()
    for _ in range(RUNS_MAX):
        if not ahead:
            break
        path, trying = ahead.pop()
        probe = Probe(path)
        gone.add(path)
        fits = _reads(read, probe)
        for other, after in probe.others():
            if after not in tried and other not in gone:
                tried.add(after)
                ahead.append((other, after))
        if not fits:  # these values do not go together, which no schema says: the last of them is tried with others
            tried -= {trying} if trying is not None else set()
            continue
        for key, reader in probe.taken.items():
            found = reader.schema if isinstance(reader, Reads) else {}
            if key not in properties:
                properties[key] = found
            elif properties[key] != found:
                properties[key] = _either(properties[key], found)
        required.append(probe.needed)
    else:
        raise AssertionError(f"more than {RUNS_MAX} ways to read one kind of entry")
    always = set.intersection(*required) if required else set()
    return {
        "type": "object",
        "properties": {key: properties[key] for key in sorted(properties)},
        "required": sorted(always),
        "additionalProperties": False,
    }


def _reads(read: Callable[[Any], object], probe: Probe) -> bool:
    try:
        read(probe)
    except Malformed:
        return False
    return True


def _either(one: Schema, other: Schema) -> Schema:
    """What is read by one reader here and by another one there."""
    if "enum" in one and "enum" in other:
        return {"enum": list(dict.fromkeys((*one["enum"], *other["enum"])))}
    kept = one["anyOf"] if set(one) == {"anyOf"} else [one]
    return {"anyOf": kept if other in kept else [*kept, other]}


class Probe(Map):
    """Lines that are not there. `path` says which of the possible answers each question gets; the rest get the first.

    taken: the readers by key; needed: the keys that have no default.
    """

    __slots__ = ("_path", "_questions", "needed", "taken")

    def __init__(self, path: tuple[int, ...]) -> None:
        super().__init__("schema", 1, 1, {})
        self._path = path
        self._questions: list[tuple[frozenset[str], str, int]] = []  # after which keys, about which, how many answers
        self.taken: dict[str, Any] = {}
        self.needed: set[str] = set()

    def others(self) -> list[tuple[tuple[int, ...], Try]]:
        """The paths that go another way at one question, and what each of them tries."""
        gone = [self._path[at] if at < len(self._path) else 0 for at in range(len(self._questions))]
        return [
            ((*gone[:at], other), (before, key, other))
            for at, (before, key, answers) in enumerate(self._questions)
            for other in range(1, answers)
        ]

    def _ask(self, key: str, answers: int) -> int:
        at = len(self._questions)
        self._questions.append((frozenset(self.taken), key, answers))
        return self._path[at] if at < len(self._path) else 0

    def __contains__(self, key: str) -> bool:
        return bool(self._ask(f"{key}?", 2))

    def at(self, key: str) -> Node:
        return self

    def key_at(self, key: str) -> Node:
        return self

    def take(self, key: str, reader: Any, *default: Any, **named: Any) -> Any:
        values = reader.values if isinstance(reader, Reads) else ()
        answer = self._ask(key, len(values)) if values else 0
        self.taken[key] = reader
        if not default and not named:
            self.needed.add(key)
        if values:
            return values[answer]
        return default[0] if default else named.get("default", "")

    def done(self) -> None:
        """Nothing is left over of nothing."""
