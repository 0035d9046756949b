"""A charter run by its own rules on real nodes: founded, an outsider engaged, an item registered, a question decided.

`Run` knows no charter: who is who stands in the text, what is asked in the test.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from world import World

from relto import acts
from relto.acts import RecipientClass
from relto.charter import draft, read
from relto.label import Label, Level
from relto.release import Question, decide
from relto.release.words import sentence

DAY = 86_400_000

PACK = """\
pack: {name}-law
jurisdiction: {code}
title: A law that reaches nothing, for tests
source: invented
valid: 2000-01-01..
reaches: {{fact: transferor.code, is: ZZZ}}
authorities:
- id: none
  kind: exemption
  title: Nothing is reached
  cite: § 1
  conditions:
  - id: nobody
    cite: § 1(a)
    rule: Nobody is meant
    said_by: state
    deny_code: NOBODY
    test: {{determined: true}}
"""


class Run(World):
    """A partnership under a charter. `outsiders`: further parties, engaged in a project or not."""

    def __init__(self, directory: Path, charter: Path, outsiders: Mapping[str, str] = {}) -> None:
        super().__init__(directory, charter=charter)
        self.text = draft(read(self.charter, "charter.yaml"))
        for party in self.text.signatories:
            self.start(party, self.text.party(party).name)
        self.founding = self.found(*self.text.signatories)
        for law in self.text.jurisdictions:
            node = self.nodes[law.adopter]
            digest = node.put_text(PACK.format(name=law.id.lower(), code=law.id).encode())
            self.act(law.adopter, "adopt", jurisdiction=law.id, pack=digest, name=f"{law.id.lower()}-law")
        self.sync()
        first = self.text.members[0]
        for party, name in outsiders.items():
            self.start(party, name)
            self.outsiders.add(party)
            for one in self.text.signatories:
                self.join(party, one)
            self.nodes[party].save_config(pin=self.founding)
            self.introduce(first, party)

    def introduce(self, member: str, party: str) -> None:
        node = self.nodes[party]
        inception = acts.open_act(node.inception())[1]
        named = self.nodes[member].members_named()
        self.sync()
        self.act(
            member, "introduce", party=party, inception=inception, origin=node.origin, address=node.config.url,
            members=named,
        )  # fmt: skip
        self.sync()

    def propose_engagement(
        self, by: str, party: str, project: str, name: str = "one", days: int = 400, **more: Any
    ) -> str:
        node, charter = self.nodes[by], self.text
        peer = node.peers()[party]
        what = acts.Engagement(
            party=party,
            inception=peer.inception,
            origin=peer.origin,
            address=peer.address,
            project=project,
            role="participant",
            areas=charter.project(project).areas,
            ceiling=tuple(Level(system=one.name, level=one.ladders[0][-1]) for one in charter.equivalence.systems),
            term=acts.Term(since=self.day(-1), until=self.day(days)),
            members=node.members_named(),
            confirm=charter.confirm,
            recall_days=charter.on_suspend.answer_days if charter.on_suspend.recall else acts.act.UNSET,
        )
        proposal = self.act(by, "propose", subject=f"engagement/{name}", n=1, what=what, **more)
        self.sync()
        return proposal

    def amend(self, by: str, *changes: tuple[str, str], days: int = 0) -> str:
        """A proposal to change the charter in force, by what stands in its text."""
        text = self.charter.decode()
        for old, new in changes:
            assert text.count(old) == 1, (text.count(old), old)
            text = text.replace(old, new)
        node = self.nodes[by]
        register = node.register
        digest = node.put_text(text.encode())
        n, prev = register.charter_slot
        what = acts.CharterText(charter=digest, parties=register.directory.digest.hex())
        by_when = {"by": self.time + days * DAY} if days else {}
        made = self.act(by, "propose", subject="charter", n=n, prev=prev, what=what, **by_when)
        self.sync()
        return made

    def consent(self, proposal: str, *parties: str) -> None:
        for party in parties:
            self.act(party, "consent", proposal=proposal, sight=self.register(party).acks[party][0])
        self.sync(rounds=8)

    def refuse(self, proposal: str, party: str, reason: str = "no") -> None:
        self.act(party, "refuse", proposal=proposal, reason=reason)
        self.sync(rounds=8)

    def pass_days(self, days: int) -> None:
        """Time goes by, and every node says that it is there: then each has seen what the others have seen."""
        self.time += days * DAY
        self.sync(rounds=8)
        for party in self.text.signatories:
            self.act(party, "attest", about=party, claim="still-there", term=acts.Term(since=self.day(0)))
        self.sync(rounds=8)

    def state(self, proposal: str) -> set[str]:
        """In how many ways the members see a proposal: one, or they disagree."""
        return {self.register(party).slots[proposal].state for party in self.text.members}

    def day(self, days: int) -> str:
        return acts.effects.day_of(self.time + days * DAY)

    def item(self, owner: str, name: str, project: str, rel: Iterable[str], **more: Any) -> str:
        """An item at the lowest level of the charter's first system."""
        system = self.text.equivalence.systems[0]
        level = Level(system=system.name, level=system.ladders[0][0])
        self.act(
            owner,
            "register",
            item=f"{owner}/{name}",
            version=1,
            opaque=self.random(16).hex(),
            title=name,
            organisation=f"{owner}/{owner}",
            owners=(owner,),
            release=acts.ReleaseRule(rule="one"),
            project=project,
            areas=self.text.project(project).areas,
            label=Label.of((level,), rel=set(rel)),
            nature="technical_data",
            **more,
        )
        return f"{owner}/{name}"

    def organisation(self, party: str) -> str:
        self.act(party, "attest", about=f"{party}/works", claim="organisation", term=acts.Term(since=self.day(-1)))
        return f"{party}/works"

    def someone(self, party: str, nation: str) -> RecipientClass:
        return RecipientClass(
            party=party, organisation=f"{party}/works", employment="regular", nationalities=(nation,),
            says={"employment": "party", "nationalities": "party"},
        )  # fmt: skip

    def ask(self, at: str, party: str, item: str, purpose: str, nation: str) -> Any:
        to = self.someone(party, nation)
        question = Question(
            to=to, item=item, version=1, purpose=purpose, place=nation, place_says="party", day=self.time
        )
        found = decide(self.register(at), question)
        # Whatever is found can be said.
        assert all(sentence(self.register(at), question, one) for one in found.findings)
        return found
