"""Steps 10 to 12: damage and forks are noticed, a withdrawal is rehearsed, the past is replayed."""

from __future__ import annotations

import contextlib
import secrets
import sqlite3
from typing import Any

import msgspec

from relto import acts
from relto.demo import cast
from relto.demo.stage import Beside, Failed, until
from relto.demo.telling import Telling
from relto.errors import Forged, NotFound
from relto.keys import PublicKey
from relto.ledger import Verifier, verify_log
from relto.node import bundle, home
from relto.node.home import open_node
from relto.node.sealing import seal_item
from relto.release import audit, decide, rehearse_withdrawal, usual


class Proving(Telling):
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
        self.stage["gbr"].desk.publish()
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
