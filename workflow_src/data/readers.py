"""From published files to 8-bit images: one function per file format.

Files are taken as fetching.py leaves them; nothing is scaled or split here. Where colour becomes
gray, it does so by the luma weights of ITU-R BT.601 in the integer form of Pillow's mode "L", as in
the published SPVAE program. Black-and-white images are binary_images.py's.
"""

from __future__ import annotations

import codecs
import gzip
import io
import math
import pickle
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workflow_src.data.binary_images import (
    read_binarised_mnist,
    read_omniglot,
    read_silhouettes,
)
from workflow_src.data.matlab import matlab_variables
from workflow_src.data.one_label import of_one_label
from workflow_src.data.points import drawn_circle, drawn_wave
from workflow_src.data.raw import DataError, Facts, Labels, Pixels, RawImages, missing

IDX_UNSIGNED_BYTE = 8
CIFAR_BATCHES = {
    "train": tuple(f"data_batch_{number}" for number in range(1, 6)),
    "test": ("test_batch",),
}
_GRAY_CHUNK = 8192


def read(facts: Facts, directory: Path) -> tuple[RawImages, ...]:
    """The parts of a data set, in the order in which splitting.py numbers their images.

    Raises
    ------
    DataError
        For a file that is missing, cut short, damaged or of another shape.
    """
    parts = _READERS[facts.reader](facts, directory)
    values = " x ".join(map(str, facts.image_shape))
    for part in parts:
        if part.images.shape[1:] != facts.image_shape or len(part.labels) != len(part):
            raise DataError(
                f"{part.part} has images of shape {part.images.shape} "
                f"and {len(part.labels)} labels",
                directory,
                f"images of {values} pixels and one label for each",
            )
    return parts


def gray(colour: NDArray[np.uint8]) -> Pixels:
    """Luma of 8-bit colour images, shape [..., 3] to [...]: 0.299 R + 0.587 G + 0.114 B, rounded.

    The weights are those of ITU-R BT.601 as multiples of 1 / 65536.
    """
    red, green, blue = (colour[..., channel].astype(np.uint32) for channel in range(3))
    return ((19595 * red + 38470 * green + 7471 * blue + 32768) >> 16).astype(np.uint8)


def _read_digits(facts: Facts, directory: Path) -> tuple[RawImages, ...]:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return (RawImages("all", bunch.images.astype(np.uint8), bunch.target.astype(np.uint8)),)


def _read_idx(facts: Facts, directory: Path) -> tuple[RawImages, ...]:
    return tuple(
        RawImages(
            part,
            read_idx(directory / f"{prefix}-images-idx3-ubyte.gz", dimensions=3),
            read_idx(directory / f"{prefix}-labels-idx1-ubyte.gz", dimensions=1),
        )
        for part, prefix in (("train", "train"), ("test", "t10k"))
    )


def read_idx(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """The array of unsigned bytes in a gzip-compressed IDX file.

    The format: two zero bytes, the type, the number of dimensions, each dimension as a big-endian
    32-bit integer, then the values in C order.
    """
    expected = f"a whole gzip-compressed IDX file of unsigned bytes in {dimensions} dimension(s)"
    try:
        with gzip.open(path) as stream:
            content = stream.read()
    except FileNotFoundError:
        raise missing(path, expected) from None
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"cannot be unpacked ({error})", path, expected) from None
    start = 4 + 4 * dimensions
    if len(content) < start or content[:4] != bytes([0, 0, IDX_UNSIGNED_BYTE, dimensions]):
        raise DataError(f"begins with the bytes {content[:4].hex(' ')}", path, expected)
    shape = tuple(np.frombuffer(content, dtype=">u4", count=dimensions, offset=4).tolist())
    values = len(content) - start
    if values != math.prod(shape):
        raise DataError(f"announces the shape {shape} but holds {values} bytes", path, expected)
    return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape)


def _read_svhn(facts: Facts, directory: Path) -> tuple[RawImages, ...]:
    # The paper uses only the beginning of the 531,131 extra images.
    wanted = {"train": None, "test": None, "extra": facts.sizes["validation"]}
    return tuple(
        RawImages(part, *read_svhn(directory / f"{part}_32x32.mat", first))
        for part, first in wanted.items()
    )


def read_svhn(path: Path, first: int | None = None) -> tuple[Pixels, Labels]:
    """The gray images and labels (0..9) of an SVHN file; ``first`` keeps the beginning only."""
    colour, labels = _read_svhn_file(path)
    return _gray_in_chunks(np.moveaxis(colour, 3, 0)[:first]), labels[:first]


def _read_svhn_colour(facts: Facts, directory: Path) -> tuple[RawImages, ...]:
    return tuple(
        RawImages(part, *read_svhn_colour(directory / f"{part}_32x32.mat"))
        for part in ("train", "test")
    )


def read_svhn_colour(path: Path) -> tuple[Pixels, Labels]:
    """The images [images, 3, height, width] and labels (0..9) of an SVHN file."""
    colour, labels = _read_svhn_file(path)
    return np.ascontiguousarray(np.transpose(colour, (3, 2, 0, 1))), labels


def _read_svhn_file(path: Path) -> tuple[NDArray[np.uint8], Labels]:
    """Colour and labels (0..9) of an SVHN file in "cropped digits" format.

    Such a MATLAB file holds X of shape [height, width, 3, images] and y of shape [images, 1], in
    which 10 stands for the digit 0.
    """
    expected = "a whole MATLAB file with X of shape (32, 32, 3, images) and y in 1..10"
    content = matlab_variables(path, ("X", "y"), expected)
    colour, digits = content["X"], content["y"]
    if colour.ndim != 4 or colour.shape[2] != 3 or colour.dtype != np.uint8:
        raise DataError(f"X is {colour.dtype} of shape {colour.shape}", path, expected)
    if digits.size != colour.shape[3] or not np.isin(digits, range(1, 11)).all():
        raise DataError(f"y has {digits.size} values that do not fit X", path, expected)
    return colour, (digits.reshape(-1) % 10).astype(np.uint8)


def _read_cifar10(facts: Facts, directory: Path) -> tuple[RawImages, ...]:
    return tuple(
        RawImages(part.part, _gray_in_chunks(np.moveaxis(part.images, 1, 3)), part.labels)
        for part in _read_cifar10_colour(facts, directory)
    )


def _read_cifar10_colour(facts: Facts, directory: Path) -> tuple[RawImages, ...]:
    batches = read_cifar10(directory / "cifar-10-python.tar.gz")
    return tuple(
        RawImages(
            part,
            np.concatenate([batches[name][0] for name in names]),
            np.concatenate([batches[name][1] for name in names]),
        )
        for part, names in CIFAR_BATCHES.items()
    )


def read_cifar10(path: Path) -> dict[str, tuple[Pixels, Labels]]:
    """Images [n, 3, 32, 32] and labels of every batch in CIFAR-10's "python version" archive."""
    expected = (
        "CIFAR-10's python archive: a gzip-compressed tar with five training and a test batch"
    )
    wanted = [name for names in CIFAR_BATCHES.values() for name in names]
    found: dict[str, tuple[Pixels, Labels]] = {}
    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                name = Path(member.name).name
                stream = archive.extractfile(member) if name in wanted else None
                if stream is not None:
                    found[name] = _cifar_batch(stream.read())
    except FileNotFoundError:
        raise missing(path, expected) from None
    except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
        raise DataError(f"cannot be unpacked ({error})", path, expected) from None
    except (pickle.UnpicklingError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"has a damaged batch ({error})", path, expected) from None
    absent = [name for name in wanted if name not in found]
    if absent:
        raise DataError(f"lacks {', '.join(absent)}", path, expected)
    return found


def _cifar_batch(content: bytes) -> tuple[Pixels, Labels]:
    batch = _ArrayUnpickler(io.BytesIO(content), encoding="bytes").load()
    pixels, labels = batch[b"data"], np.asarray(batch[b"labels"], dtype=np.uint8)
    if pixels.dtype != np.uint8 or pixels.ndim != 2:
        raise ValueError(f"data is {pixels.dtype} of shape {pixels.shape}")
    return pixels.reshape(len(pixels), 3, 32, 32), labels


class _ArrayUnpickler(pickle.Unpickler):
    """Reads dictionaries of arrays and nothing else: a pickle may otherwise run any program."""

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _PICKLED_NAMES[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}") from None


_ARRAY_MAKER: Any = np.empty(0).__reduce__()[0]
_PICKLED_NAMES: dict[tuple[str, str], Any] = {
    ("_codecs", "encode"): codecs.encode,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("numpy.core.multiarray", "_reconstruct"): _ARRAY_MAKER,
    ("numpy._core.multiarray", "_reconstruct"): _ARRAY_MAKER,
}

_READERS: dict[str, Callable[[Facts, Path], tuple[RawImages, ...]]] = {
    "digits": _read_digits,
    "idx": _read_idx,
    "svhn": _read_svhn,
    "svhn_colour": _read_svhn_colour,
    "cifar10": _read_cifar10,
    "cifar10_colour": _read_cifar10_colour,
    "binarised_mnist": read_binarised_mnist,
    "omniglot": read_omniglot,
    "silhouettes": read_silhouettes,
    "idx_label": lambda facts, directory: of_one_label(facts, _read_idx(facts, directory)),
    "digits_label": lambda facts, directory: of_one_label(facts, _read_digits(facts, directory)),
    "circle": lambda facts, directory: drawn_circle(facts),
    "wave": lambda facts, directory: drawn_wave(facts),
}


def _gray_in_chunks(colour: NDArray[np.uint8]) -> Pixels:
    result = np.empty(colour.shape[:3], dtype=np.uint8)
    for start in range(0, len(colour), _GRAY_CHUNK):
        chunk = slice(start, start + _GRAY_CHUNK)
        result[chunk] = gray(colour[chunk])
    return result
