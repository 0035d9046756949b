"""Measured ratios. Each module with `run()` gives rows {measure, ours, peer, ratio, reach}.

ours, peer: what was measured, in one run, turn by turn, so that a busy machine slows both. `measure` names the unit.
ratio: ours to peer. reach: what the ratio cannot pass, and why.
"""
