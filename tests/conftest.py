"""What all tests share: one thread of arithmetic, also in the programs that they start."""

import os

from hypothesis import HealthCheck, settings

os.environ.setdefault("OMP_NUM_THREADS", "1")

# How long an example takes says nothing about right or wrong, and on a busy machine a lot about
# the others on it. In CI the same examples are tried every time.
settings.register_profile(
    "house",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=bool(os.environ.get("CI")),
)
settings.load_profile("house")
