"""Checks the RFC 3161 tokens beside checkpoints."""

from __future__ import annotations

from collections.abc import Iterator

from audit.folder import File, Folder
from audit.sources import Source
from sealing.digests import sha256
from sealing.results import Finding


def check(
    source: Source, folder: Folder, certificates: bytes | None
) -> tuple[list[Finding], list[Finding]]:
    """Checks the tokens of a window over the SHA-256 of the notes that they lie beside.

    Args:
        source: where the files are.
        folder: the files that were asked for.
        certificates: PEM of the authorities to trust; None: tokens are only counted.

    Returns:
        Findings that count, and notices that do not.
    """
    if not folder.tokens:
        return [], []
    if certificates is None:
        message = f"{len(folder.tokens)} timestamps were not checked: no authority was named."
        return [], [Finding("timestamps_not_checked", None, message)]
    problems = [problem for problem in _problems(source, folder, certificates) if problem]
    if problems:
        return problems, []
    message = f"{len(folder.tokens)} timestamps hold."
    return [Finding("timestamps_verified", True, message)], []


def _problems(source: Source, folder: Folder, certificates: bytes) -> Iterator[Finding | None]:
    # rfc3161-client is needed for tokens alone.
    from sealing.timestamps import check_token

    notes = {file.where: file for file in folder.checkpoints}
    pairs = [(token, notes.get(token.where.removesuffix(".tsr"))) for token in folder.tokens]
    contents = source.read_each(file for pair in pairs for file in pair if file is not None)
    for token, note in pairs:
        raw = next(contents)[1]
        signed = next(contents)[1] if note is not None else None
        if raw is None or signed is None:
            message = f"{token.where} or its checkpoint can't be read."
            yield Finding("unreadable", None, message, token.where)
            continue
        answer = check_token(raw, sha256(signed), certificates)
        yield None if answer.ok else _failed(token, answer.message)


def _failed(token: File, why: str) -> Finding:
    return Finding("timestamp_invalid", False, f"{token.where} does not hold: {why}", token.where)
