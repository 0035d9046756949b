"""The demonstration: a whole partnership on this machine, told step by step.

Four nodes as four processes, HTTP on loopback, each with its own directory, keys, ledger and database. All persons,
organisations and acts are invented. It ends with status 0 and a table of counts; a check that does not hold ends it
with status 1 and the number of its step.

    relto demo                       tell it and clean up
    relto demo --dir D               keep the directories: `relto may … --node D/gbr`
    relto demo --dir D --serve       stay up and print the addresses of the pages
    relto demo --file PATH           a file of your own as item A, of any size
    relto demo --break N             make step N fail: exit status 1
"""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

import msgspec

from relto.demo.stage import Stage
from relto.demo.story import DATA, TITLES, Story, table
from relto.errors import Conflict, Malformed, NotFound

HEADER = (
    "relto demo: three members, one engaged outsider, on this machine alone.",
    "All persons, organisations and acts are invented. The real states' names stand for roles in a published charter.",
)


def demo(*, directory: Path | None, file: Path | None, serve: bool, as_json: bool, break_step: int | None) -> int:
    """Tells the story; returns the exit status. Raises: NotFound, Malformed, Conflict before anything is started."""
    source = file if file is not None else DATA / "demo" / "array-processing.txt"
    if not source.exists():
        raise NotFound(f"there is no file `{source}`", hint="`--file PATH` names any file of any size")
    if not source.is_file():
        raise Malformed(f"`{source}` is not a file", hint="`--file PATH` names any file of any size")
    if break_step is not None and not 1 <= break_step <= len(TITLES):
        raise Malformed(f"there is no step {break_step}", hint=f"1 to {len(TITLES)}")
    if directory is not None and directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise Conflict(f"`{directory}` is not an empty directory", hint="choose a new one")
    where = directory or Path(tempfile.mkdtemp(prefix="relto-demo-"))
    where.mkdir(parents=True, exist_ok=True)
    stage = Stage(where.resolve())
    begun = time.monotonic()

    def say(line: str) -> None:
        if not as_json:
            print(line, flush=True)

    stopped = threading.Event()
    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, lambda *_: _stop(stopped))
    for line in HEADER:
        say(line)
    story = Story(stage, say, source.resolve(), break_step)
    try:
        ok = story.tell()
        _end(story, say, ok=ok, took=time.monotonic() - begun)
        if as_json:
            print(
                json.dumps(
                    {"steps": [msgspec.to_builtins(step) for step in story.steps], "ok": ok}, ensure_ascii=False
                ),
                flush=True,
            )
        if serve and ok:
            _stay(stage, stopped, as_json=as_json)
    except _Stopped:
        ok = False
    finally:
        stage.stop()
        if directory is None:
            shutil.rmtree(where, ignore_errors=True)
    if directory is not None and ok:
        say(f"kept in {directory}: try  relto may jpn/kaiyo-robotics gbr/array-processing --node {directory}/gbr")
    return 0 if ok else 1


class _Stopped(Exception):
    pass


def _stop(stopped: threading.Event) -> None:
    if stopped.is_set():
        return
    stopped.set()
    raise _Stopped


def _end(story: Story, say: object, *, ok: bool, took: float) -> None:
    assert callable(say)
    if ok:
        say("")
        for line in table(story):
            say("    " + line)
        checks = sum(len(step.checks) for step in story.steps)
        say(f"\nAll {len(story.steps)} steps hold, {checks} checks, in {took:.1f} s.")
    else:
        say(f"\nStep {story.steps[-1].n} failed: {story.steps[-1].title}.")
        print(f"relto: error: step {story.steps[-1].n} failed: {story.steps[-1].checks[-1].says}", file=sys.stderr)


def _stay(stage: Stage, stopped: threading.Event, *, as_json: bool) -> None:
    """Prints an address with a one-time token for each node and waits to be stopped."""
    for party, actor in stage.actors.items():
        address = f"{actor.url}/?ticket={actor.desk.ticket()}"
        print(json.dumps({"party": party, "address": address}) if as_json else f"  {party}: {address}", flush=True)
    if not as_json:
        print("The nodes stay up; Ctrl-C ends them.", flush=True)
    with contextlib.suppress(_Stopped):
        while not stopped.wait(1.0):
            pass
