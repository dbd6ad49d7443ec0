"""One integer seed becomes many independent streams, each named after what it draws."""

import hashlib

import numpy as np


def stream_seed(seed: int, *purpose: object) -> int:
    """A 63-bit seed for one purpose, e.g. `stream_seed(0, "batches")`: equal inputs, equal seed."""
    text = repr((seed, *purpose)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") >> 1


def numpy_stream(seed: int, *purpose: object) -> np.random.Generator:
    """A NumPy generator for one purpose."""
    return np.random.default_rng(stream_seed(seed, *purpose))
