"""A password hasher with small parameters, so that the suite spends its time on what it tests."""

from django.contrib.auth.hashers import ScryptPasswordHasher


class QuickScryptHasher(ScryptPasswordHasher):
    """scrypt with a work factor of 2**4."""

    work_factor = 2**4
