"""What parties agreed, as texts that people can review line by line.

What it is: the one text grammar (`text`: charters, party lists, law packs and cases), a charter as values (`model`),
from text to values (`draft`), whether its entries fit one another (`check`), the list of pinned ledgers (`parties`)
and the cases beside a charter (`cases`). By which rule something is decided, and whether votes do, is `rules`; what else a
charter answers by itself is `asking`; its sentences and what an amendment changes in them, `compare`; the schema of its
texts, `schema`.

What it is not: it knows no act. A charter says by which rule an act is decided and what given votes make of it; whose
votes count the fold says, and who may receive what the release room.

* Every value is typed by its key: `source.root.take("since", date)`. What is not understood is refused with file, line
  and column.
* Every entry has a clause, unique in the text; decisions cite it.
* A text is bound by the digest of its bytes. `load` refuses a charter whose entries do not fit; `lint` says everything
  at once.
* A charter is two texts: the policy, and the party list that pins a ledger for each party. Adopting binds both.

    charter = load(read(source, "charter.yaml"))
    charter.members                                # ("aus", "gbr", "usa")
    charter.decision("engage").rule                # "unanimity"
    stage_of(charter.candidate("jpn"))             # ("consulting", "2024-09-17, joint statement: ...")
"""

from relto.charter.cases import Case, Cases, load_cases
from relto.charter.check import Problem, check, lint, load
from relto.charter.draft import draft
from relto.charter.model import (
    JOINT_ACTS,
    Candidate,
    Charter,
    Clause,
    Criterion,
    Decision,
    Evidence,
    Exit,
    Limit,
    Party,
    Pillar,
    Project,
    Purpose,
    Status,
    Test,
    Window,
    remarks_of,
    stage_of,
)
from relto.charter.parties import Parties, Pin, format_parties, load_parties, with_pin
from relto.charter.quote import check_quote
from relto.charter.rules import Matter, Poll, State, Voice, newly_suspended, poll, sections_touched
from relto.charter.text import Amount, Date, List, Map, Money, Node, Scalar, Span, Text, read

__all__ = [
    "JOINT_ACTS",
    "Amount",
    "Candidate",
    "Case",
    "Cases",
    "Charter",
    "Clause",
    "Criterion",
    "Date",
    "Decision",
    "Evidence",
    "Exit",
    "Limit",
    "List",
    "Map",
    "Matter",
    "Money",
    "Node",
    "Parties",
    "Party",
    "Pillar",
    "Pin",
    "Poll",
    "Problem",
    "Project",
    "Purpose",
    "Scalar",
    "Span",
    "State",
    "Status",
    "Test",
    "Text",
    "Voice",
    "Window",
    "check",
    "check_quote",
    "draft",
    "format_parties",
    "lint",
    "load",
    "load_cases",
    "load_parties",
    "newly_suspended",
    "poll",
    "read",
    "remarks_of",
    "sections_touched",
    "stage_of",
    "with_pin",
]
