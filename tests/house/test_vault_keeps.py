"""Nothing of ours removes or replaces what lies in the vault: there is no code that could."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
ROOMS = ("sealing", "access", "audit", "ops", "evidence", "config")
MODULES = sorted((PROJECT / "evidence" / "services" / "vault").glob("*.py"))
# What takes a file away, cuts it, or writes over it, by whatever name it is reached.
HARMFUL = {
    "delete_object", "delete_objects", "move", "open", "release", "remove", "removedirs", "rename",
    "renames", "replace", "rmdir", "rmtree", "truncate", "unlink", "write_bytes", "write_text",
}  # fmt: skip
# What single modules may: what they touch has not been committed, or is only read.
ALLOWED = {
    "base.py": {"open"},  # reads the package in the working folder
    "closing.py": {"open"},  # reads, by O_RDONLY
    "envelope.py": {"remove"},  # the note of an envelope, in the working folder
    "local.py": {"open"},  # the lock file below .staging
    "s3.py": {"open"},  # reads the package in the working folder
    "staging.py": {"open", "rmtree", "unlink"},  # below .staging
}


def harm(path: Path) -> Iterator[tuple[str, int]]:
    """What of the list a module uses, with its line. Values are replaced by keyword alone."""
    tree = ast.parse(path.read_text())
    of_values = {
        id(call.func)
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and call.keywords and _name(call.func) == "replace"
        if not isinstance(call.func, ast.Attribute) or not call.args
    }
    for node in ast.walk(tree):
        name = _name(node)
        if name in HARMFUL and id(node) not in of_values:
            yield name, getattr(node, "lineno", 0)


def _name(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) else ""


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_no_module_of_the_vault_removes_or_replaces(path: Path) -> None:
    allowed = ALLOWED.get(path.name, set())
    assert [(name, line) for name, line in harm(path) if name not in allowed] == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_files_are_opened_to_be_read(path: Path) -> None:
    """The one exception is a lock file, which holds nothing."""
    text = path.read_text()
    modes = [
        argument.value
        for call in ast.walk(ast.parse(text))
        if isinstance(call, ast.Call) and _name(call.func) == "open"
        for argument in call.args[:2]
        if isinstance(argument, ast.Constant)
    ]
    assert set(modes) <= {"rb"}
    assert not any(flag in text for flag in ("O_WRONLY", "O_TRUNC", "O_APPEND"))
    assert "O_RDWR" not in text or path.name in ("local.py", "staging.py")


def test_the_check_would_find_something(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text("def f(p, q):\n    p.unlink()\n    p.replace(q)\n    t.replace(hour=0)\n")
    assert list(harm(path)) == [("unlink", 2), ("replace", 3)]


def test_no_code_of_ours_takes_off_a_flag_or_a_version() -> None:
    """An operator may, with other tools; the probe of `s3_preflight` asks whether he could."""
    text = {
        path.relative_to(PROJECT).as_posix(): path.read_text()
        for room in ROOMS
        for path in (PROJECT / room).rglob("*.py")
    }
    deleting = {name for name, code in text.items() if "delete_object" in code}
    assert deleting == {"sealing/stores/s3probe.py"}
    flags = {name for name, code in text.items() if "_SET_FLAGS" in code}
    assert flags == {"sealing/immutable.py"}
    assert "& ~" not in text["sealing/immutable.py"]
