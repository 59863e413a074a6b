"""Lets an agent be a service of Windows: says to the service manager that it runs, and hears when
it is to stop. `python -m robot_agent.service.windows_host SERVICE run --url ...`

Written from https://learn.microsoft.com/windows/win32/services; no test of ours has run it.
"""

import ctypes
import signal
import sys
import threading
from typing import Any

OWN_PROCESS = 0x10
STOPPED, STOP_PENDING, RUNNING = 1, 3, 4
ACCEPTS_STOP_AND_SHUTDOWN = 0x1 | 0x4
STOP, INTERROGATE, SHUTDOWN = 1, 4, 5
OUR_OWN_STATUS = 1066  # ERROR_SERVICE_SPECIFIC_ERROR: look at the second one
WAIT_HINT_MILLISECONDS = 3_600_000  # jobs are finished first


class _Status(ctypes.Structure):
    """SERVICE_STATUS"""

    _fields_ = [
        (name, ctypes.c_uint32)
        for name in ("type", "state", "accepts", "code", "own_code", "check_point", "wait_hint")
    ]


if sys.platform == "win32":
    _MAIN = ctypes.WINFUNCTYPE(None, ctypes.c_uint32, ctypes.c_void_p)
    _HANDLER = ctypes.WINFUNCTYPE(
        ctypes.c_uint32, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_void_p, ctypes.c_void_p
    )

    class _Entry(ctypes.Structure):
        """SERVICE_TABLE_ENTRYW"""

        _fields_ = [("name", ctypes.c_wchar_p), ("main", _MAIN)]

    class Host:
        """The manager has threads of its own; the agent has the main one, for its signals."""

        def __init__(self, service: str) -> None:
            self._service = service
            self._api = ctypes.WinDLL("advapi32", use_last_error=True)
            self._api.RegisterServiceCtrlHandlerExW.restype = ctypes.c_void_p
            self._api.SetServiceStatus.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
            self._handle: Any = None
            self._ended = threading.Event()
            self._status = 0
            self._main = _MAIN(self._be_service)  # kept: the manager calls them later
            self._handler = _HANDLER(self._obey)
            self._thread = threading.Thread(target=self._dispatch, daemon=True)

        def start(self) -> None:
            self._thread.start()

        def end(self, status: int) -> None:
            self._status = status
            self._ended.set()
            self._thread.join(10)

        def _dispatch(self) -> None:
            table = (_Entry * 2)(_Entry(self._service, self._main), _Entry(None, _MAIN()))
            self._api.StartServiceCtrlDispatcherW(table)

        def _be_service(self, _count: int, _arguments: object) -> None:
            self._handle = self._api.RegisterServiceCtrlHandlerExW(
                self._service, self._handler, None
            )
            self._tell(RUNNING)
            self._ended.wait()
            self._tell(STOPPED)

        def _obey(self, control: int, *_: object) -> int:
            if control in (STOP, SHUTDOWN):
                self._tell(STOP_PENDING)
                signal.raise_signal(signal.SIGTERM)  # it wakes the main thread
            elif control != INTERROGATE:
                return 120  # ERROR_CALL_NOT_IMPLEMENTED
            return 0

        def _tell(self, state: int) -> None:
            status = _Status(
                OWN_PROCESS,
                state,
                ACCEPTS_STOP_AND_SHUTDOWN if state == RUNNING else 0,
                OUR_OWN_STATUS if self._status else 0,
                self._status,
                0,
                WAIT_HINT_MILLISECONDS if state == STOP_PENDING else 0,
            )
            self._api.SetServiceStatus(self._handle, ctypes.byref(status))

    def main() -> None:
        from robot_agent.__main__ import main as program

        service, *arguments = sys.argv[1:]
        host = Host(service)
        host.start()
        status = 70
        try:
            program(arguments, prog_name="robot-agent")
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 1
        finally:
            host.end(status)

    if __name__ == "__main__":
        main()
