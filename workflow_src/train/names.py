"""How tensors are called in checkpoints and states, beside parameters. No tensors here."""

STATE = "state."
"""Before the names of what a model moves without a gradient; not among its trained numbers."""

CHAINS = "chains"
"""How the names of such tensors begin that no checkpoint keeps: they serve training alone."""

BEST = "best."
"""In states: before all that the best point's checkpoint would hold."""
