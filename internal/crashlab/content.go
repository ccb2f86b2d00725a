package crashlab

import (
	"fmt"
	"strconv"
	"strings"
)

// Content is what the elements, or the messages, of a case say: a number each, by which it is seen whether they are whole.
type Content[T any] struct {
	Of   func(uint64) T
	Tell func(T) (uint64, error)
}

// Words are numbers as they are.
var Words = Content[uint64]{func(n uint64) uint64 { return n }, func(n uint64) (uint64, error) { return n, nil }}

// Texts is content of texts, each a number followed by an x as many times as more says.
func Texts(more func(uint64) int) Content[string] {
	of := func(n uint64) string { return strconv.FormatUint(n, 10) + strings.Repeat("x", more(n)) }
	return Content[string]{of, func(s string) (uint64, error) {
		n, err := strconv.ParseUint(strings.TrimRight(s, "x"), 10, 64)
		if err == nil && s != of(n) {
			err = fmt.Errorf("torn: %q", s)
		}
		return n, err
	}}
}

// All are those that say the numbers.
func (c Content[T]) All(numbers ...uint64) (elements []T) {
	for _, n := range numbers {
		elements = append(elements, c.Of(n))
	}
	return elements
}

// Took is an error unless one was taken that says n.
func (c Content[T]) Took(x T, err error, n uint64) error {
	if err != nil {
		return err
	}
	got, err := c.Tell(x)
	if err == nil && got != n {
		err = fmt.Errorf("took %d and not %d", got, n)
	}
	return err
}
