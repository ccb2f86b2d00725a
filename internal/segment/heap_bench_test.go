package segment

import "testing"

func BenchmarkAllocAndFree(b *testing.B) {
	s, err := Anonymous(8<<20, Config{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	for _, size := range []uint64{64, 1024, 32 << 10} {
		b.Run(map[uint64]string{64: "64", 1024: "1KiB", 32 << 10: "32KiB"}[size], func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				x, err := s.Alloc(size, 0)
				if err == nil {
					err = x.Free()
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	// A hundred at a time: the next one is looked for.
	b.Run("64, a hundred at a time", func(b *testing.B) {
		b.ReportAllocs()
		var all [100]Block
		for b.Loop() {
			for i := range all {
				all[i], _ = s.Alloc(64, 0)
			}
			for i := range all {
				if err := all[i].Free(); err != nil {
					b.Fatal(err)
				}
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/pair")
	})
}
