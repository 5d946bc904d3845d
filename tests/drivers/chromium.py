"""chromium.py CHROMIUM KERNELS PROFILE: serves a page to Chromium that creates a pipeline of every kernel in the folder
KERNELS and posts what failed."""

import http.server
import json
import pathlib
import subprocess
import sys
import threading

TIMEOUT_SECONDS = 600

PAGE = """<!doctype html><title>kernels</title><script type="module">
async function create() {
    const adapter = await navigator.gpu?.requestAdapter();
    if (!adapter) throw new Error("no WebGPU adapter");
    const device = await adapter.requestDevice();
    const failures = [];
    const kernels = await (await fetch("kernels.json")).json();
    for (const { label, entryPoint, code } of kernels) {
        device.pushErrorScope("validation");
        const module = device.createShaderModule({ code });
        const pipeline = { layout: "auto", compute: { module, entryPoint } };
        const error = await device.createComputePipelineAsync(pipeline).then(() => null, (error) => error);
        const invalid = await device.popErrorScope();
        if (error || invalid) failures.push(`${label}: ${(error ?? invalid).message}`);
    }
    const { vendor, architecture, description } = adapter.info;
    return { adapter: [vendor, architecture, description].join(" "), kernels: kernels.length, failures };
}
const result = await create().catch((error) => ({ failures: [String(error)] }));
await fetch("result", { method: "POST", body: JSON.stringify(result) });
</script>"""


def main(chromium: str, folder: pathlib.Path, profile: str) -> int:
    kernels = []
    for line in (folder / "kernels.tsv").read_text().splitlines():
        name, entry_point, _, label = line.split("\t")
        code = (folder / f"{name}.wgsl").read_text()
        kernels.append({"label": label, "entryPoint": entry_point, "code": code})
    result = {}
    done = threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            pages = {"/": ("text/html", PAGE), "/kernels.json": ("application/json", json.dumps(kernels))}
            kind, text = pages.get(self.path, ("text/plain", ""))
            self.send_response(200 if text else 404)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.end_headers()
            self.wfile.write(text.encode())

        def do_POST(self):
            result.update(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()
            done.set()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    options = ["--headless", "--no-sandbox", "--no-first-run", f"--user-data-dir={profile}"]
    options += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    options += ["--enable-unsafe-webgpu", "--enable-features=Vulkan", "--use-webgpu-adapter=swiftshader"]
    address = f"http://127.0.0.1:{server.server_port}/"
    browser = subprocess.Popen([chromium, *options, address], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    answered = done.wait(TIMEOUT_SECONDS)
    browser.terminate()
    browser.wait()
    if not answered:
        print(f"no answer within {TIMEOUT_SECONDS} s", file=sys.stderr)
        return 1
    for failure in result["failures"]:
        print(failure, file=sys.stderr)
    if result["failures"]:
        return 1
    print(f"Chromium creates the pipelines of all {result['kernels']} kernels on {result['adapter'].strip()}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3]))
