"""How a script is run: its environment, its process and all it spawns, and what its end means.

Robots and `sdk run` share this, so that what works here works there.
"""
