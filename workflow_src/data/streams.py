"""The order in which training sees its images: one stream of batches of image numbers per run.

`full` passes over all images again and again, each time in a fresh order. `restart` is what the
published SPVAE program does: every 128 batches its input starts anew at the first image, behind a
shuffle buffer of 1000, so that it only ever sees about the first 17,400 images. Streams know
numbers only; subsets.py says which image a number means.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]
StreamKind = Literal["full", "restart"]

SHUFFLE_BUFFER = 1000
RESTART_INTERVAL = 128


class _Cycle(Protocol):
    """Finite sequences of draws, one after another, each computable from its number alone."""

    length: int

    def draws(self, number: int) -> Indices: ...


class BatchStream:
    """An endless stream of batches, with no state but the number of batches given so far.

    Parameters
    ----------
    size:
        Images to draw from, at least 1; image numbers run from 0 to size - 1.
    batch_size:
        Images in a batch, at least 1. Batches are always full: with `full`, a batch may end one
        pass and begin the next.
    kind:
        `full` or `restart`.
    seed:
        A non-negative integer; equal seeds give equal streams.
    restart_interval:
        Batches between two restarts of `restart`.

    Raises
    ------
    ValueError
        For a size, batch size, interval or kind outside the above.
    """

    def __init__(
        self,
        size: int,
        batch_size: int,
        kind: StreamKind,
        seed: int,
        restart_interval: int = RESTART_INTERVAL,
    ) -> None:
        for name, value in (
            ("size", size),
            ("batch size", batch_size),
            ("restart interval", restart_interval),
        ):
            if value < 1:
                raise ValueError(f"the {name} of a stream is {value}; it must be at least 1")
        self._batch_size = batch_size
        self._cycle = _cycle(kind, size, batch_size * restart_interval, seed)
        self._batches = 0
        self._current_number = -1
        self._current_draws: Indices = np.empty(0, dtype=np.int64)

    def next_indices(self) -> Indices:
        """The next batch of image numbers, shape [batch size]."""
        first = self._batches * self._batch_size
        wanted = self._batch_size
        pieces = []
        while wanted > 0:
            number, position = divmod(first, self._cycle.length)
            piece = self._draws(number)[position : position + wanted]
            pieces.append(piece)
            first += len(piece)
            wanted -= len(piece)
        self._batches += 1
        return np.concatenate(pieces)

    def state(self) -> dict[str, int]:
        """What `load_state` needs to continue from here exactly; fit for JSON."""
        return {"batches": self._batches}

    def load_state(self, state: Mapping[str, int]) -> None:
        """Continue where a stream of the same parameters was when it gave ``state``."""
        batches = state["batches"]
        if batches < 0:
            raise ValueError(f"a stream cannot have given {batches} batches")
        self._batches = batches

    def _draws(self, number: int) -> Indices:
        if number != self._current_number:
            self._current_draws = self._cycle.draws(number)
            self._current_number = number
        return self._current_draws


class _Permutations:
    """Every pass shows every image once."""

    def __init__(self, size: int, seed: int) -> None:
        self.length = size
        self._seed = seed

    def draws(self, number: int) -> Indices:
        return _generator(self._seed, number).permutation(self.length).astype(np.int64, copy=False)


class _BufferedRestarts:
    """Every cycle is the first ``length`` draws of newly opened, buffered passes."""

    def __init__(self, size: int, length: int, seed: int) -> None:
        self.length = length
        self._size = size
        self._seed = seed

    def draws(self, number: int) -> Indices:
        generator = _generator(self._seed, number)
        pieces: list[int] = []
        while len(pieces) < self.length:
            pieces += buffered_shuffle(self._size, self.length - len(pieces), generator)
        return np.array(pieces, dtype=np.int64)


def buffered_shuffle(
    size: int, count: int, generator: np.random.Generator, buffer_size: int = SHUFFLE_BUFFER
) -> list[int]:
    """The first ``count`` draws, or all if fewer, of one pass over 0..size-1 by a shuffle buffer.

    The buffer holds the first ``buffer_size`` numbers; each draw takes one of them uniformly and
    the next number in order fills its place; at the end the buffer is drained. These are the
    semantics of ``tf.data.Dataset.shuffle``.
    """
    buffer = list(range(min(buffer_size, size)))
    count = min(count, size)
    refilled = min(count, size - len(buffer))
    drawn = []
    incoming = len(buffer)
    for place in generator.integers(len(buffer), size=refilled).tolist():
        drawn.append(buffer[place])
        buffer[place] = incoming
        incoming += 1
    # Draining without replacement is a uniformly random order of what the buffer still holds.
    drawn += generator.permutation(buffer)[: count - refilled].tolist()
    return drawn


def _cycle(kind: str, size: int, restart_length: int, seed: int) -> _Cycle:
    if kind == "full":
        return _Permutations(size, seed)
    if kind == "restart":
        return _BufferedRestarts(size, restart_length, seed)
    raise ValueError(f"unknown stream {kind!r}; allowed: full, restart")


def _generator(seed: int, number: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, number])))
