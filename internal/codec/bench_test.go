package codec

import "testing"

func BenchmarkPlain(b *testing.B) {
	c := codecFor[leaf](b)
	buf := make([]byte, 0, c.Size())
	in := leaf{I8: -1, U16: 2, F32: 3, On: true}
	b.Run("Append", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			buf, _ = c.Append(buf[:0], in)
		}
	})
	b.Run("Decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = c.Decode(buf, &in)
		}
	})
}

func BenchmarkCBOR(b *testing.B) {
	c := codecFor[message](b)
	in := message{Name: "name", Count: 7, Data: make([]byte, 100), Leaves: make([]leaf, 4), ByName: map[string]leaf{"a": {}}}
	buf, err := c.Append(nil, in)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("Append", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(buf)))
		for b.Loop() {
			buf, _ = c.Append(buf[:0], in)
		}
	})
	b.Run("Decode", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(buf)))
		var out message
		for b.Loop() {
			_ = c.Decode(buf, &out)
		}
	})
}

func TestPlainAllocatesNothing(t *testing.T) {
	c := codecFor[padded](t)
	buf := make([]byte, 0, c.Size())
	var v padded
	if n := testing.AllocsPerRun(100, func() {
		buf, _ = c.Append(buf[:0], v)
		_ = c.Decode(buf, &v)
	}); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}
