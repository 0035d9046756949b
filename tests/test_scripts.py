"""Sessions against the real command line, in `scripts/*.txt`.

    $ relto COMMAND …           what is typed, `> FILE` at its end; `$ ls DIR` lists one, `$ cat FILE` shows one
    a line                      of standard output, then of standard error; `…` is any text, alone on a line any lines
    [2]                         exit status, when it is not 0
    -- NAME --                  from here to the next such line a file that is there first; `NAME/` an empty directory
    -- NAME < PATH --           the same, and what stands at PATH in this repository comes before it
    # a comment

`with: partnership` puts the directories of three founded nodes (`usa`, `gbr`, `aus`) there, nobody serving them.
Whatever a script says: a command that ends with 2 has written nothing, and its error has the one form that errors have.
"""

import contextlib
import hashlib
import io
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
from world import World

from relto import acts
from relto.cli import run
from relto.demo import cast
from relto.node.people import add_person, publish_roster

ROOT = Path(__file__).parent.parent
SCRIPTS = sorted((ROOT / "tests" / "scripts").glob("*.txt"))
_FILE = re.compile(r"-- (\S+)(?: < (\S+))? --")
_STATUS = re.compile(r"\[(\d+)\]")
_ERROR = re.compile(r"relto: error: .*[^.\n]\n(relto: hint: .*[^.\n]\n)?")


@pytest.fixture(scope="session")
def partnership(tmp_path_factory):
    """Three members, founded now, their laws adopted; `gbr` has registered the story's items and determined B."""
    directory = tmp_path_factory.mktemp("partnership")
    world = World(directory)
    world.time = int(time.time() * 1000) - 60_000
    for party in cast.MEMBERS:
        world.start(party, cast.PARTIES[party])
    world.found("gbr", "usa", "aus")
    world.adopt_laws()
    for one in cast.PEOPLE:
        if one.party in cast.MEMBERS:
            facts = msgspec.convert(one.facts(cast.day(world.time, 365)), acts.RecipientClass)
            add_person(world.nodes[one.party], one.alias, one.name, "", facts, one.party.upper())
    for party in cast.MEMBERS:
        for fields in cast.attestations(party, world.time):
            world.act(party, "attest", **fields)
        publish_roster(world.nodes[party])
    opaque = {item: world.random(16).hex() for item in (cast.ITEM_A, cast.ITEM_B, cast.ITEM_C)}
    for fields in cast.items(world.time, opaque).values():
        world.act("gbr", "register", **fields)
    world.act("gbr", "determine", **cast.determination_b(world.register("gbr").item(cast.ITEM_B).label_act))
    world.sync()
    for node in world.nodes.values():
        node.store.close()
    return directory


def parse(text):
    """(steps, files, wants): a step is (line number, command, expected lines, status)."""
    steps, files, wants, name = [], {}, set(), None
    for number, line in enumerate(text.splitlines(), 1):
        opened = _FILE.fullmatch(line)
        if opened:
            name = opened[1]
            files[name] = (ROOT / opened[2]).read_bytes() if opened[2] else b""
        elif name is not None:
            files[name] += f"{line}\n".encode()
        elif line.startswith("$ "):
            steps.append([number, line[2:], [], 0])
        elif status := _STATUS.fullmatch(line):
            steps[-1][3] = int(status[1])
        elif line.startswith("with: "):
            wants.add(line[6:])
        elif line and not line.startswith("#"):
            steps[-1][2].append(line)
    return steps, files, wants


def execute(command):
    """(status, standard output, standard error) of one line."""
    words = shlex.split(command)
    if words[0] == "ls":
        return 0, "".join(f"{one.name}\n" for one in sorted(Path(*words[1:]).iterdir())), ""
    if words[0] == "cat":
        return 0, Path(words[1]).read_text(), ""
    assert words[0] == "relto", f"a script types relto, ls or cat, not {words[0]}"
    target = words.pop() if words[-2:-1] == [">"] else None
    words = words[:-1] if target else words
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = run(words[1:])
        except SystemExit as stop:  # `-h`
            status = stop.code or 0
    if target:
        Path(target).write_text(out.getvalue())
        out = io.StringIO()
    return status, out.getvalue(), err.getvalue()


def pattern(lines):
    """The expected lines as one expression over the whole output."""
    rows = [r"(?:.*\n)*?" if line == "…" else ".*".join(map(re.escape, line.split("…"))) + r"\n" for line in lines]
    return re.compile("".join(rows))


def tree(root):
    """Every file by its digest, every database by what it says; a lock and a database's side files are no content."""
    found = {}
    for path in root.rglob("*"):
        name = str(path.relative_to(root))
        if path.name.endswith(".sqlite"):
            with contextlib.closing(sqlite3.connect(path)) as database:
                found[name] = list(database.iterdump())
        elif path.is_file() and path.name != "lock" and not path.name.endswith(("-wal", "-shm")):
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        elif path.is_dir():
            found[name] = ""
    return found


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_runs_as_written(script, tmp_path, monkeypatch, request):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.delenv("RELTO_NODE", raising=False)
    steps, files, wants = parse(script.read_text())
    assert steps, "no command in it"
    assert wants <= {"partnership"}
    for party in cast.MEMBERS if wants else ():
        shutil.copytree(request.getfixturevalue("partnership") / party, tmp_path / party)
    for name, content in files.items():
        path = tmp_path / name
        if name.endswith("/"):
            path.mkdir(parents=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    for number, command, lines, wanted in steps:
        before = tree(tmp_path)
        status, out, err = execute(command)
        problems = []
        if status != wanted:
            problems.append(f"ended with {status}, not {wanted}")
        if not pattern(lines).fullmatch(out + err):
            problems.append("the output is another one; expected\n" + "\n".join(lines))
        if status == 2 and tree(tmp_path) != before:
            problems.append("it refused and wrote something all the same")
        if status == 2 and err and not _ERROR.fullmatch(err):
            problems.append("the error has not the form of one")
        if problems:
            pytest.fail(f"{script.name}:{number}: $ {command}\n{out}{err}" + "\n".join(problems), pytrace=False)


def test_the_installed_command_is_the_same():
    relto = Path(sys.executable).parent / "relto"
    for command in ([str(relto)], [sys.executable, "-m", "relto"]):
        found = subprocess.run([*command, "may", "WHO"], capture_output=True, text=True, check=False)
        assert (found.returncode, found.stdout) == (2, "")
        assert found.stderr.startswith("relto: error: ")


def test_a_script_that_expects_something_else_fails():
    assert pattern(["a …", "…", "b"]).fullmatch("a x\nb\n")
    assert pattern(["a …", "…", "b"]).fullmatch("a x\ny\nz\nb\n")
    assert not pattern(["a", "b"]).fullmatch("a\nx\nb\n")
    assert not pattern(["a"]).fullmatch("a\nb\n")
    assert not pattern([]).fullmatch("a\n")
