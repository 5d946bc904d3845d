#!/usr/bin/env bash
# Compiles the HLSL of every kernel with DXC, Direct3D 12's compiler, for shader models 6.0 and 6.6. Needs g++ and
# Python with pip on x86-64 Linux; DXC itself comes with the source package of compushady (64 MB).
. "$(dirname "$0")/kernels.sh"
package=compushady-0.17.5
python3 -m pip download -q --no-deps --no-binary :all: -d "$temporary" "${package/-/==}"
echo "5052caf9e955d8e7a48e22f536e82b44b72e83af46e824a9e99157c7809de691  $temporary/$package.tar.gz" | sha256sum -c --quiet
tar -xzf "$temporary/$package.tar.gz" -C "$temporary"
backends="$temporary/$package/compushady/backends"
g++ -std=c++17 -O1 -w -I "$backends" -o "$temporary/dxc" tests/drivers/dxc.cpp -ldl
write_kernels
"$temporary/dxc" "$backends/libdxcompiler_x86_64.so.3.7" "$KERNELS"
