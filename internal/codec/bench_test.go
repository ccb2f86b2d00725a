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

// order is a message as most are: nothing of it needs the library.
type order struct {
	Number         uint64
	Customer, Item string
	Count          int
	Price          float64
	Note           string
}

func BenchmarkDirect(b *testing.B) {
	c := codecFor[order](b)
	in := order{1 << 40, "Kelmscott Press", "Golden type, a fount", 3, 17.5, ""}
	for name, c := range map[string]*Codec[order]{"own": c, "library": library(c)} {
		buf, _ := c.Append(nil, in)
		b.Run("Append/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				buf, _ = c.Append(buf[:0], in)
			}
		})
		b.Run("Decode/"+name, func(b *testing.B) {
			b.ReportAllocs()
			var out order
			for b.Loop() {
				_ = c.Decode(buf, &out)
			}
		})
	}
}
