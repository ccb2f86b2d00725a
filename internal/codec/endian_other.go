//go:build !(386 || amd64 || arm || arm64 || loong64 || mips64le || mipsle || ppc64le || riscv64 || wasm)

package codec

// littleEndian is false here: For answers errors.ErrUnsupported for plain types, since a copy of their memory would be
// in the wrong order for everybody else.
const littleEndian = false
