"""Starting the server, and ending it."""

import secrets
import socket
import threading
import webbrowser
from collections.abc import Callable
from dataclasses import dataclass

import uvicorn

from sparsight.errors import SparsightError
from sparsight.explore.app import app
from sparsight.explore.shelf import Shelf

LOOPBACK = ("127.0.0.1", "localhost", "::1")
NOTEBOOKS = "http://localhost:* http://127.0.0.1:* https://localhost:* https://127.0.0.1:* vscode-webview:"


@dataclass(frozen=True)
class Server:
    """A server that is bound, and its address."""

    shelf: Shelf
    uvicorn: uvicorn.Server
    socket: socket.socket
    address: str
    """With the token behind #, which no browser sends to a server and no log sees."""

    def run(self) -> None:
        """Serve until Ctrl-C."""
        with self.socket:
            self.uvicorn.run(sockets=[self.socket])

    def start(self) -> threading.Thread:
        """Serve in a thread that ends with the program."""
        thread = threading.Thread(target=self.run, daemon=True)
        thread.start()
        return thread

    def stop(self) -> None:
        """End."""
        self.uvicorn.should_exit = True


def bound(shelf: Shelf, *, host: str = "127.0.0.1", port: int = 0, framed: bool = False) -> Server:
    """A server of some runs, bound to an address, and not yet serving.

    Args:
        shelf: the runs.
        host: where it listens. Beyond this machine reading needs the token as well.
        port: 0: one that is free.
        framed: pages of a notebook on this machine may show it.

    Raises:
        SparsightError: the port is in use, or the host is not one of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sends at once only where the protocol is named; else every answer that follows another waits 40 ms
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(2048)  # whoever is told the address waits until it is served, and is not refused
    except (OSError, OverflowError) as error:
        listening.close()
        said = getattr(error, "strerror", None) or str(error)
        raise SparsightError(
            f"cannot listen at {host}:{port} ({said}): choose another --port, or none, and a free one is found"
        ) from None
    port = listening.getsockname()[1]
    local = host in LOOPBACK
    token = secrets.token_urlsafe(24)
    names = {*(LOOPBACK if local else (host, socket.gethostname())), f"[{host}]"}
    made = app(
        shelf,
        hosts=frozenset(f"{name}:{port}" for name in names) | frozenset(names if port == 80 else ()),
        token=token,
        private=not local,
        open_to_addresses=not local,
        framed_by=NOTEBOOKS if framed else "'none'",
    )
    config = uvicorn.Config(made, access_log=False, log_level="warning", timeout_graceful_shutdown=2)
    shown = f"[{host}]" if ":" in host else host
    server = uvicorn.Server(config)
    made.state.stopping = lambda: server.should_exit
    return Server(shelf, server, listening, f"http://{shown}:{port}/#token={token}")


def serve(server: Server, *, browser: bool, say: Callable[[str], None]) -> None:
    """Say where it is, open a browser, and serve until Ctrl-C."""
    say(server.address)
    if browser:
        threading.Timer(0.3, webbrowser.open, [server.address]).start()
    server.run()
