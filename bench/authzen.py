"""AuthZEN over HTTP, one process: a decision against an endpoint of the same server that decides nothing.

The partnership of the story at one node; 32 connections that are kept open; rounds take turns, so that a busy machine
slows all of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import uvloop

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

CONNECTIONS, ROUNDS, SECONDS = 32, 5, 1.0
KEY = "a key of the bench"
OPEN, KEYED, BARE = "/open", "/keyed", "/bare"


def run():
    with tempfile.TemporaryDirectory(prefix="relto-bench-") as where:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        command = [sys.executable, "-m", "bench.authzen", where, str(port)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            body = process.stdout.readline().strip().encode()
            return uvloop.run(measured(port, body))
        finally:
            process.terminate()
            process.wait(10)


async def measured(port, body):
    for _ in range(100):
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            break
        await asyncio.sleep(0.1)
    rates, times = {path: [] for path in (BARE, OPEN, KEYED)}, {path: [] for path in (BARE, OPEN, KEYED)}
    for _ in range(ROUNDS):
        for path, rate in rates.items():
            found = await load(port, path, body)
            rate.append(len(found) / SECONDS)
            times[path] += found
    bare, plain, keyed = (statistics.median(rates[path]) for path in (BARE, OPEN, KEYED))
    ends = {path: sorted(found)[int(len(found) * 0.99)] * 1000 for path, found in times.items()}
    words = "against a bare endpoint of the same server"
    return [
        row("AuthZEN evaluations without a token (per s)", plain, bare, f"0.70: {words}"),
        row("AuthZEN evaluations with a token (per s)", keyed, bare, f"0.50: {words}"),
        {
            "measure": f"AuthZEN, p99 at {CONNECTIONS} connections (ms)",
            "ours": ends[KEYED],
            "peer": ends[BARE],
            "ratio": ends[BARE] / ends[KEYED],
            "reach": "3 ms where client and server have a core each",
        },
    ]


def row(measure, ours, peer, reach):
    return {"measure": measure, "ours": ours, "peer": peer, "ratio": ours / peer, "reach": reach}


async def load(port, path, body):
    """Seconds that each answer took, over all connections, for one round."""
    head = f"POST {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\nauthorization: Bearer {KEY}\r\n"
    message = f"{head}content-length: {len(body)}\r\n\r\n".encode() + body
    loop, end = asyncio.get_running_loop(), time.perf_counter() + SECONDS
    made = [await loop.create_connection(lambda: Caller(message, end), "127.0.0.1", port) for _ in range(CONNECTIONS)]
    await asyncio.gather(*(caller.ended for _, caller in made))
    return [one for _, caller in made for one in caller.found]


class Caller(asyncio.Protocol):
    """One connection that asks again as soon as it is answered, with as little of the client's own work as can be."""

    def __init__(self, message, end):
        self.message, self.end, self.found, self.held = message, end, [], b""
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        self.transport = transport
        self.ask()

    def ask(self):
        self.began = time.perf_counter()
        self.transport.write(self.message)

    def data_received(self, data):
        self.held += data
        header, found, answer = self.held.partition(b"\r\n\r\n")
        if not found or not answer.endswith(b"}}}" if b'"context"' in answer else b"}"):
            return
        now = time.perf_counter()
        if not (header.startswith(b"HTTP/1.1 200") and answer.startswith(b'{"decision":true')):
            self.ended.set_exception(AssertionError(self.held))
        self.found.append(now - self.began)
        self.held = b""
        if now < self.end and not self.ended.done():
            self.ask()
            return
        self.transport.close()
        if not self.ended.done():
            self.ended.set_result(None)

    def connection_lost(self, error):
        if not self.ended.done():
            self.ended.set_exception(error or ConnectionError("the server hung up"))


def serve(where, port):
    """The node of the story at the owner's, with the endpoints twice: open, and for who has the key."""
    import msgspec
    import uvicorn
    from starlette.applications import Starlette
    from starlette.responses import Response
    from starlette.routing import Route
    from world import World

    from relto import acts
    from relto.demo import cast
    from relto.node.authzen import Endpoints, Released
    from relto.node.people import add_person, publish_roster
    from relto.release import who

    world = World(Path(where))
    for party in cast.MEMBERS:
        world.start(party, cast.PARTIES[party])
    world.found("gbr", "usa", "aus")
    world.adopt_laws()
    for one in cast.PEOPLE:
        if one.party in cast.MEMBERS:
            facts = msgspec.convert(one.facts(cast.day(world.time, 300)), acts.RecipientClass)
            add_person(world.nodes[one.party], one.alias, one.name, "", facts, one.party.upper())
    for party in cast.MEMBERS:
        for fields in cast.attestations(party, world.time):
            world.act(party, "attest", **fields)
        publish_roster(world.nodes[party])
    opaque = {item: world.random(16).hex() for item in (cast.ITEM_A, cast.ITEM_B, cast.ITEM_C)}
    for fields in cast.items(world.time, opaque).values():
        world.act("gbr", "register", **fields)
    world.act("gbr", "determine", **cast.determination_a(world.register("gbr").item(cast.ITEM_A).label_act))
    world.sync()
    node = world.nodes["gbr"]
    to = next(one.to for one in who(node.register, cast.ITEM_A, world.time) if one.to.recipient.party == "aus")
    subject = {"type": "recipient", "id": f"{to.recipient.organisation}#{to.id}"}
    resource = {"type": "item", "id": cast.ITEM_A}
    print(json.dumps({"subject": subject, "action": {"name": "key"}, "resource": resource}), flush=True)

    async def bare(request):
        await request.body()
        return Response(b'{"decision":true,"context":{"relto":{"answer":"permit"}}}', media_type="application/json")

    digest = hashlib.sha256(KEY.encode()).hexdigest()
    released = Released(node)
    opened = Endpoints(released, "http://bench", anybody=True).routes()[0]
    keyed = Endpoints(released, "http://bench", keys=[digest]).routes()[0]
    routes = {BARE: bare, OPEN: opened.endpoint, KEYED: keyed.endpoint}
    app = Starlette(routes=[Route(path, endpoint, methods=["POST"]) for path, endpoint in routes.items()])
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", access_log=False)


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
