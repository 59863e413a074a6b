"""Throws away the environments that were not used for longest."""

import logging
import time
from pathlib import Path

from robot_agent.clock import DAY_SECONDS
from robot_agent.environments import folders

log = logging.getLogger(__name__)


def evict(shelf: Path, lent: set[Path], most_bytes: int, unused_days: int) -> None:
    """Until the rest has `most_bytes` and was used within so many days; 0: no limit.

    What is lent stays, with the environments that it is on top of.
    """
    known = sorted(folders.last_uses(shelf).items(), key=lambda item: item[1])
    below = {folder: folders.shared_of(folder) for folder, _ in known}
    in_use = lent | {below.get(folder) for folder in lent}
    total = sum(folders.noted_size(folder) for folder, _ in known)
    long_ago = time.time() - unused_days * DAY_SECONDS
    for folder, used_at in known:
        is_too_old = unused_days and used_at < long_ago
        is_too_much = most_bytes and total > most_bytes
        if folder in in_use or not folder.exists() or not (is_too_old or is_too_much):
            continue
        for gone in [above for above in below if below[above] == folder] + [folder]:
            if gone.exists():  # without what it is on top of, it is of no use
                total -= folders.noted_size(gone)
                log.info("Environment %s is thrown away.", gone.name)
                folders.throw_away(gone)
