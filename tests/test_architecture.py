"""The row of rooms: each imports only what stands to its left; up to `package` they are pure."""

import ast
from pathlib import Path

import pytest

ROW = [
    *("errors", "keys", "ledger", "label", "charter", "law", "acts", "release", "package"),
    *("store", "node", "pages", "demo", "cli"),
]
PURE = ROW[: ROW.index("store")]
OUTSIDE = {
    *("asyncio", "fcntl", "glob", "http", "httpx", "httpx2", "multiprocessing", "os", "pathlib", "random", "secrets"),
    *("select", "shutil", "signal", "socket", "sqlite3", "ssl", "starlette", "subprocess", "sys", "tempfile"),
    *("threading", "time", "urllib", "uuid", "uvicorn", "uvloop"),
}
# A sealed file has up to 64 GiB: it is read and written as a stream, beside its target, and named only when whole.
STREAMS = {("package/stream.py", name) for name in ("os", "pathlib", "tempfile")} | {("package/tdf.py", "os")}
NOW = {
    ("date", "today"),
    ("datetime", "now"),
    ("datetime", "today"),
    ("datetime", "utcnow"),
    ("time", "time"),
    ("os", "urandom"),
}

RELTO = Path(__file__).parent.parent / "relto"
FILES = sorted(path.relative_to(RELTO) for path in RELTO.rglob("*.py") if path.parent != RELTO or path.stem in ROW)
TREES = {path: ast.parse((RELTO / path).read_bytes()) for path in FILES}


def imports(tree):
    """(line, dotted name) of every import, wherever it stands in the file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, one.name) for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: a relative import"
            whole = node.module in {"relto", None}
            yield from ((node.lineno, f"relto.{one.name}" if whole else node.module) for one in node.names)


def room(path):
    return path.parts[0].removesuffix(".py")


def test_every_file_stands_in_a_room():
    assert {room(path) for path in FILES} == set(ROW)


@pytest.mark.parametrize("path", FILES, ids=str)
def test_a_room_imports_only_what_stands_to_its_left(path):
    allowed = {"__version__", *ROW[: ROW.index(room(path)) + 1]}
    wrong = [
        f"relto/{path}:{line}: {name}"
        for line, name in imports(TREES[path])
        if name.split(".")[0] == "relto" and name.partition(".")[2].split(".")[0] not in allowed
    ]
    assert not wrong


@pytest.mark.parametrize("path", [path for path in FILES if room(path) in PURE], ids=str)
def test_a_pure_room_knows_no_disk_network_clock_or_chance(path):
    wrong = [
        (line, name)
        for line, name in imports(TREES[path])
        if name.split(".")[0] in OUTSIDE and (str(path), name) not in STREAMS
    ]
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Attribute):
            owner = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
            if (owner, node.attr) in NOW:
                wrong.append((node.lineno, f"{owner}.{node.attr}"))
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "open":
            wrong.append((node.lineno, "open()"))
    assert not wrong


def test_each_exception_is_still_needed():
    found = {(str(path), name) for path in FILES for _, name in imports(TREES[path])}
    assert found >= STREAMS
