"""Property tests: a busy machine must not make them fail."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("strongroom", deadline=None)
settings.load_profile("strongroom")
