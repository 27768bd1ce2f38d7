"""Who may ask for what: the explorer is for whoever sits at this machine, not for pages of other origins."""

import hmac
import ipaddress
import json
from collections.abc import Collection
from typing import Any
from urllib.parse import urlsplit

MOST = 4 * 2**20
"""Bytes of a request's body."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors {}"
)
READS = ("GET", "HEAD")
OWN = ("same-origin", "none")
"""What a browser says of questions that our own pages ask, and of addresses that people type."""


class Guard:
    """ASGI middleware.

    - `Host` must be one that was bound to, so that no other name can be pointed at this server (DNS rebinding).
    - `Origin`, where a browser sends one, must be that host; `Sec-Fetch-Site`, below /api, our own.
    - What is no GET needs the token in the header `X-Sparsight-Token`; where `private`, all of /api does.
    - Bodies are at most `MOST` bytes.

    Args:
        app: what is guarded.
        hosts: names, with their port.
        token: the secret.
        private: also reading needs the token.
        open_to_addresses: any IP address is accepted as `Host`, since the server is bound to all of them.
        framed_by: origins of pages that may show it in a frame, such as a notebook's.
    """

    def __init__(
        self,
        app: Any,
        *,
        hosts: Collection[str],
        token: str,
        private: bool = False,
        open_to_addresses: bool = False,
        framed_by: str = "'none'",
    ) -> None:
        self.app, self.hosts, self.token = app, hosts, token
        self.private, self.open_to_addresses = private, open_to_addresses
        self.headers = [
            (b"content-security-policy", POLICY.format(framed_by).encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"referrer-policy", b"no-referrer"),
            (b"cross-origin-resource-policy", b"same-origin"),
            (b"cache-control", b"no-cache"),
        ]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def guarded(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *self.headers]}
            await send(message)

        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        refusal = self._refusal(scope, headers)
        if refusal is not None:
            await _answer(guarded, *refusal)
            return
        seen = 0

        async def bounded() -> Any:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > MOST:
                raise TooLargeError
            return message

        try:
            await self.app(scope, bounded, guarded)
        except TooLargeError:
            await _answer(guarded, 413, f"a request is at most {MOST // 2**20} MiB")

    def _refusal(self, scope: Any, headers: dict[bytes, str]) -> tuple[int, str] | None:
        host = headers.get(b"host", "")
        if not self._bound(host):
            return 403, "this name is not one that the explorer was started for"
        origin, answers = headers.get(b"origin"), scope["path"].startswith("/api")
        site = headers.get(b"sec-fetch-site", "same-origin")
        if (origin is not None and urlsplit(origin).netloc != host) or (answers and site not in OWN):
            return 403, "pages of another origin may not ask"
        wanted = scope["method"] not in READS or (self.private and answers)
        if wanted and not hmac.compare_digest(headers.get(b"x-sparsight-token", "").encode(), self.token.encode()):
            return 403, "the token is missing or of another start: open the address that the terminal shows"
        length = headers.get(b"content-length", "0")
        if not length.isdecimal() or int(length) > MOST:
            return 413, f"a request is at most {MOST // 2**20} MiB"
        return None

    def _bound(self, host: str) -> bool:
        if host in self.hosts:
            return True
        name = host.rsplit(":", 1)[0].strip("[]")
        try:
            return self.open_to_addresses and bool(ipaddress.ip_address(name))
        except ValueError:
            return False


class TooLargeError(Exception):
    """A body went on for longer than it may."""


async def _answer(send: Any, status: int, said: str) -> None:
    body = json.dumps({"error": said}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
