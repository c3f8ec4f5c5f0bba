"""A study as small as one can be, as the content of its file."""

from __future__ import annotations

from typing import Any

STEPS, INTERVAL = 24, 8


def tiny_study(**models: list[dict[str, Any]]) -> dict[str, Any]:
    """One table on continuous digits, from the grids of these models, `STEPS` steps a training."""
    return {
        "name": "tiny",
        "title": "A tiny study",
        "reference": "none",
        "training": {"importance_samples": 2, "batch_size": 16, "validation_interval": INTERVAL},
        "protocols": {
            "authors": {
                "description": "One way.",
                "training": {"stopping": "eleven_below_best", "learning_rate": 0.01},
            }
        },
        "experiments": {
            "table1": {
                "title": "A table",
                "description": "As small as one can be.",
                "presentation": "table",
                "table": {"rows": "model", "columns": ["data_set"], "metric": "test_bound"},
                "measures": {"importance_samples": [2]},
                "scales": {
                    "demo": {
                        "data_sets": ["digits"],
                        "likelihoods": ["gaussian"],
                        "training": {"maximum_steps": STEPS},
                        "models": models,
                    }
                },
            }
        },
    }
