"""One integer seed, many independent random streams, each named after its purpose."""

import hashlib

import numpy as np


def stream_seed(seed: int, *purpose: object) -> int:
    """A 63-bit seed for one purpose, e.g. `stream_seed(0, "batches")`. Equal arguments give equal seeds."""
    text = repr((seed, *purpose)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") >> 1


def numpy_stream(seed: int, *purpose: object) -> np.random.Generator:
    """A NumPy generator for one purpose."""
    return np.random.default_rng(stream_seed(seed, *purpose))
