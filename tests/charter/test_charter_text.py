"""The text grammar: what it reads, what it refuses and where exactly it points."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relto import errors
from relto.charter import text as grammar
from relto.charter.text import Amount, List, Map, Money, Scalar, Span, read


def tree(node):
    if isinstance(node, Map):
        return {key: tree(node.at(key)) for key in node.keys}
    return [tree(item) for item in node] if isinstance(node, List) else node.value


def value(words, reader):
    return read(b"k: " + words.encode() + b"\n", "t").root.take("k", reader)


def test_every_scalar_is_the_text_that_stands_there():
    source = b"""# who
country: NO
flags: [yes, no, on, off, ~, null, true, 010, 0x1f, 1e3, 12:30:45, 2024-09-01]
nested: {a: 'it''s', b: "x: y", "c d": [[1], {e: f}]}
folded: >
  one
  two
NO: Norway
"""
    found = read(source, "demo.yaml")
    assert tree(found.root) == {
        "country": "NO",
        "flags": ["yes", "no", "on", "off", "~", "null", "true", "010", "0x1f", "1e3", "12:30:45", "2024-09-01"],
        "nested": {"a": "it's", "b": "x: y", "c d": [["1"], {"e": "f"}]},
        "folded": "one two\n",
        "NO": "Norway",
    }
    assert found.digest == hashlib.sha256(source).digest()
    assert found.root.at("folded").where == "demo.yaml:5:9"
    assert found.root.at("nested").at("b").where == "demo.yaml:4:25"
    assert found.root.key_at("NO").where == "demo.yaml:8:1"


REFUSED = {
    "anchor": (b"a: &x 1\n", "1:4", "names this place"),
    "anchored map": (b"a: &x {b: c}\n", "1:4", "names this place"),
    "alias": (b"a: b\nc: *x\n", "2:4", "stands for another place"),
    "tag": (b"a: !!str b\n", "1:4", "of what type"),
    "local tag": (b"a: !b c\n", "1:4", "of what type"),
    "bare tag": (b"a: ! c\n", "1:4", "of what type"),
    "tag on a list": (b"a: !!set {b: c}\n", "1:4", "of what type"),
    "unknown tag handle": (b"a: !e!b c\n", "1:4", "of what type"),
    "merge key": (b"a: b\n<<: {c: d}\n", "2:1", "copies keys"),
    "quoted merge key": (b"'<<': {c: d}\n", "1:1", "copies keys"),
    "tab as indentation": (b"a:\n\tb: c\n", "2:1", "a tab"),
    "tab in a text": (b"a: b\tc\n", "1:5", "a tab"),
    "tab in a comment": (b"a: b\n# c\td\n", "2:4", "a tab"),
    "tab by escape": (b'a: "b\\tc"\n', "1:4", "a tab"),
    "repeated key": (b"a: b\nc: d\na: e\n", "3:1", "a second time"),
    "repeated key in braces": (b"a: {b: c, b: d}\n", "1:11", "a second time"),
    "second document": (b"a: b\n---\nc: d\n", "2:1", "a second document"),
    "document after an end": (b"a: b\n...\nc: d\n", "3:1", "a second document"),
    "directive": (b"%YAML 1.1\n---\na: b\n", "1:1", "orders"),
    "tag directive": (b"%TAG ! x:\n---\na: b\n", "1:1", "orders"),
    "byte-order mark": (b"\xef\xbb\xbfa: b\n", "1:1", "byte-order mark"),
    "UTF-16": ("a: b\n".encode("utf-16"), "1:1", "not UTF-8"),
    "latin-1": (b"a: b\nc: caf\xe9\n", "2:7", "not UTF-8"),
    "overlong": (b"a: \xc0\xaf\n", "1:4", "not UTF-8"),
    "CR LF": (b"a: b\r\nc: d\r\n", "1:5", "CR LF"),
    "NUL": (b"a: b\x00\n", "1:5", "U+0000"),
    "escape character": (b"a: \x1b[0m\n", "1:4", "U+001B"),
    "zero width blank": ("a: b\u200bc\n".encode(), "1:5", "U+200B"),
    "turned direction": ("a: b # \u202ec\n".encode(), "1:8", "U+202E"),
    "line separator": ("a: b\u2028c: d\n".encode(), "1:5", "U+2028"),
    "next line": ("a: b\u0085c: d\n".encode(), "1:5", "U+0085"),
    "not a character": ("a: \uffff\n".encode(), "1:4", "U+FFFF"),
    "direction by escape": (b'a: "\\u202e"\n', "1:4", "U+202E"),
    "half a character by escape": (b'a: "\\ud800"\n', "1:4", "U+D800"),
    "no such character": (b'a: "\\UFFFFFFFF"\n', "1:7", "too large"),
    "unknown escape": (b'a: "\\q"\n', "1:6", "backslash"),
    "empty": (b"", "1:1", "empty"),
    "only a comment": (b"# nothing\n", "1:1", "empty"),
    "a list": (b"- a\n- b\n", "1:1", "`key: value`"),
    "a scalar": (b"hello\n", "1:1", "`key: value`"),
    "no value": (b"a:\nb: c\n", "1:3", "value is missing"),
    "no value in a list": (b"a:\n  - b\n  -\n", "3:4", "value is missing"),
    "no value in braces": (b"a: {b, c: d}\n", "1:6", "value is missing"),
    "key is a list": (b"? [a, b]\n: c\n", "1:3", "single word"),
    "colon in a text": (b"a: b: c\n", "1:5", "`:`"),
    "unindented": (b"a:\n    b: c\n  d: e\n", "3:3", "not indented"),
    "not a pair": (b"a: b\nhello\n", "3:1", "not of the form"),
    "open bracket": (b"a: [b, c\nd: e\n", "2:2", "`[ ]`"),
    "open brace": (b"a: {b: c\nd: e\n", "2:2", "`{ }`"),
    "open quotes": (b"a: b\nc: 'd\ne: f\n", "2:4", "never closed"),
    "open double quotes": (b'a: "b\n', "1:4", "never closed"),
    "percent": (b"a: %b\n", "1:4", "cannot begin"),
    "at sign": (b"a: @b\n", "1:4", "cannot begin"),
    "backtick": (b"a: `b`\n", "1:4", "cannot begin"),
    "ampersand": (b"a: & b\n", "1:5", "cannot begin"),
    "bar": (b"a: |b\n", "1:5", "block of lines"),
    "list in a line": (b"a: - b\n", "1:4", "list item"),
    "too deep": (b"a: " + b"[" * 32 + b"]" * 32 + b"\n", "1:35", "more than 32"),
    "very deep": (b"a: " + b"[" * 500_000, "1:35", "more than 32"),
    "too many": (b"a: [" + b"b," * 50_000 + b"]\n", "1:99999", "more than 50000"),
    "too long": (b"a: b\n" + b"#" * grammar.SOURCE_BYTES_MAX, "1:1", "more than 1048576"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refuses_what_can_be_read_in_two_ways(name):
    source, where, words = REFUSED[name]
    with pytest.raises(errors.Malformed) as refusal:
        read(source, "law/us.yaml")
    assert refusal.value.where == f"law/us.yaml:{where}"
    assert words in refusal.value.message
    assert refusal.value.message[0] not in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    assert not refusal.value.message.endswith(".")


def test_the_limits_themselves_are_allowed():
    deep = b"a: " + b"[" * 31 + b"b" + b"]" * 31 + b"\n"
    assert read(deep, "t").root
    many = b"a: [" + b"b," * 49_997 + b"]\n"  # with the map, the key and the list: 50,000
    assert len(read(many, "t").root.at("a")) == 49_997


def test_an_unknown_key_is_refused_and_the_nearest_known_one_is_named():
    root = read(b"a: 1\nobligation: []\n", "t").root
    assert root.take("a", grammar.number) == 1
    assert root.take("obligations", grammar.list_of(grammar.word), ()) == ()
    with pytest.raises(errors.Malformed) as refusal:
        root.done()
    assert (refusal.value.where, refusal.value.hint) == ("t:2:1", "did you mean `obligations`?")


def test_a_second_reader_of_the_same_text_is_held_to_its_own_keys():
    root = read(b"a: 1\nb: 2\n", "t").root
    root.take("a", grammar.number), root.take("b", grammar.number)
    root.done()
    root.take("a", grammar.number)
    with pytest.raises(errors.Malformed, match="`b` is not a key"):
        root.done()


def test_a_missing_key_is_named_with_what_stands_there_instead():
    root = read(b"x: {titel: AUKUS}\n", "t").root.take("x", grammar.mapping)
    with pytest.raises(errors.Malformed) as refusal:
        root.take("title", grammar.text)
    assert (refusal.value.where, refusal.value.message) == ("t:1:5", "`titel` stands here, and `title` is missing")
    assert refusal.value.hint == "did you mean `title`?"


def test_take_all_types_the_rest():
    root = read(b"low: 1\nsystems: 3\nhigh: 2\n", "t").root
    assert root.take("systems", grammar.number) == 3
    assert root.take_all(grammar.word, grammar.number) == (("low", 1), ("high", 2))
    root.done()


VALUES = {
    "word": (grammar.word, "maritime-autonomy", "maritime-autonomy"),
    "number": (grammar.number, "0", 0),
    "largest number": (grammar.number, "9" * 18, 10**18 - 1),
    "flag": (grammar.flag, "true", True),
    "days": (grammar.amount("days", "hours"), "7 days", Amount(number=7, unit="days")),
    "one": (grammar.amount("days"), "1 day", Amount(number=1, unit="days")),
    "money": (grammar.money, "25000000 USD", Money(amount=25_000_000, currency="USD")),
    "date": (grammar.date, "2024-02-29", "2024-02-29"),
    "span": (grammar.span, "2024-09-01..2025-12-29", Span(first="2024-09-01", last="2025-12-29")),
    "open span": (grammar.span, "2025-12-30..", Span(first="2025-12-30")),
    "span from the beginning": (grammar.span, "..2025-12-29", Span(last="2025-12-29")),
    "choice": (grammar.choice("open", "closed"), "closed", "closed"),
    "list": (grammar.list_of(grammar.word), "[a, b]", ("a", "b")),
    "text": (grammar.text, "'NO'", "NO"),
}


@pytest.mark.parametrize("name", VALUES)
def test_values_are_typed_by_their_key(name):
    reader, words, typed = VALUES[name]
    assert value(words, reader) == typed
    if isinstance(typed, Span | Amount | Money):
        assert str(typed) == words


BAD_VALUES = {
    "capital in a word": (grammar.word, "Maritime"),
    "long word": (grammar.word, "a" * 65),
    "leading zero": (grammar.number, "010"),
    "sign": (grammar.number, "-1"),
    "plus": (grammar.number, "+1"),
    "nineteen digits": (grammar.number, "1" + "0" * 18),
    "other digits": (grammar.number, "١٢"),
    "underscore": (grammar.number, "1_000"),
    "decimal": (grammar.number, "1.0"),
    "yes": (grammar.flag, "yes"),
    "capital true": (grammar.flag, "True"),
    "singular": (grammar.amount("days"), "7 day"),
    "plural of one": (grammar.amount("days"), "1 days"),
    "unit": (grammar.amount("days"), "7 weeks"),
    "no unit": (grammar.amount("days"), "7"),
    "two blanks": (grammar.amount("days"), "'7  days'"),
    "currency": (grammar.money, "25 usd"),
    "point in money": (grammar.money, "25.5 USD"),
    "no such day": (grammar.date, "2025-02-29"),
    "month first": (grammar.date, "11/12/2026"),
    "week date": (grammar.date, "2026-W01-1"),
    "short date": (grammar.date, "2026-1-1"),
    "instant": (grammar.date, "2026-01-01T00:00:00Z"),
    "date for a span": (grammar.span, "2024-09-01"),
    "endless span": (grammar.span, ".."),
    "three dots": (grammar.span, "2024-09-01...2025-01-01"),
    "backward span": (grammar.span, "2025-01-01..2024-01-01"),
    "unknown choice": (grammar.choice("open", "closed"), "close"),
    "list for a text": (grammar.text, "[a]"),
    "text for a list": (grammar.list_of(grammar.word), "a"),
    "repeated item": (grammar.list_of(grammar.word), "[a, a]"),
    "empty list": (grammar.list_of(grammar.word, least=1), "[]"),
    "empty text": (grammar.text, "''"),
    "blank at the end": (grammar.text, "'a '"),
    "text for a map": (grammar.mapping, "a"),
}


@pytest.mark.parametrize("name", BAD_VALUES)
def test_refuses_values_in_another_form(name):
    reader, words = BAD_VALUES[name]
    with pytest.raises(errors.Malformed) as refusal:
        value(words, reader)
    assert refusal.value.where.startswith("t:1:")


def test_spans_hold_both_their_ends():
    first, second = Span(first="2024-09-01", last="2025-12-29"), Span(first="2025-12-30")
    assert [first.holds(day) for day in ("2024-08-31", "2024-09-01", "2025-12-29", "2025-12-30")] == [0, 1, 1, 0]
    assert not first.overlaps(second)
    assert not second.overlaps(first)
    assert first.overlaps(Span(last="2024-09-01"))


@given(st.binary(max_size=200))
def test_bytes_are_read_or_refused_with_a_place(source):
    try:
        found = read(source, "t")
    except errors.Malformed as refusal:
        assert refusal.where.startswith("t:"), refusal
    else:
        assert isinstance(found.root, Map)


SIGNS = st.text(alphabet=" \n:-?[]{},'\"\\#&*!|>%@`.<~aN0x", max_size=60)


@given(SIGNS)
def test_signs_are_read_or_refused_with_a_place(source):
    try:
        read(source.encode(), "t")
    except errors.Malformed as refusal:
        assert refusal.where.count(":") == 2, refusal


@given(st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), st.text(alphabet="abc é'0:#-[]&*!%", min_size=1)))
def test_a_text_in_single_quotes_is_itself(entries):
    lines = ["x: y", *(f"k{key}: '{words.replace(chr(39), chr(39) * 2)}'" for key, words in entries.items())]
    root = read("\n".join(lines).encode(), "t").root
    for key, words in entries.items():
        node = root.at(f"k{key}")
        assert isinstance(node, Scalar)
        assert node.value == words
