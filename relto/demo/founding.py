"""Steps 1 to 4: a partnership is founded, an item is sealed and opened, and a stranger learns nothing."""

from __future__ import annotations

import hashlib
import secrets
import time
from pathlib import Path

from relto import acts
from relto import charter as charters
from relto.demo import cast
from relto.demo.stage import until
from relto.demo.telling import DATA, Telling, same
from relto.errors import Forged
from relto.node.client import login
from relto.node.sealing import seal_item
from relto.node.words import words
from relto.package import read


class Founding(Telling):
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
            "each state adopts its law pack; each party vouches for its organisation",
            "and declares its people as classes with head counts",
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
            gbr.desk.packed(sealed.digest.hex(), state.facts.opaque, item, 1, sealed)
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
            f"authority {decision.authorities[0].cite}; obligations {', '.join(decision.obligations)};"
            f" valid until {decision.valid_until}"
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
            f"release {answer.release[:16]}… entry {ours.index} of gbr's ledger;"
            f" receipt {ours.receipts[0][1][:16]}… by aus"
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
