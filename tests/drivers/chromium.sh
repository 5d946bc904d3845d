#!/usr/bin/env bash
# Creates a compute pipeline of every kernel in a headless Chromium, with WebGPU's default limits, on SwiftShader. Needs
# chromium (or $CHROMIUM) and Python.
. "$(dirname "$0")/kernels.sh"
write_kernels
python3 tests/drivers/chromium.py "${CHROMIUM:-chromium}" "$KERNELS" "$temporary/profile"
