# SPDX-License-Identifier: Apache-2.0
"""Random requests to the memory system, and their bursts."""

from .memory_bench import MemoryBench, Request

__all__ = ["bursts_of", "random_reads", "random_writes", "traffic"]


def bursts_of(request: Request, burst_words: int) -> list[Request]:
    """Return the bursts that a request is carried out in."""
    address, words = request
    bounds = [address, *(word for word in range(address + 1, address + words)
                         if word % burst_words == 0), address + words]
    return [(first, end - first) for first, end in zip(bounds, bounds[1:], strict=False)]


def random_reads(bench: MemoryBench, count: int, end: int | None = None) -> list[Request]:
    """Return requests of all kinds of lengths below ``end``."""
    end = end or bench.writable
    lengths = [min(end, bench.rng.choice((1, 2, bench.config.burst_words,
                                          bench.rng.randint(1, 80)))) for _ in range(count)]
    return [(bench.rng.randint(0, end - words), words) for words in lengths]


def random_writes(bench: MemoryBench, writer: int, count: int) -> list[Request]:
    """Return requests that do not overlap, in the part of the memory of this writer."""
    share = (bench.words - bench.writable) // bench.counts[1]
    address = bench.writable + writer * share
    requests = []
    for _ in range(count):
        address += bench.rng.choice((0, 0, 1, 5))
        words = bench.rng.choice((1, 2, bench.config.burst_words,
                                  bench.rng.randint(1, bench.config.burst_words)))
        if address + words > bench.writable + (writer + 1) * share:
            break
        requests.append((address, words))
        address += words
    return requests


def traffic(bench: MemoryBench, count: int = 12) -> dict[int, list[int]]:
    """Let all clients make random requests; return what the readers must get."""
    for writer in range(bench.counts[1]):
        for request in random_writes(bench, writer, count):
            bench.write(writer, request)
    return {reader: bench.read(reader, random_reads(bench, count))
            for reader in range(bench.counts[0])}
