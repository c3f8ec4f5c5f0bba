"""density-bench: plan, train, evaluate and audit deep probabilistic image models."""
