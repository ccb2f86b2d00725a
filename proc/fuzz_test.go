//go:build linux || darwin

package proc

import (
	"bytes"
	"errors"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/codec"
)

func FuzzDecodeStart(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := decodeStart(b)
		if err != nil {
			require.ErrorIs(t, err, ErrProtocol)
			return
		}
		again, err := decodeStart(m.encode())
		require.NoError(t, err)
		require.Equal(t, m, again)
	})
}

func FuzzInvitation(f *testing.F) {
	f.Fuzz(func(t *testing.T, value string) {
		if i, ok := parseInvitation(value); ok {
			again, ok := parseInvitation(i.String())
			require.True(t, ok)
			require.Equal(t, i, again)
			require.GreaterOrEqual(t, i.descriptor, 3)
		}
	})
}

// FuzzConversation has a child say anything.
func FuzzConversation(f *testing.F) {
	f.Fuzz(func(t *testing.T, said []byte) {
		for rest := said; ; {
			kind, payload, err := readFrame(bytes.NewReader(rest))
			if err != nil {
				break
			}
			frame := appendFrame(nil, kind, payload)
			require.True(t, bytes.HasPrefix(rest, frame))
			rest = rest[len(frame):]
		}
		r, w, err := os.Pipe()
		require.NoError(t, err)
		defer r.Close()
		go func() {
			_, _ = w.Write(said)
			w.Close()
		}()
		p := &Process{control: r, started: make(chan error, 1), heard: make(chan struct{})}
		p.listen()
		<-p.heard
		switch err := <-p.started; {
		case err == nil:
			require.True(t, bytes.HasPrefix(said, appendFrame(nil, frameReady, nil)[:1]))
		case err == errEnded:
			require.Empty(t, p.text)
		default:
			require.Empty(t, p.text)
			known := errors.Is(err, ErrProtocol) || errors.Is(err, ErrNotRegistered) || errors.Is(err, ErrUndecodable)
			require.True(t, known || bytes.Equal(said[frameHeader:][:1], []byte{byte(refusedSystem)}), "%v", err)
		}
	})
}

// FuzzArguments decodes any arguments: plain memory, and what is not.
func FuzzArguments(f *testing.F) {
	type plain struct {
		N  uint16
		On bool
	}
	f.Fuzz(func(t *testing.T, ours bool, b []byte) {
		decodes[plain](t, ours, b)
		decodes[map[string][]plain](t, ours, b)
	})
}

// decodes decodes b as it came, or with the hash before it that is expected.
func decodes[A any](t *testing.T, ours bool, b []byte) {
	if ours {
		var none A
		hash, err := encode(none)
		require.NoError(t, err)
		b = append(hash[:layoutSize:layoutSize], b...)
	}
	args, err := decode[A](b)
	if err != nil {
		require.Zero(t, args)
		require.True(t, !ours || errors.Is(err, codec.ErrCorrupt))
		return
	}
	_, err = encode(args)
	require.NoError(t, err)
}
