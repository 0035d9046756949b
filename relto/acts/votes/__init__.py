"""Votes: how parties decide together, and what of it stands when a ledger forks, a key is stolen, a ledger is begun anew.

* `slots.py`: the slots in chain order, from the founding on. Everybody outside this folder calls this one.
* `ballot.py`: who decides a proposal; what is wrong with it by itself. `tally.py`: what votes make of it.
* `judging.py`: the votes in one ledger, in order. `confirming.py`: what enough ledgers acknowledge.
* `doubt.py`: forks and disputed keys. `epochs.py`: several ledgers of one party as one line.

    slots = Slots(scans, "gbr", objects).ran()
    slots.proposals[id].state    # 'in_force'
"""
