"""Protocol Buffers as far as a key access service needs them: strings, bytes, messages, and a `Value` that is a text.

Most clients of OpenTDF speak the binary form of Connect. What they send and take are a handful of messages whose
fields are all length-delimited, so they are written out here by number; other wire types are read past.

Source: the Protocol Buffers encoding specification; `kas.proto` and `wellknown_configuration.proto` of OpenTDF for the
numbers.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any, Final

from relto.errors import Malformed

FIELDS_MAX: Final = 4096
VARINT_MAX: Final = 10  # bytes of a number of 64 bits

_DELIMITED: Final = 2
_FIXED: Final = {1: 8, 5: 4}


def delimited(number: int, data: bytes | str) -> bytes:
    """A string, bytes or message under its number; what is empty is left out, as proto3 does."""
    raw = data.encode() if isinstance(data, str) else data
    return _varint(number << 3 | _DELIMITED) + _varint(len(raw)) + raw if raw else b""


def value(held: Any) -> bytes:
    """`google.protobuf.Value`: null, boolean, text, list or object; an integer becomes a double."""
    match held:
        case None:
            return b"\x08\x00"
        case bool():
            return b"\x20" + bytes([held])
        case int():
            return b"\x11" + struct.pack("<d", held)
        case str():
            # A member of a oneof is written even when it is empty.
            raw = held.encode()
            return b"\x1a" + _varint(len(raw)) + raw
        case Mapping():
            inner = fields_of(held)
            return b"\x2a" + _varint(len(inner)) + inner
        case list() | tuple():
            inner = b"".join(delimited(1, value(one)) for one in held)
            return b"\x32" + _varint(len(inner)) + inner
    raise Malformed("a value that has no form in protocol buffers")


def fields_of(held: Mapping[str, Any]) -> bytes:
    """`google.protobuf.Struct`, or any `map<string, Value>` numbered 1."""
    return b"".join(delimited(1, delimited(1, key) + delimited(2, value(one))) for key, one in held.items())


def read(data: bytes, *, what: str) -> dict[int, bytes]:
    """The length-delimited fields by number; of a repeated one the last, as proto3 takes a single field."""
    found: dict[int, bytes] = {}
    position = count = 0
    while position < len(data):
        count += 1
        if count > FIELDS_MAX:
            raise Malformed(f"the {what} has more than {FIELDS_MAX} fields")
        tag, position = _number(data, position, what)
        number, kind = tag >> 3, tag & 7
        if kind == _DELIMITED:
            length, position = _number(data, position, what)
            if length > len(data) - position:
                raise Malformed(f"the {what} is cut short")
            found[number] = data[position : position + length]
            position += length
        elif kind == 0:
            _, position = _number(data, position, what)
        elif kind in _FIXED and _FIXED[kind] <= len(data) - position:
            position += _FIXED[kind]
        else:
            raise Malformed(f"the {what} is not a message of protocol buffers")
    return found


def read_text(data: bytes, number: int, *, what: str) -> str:
    """One string of a message; empty when it is not there."""
    try:
        return read(data, what=what).get(number, b"").decode()
    except UnicodeDecodeError as error:
        raise Malformed(f"the {what} holds a string that is not UTF-8") from error


def _varint(number: int) -> bytes:
    made = bytearray()
    while number > 0x7F:
        made.append(number & 0x7F | 0x80)
        number >>= 7
    made.append(number)
    return bytes(made)


def _number(data: bytes, position: int, what: str) -> tuple[int, int]:
    made = 0
    for place, byte in enumerate(data[position : position + VARINT_MAX]):
        made |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return made, position + place + 1
    raise Malformed(f"the {what} is cut short, or holds a number of more than 64 bits")
