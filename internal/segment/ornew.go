package segment

import "errors"

// OrNew opens an object, or makes it if there is none. Somebody else may be quicker at making it, and somebody
// may remove it in between; whichever it is, one of the two succeeds in the end.
func OrNew[H any](open, make func() (H, error)) (H, error) {
	for {
		h, err := open()
		if !errors.Is(err, ErrNotExist) {
			return h, err
		}
		if h, err = make(); !errors.Is(err, ErrExist) {
			return h, err
		}
	}
}
