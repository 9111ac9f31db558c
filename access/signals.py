"""What happens here that `ops` records; a receiver that fails undoes the act.

``request`` is a Django request, or None outside of one. Signing in and out through the login
page is announced by Django's own signals.
"""

from django.dispatch import Signal

# request, username: somebody gave a wrong password or code for a token
sign_in_failed = Signal()
# request, user: sent in the transaction that opens the session
token_issued = Signal()
# request, user: sent in the transaction that ends the session
token_revoked = Signal()
