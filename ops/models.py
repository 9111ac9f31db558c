"""No tables yet. Django sends `post_migrate` only to applications that have this module."""
