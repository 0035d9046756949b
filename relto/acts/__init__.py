"""Acts: what parties state, and what holds because of it.

An act is a signed statement in its author's own ledger. This room turns bytes into acts (`open_act`), says who must sign and who must be able to read
each kind, and folds ledgers into a `Register`: who is a party, which charter is in force, which engagements, items, licences and denials there are.
It decides nothing about releases (room `release`), stores nothing, and knows no clock.

* The set of kinds is closed (`KINDS`); an unknown kind or field is refused.
* What counts in a ledger follows from that ledger alone (`scan.py`); what needs several parties is a slot (`fold.py`).
* Denials count on sight, votes when confirmed.
* An act that does not count is kept as void, with the reason.

    entries = {origin: [entry(origin, 0, leaf, (salt, envelope)), …]}
    register = fold(entries, "gbr", objects)
    register.engagements["jpn-maritime"].state("2026-11-22")    # 'in_force'
"""

from relto.acts.act import (
    AccessPublic, Acknowledge, Act, Admission, Adopt, Answer, AnyAct, Attest, AuthorityRef, Channel, CharterText, Clearance, Consent, Determine, Disclose, Dispute, Ending, Engagement, Evidence, Expulsion, Fork, Inception, Introduce, ItemRef, KINDS, KeySet, Licence, LicenceUse, Lift, LogKey, Member, Money, Officer, Owed, PARTY_CHAIN, PAYLOAD_MAX, PAYLOAD_TYPE, ProjectTerms, Propose, Quorum, Recall, Receipt, RecipientClass, Recover, Refuse, RegisterItem, Relabel, Release, ReleaseRule, Renewal, Retire, Return, Revoke, Roster, RosterClass, Rotate, SIGNERS, Saying, Seen, Settle, Shape, Successors, Suspend, Term, What, Withdraw, act_id, key_digest, read, write,
)  # fmt: skip
from relto.acts.envelope import Envelope, merge, open_act, satisfied, sign
from relto.acts.fold import extend, fold
from relto.acts.register import (
    AdoptedPack, Attestation, Denial, Determination, EngagementState, ItemState, LicenceState, PartyState, Proposal, RecallState, Register, ReleaseState,
    Sight, Vote,
)  # fmt: skip
from relto.acts.scan import Entry, KeySpan, Stated, Void, entry, kind_of, open_to

__all__ = [
    "AccessPublic", "Acknowledge", "Act", "Admission", "Adopt", "AdoptedPack", "Answer", "AnyAct", "Attest", "Attestation", "AuthorityRef", "Channel", "CharterText", "Clearance", "Consent", "Denial", "Determination", "Determine", "Disclose", "Dispute", "Ending", "Engagement", "EngagementState", "Entry", "Envelope", "Evidence", "Expulsion", "Fork", "Inception", "Introduce", "ItemRef", "ItemState", "KINDS", "KeySet", "KeySpan", "Licence", "LicenceState", "LicenceUse", "Lift", "LogKey", "Member", "Money", "Officer", "Owed", "PARTY_CHAIN", "PAYLOAD_MAX", "PAYLOAD_TYPE", "PartyState", "ProjectTerms", "Proposal", "Propose", "Quorum", "Recall", "RecallState", "Receipt", "RecipientClass", "Recover", "Refuse", "Register", "RegisterItem", "Relabel", "Release", "ReleaseRule", "ReleaseState", "Renewal", "Retire", "Return", "Revoke", "Roster", "RosterClass", "Rotate", "SIGNERS", "Saying", "Seen", "Settle", "Shape", "Sight", "Stated", "Successors", "Suspend", "Term", "Void", "Vote", "What", "Withdraw", "act_id", "entry", "extend", "fold", "key_digest", "kind_of", "merge", "open_act", "open_to", "read", "satisfied", "sign", "write",
]  # fmt: skip
