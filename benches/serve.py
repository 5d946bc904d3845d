"""Load test of `lenet-gpu serve`: sends an image many times from many clients, and prints the latencies.

    lenet-gpu serve RUN --port 8080 &
    python3 benches/serve.py http://127.0.0.1:8080/ tests/golden/photos/sans-7.jpg

Without an image, a drawing of a stroke on a canvas of 280×280 is sent. Needs only Python's standard library.
"""

import argparse
import http.client
import json
import struct
import sys
import threading
import time
import urllib.parse
import zlib


def drawing(side=280):
    """A PNG of a black stroke on white, about as the page sends it."""
    rows = b"".join(
        b"\0" + bytes(0 if abs(x - side // 2) < 10 and 40 < y < side - 40 else 255 for x in range(side))
        for y in range(side)
    )

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def client(host, path, image, count, latencies, batches, errors):
    connection = http.client.HTTPConnection(host, timeout=60)
    for _ in range(count):
        begin = time.perf_counter()
        try:
            connection.request("POST", path, image, {"Content-Type": "image/png"})
            answer = connection.getresponse()
            body = answer.read()
            if answer.status != 200:
                raise OSError(f"{answer.status}: {body.decode(errors='replace').strip()}")
            batches.append(json.loads(body)["batch"])
            latencies.append(time.perf_counter() - begin)
        except (OSError, http.client.HTTPException, ValueError) as error:
            errors.append(f"{type(error).__name__}: {error}")
            connection.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", help="the address that `lenet-gpu serve` prints")
    parser.add_argument("image", nargs="?", help="an image file [default: a drawing]")
    parser.add_argument("--requests", type=int, default=1000, help="the number of requests [default: 1000]")
    parser.add_argument("--clients", type=int, default=50, help="the number of clients at once [default: 50]")
    parser.add_argument("--detail", action="store_true", help="request the layers, too")
    args = parser.parse_args()

    host = urllib.parse.urlsplit(args.url).netloc
    path = "/api/predict" + ("?detail=true" if args.detail else "")
    image = open(args.image, "rb").read() if args.image else drawing()
    latencies, batches, errors = [], [], []
    shares = [args.requests // args.clients + (index < args.requests % args.clients) for index in range(args.clients)]
    threads = [
        threading.Thread(target=client, args=(host, path, image, share, latencies, batches, errors))
        for share in shares
    ]
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - begin

    latencies.sort()
    print(f"{args.requests} requests from {args.clients} clients in {seconds:.2f} s: {len(errors)} errors")
    if latencies:
        quantile = lambda share: 1e3 * latencies[min(int(share * len(latencies)), len(latencies) - 1)]
        print(f"{len(latencies) / seconds:.0f} answers/s, images per batch {sum(batches) / len(batches):.1f} (most {max(batches)})")
        print(f"p50 {quantile(0.5):.1f} ms, p99 {quantile(0.99):.1f} ms, longest {1e3 * latencies[-1]:.1f} ms")
    for error in sorted(set(errors))[:5]:
        print(error, file=sys.stderr)
    sys.exit(bool(errors))


if __name__ == "__main__":
    main()
