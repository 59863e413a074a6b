"""Whether what was seen at the same time could have happened one after another.

The search of Wing and Gong ("Testing and verifying concurrent objects", 1993): something may be
next if nothing else had ended before it began; with Lowe's memory of what was tried ("Testing for
linearizability", 2017).
"""

from typing import NamedTuple

from tests.linearizability.specification import Claim, Dispatch


class Operation(NamedTuple):
    asked: object
    answer: int | None
    began: int
    ended: int


class Stray(NamedTuple):
    """A claim that may still arrive when its robot has gone on, or never."""

    asked: Claim
    began: int


def explanation(operations: list[Operation], strays: list[Stray]) -> list[object] | None:
    """An order in which each operation gives the answer that was seen; None if there is none."""
    operations = sorted(operations, key=lambda op: op.began)
    everything = (1 << len(operations)) - 1
    seen = {(0, Dispatch())}
    path: list[tuple[list, object]] = []
    ways = _ways(0, Dispatch(), operations, strays)
    while True:
        while ways:
            asked, done, state = ways.pop()
            if done == everything:
                return [step for _, step in path] + [asked]
            if (done, state) not in seen:
                seen.add((done, state))
                path.append((ways, asked))
                ways = _ways(done, state, operations, strays)
        if not path:
            return None
        ways, _ = path.pop()


def _ways(done: int, state: Dispatch, operations: list[Operation], strays: list[Stray]):
    """What may be next, the most likely last: the request, what is done then, the state after."""
    waiting = _open(done, operations)
    deadline = min(op.ended for _, op in waiting)
    ways = []
    for stray in strays:
        if stray.began < deadline and stray.asked.key not in state.used:
            after, _ = state.after(stray.asked)
            ways.append((stray.asked, done, after))
    for n, op in sorted(waiting, key=lambda one: -one[1].ended):
        if op.began < deadline:
            after, answer = state.after(op.asked)
            if answer == op.answer:
                ways.append((op.asked, done | 1 << n, after))
    return ways


def _open(done: int, operations: list[Operation]) -> list[tuple[int, Operation]]:
    """What is not done and began before anything else that is not done had ended."""
    first = (~done & (done + 1)).bit_length() - 1
    waiting: list[tuple[int, Operation]] = []
    deadline = operations[first].ended
    for n in range(first, len(operations)):
        if operations[n].began >= deadline:
            break
        if not done >> n & 1:
            waiting.append((n, operations[n]))
            deadline = min(deadline, operations[n].ended)
    return waiting
