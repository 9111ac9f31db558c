"""Servers that tests talk to: real ones, on loopback, on ports that were free."""
