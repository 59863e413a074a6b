"""Starts one function of a script: `python launch.py pay main.py`.

Run by its path: with `-m`, the folder of the package would come before the standard library, and a
`json.py` or a folder `sdk` of its own would be loaded in place of what the launcher needs. The
processes that `multiprocessing` starts import this file, too; there it does nothing.
"""

import os
import sys


def main(function: str, script: str) -> None:
    at_start = frozenset(sys.modules)
    own, ours = sys.path[0], os.path.dirname(os.path.dirname(__file__))  # noqa: PTH120
    if "sdk" in sys.modules and sys.modules["sdk"].__path__[0] != ours:  # preloaded
        for name in [name for name in at_start if name.partition(".")[0] == "sdk"]:
            del sys.modules[name]
    sys.path[0] = os.path.dirname(ours)  # noqa: PTH120
    import sdk  # noqa: F401 -- ours, whatever the environment has; it loads nothing else

    sys.path[0] = own
    from sdk.runtime.call import call

    call(script, function, at_start)


if __name__ == "__main__":
    main(*sys.argv[1:])
