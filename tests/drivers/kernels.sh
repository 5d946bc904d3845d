# Sourced by the other scripts: `write_kernels` writes every composed kernel to the folder $KERNELS as WGSL, SPIR-V and
# HLSL, with a list of them in kernels.tsv. It builds the test program unless it is built.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT

write_kernels() {
    export KERNELS="$temporary/kernels"
    mkdir "$KERNELS"
    cargo test -q --release --test gpu write_all_kernels -- --ignored >"$temporary/log" 2>&1 ||
        { cat "$temporary/log"; exit 1; }
}
