"""Signing in from a developer's machine: it asks, a person confirms, it collects a token."""
