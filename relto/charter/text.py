"""The one text grammar: charters, party lists, law packs and their cases.

A text is YAML in its plainest form. Layout, quotes and comments are YAML's; everything that lets a reader and a machine
see two different things is refused. Nothing is guessed: every scalar is the text that stands there, and the key under
which it stands says what it must be.

* `NO` is the letters N and O, `2024-09-01` is a date where the key asks for one, `010` is never eight.
* Refused, each with `file:line:column`: anchors, aliases, tags, directives, merge keys, tabs, repeated keys, keys
  without a value, a second document, a byte-order mark, bytes that are not UTF-8, invisible or direction-changing
  characters, and whatever passes the limits below.
* An unknown key is refused and the nearest known one is named.
* The digest is over the bytes of the file. A comment or a blank changes it; that is what people sign.

    >>> source = read(b"party: NO\\nsince: 2021-09-15\\n", "demo.yaml")
    >>> source.root.take("party", text), source.root.take("since", date)
    ('NO', '2021-09-15')
    >>> source.root.done()
"""

from __future__ import annotations

import datetime as dt
import difflib
import hashlib
import re
from collections.abc import Callable, Iterator
from typing import Any, Final, Generic, TypeVar, overload

import msgspec
import yaml

from relto import errors

SOURCE_BYTES_MAX: Final = 1 << 20
DEPTH_MAX: Final = 32  # open lists and maps around a value
NODES_MAX: Final = 50_000  # scalars, keys among them, lists and maps
DIGITS_MAX: Final = 18  # an integer fits 64 bits with its sign

Date = str  # `YYYY-MM-DD`; such texts compare in the order of the days
T = TypeVar("T")
D = TypeVar("D")

# What a reader cannot see or what turns the reading direction: the page a lawyer approves must be the bytes the engine
# reads. Other line separators end a line for YAML and not for an editor: the line numbers of an error would be wrong.
_HIDDEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ufffe\uffff\U000e0000-\U000e007f"
    "\ud800-\udfff]"  # halves of a character, which only an escape can write
)
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_INTEGER: Final = re.compile(rf"0|[1-9][0-9]{{0,{DIGITS_MAX - 1}}}")
_CURRENCY: Final = re.compile(r"[A-Z]{3}")


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """Days, both ends included: `2024-09-01..2025-12-29`; a missing end is open: `2024-09-01..`."""

    first: Date | None = None
    last: Date | None = None

    def holds(self, day: Date) -> bool:
        return (self.first is None or self.first <= day) and (self.last is None or day <= self.last)

    def overlaps(self, other: Span) -> bool:
        starts_after = self.first is not None and other.last is not None and self.first > other.last
        ends_before = self.last is not None and other.first is not None and self.last < other.first
        return not starts_after and not ends_before

    def __str__(self) -> str:
        return f"{self.first or ''}..{self.last or ''}"


class Amount(msgspec.Struct, frozen=True, kw_only=True):
    """A whole number with its unit: `7 days`, `1 year`. The unit is kept in the plural."""

    number: int
    unit: str

    def __str__(self) -> str:
        return f"{self.number} {self.unit[:-1] if self.number == 1 else self.unit}"


class Money(msgspec.Struct, frozen=True, kw_only=True):
    """Whole units of a currency: `25000000 USD`."""

    amount: int
    currency: str

    def __str__(self) -> str:
        return f"{self.amount} {self.currency}"


class Node:
    """A piece of a text. `where` is `file:line:column`, counted from 1."""

    __slots__ = ("column", "file", "line")
    kind = "a value"

    def __init__(self, file: str, line: int, column: int) -> None:
        self.file, self.line, self.column = file, line, column

    @property
    def where(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"

    def refuse(self, message: str, *, hint: str = "") -> errors.Malformed:
        """The error to raise about this piece."""
        return errors.Malformed(message, hint=hint, where=self.where)


class Scalar(Node):
    __slots__ = ("value",)
    kind = "a text"

    def __init__(self, file: str, line: int, column: int, value: str) -> None:
        super().__init__(file, line, column)
        self.value = value


class List(Node):
    __slots__ = ("items",)
    kind = "a list"

    def __init__(self, file: str, line: int, column: int, items: tuple[Node, ...] = ()) -> None:
        super().__init__(file, line, column)
        self.items = items

    def __iter__(self) -> Iterator[Node]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)


Reader = Callable[[Node], T]
Schema = dict[str, Any]


class Reads(Generic[T]):
    """A reader that can say what it reads: a JSON Schema, and values of its kind, one for each way a text may go on.

    `relto charter schema` is made of these, so that it cannot say anything else than the reader does.
    """

    __slots__ = ("_read", "_schema", "values")

    def __init__(self, read: Reader[T], schema: Schema | Callable[[], Schema], *values: T) -> None:
        self._read, self._schema, self.values = read, schema, values

    def __call__(self, node: Node) -> T:
        return self._read(node)

    @property
    def schema(self) -> Schema:
        return self._schema() if callable(self._schema) else self._schema


class _Required:
    """Says that a key must stand there; no value of a text can be this."""


_REQUIRED: Final = _Required()


class Map(Node):
    """Keys and values. A reader takes what it knows by key, then calls `done`, which refuses what is left."""

    __slots__ = ("_asked", "_entries")
    kind = "a group of `key: value` lines"

    def __init__(self, file: str, line: int, column: int, entries: dict[str, tuple[Scalar, Node]]) -> None:
        super().__init__(file, line, column)
        self._entries = entries
        self._asked: set[str] = set()

    def __contains__(self, key: str) -> bool:
        return key in self._entries

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(self._entries)

    def at(self, key: str) -> Node:
        """The piece under `key`, or this map where the key is absent: where an error about the key points."""
        return self._entries[key][1] if key in self._entries else self

    def key_at(self, key: str) -> Node:
        """The key itself, or this map where it is absent."""
        return self._entries[key][0] if key in self._entries else self

    def without(self, key: str) -> Map:
        """The same lines but one."""
        left = {name: entry for name, entry in self._entries.items() if name != key}
        return Map(self.file, self.line, self.column, left)

    def having(self, key: str, value: Node) -> Map:
        """The same lines with another value under a key that stands there."""
        changed = {name: (word, value if name == key else node) for name, (word, node) in self._entries.items()}
        return Map(self.file, self.line, self.column, changed)

    @overload
    def take(self, key: str, reader: Reader[T]) -> T: ...
    @overload
    def take(self, key: str, reader: Reader[T], default: D) -> T | D: ...
    def take(self, key: str, reader: Reader[T], default: D | _Required = _REQUIRED) -> T | D:
        """The value under `key` as `reader` types it; absent, `default`, or an error when there is none."""
        self._asked.add(key)
        if key in self._entries:
            return reader(self._entries[key][1])
        if isinstance(default, _Required):
            near = _nearest(key, [name for name in self._entries if name not in self._asked])
            if near:  # where the slip is, not where the group of lines begins
                words = f"`{shown(near)}` stands here, and `{key}` is missing"
                raise self.key_at(near).refuse(words, hint=f"did you mean `{key}`?")
            raise self.refuse(f"`{key}` is missing here", hint=f"add a line `{key}: …`")
        return default

    def take_all(self, key_reader: Reader[T], value_reader: Reader[D]) -> tuple[tuple[T, D], ...]:
        """Every entry not yet asked for: a map whose keys are names of its author's choosing."""
        rest = [name for name in self._entries if name not in self._asked]
        self._asked.update(rest)
        return tuple((key_reader(self._entries[name][0]), value_reader(self._entries[name][1])) for name in rest)

    def done(self) -> None:
        """Refuse every key that nobody asked for.

        The map then forgets what was asked, so that a second reader is held to its own keys.
        """
        known, self._asked = self._asked, set()
        for name, (key, _) in self._entries.items():
            if name not in known:
                near = _nearest(name, sorted(known))
                hint = (
                    f"did you mean `{near}`?" if near else f"known here: {', '.join(f'`{k}`' for k in sorted(known))}"
                )
                raise key.refuse(f"`{shown(name)}` is not a key that is known here", hint=hint)


class Text(msgspec.Struct, frozen=True, kw_only=True):
    """A text as read: its bytes, their digest and the tree."""

    file: str
    source: bytes
    digest: bytes
    root: Map

    def __repr__(self) -> str:
        return f"Text({self.file!r}, {self.digest.hex()[:16]}…)"


# --- reading ----------------------------------------------------------------------------------------------------------


def read(source: bytes, file: str) -> Text:
    """The tree of `source`; `file` is only a name for errors. Raises `errors.Malformed` with `file:line:column`."""
    return Text(
        file=file,
        source=source,
        digest=hashlib.sha256(source).digest(),
        root=_Builder(_decode(source, file), file).document(),
    )


def _decode(source: bytes, file: str) -> str:
    if len(source) > SOURCE_BYTES_MAX:
        raise errors.Malformed(
            f"the text has {len(source)} bytes, more than {SOURCE_BYTES_MAX}",
            hint="split it into several texts",
            where=f"{file}:1:1",
        )
    if source.startswith(b"\xef\xbb\xbf"):
        raise errors.Malformed(
            "the text begins with a byte-order mark", hint="save it as UTF-8 without BOM", where=f"{file}:1:1"
        )
    try:
        decoded = source.decode("utf-8")
    except UnicodeDecodeError as error:
        good = source[: error.start].decode("utf-8")
        raise errors.Malformed(
            "the text is not UTF-8 from here on", hint="save it as UTF-8", where=_place(good, file)
        ) from None
    if found := _HIDDEN.search(decoded):
        character, where = found.group(), _place(decoded[: found.start()], file)
        if character == "\r":
            raise errors.Malformed("a line ends in CR LF", hint="save it with Unix line ends (LF)", where=where)
        raise errors.Malformed(
            f"a character that cannot be seen stands here: U+{ord(character):04X}", hint="delete it", where=where
        )
    if "\t" in decoded:
        where = _place(decoded[: decoded.index("\t")], file)
        raise errors.Malformed(
            "a tab stands here", hint="use blanks; editors show tabs in different widths", where=where
        )
    return decoded


def _place(before: str, file: str) -> str:
    """Where the next character after `before` stands."""
    return f"{file}:{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"


class _Builder:
    """Events to tree. PyYAML's own tree has forgotten the anchors by the time one could ask, so the events are read."""

    def __init__(self, decoded: str, file: str) -> None:
        self.file = file
        self.depth = self.nodes = 0
        # The loader in Python, not libyaml: the two differ in what they accept; a text must read the same everywhere.
        self.loader: Any = yaml.BaseLoader(decoded)

    def document(self) -> Map:
        self._next()  # the stream begins
        event = self._next()
        if isinstance(event, yaml.StreamEndEvent):
            raise errors.Malformed("the text is empty", where=f"{self.file}:1:1")
        if event.version or event.tags:
            raise self._refuse(event, "a line that begins with `%` gives orders to the reader of the file", "delete it")
        root = self._node(self._next())
        if not isinstance(root, Map):
            raise root.refuse("the text must be made of `key: value` lines", hint="give every value its key")
        self._next()  # the document ends
        event = self._next()
        if not isinstance(event, yaml.StreamEndEvent):
            raise self._refuse(
                event, "a second document begins here", "one file holds one text: delete the `---`, or make two files"
            )
        return root

    def _next(self) -> Any:
        try:
            return self.loader.get_event()
        except yaml.MarkedYAMLError as error:
            raise _in_words(error, self.file) from None
        except (ValueError, OverflowError):  # an escape or a directive with a number past all bounds
            mark = self.loader.get_mark()
            where = f"{self.file}:{mark.line + 1}:{mark.column + 1}"
            raise errors.Malformed("a number that names a character is too large", where=where) from None

    def _refuse(self, event: Any, message: str, hint: str = "") -> errors.Malformed:
        return Node(self.file, event.start_mark.line + 1, event.start_mark.column + 1).refuse(message, hint=hint)

    def _node(self, event: Any) -> Node:
        if isinstance(event, yaml.AliasEvent):
            raise self._refuse(event, f"`*{shown(event.anchor)}` stands for another place of the text", _WRITE_OUT)
        if event.anchor is not None:
            raise self._refuse(event, f"`&{shown(event.anchor)}` names this place for use elsewhere", _WRITE_OUT)
        if event.tag is not None:
            hint = "delete it: the key decides the type"
            raise self._refuse(event, f"`{shown(event.tag)}` says of what type the value is", hint)
        self.nodes += 1
        if self.nodes > NODES_MAX:
            raise self._refuse(event, f"the text has more than {NODES_MAX} values", "split it into several texts")
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        if isinstance(event, yaml.ScalarEvent):
            return Scalar(self.file, line, column, self._value(event))
        if self.depth == DEPTH_MAX:
            raise self._refuse(event, f"more than {DEPTH_MAX} lists and groups stand inside each other")
        self.depth += 1
        node: Node
        if isinstance(event, yaml.SequenceStartEvent):
            node = List(self.file, line, column, self._items())
        else:
            node = Map(self.file, line, column, self._entries())
        self.depth -= 1
        return node

    def _value(self, event: Any) -> str:
        value: str = event.value
        if not value and not event.style:
            raise self._refuse(
                event, "a value is missing here", 'write it, delete the key, or write "" for an empty text'
            )
        # The escapes of double quotes can write what the bytes of the file may not hold.
        if found := _HIDDEN.search(value):
            raise self._refuse(
                event,
                f"the text in quotes holds a character that cannot be seen: U+{ord(found.group()):04X}",
                "delete it",
            )
        if "\t" in value:
            raise self._refuse(event, "the text in quotes holds a tab", "use blanks")
        return value

    def _items(self) -> tuple[Node, ...]:
        items: list[Node] = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            items.append(self._node(event))
        return tuple(items)

    def _entries(self) -> dict[str, tuple[Scalar, Node]]:
        entries: dict[str, tuple[Scalar, Node]] = {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            key = self._node(event)
            if not isinstance(key, Scalar):
                raise key.refuse(
                    "a key must be a single word or text", hint="put quotes around a text that begins with `[` or `{`"
                )
            if key.value == "<<":
                raise key.refuse("`<<` copies keys from another place of the text", hint=_WRITE_OUT)
            if key.value in entries:
                first = entries[key.value][0]
                raise key.refuse(
                    f"`{shown(key.value)}` stands here a second time",
                    hint=f"the first one is at {first.where}; delete one of them",
                )
            entries[key.value] = (key, self._node(self._next()))
        return entries


_WRITE_OUT: Final = "write the value out where it is meant: a reader of this line must see all of it"

# PyYAML's problems, by how they begin, in the words of somebody who writes texts and not programs: what is wrong; what
# to do.
_WORDS: Final = """
mapping values are not allowed | a `:` stands where no key can stand | put quotes around a text that holds `: `, and check the indentation
could not find expected ':' | this line is not of the form `key: value` | add the `:` and a blank after it, or indent the line under its key
sequence entries are not allowed | a list item cannot begin here | put each `- ` on a line of its own under its key
mapping keys are not allowed | a key cannot begin here | put the key on a line of its own
expected <block end> | this line is not indented like the lines it belongs to | begin it in the same column as its neighbours
expected ',' or ']' | the list in `[ ]` is not finished or lacks a comma | put `,` between the items and `]` after the last
expected ',' or '}' | the group in `{ }` is not finished or lacks a comma | put `,` between the pairs and `}` after the last
expected the node content | a value is missing here | write it; put quotes around a value that begins with a sign
found unexpected end of stream | the quotes that open here are never closed | close them
found unexpected document separator | the quotes that open here are not closed before `---` | close them
found unknown escape character | a backslash in double quotes stands before a letter without meaning | use single quotes
found character | a text cannot begin with this sign | put quotes around it
expected '<document start>' | a second document begins here | one file holds one text
expected alphabetic or numeric character | a text cannot begin with `&`, `*` or `%` | put quotes around it
expected chomping or indentation | `|` and `>` at the beginning open a block of lines | put quotes around the text, or end the line there
found undefined tag handle | a `!` at the beginning says of what type the value is | delete it, or put quotes around the text
"""
_PROBLEMS: Final = tuple(tuple(line.split(" | ", 2)) for line in _WORDS.strip().splitlines())


def _in_words(error: yaml.MarkedYAMLError, file: str) -> errors.Malformed:
    problem = error.problem or ""
    mark = error.problem_mark or error.context_mark
    if problem.startswith(("found unexpected end", "found unexpected document")):
        mark = error.context_mark or mark  # the end of the file helps nobody; the opening quote does
    where = f"{file}:{mark.line + 1}:{mark.column + 1}" if mark else file
    for begins, message, hint in _PROBLEMS:
        if problem.startswith(begins):
            return errors.Malformed(message, hint=hint, where=where)
    return errors.Malformed(
        "the text cannot be read from here on",
        hint="look at the signs on this line; quotes make any of them plain text",
        where=where,
    )


# --- typing by key ----------------------------------------------------------------------------------------------------


def shown(value: str | None) -> str:
    """What a user wrote, short enough to stand in a sentence."""
    flat = " ".join((value or "").split())
    return flat if len(flat) <= 60 else flat[:59] + "…"


def _nearest(name: str, known: list[str]) -> str:
    return next(iter(difflib.get_close_matches(name, known, n=1, cutoff=0.6)), "")


def scalar(node: Node) -> str:
    if not isinstance(node, Scalar):
        raise node.refuse(f"a text is expected here, not {node.kind}", hint="write one value after the key")
    return node.value


def _text(node: Node) -> str:
    value = scalar(node).removesuffix("\n")
    if not value or value != value.strip():
        raise node.refuse("a text is empty, or begins or ends with a blank")
    return value


# Words for people; not empty. A block text (`|`, `>`) loses the line break at its end.
text: Final = Reads(_text, {"type": "string", "minLength": 1, "pattern": r"^\S([\s\S]*\S)?\n?$"}, "words")


def matching(pattern: str, what: str, *values: str) -> Reads[str]:
    """A text in a given form; `what` names the form in the error. values: some that have it."""
    compiled = re.compile(pattern)

    def reader(node: Node) -> str:
        value = scalar(node)
        if not compiled.fullmatch(value):
            raise node.refuse(f"`{shown(value)}` is not {what}")
        return value

    return Reads(reader, {"type": "string", "pattern": f"^(?:{pattern})$", "description": what}, *values)


word: Final = matching(r"[a-z0-9-]{1,64}", "an id: 1 to 64 of a-z, 0-9 and `-`", "a-word")


def choice(*words: str) -> Reads[str]:
    """One of a closed list of words."""

    def reader(node: Node) -> str:
        value = scalar(node)
        if value not in words:
            near = _nearest(value, list(words))
            known = ", ".join(f"`{w}`" for w in words)
            raise node.refuse(
                f"`{shown(value)}` is not one of the words known here",
                hint=f"did you mean `{near}`?" if near else f"known: {known}",
            )
        return value

    return Reads(reader, {"enum": list(words)}, *words)


def _flag(node: Node) -> bool:
    value = scalar(node)
    if value not in {"true", "false"}:
        raise node.refuse(f"`{shown(value)}` is neither `true` nor `false`")
    return value == "true"


# An editor reads the bare words as what its YAML makes of them, hence the second type of these and of numbers.
flag: Final = Reads(_flag, {"enum": ["true", "false", True, False]}, True, False)  # noqa: FBT003


def _number(node: Node) -> int:
    return _integer(node, scalar(node))


_DIGITS: Final = {"type": "string", "pattern": f"^(?:{_INTEGER.pattern})$"}
number: Final = Reads(_number, {"anyOf": [{"type": "integer", "minimum": 0}, _DIGITS]}, 1)


def from_to(low: int, high: int) -> Reads[int]:
    """A whole number between these, both included."""

    def reader(node: Node) -> int:
        found = _number(node)
        if not low <= found <= high:
            raise node.refuse(f"{found} is not between {low} and {high}")
        return found

    return Reads(reader, {"anyOf": [{"type": "integer", "minimum": low, "maximum": high}, _DIGITS]}, low)


def _integer(node: Node, digits: str) -> int:
    if not _INTEGER.fullmatch(digits):
        hint = f"digits only, no sign, no leading zero, at most {DIGITS_MAX}"
        raise node.refuse(f"`{shown(digits)}` is not a whole number", hint=hint)
    return int(digits)


def amount(*units: str) -> Reads[Amount]:
    """`7 days`: a whole number, one blank, one of `units` (given in the plural; `1 day` in the singular)."""

    def reader(node: Node) -> Amount:
        value = scalar(node)
        digits, _, unit = value.partition(" ")
        found = Amount(number=_integer(node, digits), unit=unit + "s" if digits == "1" else unit)
        if found.unit not in units:
            raise node.refuse(
                f"`{shown(value)}` is not a number with its unit",
                hint=f"units known here: {', '.join(f'`{u}`' for u in units)}; `1` takes the singular",
            )
        return found

    ends = "|".join(unit[:-1] + "s?" for unit in units)
    pattern = f"^(?:{_INTEGER.pattern}) (?:{ends})$"
    return Reads(reader, {"type": "string", "pattern": pattern}, Amount(number=1, unit=units[0]))


def _money(node: Node) -> Money:
    value = scalar(node)
    digits, _, currency = value.partition(" ")
    if not _CURRENCY.fullmatch(currency):
        raise node.refuse(f"`{shown(value)}` is not an amount of money", hint="write it as `25000000 USD`")
    return Money(amount=_integer(node, digits), currency=currency)


money: Final = Reads(
    _money,
    {"type": "string", "pattern": f"^(?:{_INTEGER.pattern}) [A-Z]{{3}}$"},
    Money(amount=1, currency="USD"),
)


def is_date(value: str) -> bool:
    """Whether this is a day of the calendar in the one form."""
    if not _DATE.fullmatch(value):
        return False
    try:
        dt.date.fromisoformat(value)
    except ValueError:
        return False
    return True


def _date(node: Node) -> Date:
    value = scalar(node)
    if not is_date(value):
        raise node.refuse(f"`{shown(value)}` is not a day of the calendar", hint="write it as `2024-09-01`")
    return value


date: Final = Reads(_date, {"type": "string", "pattern": f"^{_DATE.pattern}$"}, "2024-09-01")


def _span(node: Node) -> Span:
    value = scalar(node)
    first, dots, last = value.partition("..")
    good = all(is_date(end) for end in (first, last) if end)
    if not dots or not good or not (first or last):
        raise node.refuse(
            f"`{shown(value)}` is not a range of days",
            hint="write it as `2024-09-01..2025-12-29`, or `2024-09-01..` while it goes on",
        )
    if first and last and last < first:
        raise node.refuse(f"the range `{value}` ends before it begins")
    return Span(first=first or None, last=last or None)


span: Final = Reads(
    _span,
    {"type": "string", "pattern": f"^(?:{_DATE.pattern}\\.\\.(?:{_DATE.pattern})?|\\.\\.{_DATE.pattern})$"},
    Span(first="2024-09-01"),
)


def listing(node: Node) -> List:
    if not isinstance(node, List):
        raise node.refuse(
            f"a list is expected here, not {node.kind}", hint="write `[a, b]`, or one `- ` line for each item"
        )
    return node


def mapping(node: Node) -> Map:
    if not isinstance(node, Map):
        raise node.refuse(f"`key: value` lines are expected here, not {node.kind}")
    return node


def list_of(
    reader: Reader[T], *, least: int = 0, most: int | None = None, repeats: bool = False
) -> Reads[tuple[T, ...]]:
    """A list whose items `reader` types; `least` to `most` of them, none twice unless `repeats`."""

    def read_list(node: Node) -> tuple[T, ...]:
        found = listing(node)
        if most is not None and not least <= len(found) <= most:
            raise found.refuse(f"this list has {len(found)} entries; from {least} to {most} can stand here")
        items: list[T] = []
        for each in found:
            item = reader(each)
            if not repeats and item in items:
                raise each.refuse("this item stands in the list a second time", hint="delete one of them")
            items.append(item)
        if len(items) < least:
            raise found.refuse("the list is empty" if least == 1 else f"the list has fewer than {least} items")
        return tuple(items)

    def schema() -> Schema:
        bounds = {key: bound for key, bound in (("minItems", least), ("maxItems", most)) if bound}
        unique = {} if repeats else {"uniqueItems": True}
        return {"type": "array", "items": reader.schema if isinstance(reader, Reads) else {}, **bounds, **unique}

    values = reader.values[:1] if isinstance(reader, Reads) else ()
    return Reads(read_list, schema, values)
