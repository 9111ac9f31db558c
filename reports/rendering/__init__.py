"""Packets as PDF: the same document gives the same bytes, made in a child process with limits."""

from __future__ import annotations

from reports.rendering.process import RenderingFailed, render

__all__ = ["RenderingFailed", "render"]
