"""What a package needs, built once on this machine with uv and shared by the jobs that need it."""
