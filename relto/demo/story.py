"""Twelve steps, each told in plain words with the true output, each checked against another node's files or HTTP.

`break_step` sabotages one step the way reality would (a consent that does not come, a byte that flips); the step's own check must notice.
"""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET

from relto import acts
from relto import charter as charters
from relto.acts import Register
from relto.demo import cast
from relto.demo.stage import Actor, Beside, Failed, Stage, until
from relto.errors import Forged, NotFound, ReltoError, Unavailable
from relto.keys import PublicKey, wrap_share
from relto.ledger import Verifier, verify_log
from relto.node import bundle, home
from relto.node.client import Answered, Client, login, open_package, session_of
from relto.node.home import open_node
from relto.node.sealing import seal_item
from relto.node.words import words
from relto.package import KeyAccess, Policy, read
from relto.package.manifest import Binding
from relto.release import Decision, Question, audit, decide, impact, rehearse_withdrawal, usual
from relto.release.words import sentence

DATA = Path(__file__).parent.parent / "data"
TITLES = (
    "Three parties found the partnership; Japan makes a node and is introduced",
    "A British organisation registers and seals three items",
    "An Australian engineer asks for A",
    "A Japanese engineer may not have A, and learns nothing",
    "The United Kingdom proposes to engage Japan, and looks at what it would change",
    "Consents come in one by one; confirmed, the engagement is in force",
    "A is relabelled and licensed for Japan, and opens there",
    "A reply is lost on its way; the retry is the same release",
    "Australia suspends the engagement",
    "On copies: an altered byte, and a ledger with two histories",
    "The United States rehearses its own withdrawal",
    "Every node replays the past, and so does an auditor with no node",
)


class Check(msgspec.Struct, frozen=True, kw_only=True):
    says: str
    ok: bool
    got: str = ""


class Step(msgspec.Struct, kw_only=True):
    n: int
    title: str
    ok: bool = True
    checks: list[Check] = []


class Story:
    """Told once, in order. `say` prints a line; it is silent when values are wanted."""

    def __init__(self, stage: Stage, say: Callable[[str], None], file: Path, break_step: int | None = None) -> None:
        self.stage, self.say, self.file, self.broken = stage, say, file, break_step
        self.steps: list[Step] = []
        self.packages: dict[str, Path] = {}
        self.keys_received = 0
        self.founding = self.proposal = ""
        self.delay_s = 0.0

    def tell(self) -> bool:
        """All steps until one fails; returns whether all hold."""
        for n, title in enumerate(TITLES, 1):
            step = Step(n=n, title=title)
            self.steps.append(step)
            self.say(f"\n{n:2d}. {title}")
            try:
                getattr(self, f"step_{n}")()
            except (Failed, ReltoError) as error:
                step.ok = False
                if not step.checks or step.checks[-1].ok:
                    step.checks.append(Check(says="the step goes through", ok=False, got=str(error)))
                self.say(f"    FAILED at step {n}: {error}")
                return False
        return True

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

    # ---- helpers ----------------------------------------------------------------------------------------------------------

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

    # ---- the steps ------------------------------------------------------------------------------------------------------------

    def step_1(self) -> None:
        stage, members = self.stage, cast.MEMBERS
        inceptions = {}
        for party, actor in stage.actors.items():
            inceptions[party] = actor.begin()
            actor.serve()
        for actor in stage.actors.values():
            actor.wait_up()
        self.show(
            *(
                f"{party}: keys made, ledger {party}.localhost/aukus/0 begun, inception {inceptions[party][:16]}…"
                for party in cast.PARTIES
            )
        )
        for one in members:
            for other in members:
                if one != other:
                    stage[one].desk.join(stage[other].node().inception(), "words")
        for one in members:
            self.show(f"{one} reads its words to the others, who see the same: {words(inceptions[one])}")
        until(
            lambda: all({*members} - {p} <= set(stage[p].node().register.parties) for p in members),
            "each holds the others' ledgers",
        )
        until(lambda: all(self._channels(p) >= 2 for p in members), "each has a channel to the others")
        gbr = stage["gbr"]
        text = (DATA / "charters" / "aukus" / "charter.yaml").read_bytes()
        agreed = charters.load(charters.read(text, "aukus"))
        pins = [
            charters.Pin(id=p, inception=inceptions[p], origin=f"{p}.localhost/aukus/0", address=stage[p].url)
            for p in members
        ]
        digests = {
            "charter": gbr.node().put_text(text),
            "parties": gbr.node().put_text(charters.format_parties("aukus", pins)),
        }
        self.founding = gbr.act("propose", subject="charter", n=1, what=acts.CharterText(**digests))
        self.show(
            f"gbr proposes the charter `{agreed.title}`, text {digests['charter'][:16]}…, {len(agreed.clauses)} clauses"
        )
        until(
            lambda: all(self._can_vote(p) for p in members),
            "the proposal and its texts reach all three",
        )
        for party in members:
            if not (self.breaks(1) and party == "usa"):
                stage[party].consent(self.founding)
        patience = 4.0 if self.breaks(1) else 30.0
        until(
            lambda: all(stage[p].register().partnership == self.founding for p in members),
            "all three ledgers show the partnership founded",
            patience,
        )
        self.check(
            "one proposal, three consents, three acknowledgements: founded in all three ledgers",
            all(
                len(stage[p].register().slots[self.founding].votes) == 3 and len(stage[p].register().acks) >= 3
                for p in members
            ),
        )
        self.show(f"founding id {self.founding}")
        self._introduce(inceptions["jpn"])
        self._prepare()

    def _can_vote(self, party: str) -> bool:
        slot = self.stage[party].register().slots.get(self.founding)
        return slot is not None and len(slot.voters) == len(cast.MEMBERS)

    def _channels(self, party: str) -> int:
        scan = self.stage[party].register().scans.get(f"{party}.localhost/aukus/0")
        return sum(isinstance(one.act, acts.Channel) for one in scan.stated) if scan else 0

    def _introduce(self, inception: str) -> None:
        stage, jpn = self.stage, self.stage["jpn"]
        stage["gbr"].desk.join(jpn.node().inception(), "words")
        jpn.desk.join(stage["gbr"].node().inception(), "words")
        jpn.desk.pin(self.founding)
        self.show(f"jpn reads its words to gbr, who sees the same: {words(inception)}")
        stage["gbr"].act(
            "introduce",
            party="jpn",
            inception=inception,
            origin="jpn.localhost/aukus/0",
            address=jpn.url,
            members=stage["gbr"].node().members_named(),
        )
        until(
            lambda: all("jpn" in stage[p].register().parties for p in cast.MEMBERS), "the members mirror Japan's ledger"
        )
        grades = {p: stage[p].register().party("jpn").grade for p in cast.MEMBERS}
        self.check(
            "Japan is introduced at all three members and has no right", set(grades.values()) == {"introduced"}, grades
        )

    def _prepare(self) -> None:
        """What the story takes for granted: laws adopted, people and organisations vouched for."""
        stage = self.stage
        for party, code, pack in (("usa", "USA", "us-itar"), ("gbr", "GBR", "gb-export"), ("aus", "AUS", "au-export")):
            digest = stage[party].node().put_text((DATA / "law" / pack / "pack.yaml").read_bytes())
            stage[party].act("adopt", jurisdiction=code, pack=digest, name=pack)
        until_day = cast.day(self.now, 365)
        for one in cast.PEOPLE:
            stage[one.party].desk.person(one.alias, one.name, "", one.facts(until_day), one.party.upper())
        for party in cast.PARTIES:
            for fields in cast.attestations(party, self.now):
                stage[party].act("attest", **fields)
            stage[party].desk.roster()
        until(
            lambda: len(stage["gbr"].register().packs) == 3 and len(stage["gbr"].register().rosters) == 4,
            "laws and rosters reach gbr",
        )
        until(
            lambda: (
                sum(1 for a in stage["gbr"].register().attestations)
                == sum(len(cast.attestations(p, self.now)) for p in cast.PARTIES)
            ),
            "attestations reach gbr",
        )
        self.show(
            "each state adopts its law pack; each party vouches for its organisation and declares its people as classes with head counts"
        )

    def step_2(self) -> None:
        gbr = self.stage["gbr"]
        opaque = {item: secrets.token_hex(16) for item in (cast.ITEM_A, cast.ITEM_B, cast.ITEM_C)}
        for fields in cast.items(self.now, opaque).values():
            gbr.act("register", **fields)
        gbr.act("determine", **cast.determination_b(gbr.register().item(cast.ITEM_B).label_act))
        files = {
            cast.ITEM_A: self.file,
            cast.ITEM_B: self._text("b", "Sea trial protocol"),
            cast.ITEM_C: self._text("c", "Pump trials"),
        }
        road = self.stage.directory / "packages"
        road.mkdir(exist_ok=True)
        for item, source in files.items():
            node = gbr.node()
            state = node.register.item(item)
            target = road / f"{item.partition('/')[2]}.tdf"
            begun = time.monotonic()
            sealed = seal_item(node, state, source, target, name=source.name)
            gbr.desk.packed(sealed.digest.hex(), state.facts.opaque, item, 1)
            self.packages[item] = target
            took = time.monotonic() - begun
            rate = f", {sealed.size / took / 2**20:,.0f} MiB/s" if sealed.size > 2**24 else ""
            self.show(f"{item}: {sealed.statement.label}; {sealed.size:,} bytes sealed as {target.name}{rate}")
        if self.breaks(2):
            data = bytearray(self.packages[cast.ITEM_B].read_bytes())
            data[len(data) // 2] ^= 1
            self.packages[cast.ITEM_B].write_bytes(data)
        until(
            lambda: (
                cast.ITEM_A in self.stage["aus"].register().items and cast.ITEM_C in self.stage["usa"].register().items
            ),
            "the catalogue reaches the members",
        )
        aus = self.stage["aus"].register()
        for path in self.packages.values():
            package = read(path)
            owned = package.check(aus.party("gbr").keys.seal)
            self._payload(path, owned.payload)
        self.check(
            "Australia's node, with the seal key from gbr's ledger, finds all three packages sealed by gbr and whole",
            len(self.packages) == 3,
        )
        hidden = self.stage["jpn"].register().items
        self.check("Japan's node knows of no item", not hidden, list(hidden))

    def _payload(self, path: Path, expected: str) -> None:
        from relto.package.container import scan

        with path.open("rb") as file:
            found = scan(file)
            file.seek(found.payload_at)
            digest, left = hashlib.sha256(), found.payload_size
            while left:
                part = file.read(min(left, 1 << 20))
                digest.update(part)
                left -= len(part)
        if digest.hexdigest() != expected:
            raise Forged(f"the payload of {path.name} is not the one that its owner signed")

    def _text(self, name: str, title: str) -> Path:
        path = self.stage.directory / f"item-{name}.txt"
        path.write_text(f"{title}\nEXERCISE: invented for the demonstration.\n")
        return path

    def step_3(self) -> None:
        stage, gbr = self.stage, self.stage["gbr"]
        for one in cast.PEOPLE:
            login(stage[one.party].directory, one.alias)
        register, question, decision = self.decide_at("gbr", "ada", cast.ITEM_A)
        self.show(
            f"asked of gbr's register: {decision.answer}",
            *self.reasons(register, question, decision),
            *self.changes(decision),
        )
        self.check(
            "undetermined: nobody has read A against the UK licence's own list, and a British officer can",
            decision.answer == "undetermined"
            and any(change.of == "gbr" and change.kind == "determine" for change in decision.changes),
            decision.answer,
        )
        first = self.ask_bytes("ada", cast.ITEM_A)
        self.check("gbr's node hands out no key for it", first.status == 403, first.status)
        fields = cast.determination_a(gbr.register().item(cast.ITEM_A).label_act)
        made = gbr.act("determine", **{**fields, "holds": not self.breaks(3)})
        self.show(f"gbr's disclosure officer determines, act {made[:8]}: {fields['reason']}")
        register, question, decision = self.decide_at("gbr", "ada", cast.ITEM_A)
        self.check(
            "permit, on the authority of the UK open general licence",
            decision.answer == "permit" and [a.authority for a in decision.authorities] == ["gb-ogl-aukus"],
            decision.answer,
        )
        self.show(
            f"authority {decision.authorities[0].cite}; obligations {', '.join(decision.obligations)}; valid until {decision.valid_until}"
        )
        target, answer = self.open("ada", cast.ITEM_A, "a-at-aus")
        self.check("the file opens in Australia, equal byte for byte", same(target, self.file))
        until(
            lambda: any(r.act == answer.release and r.receipts for r in gbr.register().releases.values()),
            "the receipt reaches gbr",
        )
        ours, theirs = gbr.register().releases[answer.release], stage["aus"].register().releases[answer.release]
        self.check(
            "release in gbr's ledger, receipt in Australia's, each side holds both halves",
            ours.receipts and theirs.receipts and ours.receipts[0][0] == "aus",
        )
        self.show(
            f"release {answer.release[:16]}… entry {ours.index} of gbr's ledger; receipt {ours.receipts[0][1][:16]}… by aus"
        )

    def step_4(self) -> None:
        register, question, decision = self.decide_at("gbr", "hana", cast.ITEM_A)
        self.show(
            f"gbr's officer asks for a Japanese engineer: {decision.answer}",
            *self.reasons(register, question, decision),
            *self.changes(decision),
        )
        self.check(
            "deny, with each rule that fails and what would change it",
            decision.answer == "deny"
            and {"scope", "label.release", "law.GBR"} <= {f.rule for f in decision.failing}
            and bool(decision.changes),
            [f.rule for f in decision.failing],
        )
        answers = [
            self.ask_bytes("hana", item, proof=not (self.breaks(4) and item == cast.ITEM_C))
            for item in (cast.ITEM_A, cast.ITEM_C, cast.ITEM_NONE)
        ]
        self.show(
            *(
                f"{item}: HTTP {one.status} {one.body.decode()}"
                for item, one in zip(("A", "C", "no such item"), answers, strict=True)
            )
        )
        self.check(
            "for A, for C and for an item that does not exist the wire carries the same bytes",
            len({(one.status, one.body) for one in answers}) == 1,
        )

    def _engagement(self) -> acts.Act:
        gbr = self.stage["gbr"]
        node, register = gbr.node(), gbr.register()
        agreed = register.charter
        assert agreed is not None
        jpn = node.peers()["jpn"]
        fields = cast.engagement_fields(self.now)
        if self.breaks(5):
            fields["ceiling"] = (
                msgspec.convert({"system": "USA", "level": "UNCLASSIFIED"}, type(fields["ceiling"][0])),
            )
        what = acts.Engagement(
            inception=jpn.inception,
            origin=jpn.origin,
            address=jpn.address,
            members=node.members_named(),
            confirm=agreed.confirm,
            recall_days=agreed.on_suspend.answer_days if agreed.on_suspend.recall else UNSET,
            **fields,
        )
        return gbr.draft("propose", subject=f"engagement/{cast.ENGAGEMENT}", n=1, what=what)

    def _relabel(self) -> acts.Act:
        gbr = self.stage["gbr"]
        return gbr.draft(
            "relabel",
            item=cast.ITEM_A,
            version=1,
            prev=gbr.register().item(cast.ITEM_A).label_act,
            label=cast.label("OFFICIAL-SENSITIVE", "AUS", "GBR", "JPN", "USA"),
            reason="Needed by the engaged party for the project",
        )

    def step_5(self) -> None:
        gbr = self.stage["gbr"]
        self._draft = self._engagement()
        register = gbr.register()
        alone = impact(register, [self._draft], self.now)
        self.show(
            "the engagement alone",
            *(f"gained: {p.item} for {p.to.heads} people of {p.to.recipient.party}" for p in alone.gained),
        )
        gained = {(p.item, p.to.recipient.party, p.to.heads) for p in alone.gained}
        self.check(
            "engagement alone: B for three people of Japan, A for nobody", gained == {(cast.ITEM_B, "jpn", 3)}, gained
        )
        from relto.release import assume

        after = assume(register, [self._draft], self.now)
        question = self.question(after, "hana", cast.ITEM_A)
        self.show("why A for nobody:", *self.reasons(after, question, decide(after, question)))
        drafts = [self._draft, self._relabel(), gbr.draft("licence", **cast.licence(self.now))]
        together = impact(register, drafts, self.now)
        self.show(
            "with a drafted relabel and licence",
            *(f"gained: {p.item} for {p.to.heads} people of {p.to.recipient.party}" for p in together.gained),
            *(
                f"lost: {p.item} for {p.to.heads} people of {p.to.recipient.party} (its determination ends with the old label)"
                for p in together.lost
            ),
        )
        self.check(
            "together with a relabel and a licence: A too",
            {p.item for p in together.gained} == {cast.ITEM_A, cast.ITEM_B},
        )
        before = self.stage["usa"].register().slots
        self.proposal = gbr.submit(self._draft)
        until(
            lambda: (
                self.proposal in self.stage["usa"].register().slots
                and self.proposal in self.stage["jpn"].register().slots
            ),
            "the proposal reaches usa and jpn",
        )
        self.check(
            "nothing was written while looking; now the proposal stands at usa, open and without a vote",
            self.proposal not in before and self.stage["usa"].register().slots[self.proposal].state == "open",
        )

    def step_6(self) -> None:
        stage = self.stage
        stage["gbr"].consent(self.proposal)
        stage["usa"].consent(self.proposal)
        until(lambda: self._voted("gbr", {"gbr", "usa"}), "usa's consent reaches gbr")
        register, question, decision = self.decide_at("gbr", "hana", cast.ITEM_B)
        wanted = sorted({one.of for one in decision.changes})
        self.show(f"after gbr and usa: {decision.answer} for B", *self.changes(decision))
        self.check(
            "two of three: still refused, and it names aus and jpn",
            decision.answer == "deny" and wanted == ["aus", "jpn"],
            wanted,
        )
        stage["aus"].consent(self.proposal)
        if self.breaks(6):
            stage["jpn"].act("refuse", proposal=self.proposal, reason="Not now")
        else:
            until(lambda: "jpn" in stage["jpn"].register().acks, "jpn has acknowledged what it was served")
            stage["jpn"].consent(self.proposal)
        took = until(
            lambda: stage["gbr"].register().slots[self.proposal].state == "in_force",
            "the votes are confirmed by all members' ledgers",
            6.0 if self.breaks(6) else 30.0,
        )
        until(lambda: len(stage["jpn"].register().slots[self.proposal].settled) == 3, "all members settle")
        self.check(
            "in force at the members; Japan holds the same word from each of them",
            all(stage[p].register().slots[self.proposal].state == "in_force" for p in (*cast.MEMBERS, "jpn")),
        )
        self.show(f"confirmed after {took:.1f} s")
        self._joint_statement()
        until(lambda: cast.ITEM_B in stage["jpn"].register().items, "gbr discloses B's entry to jpn")
        register, question, decision = self.decide_at("gbr", "hana", cast.ITEM_B)
        self.check("B: permit for Japan", decision.answer == "permit", self.reasons(register, question, decision))
        target, _ = self.open("hana", cast.ITEM_B, "b-at-jpn")
        self.check("B opens in Japan", same(target, self.stage.directory / "item-b.txt"))
        register, question, decision = self.decide_at("gbr", "hana", cast.ITEM_A)
        self.show(f"A: {decision.answer}", *self.reasons(register, question, decision))
        self.check(
            "A: deny for its label, and because no authority reaches Japan",
            {f.rule for f in decision.failing} == {"label.release", "law.GBR"},
        )

    def _voted(self, party: str, wanted: set[str]) -> bool:
        return wanted <= {vote.party for vote in self.stage[party].register().slots[self.proposal].votes}

    def _joint_statement(self) -> None:
        """Read from Japan's node: what the outsider itself can prove."""
        register = self.stage["jpn"].register()
        slot = register.slots[self.proposal]
        assert isinstance(slot.stated.act, acts.Propose)
        what = slot.stated.act.what
        assert isinstance(what, acts.Engagement)
        parties = ", ".join(sorted(cast.PARTIES[vote.party] for vote in slot.votes if not vote.void))
        self.show(
            "JOINT STATEMENT",
            f"{parties} have agreed that {cast.PARTIES[what.party]} takes part in {what.project} ({', '.join(what.areas)}),",
            f"up to {', '.join(map(str, what.ceiling))}, from {what.term.since} to {what.term.last}. It is no membership.",
            f"Proposal {self.proposal}.",
        )

    def step_7(self) -> None:
        gbr = self.stage["gbr"]
        relabel = self._relabel()
        sheet = impact(gbr.register(), [relabel, gbr.draft("licence", **cast.licence(self.now))], self.now)
        self.show(
            "audience sheet before signing",
            *(f"gains: {p.item} for {p.to.heads} people of {p.to.recipient.party}, first time" for p in sheet.gained),
            *(f"loses: {p.item} for {p.to.heads} people of {p.to.recipient.party}" for p in sheet.lost),
        )
        gbr.submit(relabel)
        _, _, decision = self.decide_at("gbr", "ada", cast.ITEM_A)
        self.check("the determination died with the old label", decision.answer == "undetermined", decision.answer)
        gbr.act("determine", **cast.determination_a(gbr.register().item(cast.ITEM_A).label_act))
        fields = cast.licence(self.now)
        licence = gbr.act("licence", **({**fields, "items": (cast.ITEM_B,)} if self.breaks(7) else fields))
        self.show(
            f"licence {fields['licence']}, act {licence[:8]}: {', '.join(fields['recipients'])}, {fields['items'][0]}, {fields['quantity']} piece, until {fields['term'].last}"
        )
        register, question, decision = self.decide_at("gbr", "hana", cast.ITEM_A)
        self.check(
            "A: permit for Japan, on an individual licence",
            decision.answer == "permit" and decision.authorities[0].authority == "gb-siel",
            self.reasons(register, question, decision),
        )
        until(lambda: cast.ITEM_A in self.stage["jpn"].register().items, "A's entry is disclosed to jpn")
        target, first = self.open("hana", cast.ITEM_A, "a-at-jpn")
        self.check("A opens in Japan, equal byte for byte", same(target, self.file))
        self._durable_before(first)
        until(lambda: self._receipted(first.release), "Japan's receipt reaches gbr")
        target, second = self.open("kenji", cast.ITEM_A, "a-again-at-jpn")
        used = gbr.register().licences[licence].used
        self.check(
            "opened again by a colleague: a second release, and the licence's one piece is still one",
            used == 1 and first.release != second.release,
            used,
        )

    def _durable_before(self, answer: Answered) -> None:
        """The release stands in gbr's stored ledger under a checkpoint that gbr's log key signed: what the client got proves it alone."""
        from relto.ledger import parse_proof

        proof = parse_proof(answer.proof.encode())
        held = msgspec.json.decode(proof.extra)
        leaf = msgspec.convert(held["leaf"], bytes)
        key = self.stage["jpn"].node().keys_of(self.stage["jpn"].node().peers()["gbr"]).log.ed25519
        opened = proof.verify(leaf, Verifier.of_log(PublicKey(name="gbr.localhost/aukus/0", ed25519=key)))
        with contextlib.closing(
            sqlite3.connect(f"file:{self.stage['gbr'].directory / 'node.sqlite'}?mode=ro", uri=True)
        ) as database:
            stored = database.execute(
                "select leaf from leaves where origin = ? and idx = ?", ("gbr.localhost/aukus/0", proof.index)
            ).fetchone()
        self.check(
            f"the record was durable before the key: entry {proof.index} of {opened.checkpoint.size}, proven to Japan's client",
            stored and bytes(stored[0]) == leaf,
        )

    def _receipted(self, release: str) -> bool:
        found = self.stage["gbr"].register().releases.get(release)
        return found is not None and bool(found.receipts)

    def step_8(self) -> None:
        gbr = self.stage["gbr"]
        before = len(gbr.register().releases)
        gbr.desk.lose_next_reply()
        try:
            self.open("tom", cast.ITEM_A, "a-for-tom")
            lost = False
        except Unavailable as error:
            lost = True
            self.show(f"the reply is lost: {error}")
        self.check("the client got nothing, and says that the reply may be lost", lost)
        if self.breaks(8):
            login(self.stage["aus"].directory, "tom")  # another proof key: not the same asking
        _, answer = self.open("tom", cast.ITEM_A, "a-for-tom")
        releases = gbr.register().releases
        self.check(
            "the retry yields the same release: one more in gbr's ledger, not two",
            len(releases) == before + 1,
            len(releases) - before,
        )
        until(lambda: all(self._opened_receipt(r) for r in gbr.register().releases.values()), "all receipts reach gbr")
        register = gbr.register()
        receipts = sum(bool(r.receipts) for r in register.releases.values())
        self.show(
            f"keys received {self.keys_received}, releases {len(register.releases)}, with receipts {receipts}; {answer.release[:16]}… was asked for twice"
        )
        self.check(
            "keys received = releases = releases with a receipt",
            self.keys_received == len(register.releases) == receipts,
            (self.keys_received, len(register.releases), receipts),
        )

    def _opened_receipt(self, release: acts.ReleaseState) -> bool:
        register = self.stage["gbr"].register()
        return any(getattr(register.stated[act].act, "opened", False) for _, act, _ in release.receipts)

    def step_9(self) -> None:
        aus, gbr = self.stage["aus"], self.stage["gbr"]
        self.check("before: B would open again", self.decide_at("gbr", "hana", cast.ITEM_B)[2].answer == "permit")
        begun = time.monotonic()
        act = (
            ""
            if self.breaks(9)
            else aus.act("suspend", engagement=self.proposal, reason="Pending a review of where the copies are kept")
        )
        refused = 0
        while time.monotonic() - begun < (3.0 if self.breaks(9) else 30.0):
            answer = self.ask_bytes("yui", cast.ITEM_B)
            if answer.status == 403:
                refused = answer.status
                break
            self.keys_received += 1
        self.delay_s = time.monotonic() - begun
        self.check("after aus's act the next key is refused", refused == 403)
        self.show(f"suspended by act {act[:8]} in aus's ledger; refused at gbr after {self.delay_s * 1000:.0f} ms")
        register = gbr.register()
        orders = [one for one in register.recalls.values() if one.because == act]
        self.show(
            *(
                f"order: {one.order} {register.releases[one.release].terms.item}, held by {one.holder}, answer by {one.by}: {one.state(cast.day(self.now))}"
                for one in orders
            )
        )
        held = [one for one in register.releases.values() if one.terms.to.party == "jpn"]
        self.check(
            "by the charter's clause gbr's register opens an order for each thing Japan holds; Japan's answers are outstanding",
            len(orders) == len(held) > 0 and all(one.state(cast.day(self.now)) == "outstanding" for one in orders),
            (len(orders), len(held)),
        )
        ids = {one.id for one in orders}
        until(
            lambda: {o.id for o in self.stage["jpn"].register().recalls.values() if o.because == act} == ids,
            "Japan's node shows the same orders",
        )
        self.check("Japan's own node shows the same orders: what it owes", ids)

    def step_10(self) -> None:
        self._altered()
        self._forked()

    def _altered(self) -> None:
        copy = self.stage.copy("usa", "usa-altered")
        origin = "gbr.localhost/aukus/0"
        with contextlib.closing(sqlite3.connect(copy / "node.sqlite")) as database:
            leaf = bytearray(
                database.execute("select leaf from leaves where origin = ? and idx = 5", (origin,)).fetchone()[0]
            )
            leaf[20] ^= 0 if self.breaks(10) else 1
            database.execute("update leaves set leaf = ? where origin = ? and idx = 5", (bytes(leaf), origin))
            database.commit()
        register = self.stage["usa"].register()
        key = register.party("gbr").keys.log.ed25519
        from relto.store import Sqlite

        with Sqlite(copy / "node.sqlite", read_only=True) as store:
            report = verify_log(store, origin, Verifier.of_log(PublicKey(name=origin, ed25519=key)))
        self.show(f"one byte of usa's mirror of gbr altered: {report.problem}")
        self.check(
            "the altered entry is named and the ledger refused",
            not report.sound and report.index == 5,
            report.problem or "sound",
        )

    def _forked(self) -> None:
        origin = "aus.localhost/aukus/0"
        gbr = open_node(self.stage.copy("gbr", "gbr-watching"), write=True)
        first, second = (open_node(self.stage.copy("aus", f"aus-{name}"), write=True) for name in ("one", "two"))
        facts = gbr.register
        question = usual(facts, facts.item(cast.ITEM_B), self._class("ada"), self.now, "evaluation", "AUS")
        self.check("before: gbr's copy would permit B for Australia", decide(gbr.register, question).answer == "permit")
        for node, day in ((first, 30), (second, 60)):
            draft = node.draft(
                "attest",
                about=cast.AUS_ORG,
                claim="nda",
                term=acts.Term(since=cast.day(self.now), until=cast.day(self.now, day)),
            )
            self._sign_and_submit(node, "aus", draft)
        gbr.ingest(Beside(first, "gbr"))
        caught = ""
        try:
            gbr.ingest(Beside(second, "gbr"))
        except Forged as error:
            caught = error.message
        self.show(f"aus's two copies sign different entries at one place: {caught}")
        self.check(
            "gbr's copy notices the fork and writes the proof into its own ledger",
            caught
            and any(
                isinstance(one.act, acts.Fork) and one.act.origin == origin for one in gbr.register.stated.values()
            ),
        )
        decision = decide(gbr.register, question)
        self.show(*self.reasons(gbr.register, question, decision))
        self.check(
            "its permits freeze",
            decision.answer == "deny" and any(f.deny_code == "FROZEN" for f in decision.failing),
            decision.answer,
        )

    def _class(self, alias: str) -> acts.RecipientClass:
        return msgspec.convert(self.person(alias).facts(cast.day(self.now, 365)), acts.RecipientClass)

    def _sign_and_submit(self, node: Any, party: str, draft: acts.Act) -> str:
        from relto.node import officer

        keys = node.register.scans[node.origin].keys
        request = officer.request(draft, keys)
        signed = officer.sign(request, officer.offline_signers(self.stage[party].directory, request))
        return str(node.submit(officer.envelope(signed)))

    def step_11(self) -> None:
        usa = self.stage["usa"]
        self._american_item()
        register, on = usa.register(), cast.day(self.now, 30)
        found = rehearse_withdrawal(register, "jpn" if self.breaks(11) else "usa", on, self.now)
        self.show(
            f"declared on {on}, it would count from {found.effective}",
            f"stops, of what holds today: {len(found.lost)} pairs of item and class; goes on: {found.kept}",
            *(f"  {pair.item} for {pair.to.heads} people of {pair.to.recipient.party}" for pair in found.lost),
            f"attestations of its own that end: {len(found.attestations)}; licences: {len(found.licences)}",
            f"engagements it consented to: {', '.join(found.engagements)}",
            *(f"comes back: {item} from {holder}" for _, item, holder in found.returns),
            *(f"survives: {says} [charter {clause}]" for clause, says in found.duties),
        )
        self.check(
            "what stops: its own item for Britain and Australia",
            {(p.item, p.to.recipient.party) for p in found.lost} >= {(cast.ITEM_D, "gbr"), (cast.ITEM_D, "aus")},
        )
        self.check(
            "what must come back: the copy in the United Kingdom",
            any((item, holder) == (cast.ITEM_D, "gbr") for _, item, holder in found.returns),
            found.returns,
        )
        self.check(
            "what survives, by clause, from the day the notice is over",
            found.duties and found.effective > on,
            found.effective,
        )
        gone = [p for p in cast.MEMBERS if self.stage[p].register().party("usa").withdraws]
        self.check("and it was a rehearsal: no ledger holds a withdrawal", not gone, gone)

    def _american_item(self) -> None:
        """usa registers an item and hands it to a Briton, under its own law."""
        usa = self.stage["usa"]
        usa.act("register", **cast.item_d(secrets.token_hex(16)))
        usa.act("determine", **cast.determination_d(usa.register().item(cast.ITEM_D).label_act))
        node, source = usa.node(), self._text("d", "Range schedule")
        target = self.stage.directory / "packages" / "range-schedule.tdf"
        seal_item(node, node.register.item(cast.ITEM_D), source, target, name=source.name)
        self.packages[cast.ITEM_D] = target
        _, answer = self.open("rowan", cast.ITEM_D, "d-at-gbr")
        until(
            lambda: answer.release in usa.register().releases and usa.register().releases[answer.release].receipts,
            "the receipt of gbr reaches usa",
        )
        refs = usa.register().releases[answer.release].terms.authorities
        self.show(
            f"usa hands {cast.ITEM_D} to an engineer of gbr; "
            + "; ".join(f"{ref.jurisdiction}: {ref.cite}" for ref in refs)
        )

    def step_12(self) -> None:
        counts: dict[str, dict[str, int]] = {}
        own: list[str] = []
        for party in cast.MEMBERS:
            node = self.stage[party].node()
            rows = audit(node.register, node.register_at)
            counts[party] = {
                word: sum(row.result == word for row in rows) for word in ("full", "part", "order", "differs")
            }
            self.show(f"{party}: " + ", ".join(f"{word} {count}" for word, count in counts[party].items()))
            if party == "aus":
                self.show(
                    *(
                        f"  out of aus's sight: {name[:16]} ({why})"
                        for row in rows
                        if row.result == "part"
                        for name, why in row.missing[:2]
                    )
                )
            if party == "gbr":
                own = [row.result for row in rows if row.origin == "gbr.localhost/aukus/0" and row.release]
        releases = sum(one.party == "gbr" for one in self.stage["gbr"].register().releases.values())
        self.check(
            "gbr replays all its releases in full, with equal decision ids",
            len(own) == releases > 0 and set(own) == {"full"},
            own,
        )
        self.check(
            "what is open to the others in part is listed with whose it is; of the rest they see the order",
            counts["aus"]["part"] > 0
            and all(counts[p]["order"] > 0 and not counts[p]["differs"] for p in cast.MEMBERS),
            counts,
        )
        fifth = self.stage.directory / "auditor"
        bundle.write_audit(self.stage["gbr"].node(), fifth)
        if self.breaks(12):
            path = next(iter(sorted((fifth / "objects").iterdir())))
            path.chmod(0o600)
            path.write_bytes(path.read_bytes() + b" ")
        register, at = bundle.read_audit(fifth, self.founding)
        rows = audit(register, at)
        full = sum(row.result == "full" and row.origin == "gbr.localhost/aukus/0" for row in rows)
        self.show(f"auditor, with gbr's bundle and the founding id alone: full {full}")
        self.check(
            "a fifth directory with no key and no node replays all of gbr's releases in full", full == releases, full
        )
        with contextlib.suppress(NotFound):
            _ = home.FileKeys(fifth).opening
            raise Failed("the auditor's directory holds keys")


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


def table(story: Story) -> list[str]:
    """The counts at the end, each from a node's files."""
    rows: list[tuple[str, Sequence[object]]] = []
    registers = {party: story.stage[party].register() for party in cast.PARTIES}
    rows.append(("entries in its ledger", [registers[p].scans[f"{p}.localhost/aukus/0"].size for p in cast.PARTIES]))
    rows.append(("acts open to it", [len(registers[p].stated) for p in cast.PARTIES]))
    rows.append(("releases it may see", [len(registers[p].releases) for p in cast.PARTIES]))
    rows.append(
        (
            "orders outstanding",
            [
                sum(o.state(cast.day(story.now)) == "outstanding" for o in registers[p].recalls.values())
                for p in cast.PARTIES
            ],
        )
    )
    head = f"{'':24}" + "".join(f"{p:>8}" for p in cast.PARTIES)
    return [head, *(f"{name:24}" + "".join(f"{value!s:>8}" for value in values) for name, values in rows)]
