"""Tests that need real servers beside the database (make test-real)."""
