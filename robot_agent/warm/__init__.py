"""Warm starts: a process that has a package's modules loaded already forks one for each job."""
