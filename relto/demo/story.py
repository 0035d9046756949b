"""Twelve steps, each told in plain words with the true output, each checked against another node's files or HTTP.

`break_step` sabotages one step the way reality would (a consent that does not come, a byte that flips); the step's own
check must notice.
"""

from __future__ import annotations

from collections.abc import Sequence

from relto.demo import cast
from relto.demo.engaging import Engaging
from relto.demo.founding import Founding
from relto.demo.proving import Proving
from relto.demo.stage import Failed
from relto.demo.telling import DATA, Check, Step
from relto.errors import ReltoError

__all__ = ["DATA", "TITLES", "Story", "table"]

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


class Story(Founding, Engaging, Proving):
    """See the module."""

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
