"""The page over HTTP, and the answers written to disk as they come.

Served are the files of the page and nothing else; a listener is known by the code of his link. A
record is taken if it fits the study, comes from this very page, and contradicts none before it.
"""

from __future__ import annotations

import json
import mimetypes
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from urllib.parse import urlsplit

from clarion.base.errors import ClarionError, DataError
from clarion.listen.answers import ANSWERS, AnswerFolder, ConflictError
from clarion.listen.build import PAGE
from clarion.listen.key import Key
from clarion.listen.records import MOST_BYTES, parse_record

CLIENT_TIMEOUT_S = 30.0

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src data:; connect-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",  # the link is a secret
}


class ListenServer(ThreadingHTTPServer):
    """A study, served.

    Args:
        folder: what `build` wrote.
        host: address to listen at.
        port: 0 for any that is free.
        url: how listeners reach it where a proxy stands in front of it; None for the address.

    Raises:
        ClarionError: if there is no study in the folder, another process serves it, or the URL is
            none.
        OSError: if the port is taken.
    """

    daemon_threads = True

    def __init__(
        self, folder: Path, host: str = "127.0.0.1", port: int = 8000, url: str | None = None
    ) -> None:
        self.public_host = None if url is None else _host_of(url)
        self.key = Key.read(folder)
        page = folder / PAGE
        self.files = {
            f"/{path.relative_to(page).as_posix()}": path
            for path in page.rglob("*")
            if path.is_file()
        }
        if "/index.html" not in self.files:
            raise DataError(f"There is no file {page / 'index.html'}.")
        self.answers = AnswerFolder(folder / ANSWERS, self.key)
        self.lock = Lock()
        try:
            super().__init__((host, port), _Handler)
        except BaseException:
            self.answers.close()
            raise

    def server_close(self) -> None:
        """Give back the port and the folder."""
        super().server_close()
        self.answers.close()


def _host_of(url: str) -> str:
    """The host and port of a URL, as browsers write them: the usual port is not named."""
    parts = urlsplit(url.lower())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ClarionError(f"url must begin with http:// or https:// and a host, got {url!r}.")
    return parts.netloc.removesuffix({"http": ":80", "https": ":443"}[parts.scheme])


class _Handler(BaseHTTPRequestHandler):
    server: ListenServer  # pyright: ignore[reportIncompatibleVariableOverride]
    timeout = CLIENT_TIMEOUT_S
    server_version = "clarion"
    sys_version = ""

    def do_GET(self) -> None:
        """Files of the page; or what a listener has answered already."""
        path = urlsplit(self.path).path
        path = "/index.html" if path == "/" else path
        code = self._code(path)
        if code is not None:
            with self.server.lock:
                saved = list(self.server.answers.answers.get(code, {}))
            self._reply(HTTPStatus.OK, json.dumps({"saved": saved}).encode(), "application/json")
        elif path in self.server.files:
            content = self.server.files[path].read_bytes()
            kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
            self._reply(HTTPStatus.OK, content, f"{kind}; charset=utf-8")
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "There is nothing here.")

    do_HEAD = do_GET  # noqa: N815, the name is the standard library's

    def do_POST(self) -> None:
        """Take one record."""
        code = self._code(urlsplit(self.path).path)
        if code is None:
            return self._refuse(HTTPStatus.NOT_FOUND, "There is nothing here.")
        origin = self.headers.get("Origin")
        own = (self.headers.get("Host"), self.server.public_host)
        if origin is not None and urlsplit(origin).netloc not in own:
            return self._refuse(HTTPStatus.FORBIDDEN, "This comes from another page.")
        # A page elsewhere could not send this kind without asking first, and it is not answered.
        if self.headers.get_content_type() != "application/json":
            return self._refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Records are JSON.")
        length = self.headers.get("Content-Length", "")
        if not length.isascii() or not length.isdigit():
            return self._refuse(HTTPStatus.LENGTH_REQUIRED, "Content-Length is missing.")
        if len(length) > 9 or int(length) > MOST_BYTES:
            return self._refuse(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"A record has at most {MOST_BYTES} bytes."
            )
        body = self.rfile.read(int(length))
        try:
            record = parse_record(body, self.server.key, "The record")
            if record.listener != code or record.simulated:
                raise ClarionError("The record is not one of this listener.")
            with self.server.lock:
                self.server.answers.add(record)
        except ConflictError as error:
            return self._refuse(HTTPStatus.CONFLICT, str(error))
        except ClarionError as error:
            return self._refuse(HTTPStatus.BAD_REQUEST, str(error))
        except OSError as error:
            text = f"It could not be written: {error.strerror}."
            return self._refuse(HTTPStatus.INSUFFICIENT_STORAGE, text)
        return self._reply(HTTPStatus.OK, b'{"saved": true}', "application/json")

    def _code(self, path: str) -> str | None:
        """The listener whose answers a path is about."""
        code = path.removeprefix("/answers/")
        return code if code != path and code in self.server.key.by_code else None

    def _refuse(self, status: HTTPStatus, text: str) -> None:
        self._reply(status, f"{text}\n".encode(), "text/plain; charset=utf-8")

    def _reply(self, status: HTTPStatus, content: bytes, kind: str) -> None:
        self.send_response(status)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store" if "json" in kind else "no-cache")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the paths are secrets."""
