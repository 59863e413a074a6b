"""Finds the values of secrets in what a job says, and covers them. Pure; robots and the server.

What is not caught is in `docs/security.md`; why a log is covered as it is, in record 21.
"""
