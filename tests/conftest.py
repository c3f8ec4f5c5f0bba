"""What all tests share: one thread of arithmetic, also in the programs that they start."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
