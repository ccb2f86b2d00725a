package codec

// Bare reports whether any bytes are a value, and any value is its bytes: T is plain and has neither padding
// nor booleans, so that Clean and Sound have nothing to do.
func (c *Codec[T]) Bare() bool {
	return c.form == formPlain && !c.careful
}

// Clean zeroes the padding of a plain *v, so that equal values are equal bytes, and nothing leaves the process
// that is no value.
func (c *Codec[T]) Clean(v *T) {
	if c.form == formPlain {
		zero(memory(v), c.padding)
	}
}

// Sound reports whether a plain *v that was copied from shared memory is a value: whether its booleans are 0 or 1.
func (c *Codec[T]) Sound(v *T) bool {
	return c.form != formPlain || areBools(memory(v), c.bools)
}
