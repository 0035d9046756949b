"""How the story is told: lines, checks that stop it, and what every step asks of the stage."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from msgspec import UNSET

from relto import acts
from relto.acts import Register
from relto.demo import cast
from relto.demo.stage import Actor, Failed, Stage
from relto.keys import wrap_share
from relto.node.client import Answered, Client, open_package, session_of
from relto.package import KeyAccess, Policy, read
from relto.package.manifest import Binding
from relto.release import Decision, Question, decide, usual
from relto.release.words import sentence

DATA = Path(__file__).parent.parent / "data"


class Check(msgspec.Struct, frozen=True, kw_only=True):
    says: str
    ok: bool
    got: str = ""


class Step(msgspec.Struct, kw_only=True):
    n: int
    title: str
    ok: bool = True
    checks: list[Check] = []


class Telling:
    """Told once, in order. `say` prints a line; it is silent when values are wanted."""

    def __init__(self, stage: Stage, say: Callable[[str], None], file: Path, break_step: int | None = None) -> None:
        self.stage, self.say, self.file, self.broken = stage, say, file, break_step
        self.steps: list[Step] = []
        self.packages: dict[str, Path] = {}
        self.keys_received = 0
        self.founding = self.proposal = ""
        self.delay_s = 0.0

    def breaks(self, n: int) -> bool:
        return self.broken == n

    def check(self, says: str, ok: object, got: object = "") -> None:
        """Raises: Failed."""
        self.steps[-1].checks.append(Check(says=says, ok=bool(ok), got=str(got)[:400]))
        self.say(f"    {'✓' if ok else '✗'} {says}")
        if not ok:
            raise Failed(f"{says}; got: {got}")

    def show(self, *lines: str) -> None:
        for line in lines:
            self.say(f"      {line}")

    # ---- what the steps ask for

    @property
    def now(self) -> int:
        return int(time.time() * 1000)

    def person(self, alias: str) -> cast.Someone:
        return next(one for one in cast.PEOPLE if one.alias == alias)

    def question(self, register: Register, alias: str, item: str) -> Question:
        """The owner's officer asks about a person, by the class that the person's party declares."""
        one = self.person(alias)
        facts = msgspec.convert(one.facts(cast.day(self.now, 365)), acts.RecipientClass)
        return usual(register, register.item(item), facts, self.now, "evaluation", one.party.upper())

    def decide_at(self, party: str, alias: str, item: str) -> tuple[Register, Question, Decision]:
        register = self.stage[party].register()
        question = self.question(register, alias, item)
        return register, question, decide(register, question)

    def reasons(self, register: Register, question: Question, decision: Decision) -> list[str]:
        return [f"{one.value.value:8}{sentence(register, question, one)}" for one in decision.failing]

    def changes(self, decision: Decision) -> list[str]:
        return [f"would change it: {one.needs} ({one.of})" for one in decision.changes if one.set == 1]

    def open(self, alias: str, item: str, name: str) -> tuple[Path, Answered]:
        one = self.person(alias)
        directory = self.stage[one.party].directory
        target = directory / "received" / name
        target.parent.mkdir(exist_ok=True)
        _, answer, _ = open_package(directory, self.packages[item], target, alias=alias, purpose="evaluation")
        self.keys_received += 1
        return target, answer

    def ask_bytes(self, alias: str, item: str, *, proof: bool = True) -> Answered:
        """What the owner's node puts on the wire for a package, or for an item that does not exist."""
        one, owner = self.person(alias), self.stage["gbr"]
        client = Client(session_of(self.stage[one.party].directory, alias))
        origin = "gbr.localhost/aukus/0"
        if item in self.packages:
            package = read(self.packages[item])
            policy, accesses = package.policy, package.key_access
        else:
            policy = Policy.for_item("gbr.localhost", secrets.token_hex(16), secrets.token_bytes)
            accesses = (self._made_up(owner, policy),)
        presentation = client.present(origin, policy.item[1], "evaluation", one.party.upper())
        return client.ask(presentation if proof else presentation[:-4] + "AAAA", owner.url, origin, policy, accesses)

    def _made_up(self, owner: Actor, policy: Policy) -> KeyAccess:
        key = owner.node().register.party("gbr").keys.access[1]
        share = secrets.token_bytes(32)
        wrapped = wrap_share(key.pem, share, secrets.token_bytes)
        from relto.keys import to_base64

        return KeyAccess(
            kind=wrapped.kind,
            url=owner.url + "/kas",
            protocol="kas",
            wrapped_key=to_base64(wrapped.wrapped),
            policy_binding=Binding.of(policy.binding(share)),
            kid=key.kid,
            sid="",
            encrypted_metadata="",
            ephemeral_pem=UNSET if wrapped.ephemeral_pem is None else wrapped.ephemeral_pem,
            version="1.0",
        )

    def _text(self, name: str, title: str) -> Path:
        path = self.stage.directory / f"item-{name}.txt"
        path.write_text(f"{title}\nEXERCISE: invented for the demonstration.\n")
        return path


def same(one: Path, other: Path) -> bool:
    """Equal byte for byte, without holding either in memory."""
    if one.stat().st_size != other.stat().st_size:
        return False
    with one.open("rb") as a, other.open("rb") as b:
        while True:
            first, second = a.read(1 << 20), b.read(1 << 20)
            if first != second:
                return False
            if not first:
                return True
