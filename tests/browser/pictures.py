"""Takes the pictures of the pages for the documentation."""

from browser import Browser
from strokes import SEVEN

PHONE = {"width": 390, "height": 844, "phone": True}
WIDE = {"width": 1280, "height": 800}


def make(program, folder):
    """Saves the pictures as PNG files in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    run = program.train("mnist")
    with Browser() as browser:
        with program.serve(run) as server:
            for name, options in {"draw-light": WIDE, "draw-dark": WIDE | {"dark": True}, "draw-phone": PHONE | {"dark": True}}.items():
                with browser.page(**options) as page:
                    page.open(server.url)
                    page.wait("document.getElementById('device').textContent")
                    (page.touch if "phone" in name else page.draw)("#surface", SEVEN)
                    page.wait("document.getElementById('spoken').textContent.startsWith('7')")
                    page.run("document.activeElement.blur()")
                    page.screenshot(folder / f"{name}.png", whole="phone" not in name)
        with program.train_live("live", "--preset", "mnist-fast", "--epochs", "12") as server:
            for name, options in {"live-light": WIDE, "live-dark": WIDE | {"dark": True}}.items():
                with browser.page(**options) as page:
                    page.open(f"{server.url}/live")
                    page.wait("document.querySelectorAll('#epochs-body tr').length >= 3")
                    page.screenshot(folder / f"{name}.png", whole=True)
        report = run / "report.html"
        for name, options in {"report-light": WIDE, "report-dark": WIDE | {"dark": True}, "report-phone": PHONE}.items():
            with browser.page(**options) as page:
                page.open(report.as_uri())
                page.screenshot(folder / f"{name}.png")
