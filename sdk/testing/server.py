"""HTTP for the orchestrator in memory: one job's token, JSON in and out."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

import msgspec

from sdk import strict_json


class Answer(NamedTuple):
    body: Any
    status: int = 200

    @classmethod
    def problem(cls, status: int, detail: str) -> "Answer":
        return cls({"title": "Refused", "status": status, "detail": detail}, status)


# From the method, the path below /api/ in parts, the body and the Idempotency-Key.
Ask = Callable[[str, list[str], Any, str | None], Answer]


def _answer(
    ask: Ask, method: str, parts: list[str], content: bytes, key: str | None, *, is_json: bool
) -> Answer:
    try:
        return ask(method, parts, strict_json.read(content.decode()) if is_json else content, key)
    except msgspec.ValidationError as error:
        return Answer.problem(422, f"{error}.")
    except ValueError as error:  # what is not strict JSON, or not UTF-8
        return Answer.problem(400, f"The body is not JSON: {error}.")
    except Exception as error:  # a mistake of ours: the script must not wait for an answer
        return Answer.problem(500, f"The orchestrator in memory failed: {error!r}.")


def serve(ask: Ask, token: str) -> tuple[str, Callable[[], None]]:
    """Answer on a free port of this machine; give the address, and what stops it."""

    class Handler(BaseHTTPRequestHandler):
        def _handle(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            content = self.rfile.read(length)
            if self.headers.get("Authorization") != f"Bearer {token}":
                answer = Answer.problem(401, "This is not the token of the job.")
            else:
                parts = [unquote(part) for part in urlsplit(self.path).path.split("/")[2:]]
                is_json = self.headers.get("Content-Type") == "application/json"
                key = self.headers.get("Idempotency-Key")
                answer = _answer(ask, self.command, parts, content, key, is_json=is_json)
            told = json.dumps(answer.body).encode()
            self.send_response(answer.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(told)))
            self.end_headers()
            self.wfile.write(told)

        do_GET = do_POST = do_PUT = _handle  # noqa: N815 -- the names http.server looks for

        def log_message(self, format: str, *arguments: Any) -> None:
            """Nothing: a test's output is its own."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return f"http://127.0.0.1:{server.server_address[1]}", stop
