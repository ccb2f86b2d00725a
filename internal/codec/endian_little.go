//go:build 386 || amd64 || arm || arm64 || loong64 || mips64le || mipsle || ppc64le || riscv64 || wasm

package codec

// littleEndian says that plain memory of this machine is what others expect: layouts are little-endian.
const littleEndian = true
