"""The explorer inside a notebook."""

import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from playwright.sync_api import Browser, expect

from sparsight.explore.shelf import Shelf


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None: ...


def test_a_notebook_shows_the_features_of_a_run(browser: Browser, shelf: Shelf, tmp_path: Path) -> None:
    shown = shelf.run("first").explore(height=400)
    again = shelf.run("second").explore()
    assert shown.address.split("&")[0] == again.address.split("&")[0]
    frame = shown._repr_html_()
    assert "height: 400px" in frame
    (tmp_path / "notebook.html").write_text(f"<!doctype html>{frame}")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=tmp_path)) as notebook:
        threading.Thread(target=notebook.serve_forever, daemon=True).start()
        tab = browser.new_page()
        tab.goto(f"http://127.0.0.1:{notebook.server_port}/notebook.html")
        expect(tab.frame_locator("iframe").locator(".count")).to_have_text("64 features")
        policy = tab.request.get(shown.address).headers["content-security-policy"]
        assert "frame-ancestors http://localhost:* http://127.0.0.1:*" in policy
        tab.close()
        notebook.shutdown()
