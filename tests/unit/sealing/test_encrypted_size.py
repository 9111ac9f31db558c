"""The encrypted copy of a large package: memory does not grow with it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_GIBIBYTE = """
import hashlib, re, sys
from pathlib import Path
from sealing import encrypted

def peak():
    # Not getrusage: a child begins with the peak of the process that started it.
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) << 10

class Source:
    left, block = 1 << 30, bytes(1 << 20)
    def read(self, size):
        size = min(size, self.left)
        self.left -= size
        return self.block[:size]

class Joined:
    def __init__(self, blocks):
        self.blocks, self.rest, self.at = blocks, b"", 0
    def read(self, size):
        if self.at == len(self.rest):
            self.rest, self.at = next(self.blocks, b""), 0
        taken = self.rest[self.at : self.at + size]
        self.at += len(taken)
        return taken

name = {"client": "clinic-001", "bundle_id": "evidence_20260202T093000Z_0a1b2c3d"}
hashlib.sha256(bytes(64)).digest()
before, total, zero = peak(), 0, bytes(1 << 20)
copy = Joined(encrypted.encrypt(Source(), bytes(32), **name))
for block in encrypted.decrypt(copy, bytes(32), **name):
    total += len(block)
    assert block == zero[: len(block)]
print(total, peak() - before)
"""


def test_a_gibibyte_streams_through_in_little_memory() -> None:
    """Encrypted and decrypted in one process of its own, both ways under 64 MiB together."""
    done = subprocess.run(
        [sys.executable, "-c", _GIBIBYTE],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=True,
    )
    total, memory = map(int, done.stdout.split())
    assert total == 1 << 30
    assert memory < 64 << 20
