#!/usr/bin/env bash
# Runs the checks of `lenet-gpu verify` and short runs on lavapipe under Vulkan's validation layer, with core and
# synchronization validation, and fails on any message but the known ones. validation.sh [TEXT...] runs the checks whose
# name contains a TEXT. Needs the layer, from Debian's package chromium-common or in $VALIDATION_LAYER.
set -euo pipefail
cd "$(dirname "$0")/../.."
layer="${VALIDATION_LAYER:-/usr/lib/chromium/libVkLayer_khronos_validation.so}"
[ -f "$layer" ] || { echo "no validation layer at $layer; install chromium-common" >&2; exit 1; }

# Messages that are known: an extended regular expression.
# - 10684: naga gives arrays in private memory an ArrayStride (https://github.com/gfx-rs/wgpu/issues/7696).
known='VUID-StandaloneSpirv-None-10684'

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/validation.json" <<JSON
{"file_format_version": "1.1.2", "layer": {"name": "VK_LAYER_KHRONOS_validation", "type": "GLOBAL",
 "library_path": "$layer", "api_version": "1.3.0", "implementation_version": "1", "description": "validation"}}
JSON
cat >"$folder/vk_layer_settings.txt" <<SETTINGS
khronos_validation.validate_core = true
khronos_validation.validate_sync = true
khronos_validation.syncval_full_validation = true
khronos_validation.enable_message_limit = false
khronos_validation.report_flags = error,warn
khronos_validation.debug_action = VK_DBG_LAYER_ACTION_LOG_MSG
khronos_validation.log_filename = $folder/log
SETTINGS
export VK_LAYER_PATH="$folder" VK_LAYER_SETTINGS_PATH="$folder" VK_INSTANCE_LAYERS=VK_LAYER_KHRONOS_validation
export LENET_GPU_CACHE="$folder/cache"
cargo build -q --release
# Each process writes a new log.
run() {
    target/release/lenet-gpu "$@" --backend vulkan --adapter llvmpipe
    cat "$folder/log" >>"$folder/all"
}

if [ $# -gt 0 ]; then
    for text in "$@"; do run verify --only "$text"; done
else
    run verify
    # Several submits in flight, streamed images, an interrupted and a resumed run.
    options=(--limit-train 3200 --limit-test 300 --epochs 2 --quiet)
    run train "${options[@]}" --run-dir "$folder/layered"
    run train "${options[@]}" --run-dir "$folder/streamed" --residency streamed --rotate 5
    run train "${options[@]}" --run-dir "$folder/fused" --kernels fused --clip-norm 1 --batch-size 1100
fi

[ -f "$folder/all" ] && grep -qE "$known" "$folder/all" || { echo "the validation layer is not active" >&2; exit 1; }
if grep -E 'Validation (Error|Warning)' "$folder/all" | grep -vE "$known" | sort | uniq -c | sort -rn | grep .; then
    grep -E 'Validation (Error|Warning)' -A 12 "$folder/all" | grep -vE "$known" | head -60
    exit 1
fi
echo "no message but the known ones: $(grep -cE "$known" "$folder/all") times $known"
