"""What takes two people is called by the approved act and by nothing else."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
# Everything that is shipped or shown. Tests and benchmarks set their scenes as they like.
ROOMS = ("access", "audit", "config", "demo", "evidence", "ops", "scripts", "sealing")
# What changes something, by module; and who may call it. `proposals` does at once what one person
# may do alone, and asks for the rest.
PROPOSALS = "ops/services/proposals.py"
CALLERS: dict[str, set[str]] = {
    "audit.services.holds.place": {"ops/acts/retention.py"},
    "audit.services.holds.release": {"ops/acts/retention.py"},
    "audit.services.switches.pause": {"ops/acts/switches.py"},
    "audit.services.keys.create_person_key": {"ops/acts/keys.py"},
    "audit.services.keys.rotate_person_key": {"ops/acts/keys.py"},
    "audit.services.keys.rotate_checkpoint_key": {"ops/acts/keys.py"},
    "audit.services.keys.retire_key": {"ops/acts/keys.py"},
    "audit.services.keys.mark_compromised": {"ops/acts/keys.py"},
    **{
        f"audit.services.key_rows.{name}": {"audit/services/keys.py"}
        for name in ("create", "create_checkpoint_key", "create_person_key", "retire")
    },
    "evidence.services.vault.locks.extend": {"evidence/acts.py"},
    "ops.services.people.grant": {"ops/acts/people.py", PROPOSALS},
    "ops.services.people.create_own_account": {"ops/acts/people.py"},
    "ops.services.people.create_client": {"ops/acts/clients.py", PROPOSALS},
    "ops.services.merging.merge_people": {"ops/acts/people_merge.py"},
    "ops.services.jobs.disable_job": {"ops/acts/jobs.py"},
    "ops.services.jobs.register_job": {"ops/acts/jobs.py", PROPOSALS},
}


def names_of(tree: ast.Module) -> dict[str, str]:
    """What each imported name stands for."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                found[alias.asname or alias.name] = f"{node.module}.{alias.name}"
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.asname:
                    found[alias.asname] = alias.name
    return found


def mentioned(source: str) -> Iterator[str]:
    """Every imported thing that a module mentions, by its whole name."""
    tree = ast.parse(source)
    names = names_of(tree)
    yield from names.values()
    for node in ast.walk(tree):
        dotted = ast.unparse(node) if isinstance(node, ast.Attribute) else ""
        first, _, rest = dotted.partition(".")
        if rest:
            yield f"{names.get(first, first)}.{rest}"


@pytest.mark.parametrize(
    "source",
    [
        "from audit.services import holds\nholds.place(actor=a)",
        "from audit.services import holds as h\nact = partial(h.place)",
        "from audit.services.holds import place\nplace()",
        "from audit.services.holds import place as put",
        "import audit.services.holds\naudit.services.holds.place()",
        "import audit.services.holds as h\nh.place()",
        "def f():\n    from audit.services import holds\n    holds.place()",
    ],
)
def test_every_manner_of_naming_it_is_seen(source: str) -> None:
    assert "audit.services.holds.place" in set(mentioned(source))


def test_only_the_approved_act_calls_it() -> None:
    callers = defaultdict(set)
    for room in ROOMS:
        for path in (ROOT / room).rglob("*.py"):
            for name in mentioned(path.read_text(encoding="utf-8")):
                if name in CALLERS:
                    callers[name].add(str(path.relative_to(ROOT)))
    assert dict(callers) == CALLERS
