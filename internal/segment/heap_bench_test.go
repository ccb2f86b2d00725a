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

// What it costs that an object was kept, among many: one that many keep, and that all let go, and many that one each keeps.
func BenchmarkLetGo(b *testing.B) {
	const n = 1000
	for _, one := range []bool{true, false} {
		b.Run(map[bool]string{true: "one of a thousand", false: "a thousand of one each"}[one], func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				s, err := Anonymous(8<<20, Config{})
				if err != nil {
					b.Fatal(err)
				}
				var objects []Object
				var keepers []Block
				for i := range n {
					if i == 0 || !one {
						objects = append(objects, thing(b, s, ""))
					}
					keepers = append(keepers, keeper(b, s, objects[len(objects)-1]))
				}
				b.StartTimer()
				for _, o := range objects {
					if err := s.Destroy(o.Ref()); err != nil {
						b.Fatal(err)
					}
				}
				for _, k := range keepers {
					if err := k.Free(); err != nil {
						b.Fatal(err)
					}
				}
				b.StopTimer()
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/block")
		})
	}
}
