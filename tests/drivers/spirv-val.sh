#!/usr/bin/env bash
# Validates the SPIR-V of every kernel. Needs spirv-val (Debian: spirv-tools).
. "$(dirname "$0")/kernels.sh"
write_kernels
for file in "$KERNELS"/*.spv; do
    spirv-val --target-env vulkan1.1 "$file"
done
echo "spirv-val accepts all $(wc -l <"$KERNELS/kernels.tsv") kernels"
