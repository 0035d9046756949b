"""Steps 5 to 9: an outsider is engaged, opens what was released to it, and is suspended."""

from __future__ import annotations

import contextlib
import sqlite3
import time

import msgspec
from msgspec import UNSET

from relto import acts
from relto.demo import cast
from relto.demo.stage import until
from relto.demo.telling import Telling, same
from relto.errors import Unavailable
from relto.keys import PublicKey
from relto.ledger import Verifier
from relto.node.client import Answered, login
from relto.release import decide, impact


class Engaging(Telling):
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
                f"lost: {p.item} for {p.to.heads} people of {p.to.recipient.party}"
                " (its determination ends with the old label)"
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
            f"{parties} have agreed that {cast.PARTIES[what.party]} takes part",
            f"in {what.project} ({', '.join(what.areas)}), up to {', '.join(map(str, what.ceiling))},",
            f"from {what.term.since} to {what.term.last}. It is no membership.",
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
            f"licence {fields['licence']}, act {licence[:8]}: {', '.join(fields['recipients'])}, {fields['items'][0]},"
            f" {fields['quantity']} piece, until {fields['term'].last}"
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
        """What the client got proves by itself that the release stands in gbr's ledger, under gbr's log key."""
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
            f"the record was durable before the key: entry {proof.index} of {opened.checkpoint.size},"
            " proven to Japan's client",
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
            f"keys received {self.keys_received}, releases {len(register.releases)}, with receipts {receipts};"
            f" {answer.release[:16]}… was asked for twice"
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
                f"order: {one.order} {register.releases[one.release].terms.item}, held by {one.holder},"
                f" answer by {one.by}: {one.state(cast.day(self.now))}"
                for one in orders
            )
        )
        held = [one for one in register.releases.values() if one.terms.to.party == "jpn"]
        self.check(
            "by the charter's clause gbr's register opens an order for each thing Japan holds;"
            " Japan's answers are outstanding",
            len(orders) == len(held) > 0 and all(one.state(cast.day(self.now)) == "outstanding" for one in orders),
            (len(orders), len(held)),
        )
        ids = {one.id for one in orders}
        until(
            lambda: {o.id for o in self.stage["jpn"].register().recalls.values() if o.because == act} == ids,
            "Japan's node shows the same orders",
        )
        self.check("Japan's own node shows the same orders: what it owes", ids)
