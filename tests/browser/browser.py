"""Drives headless Chromium through the DevTools protocol, with nothing but Python's standard library.

Chromium reads commands from file descriptor 3 and writes answers and events to 4 (`--remote-debugging-pipe`), JSON that ends
with a zero byte. So neither a WebSocket nor Node with puppeteer has to be installed.
"""

import fcntl
import itertools
import json
import os
import queue
import shutil
import subprocess
import tempfile
import threading
import time
from pathlib import Path

PATIENCE = 20.0  # seconds until something counts as not happening


class Browser:
    """A running Chromium. Use it in a `with` statement."""

    def __init__(self):
        program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
        if program is None:
            raise SystemExit("error: Chromium is missing: install it (Debian: apt-get install chromium) or set CHROMIUM to its path")
        self.profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        command_end, self._commands = os.pipe()
        self._answers, answer_end = os.pipe()
        options = ["--headless=new", "--remote-debugging-pipe", f"--user-data-dir={self.profile.name}", "--no-first-run", "--disable-gpu",
                   "--hide-scrollbars", "--disable-extensions", "--disable-background-networking", "--disable-component-update"]
        if os.geteuid() == 0:
            options.append("--no-sandbox")
        # Descriptors above 4, so that neither overwrites the other.
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (command_end, answer_end)]
        self._process = subprocess.Popen([program, *options, "about:blank"], pass_fds=(3, 4), preexec_fn=lambda: [os.dup2(end, 3 + i) for i, end in enumerate(ends)],
                                         stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for end in ends:
            os.close(end)
        os.close(command_end)
        os.close(answer_end)
        self._numbers = itertools.count(1)
        self._waiting, self._pages = {}, {}
        threading.Thread(target=self._read, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.ask("Browser.close")
        except (OSError, TimeoutError):
            self._process.kill()
        self._process.wait()
        self.profile.cleanup()

    def _read(self):
        rest = b""
        while chunk := os.read(self._answers, 1 << 20):
            *messages, rest = (rest + chunk).split(b"\0")
            for message in map(json.loads, messages):
                if "id" in message:
                    self._waiting.pop(message["id"]).put(message)
                elif page := self._pages.get(message.get("sessionId")):
                    page.events.append((message["method"], message["params"]))

    def ask(self, method, session=None, **parameters):
        """Sends a command and returns its result."""
        number = next(self._numbers)
        answer = self._waiting[number] = queue.Queue()
        message = {"id": number, "method": method, "params": parameters} | ({"sessionId": session} if session else {})
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        try:
            result = answer.get(timeout=PATIENCE)
        except queue.Empty:
            raise TimeoutError(method) from None
        if "error" in result:
            raise RuntimeError(f"{method}: {result['error']['message']}")
        return result["result"]

    def page(self, width=1280, height=900, dark=False, phone=False):
        """Opens a tab."""
        return Page(self, width, height, dark, phone)


class Page:
    """A tab. `events` has all that the browser has reported about it."""

    def __init__(self, browser, width, height, dark, phone):
        self.browser, self.events = browser, []
        self.target = browser.ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = browser.ask("Target.attachToTarget", targetId=self.target, flatten=True)["sessionId"]
        browser._pages[self.session] = self
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=2 if phone else 1, mobile=phone)
        self.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        if phone:
            self.ask("Emulation.setTouchEmulationEnabled", enabled=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.browser.ask("Target.closeTarget", targetId=self.target)

    def ask(self, method, **parameters):
        return self.browser.ask(method, self.session, **parameters)

    def open(self, url):
        result = self.ask("Page.navigate", url=str(url))
        if "errorText" in result:
            raise AssertionError(f"{url}: {result['errorText']}")
        self.wait("document.readyState === 'complete' && location.href !== 'about:blank'")

    def run(self, script):
        """The value of a JavaScript expression; promises are awaited."""
        result = self.ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True, userGesture=True)
        if "exceptionDetails" in result:
            raise RuntimeError(f"{script}: {result['exceptionDetails'].get('exception', {}).get('description')}")
        return result["result"].get("value")

    def wait(self, condition, patience=PATIENCE):
        """Waits until a JavaScript expression is true, and returns its value."""
        end = time.monotonic() + patience
        while not (value := self.run(condition)):
            if time.monotonic() > end:
                raise AssertionError(f"timed out: {condition}\nthe page says: {self.run('document.body.innerText')[:600]!r}")
            time.sleep(0.03)
        return value

    def text(self, selector):
        return self.run(f"document.querySelector({json.dumps(selector)})?.innerText.trim()")

    def box(self, selector):
        """Left, top, width and height in the window, after scrolling the element into it."""
        element = f"document.querySelector({json.dumps(selector)})"
        return self.run(f"{element}.scrollIntoView({{block: 'nearest', behavior: 'instant'}}), "
                        f"(({{left, top, width, height}}) => [left, top, width, height])({element}.getBoundingClientRect())")

    def click(self, selector):
        left, top, width, height = self.box(selector)
        at = {"x": left + width / 2, "y": top + height / 2, "button": "left", "clickCount": 1}
        for kind in ("mousePressed", "mouseReleased"):
            self.ask("Input.dispatchMouseEvent", type=kind, **at)

    def draw(self, selector, strokes):
        """Draws strokes, lists of points in shares of the element's sides, with the mouse."""
        left, top, width, height = self.box(selector)
        for stroke in strokes:
            points = [{"x": left + x * width, "y": top + y * height} for x, y in stroke]
            self.ask("Input.dispatchMouseEvent", type="mousePressed", button="left", clickCount=1, **points[0])
            for point in points[1:]:
                self.ask("Input.dispatchMouseEvent", type="mouseMoved", button="left", buttons=1, **point)
            self.ask("Input.dispatchMouseEvent", type="mouseReleased", button="left", clickCount=1, **points[-1])

    def touch(self, selector, strokes):
        """The same with a finger."""
        left, top, width, height = self.box(selector)
        for stroke in strokes:
            points = [[{"x": left + x * width, "y": top + y * height}] for x, y in stroke]
            self.ask("Input.dispatchTouchEvent", type="touchStart", touchPoints=points[0])
            for point in points[1:]:
                self.ask("Input.dispatchTouchEvent", type="touchMove", touchPoints=point)
            self.ask("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    def drop(self, selector, file):
        """Drops a file from the desktop."""
        left, top, width, height = self.box(selector)
        data = {"items": [], "files": [str(Path(file).resolve())], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            self.ask("Input.dispatchDragEvent", type=kind, x=left + width / 2, y=top + height / 2, data=data)

    def press(self, key, times=1, commands=(), modifiers=0):
        """Presses a key. `commands` are what the browser's own shortcuts do, such as paste."""
        codes = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40, "Delete": 46}
        code = codes.get(key) or ord(key.upper())
        text = {"Enter": "\r", " ": " "}.get(key, "")
        for _ in range(times):
            self.ask("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", key=key, windowsVirtualKeyCode=code, text=text,
                     commands=list(commands), modifiers=modifiers)
            self.ask("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code, modifiers=modifiers)

    def screenshot(self, whole=False):
        """A picture of the window, or of the whole page: a PNG file in base64."""
        return self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=whole)["data"]

    def complaints(self):
        """Errors and warnings in the console, exceptions, and violations of the content security policy."""
        found = []
        for method, event in self.events:
            if method == "Runtime.exceptionThrown":
                details = event["exceptionDetails"]
                found.append(details.get("exception", {}).get("description") or details["text"])
            elif method == "Runtime.consoleAPICalled" and event["type"] in ("error", "warning", "assert"):
                found.append(" ".join(str(value.get("value", value.get("description"))) for value in event["args"]))
            elif method == "Log.entryAdded" and event["entry"]["level"] in ("error", "warning"):
                found.append(f"{event['entry']['text']} {event['entry'].get('url', '')}")
        return found

    def origins(self):
        """Where the page has sent requests to: scheme, host and port."""
        urls = [event["request"]["url"] for method, event in self.events if method == "Network.requestWillBeSent"]
        return {"/".join(url.split("/")[:3]) for url in urls if not url.startswith(("data:", "blob:", "about:"))}
