"""Samples of the events that a packet's figures rest on, with one proof for all of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from audit import selectors
from audit.formats import event as events
from audit.services import proofs
from evidence.formats.contents import Proofs
from evidence.services.errors import LogInvalid
from reports.catalogue import ControlSpec
from reports.facts import registry
from reports.facts.base import Population, Scope
from reports.facts.events import numbers
from reports.formats import sampling
from reports.formats.document_rules import sample_of
from sealing import digests, merkle
from sealing.leaves import Leaves

Populations = frozenset[Population]


@dataclass(frozen=True, slots=True)
class Sampled:
    """What was drawn.

    Attributes:
        sizes: of how many events was drawn, by control.
        chosen: the numbers of the events drawn for each control.
        lines: the log lines of all of them.
        proof: that those lines are in the log.
    """

    sizes: dict[str, int]
    chosen: dict[str, list[int]]
    lines: dict[int, bytes]
    proof: Proofs

    def of_control(self, control_id: str) -> list[dict[str, Any]]:
        """The events of a control as the document has them."""
        return [sample_of(self.lines[seq]) for seq in self.chosen[control_id]]

    def as_dict(self) -> dict[str, Any]:
        """The document's ``samples``."""
        return {
            "lines": [line.decode("utf-8") for line in self.lines.values()],
            "proof": {
                "tree_size": self.proof.tree_size,
                "indexes": list(self.proof.indexes),
                "hashes": [digests.tag(item) for item in self.proof.hashes],
            },
        }


def of(specs: Iterable[ControlSpec], scope: Scope, *, seed: bytes, root: bytes) -> Sampled:
    """Draws the samples of the controls.

    Args:
        root: what the checkpoint signs for the log at the scope's size.

    Raises:
        LogInvalid: the lines do not lead to that root. StoredLineInvalid.
    """
    drawn: dict[Populations, tuple[int, list[int]]] = {}
    sizes, chosen = {}, {}
    for spec in specs:
        populations = registry.populations_of(spec, scope)
        if populations not in drawn:
            drawn[populations] = _draw(scope, populations, seed)
        sizes[spec.control_id], chosen[spec.control_id] = drawn[populations]
    seqs = sorted({seq for found in chosen.values() for seq in found})
    lines = dict(selectors.lines_at(seqs))
    return Sampled(sizes, chosen, lines, _proof(lines, scope.tree_size, root))


def _draw(scope: Scope, populations: Populations, seed: bytes) -> tuple[int, list[int]]:
    if not populations:
        return 0, []
    size = 0

    def counted() -> Iterable[int]:
        nonlocal size
        for seq in numbers(scope, sorted(populations, key=repr)):
            size += 1
            yield seq

    found = sampling.choose(seed, counted())
    return size, found


def _proof(lines: dict[int, bytes], size: int, root: bytes) -> Proofs:
    if not lines:
        # The range that holds no listed line is the whole tree: its hash is the root.
        return Proofs(size, (), (root,) if size else ())
    leaves = Leaves()
    for seq, line in lines.items():
        leaves.add(seq, events.parse_line(line).hash)
    hashes = tuple(proofs.compact(leaves.indexes, size))
    if merkle.root_from_compact(size, leaves, hashes) != root:
        raise LogInvalid("The lines of the log do not lead to the root that was signed.")
    return Proofs(size, tuple(lines), hashes)
