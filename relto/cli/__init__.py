"""The command line: verbs under nouns; the nouns are the rooms and their types.

    relto may WHO ITEM         one decision                    relto act KIND …          governance: draft, sign, submit
    relto who ITEM             everyone who may                relto charter check|show  the agreed text
    relto what WHO             everything one may have         relto law show|test       the law packs
    relto impact ACT…          what would change               relto node init|serve     one party's node
    relto seal, open, verify   packages and proofs             relto sync, relto ledger  exchange and proof
    relto audit                replay past releases            relto demo                the story

`--node DIR` (or RELTO_NODE, or here) says which node; `--json` prints values.
Exit status: 0 permit or done, 1 deny, 2 error, 3 undetermined.
"""

from relto.cli.main import run, start

__all__ = ["run", "start"]
