"""The tests of the pages. Each opens a page as a user would; afterwards the console has no complaints (errors, violations of
the content security policy), and no request went to another origin."""

import contextlib
import json
import time
import unittest

from browser import Browser
from program import PHOTOS, ROOT
from strokes import ONE, SCRIBBLE, SEVEN, placed

READ = "document.getElementById('spoken').textContent"  # what screen readers announce, once the drawing pauses
NO_OVERFLOW = "document.documentElement.scrollWidth <= innerWidth"


class Pages(unittest.TestCase):
    """What both kinds of pages share. `program` is set by the script `run`."""

    program = None

    @classmethod
    def setUpClass(cls):
        cls.stack = contextlib.ExitStack()
        cls.browser = cls.stack.enter_context(Browser())

    @classmethod
    def tearDownClass(cls):
        cls.stack.close()

    @contextlib.contextmanager
    def opened(self, url, expected=(), **options):
        """A page, checked for complaints when it is left, except those that contain an `expected` text."""
        with self.browser.page(**options) as page:
            page.open(url)
            yield page
            complaints = [text for text in page.complaints() if not any(part in text for part in expected)]
            self.assertEqual(complaints, [])
            self.assertEqual(page.origins(), {"/".join(url.split("/")[:3])})


class Drawing(Pages):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.run_folder = cls.program.train("drawn")
        cls.server = cls.stack.enter_context(cls.program.serve(cls.run_folder, "--corrections", "corrections"))

    @contextlib.contextmanager
    def page(self, **options):
        with self.opened(self.server.url, **options) as page:
            page.wait("document.getElementById('device').textContent")
            yield page

    def assert_reads(self, page, number):
        page.wait(f"document.getElementById('number').textContent === {json.dumps(number)} && {READ}.startsWith({json.dumps(number)})")

    def test_a_seven_of_mnist_drawn_with_the_mouse_is_read(self):
        with self.page() as page:
            self.assertEqual(page.text("#says"), "Waiting for a drawing")
            height = page.box("#answer")[3]
            page.draw("#surface", SEVEN)
            self.assert_reads(page, "7")
            self.assertIn("Probability", page.text("#says"))
            self.assertEqual(page.text("#bars .best .class"), "7")
            self.assertRegex(page.text("#time"), r"^[\d.]+ ms on CPU")
            self.assertEqual(page.box("#answer")[3], height, "the page jumped at the first stroke")
            sizes = page.run("[...document.querySelectorAll('.stage:not([hidden])')].map((stage) => [stage.className.split(' ')[1], "
                             "...[stage.querySelectorAll('canvas')].flatMap((all) => [all.length, all[0].width, all[0].height])])")
            self.assertEqual(sizes, [["input", 1, 32, 32], ["conv1", 6, 28, 28], ["pool1", 6, 14, 14], ["conv2", 16, 10, 10],
                                     ["pool2", 16, 5, 5], ["fc1", 1, 120, 1], ["fc2", 1, 84, 1]])
            ink = page.run("Math.max(...document.querySelector('.conv1 canvas').getContext('2d').getImageData(0, 0, 28, 28).data.filter((_, i) => i % 4 < 3))")
            self.assertGreater(ink, 60, "the feature map is blank")

    def test_the_answer_follows_while_the_mouse_is_still_down(self):
        with self.page() as page:
            left, top, width, height = page.box("#surface")
            for index, (x, y) in enumerate(SEVEN[0]):
                page.ask("Input.dispatchMouseEvent", type="mouseMoved" if index else "mousePressed", button="left", buttons=1, clickCount=1,
                         x=left + x * width, y=top + y * height)
            page.wait("document.getElementById('number').textContent === '7'")

    def test_a_seven_drawn_with_a_finger_is_read_on_a_phone(self):
        with self.page(width=390, height=844, phone=True) as page:
            page.touch("#surface", SEVEN)
            self.assert_reads(page, "7")
            self.assertTrue(page.run(NO_OVERFLOW))
            self.assertEqual(page.run("scrollY"), 0, "the finger scrolled the page")

    def test_a_scribble_is_answered_with_doubt(self):
        with self.page() as page:
            page.draw("#surface", SCRIBBLE)
            page.wait(f"/Not sure|Nothing read/.test({READ})")
            self.assertIn(page.text("#says"), ("Not sure", "Nothing read"))

    def test_several_digits_are_read_and_one_is_chosen_for_its_details(self):
        with self.page() as page:
            page.run("pen.value = 4, pen.dispatchEvent(new Event('input'))")
            page.draw("#surface", placed(SEVEN, 0.0, 0.2, 0.5, 0.5) + placed(ONE, 0.5, 0.25, 0.45, 0.45))
            self.assert_reads(page, "71")
            self.assertEqual(page.text("#bars .best .class"), "7")
            page.click("#number button:nth-child(2)")
            self.assertEqual(page.text("#bars .best .class"), "1")
            self.assertEqual(page.run("document.activeElement.getAttribute('aria-pressed')"), "true")

    def test_undo_and_clear(self):
        with self.page() as page:
            page.draw("#surface", SEVEN)
            self.assert_reads(page, "7")
            page.click("#clear")
            page.wait(f"document.getElementById('says').textContent === 'Waiting for a drawing'")
            page.press("z", modifiers=2)
            self.assert_reads(page, "7")
            page.click("#undo")
            page.wait(f"document.getElementById('undo').disabled && document.getElementById('number').textContent === ''")

    def test_a_dropped_photograph_is_read(self):
        with self.page() as page:
            page.drop("#surface", PHOTOS / "sans-2.jpg")
            self.assert_reads(page, "2")

    def test_a_pasted_image_is_read(self):
        with self.page() as page:
            origin = {"origin": self.server.url}
            self.browser.ask("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"], **origin)
            page.draw("#surface", SEVEN)
            self.assert_reads(page, "7")
            page.run("new Promise((done) => surface.toBlob(done)).then((blob) => navigator.clipboard.write([new ClipboardItem({'image/png': blob})]))")
            page.click("#clear")
            page.wait("document.getElementById('number').textContent === ''")
            page.press("v", commands=["paste"], modifiers=2)
            self.assert_reads(page, "7")

    def test_a_chosen_file_is_read(self):
        with self.page() as page:
            node = page.ask("DOM.querySelector", nodeId=page.ask("DOM.getDocument")["root"]["nodeId"], selector="#file")["nodeId"]
            page.ask("DOM.setFileInputFiles", nodeId=node, files=[str(PHOTOS / "comic-3.jpg")])
            self.assert_reads(page, "3")

    def test_a_file_that_is_no_image_is_refused_in_one_line(self):
        with self.page(expected=["415"]) as page:
            page.drop("#surface", ROOT / "README.md")
            page.wait("!document.getElementById('problem').hidden")
            self.assertIn("not an image", page.text("#problem"))
            fake = self.program.folder / "fake.png"
            fake.write_bytes(b"no image")
            page.drop("#surface", fake)
            page.wait("document.getElementById('problem').textContent.includes('the image')")
            page.click("#clear")
            page.wait("document.getElementById('problem').hidden")

    def test_the_keyboard_is_enough(self):
        with self.page() as page:
            # Every control can be reached.
            reached = []
            for _ in range(12):
                page.press("Tab")
                reached.append(page.run("document.activeElement.id"))
            self.assertLessEqual({"model", "surface", "pen", "file"}, set(reached))
            # Draws a 7.
            page.run("surface.focus()")
            page.press("ArrowLeft", 6)
            page.press(" ")
            page.press("ArrowRight", 12)
            page.ask("Input.dispatchKeyEvent", type="rawKeyDown", key="ArrowDown", windowsVirtualKeyCode=40)
            page.press("ArrowLeft", 7)
            page.ask("Input.dispatchKeyEvent", type="keyUp", key="ArrowDown", windowsVirtualKeyCode=40)
            page.press("ArrowDown", 9)
            self.assert_reads(page, "7")
            page.press("Delete")
            page.wait("document.getElementById('number').textContent === ''")
            # Opens and closes the list of models.
            page.run("model.focus()")
            page.press("Enter")
            page.wait("models.open && document.activeElement.classList.contains('choice')")
            page.press("Escape")
            page.wait("!models.open && document.activeElement.id === 'model'")

    def test_a_correction_is_saved_for_training(self):
        with self.page() as page:
            page.draw("#surface", SEVEN)
            self.assert_reads(page, "7")
            page.run("label.value = '1'")
            page.click("#correction button")
            page.wait("saved.textContent.includes('Saved')")
            self.assertIn("lenet-gpu train --data-dir corrections", page.text("#saved"))
            images = list((self.program.folder / "corrections/1").glob("*.png"))
            self.assertEqual(len(images), 1)

    def test_another_model_is_chosen(self):
        self.program.train("another", "--seed", "2")
        with self.page() as page:
            page.draw("#surface", SEVEN)
            self.assert_reads(page, "7")
            page.click("#model")
            page.wait("models.open && document.querySelectorAll('.choice').length >= 2")
            for name in ("another", "drawn"):
                page.run(f"models.open || model.click()")
                page.wait(f"[...document.querySelectorAll('.choice')].some((choice) => choice.innerText.includes('{name}'))")
                page.run(f"[...document.querySelectorAll('.choice')].find((choice) => choice.innerText.includes('{name}')).click()")
                page.wait(f"!models.open && document.getElementById('model-name').textContent.startsWith('{name}')")
            self.assert_reads(page, "7")

    def test_no_width_scrolls_sideways(self):
        for width in (320, 390, 640, 900, 1400):
            with self.subTest(width=width), self.page(width=width, height=800, phone=width < 500) as page:
                page.draw("#surface", SEVEN)
                self.assert_reads(page, "7")
                self.assertTrue(page.run(NO_OVERFLOW))

    def test_what_the_policy_forbids_is_blocked_and_noticed(self):
        with self.browser.page() as page:
            page.open(self.server.url)
            page.run("document.body.setAttribute('style', 'color: red'), document.body.append(Object.assign(document.createElement('script'), "
                     "{textContent: 'document.title = 1'})), fetch('http://other.example/').catch(() => 0)")
            complaints = "\n".join(page.complaints())
            for directive in ("style-src", "script-src", "connect-src"):
                self.assertIn(directive, complaints)
            self.assertNotEqual(page.run("document.title"), "1")

    def test_a_server_that_is_gone_is_a_line_on_the_page(self):
        with self.program.serve(self.run_folder) as server, self.opened(server.url, expected=["ERR_CONNECTION"]) as page:
            page.wait("document.getElementById('device').textContent")
            server.process.terminate()
            server.process.wait(10)
            page.draw("#surface", SEVEN)
            page.wait("document.getElementById('problem').innerText.includes('does not answer')")


class LiveRun(Pages):
    def test_a_live_run_is_followed_to_its_end(self):
        with self.program.train_live("followed", "--preset", "mnist-fast", "--limit-train", "20000", "--epochs", "4") as server:
            with self.opened(f"{server.url}/live", expected=["ERR_"]) as page:
                page.wait("document.querySelectorAll('#epochs-body tr').length > 0", patience=60)
                self.assertEqual(page.run("document.querySelectorAll('#filters canvas').length"), 6)
                self.assertGreater(page.run("document.querySelectorAll('#loss svg').length"), 0)
                self.assertTrue(page.run("loss.querySelector('svg').getBoundingClientRect().width > 200"))
                page.wait("!document.getElementById('end').hidden", patience=180)
                self.assertRegex(page.text("#end"), "Finished: 9\\d\\.\\d\\d\u00a0%")
                self.assertEqual(page.run("progress.value"), 1)
                self.assertTrue(page.run("document.getElementById('stop').hidden"))

    def test_a_live_run_is_stopped_by_the_button(self):
        with self.program.train_live("stopped", "--epochs", "500") as server:
            with self.opened(f"{server.url}/live", expected=["ERR_"], width=390, height=844, phone=True) as page:
                page.wait("document.getElementById('progress').value > 0")
                self.assertTrue(page.run(NO_OVERFLOW))
                page.click("#stop")
                page.wait("document.getElementById('confirm').open")
                page.click("#confirm button[value=no]")
                page.wait("!document.getElementById('confirm').open && !document.getElementById('stop').disabled")
                page.click("#stop")
                self.assertEqual(page.run("document.getElementById('confirm').returnValue"), "", "Escape would repeat the last answer")
                page.click("#confirm button[value=yes]")
                page.wait("!document.getElementById('end').hidden")
                self.assertIn("Ended", page.text("#end"))
                end = time.monotonic() + 15
                while not (self.program.folder / "runs/stopped/checkpoint.safetensors").exists() and time.monotonic() < end:
                    time.sleep(0.05)
                self.assertTrue((self.program.folder / "runs/stopped/checkpoint.safetensors").exists())

    def test_the_weights_of_a_live_run_are_drawn_on(self):
        with self.program.train_live("drawn-on", "--epochs", "500") as server:
            with self.opened(f"{server.url}/draw") as page:
                page.wait("document.getElementById('device').textContent")
                self.assertFalse(page.run("document.getElementById('pages').hidden"))
                page.draw("#surface", SEVEN)
                page.wait("document.getElementById('number').textContent !== ''")


class SweepReport(Pages):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        sweep = cls.program.sweep("swept", "--limit-train", "1000", "--limit-test", "500", "--epochs", "2", "--validation-split", "0.2",
                                  "--vary", "lr=1e-4,1e-3,1e-2", "--vary", "batch-size=32,128", "--vary", "activation=relu,tanh", "--vary", "seed=0,1")
        cls.url = (sweep / "report.html").as_uri()

    @contextlib.contextmanager
    def page(self, **options):
        with self.browser.page(**options) as page:
            page.open(self.url)
            yield page
            self.assertEqual(page.complaints(), [])
            self.assertEqual(page.origins(), {"file://"})

    def test_the_report_of_a_sweep_begins_with_the_best_setting(self):
        with self.page() as page:
            self.assertIn("Best of 12 settings", page.text(".lead"))
            self.assertEqual(page.run("document.querySelectorAll('#settings tbody tr').length"), 12)
            self.assertEqual(page.run("document.querySelectorAll('#options svg').length"), 3)
            self.assertEqual(page.run("document.querySelectorAll('#pairs svg').length"), 3)

    def test_the_report_of_a_sweep_scrolls_sideways_at_no_width(self):
        for width in (320, 375, 768, 1400):
            with self.subTest(width=width), self.page(width=width, height=800, phone=width < 500) as page:
                self.assertTrue(page.run(NO_OVERFLOW))
                inside = "[...document.querySelectorAll('main svg')].every((svg) => svg.getBoundingClientRect().right <= innerWidth)"
                self.assertTrue(page.run(inside))

    def test_the_charts_of_a_sweep_follow_the_theme(self):
        colours = [page.run("getComputedStyle(document.querySelector('#pairs path[fill*=shade]')).fill")
                   for dark in (False, True) for page in [self.stack.enter_context(self.page(dark=dark))]]
        self.assertNotEqual(*colours)
