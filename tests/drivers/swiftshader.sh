#!/usr/bin/env bash
# Runs `lenet-gpu verify` on SwiftShader, a second Vulkan driver: swiftshader.sh [TEXT...] runs the checks whose name
# contains a TEXT, by default some that take minutes; `swiftshader.sh ""` runs all, which takes hours. Needs SwiftShader's
# driver file, from Debian's package chromium-common or in $SWIFTSHADER.
set -euo pipefail
cd "$(dirname "$0")/../.."
export VK_DRIVER_FILES="${SWIFTSHADER:-/usr/lib/chromium/vk_swiftshader_icd.json}"
[ -f "$VK_DRIVER_FILES" ] || { echo "no SwiftShader at $VK_DRIVER_FILES; install chromium-common" >&2; exit 1; }
# Older Vulkan loaders know the variable by this name.
export VK_ICD_FILENAMES="$VK_DRIVER_FILES"
export LENET_GPU_CACHE="${LENET_GPU_CACHE:-$(mktemp -d)}"
cargo build -q --release
[ $# -gt 0 ] || set -- NaN max_pool log_softmax batch_norm gather adam sgd gradient_norm accumulate \
    "whole step, 5 of 1x28x28" "10 steps, Adam"
for text in "$@"; do
    target/release/lenet-gpu verify --backend vulkan --adapter SwiftShader --only "$text"
done
