package codec_test

import (
	"fmt"

	"github.com/kindred-ipc/kindred/internal/codec"
)

func Example() {
	type Job struct {
		Name string
		Size int64
	}
	jobs, err := codec.For[[]Job]()
	if err != nil {
		fmt.Println(err)
		return
	}
	message, err := jobs.Append(nil, []Job{{"a.go", 120}, {"b.go", 7}})
	if err != nil {
		fmt.Println(err)
		return
	}

	var received []Job // in another process
	if err := jobs.Decode(message, &received); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(received)
	// Output: [{a.go 120} {b.go 7}]
}
