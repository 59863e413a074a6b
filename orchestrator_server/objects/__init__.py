"""Whole files: how they arrive, and the store that keeps them, a folder or a bucket."""
