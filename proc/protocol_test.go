package proc

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestInvitationRoundTrip(t *testing.T) {
	want := invitation{protocolVersion, 3, cookie{1, 2, 15: 255}}
	require.Equal(t, "v1:3:010200000000000000000000000000ff", want.String())
	got, ok := parseInvitation(want.String())
	require.True(t, ok)
	require.Equal(t, want, got)
}

func TestMalformedInvitationIsStale(t *testing.T) {
	secret := strings.Repeat("00", cookieSize)
	for _, s := range []string{
		"", ":", "::", "v1:3", "1:3:" + secret, "v1:3:" + secret + ":", "v:3:" + secret, "v-1:3:" + secret,
		"v1::" + secret, "v1:2:" + secret, "v1:-3:" + secret, "v1:99999999999:" + secret,
		"v1:3:" + secret + "00", "v1:3:" + secret[2:], "v1:3:" + secret[1:] + "g",
	} {
		_, ok := parseInvitation(s)
		require.False(t, ok, "%q", s)
	}
}

func TestStartMessageRoundTrip(t *testing.T) {
	want := startMessage{function: "f\xff", process: strings.Repeat("p", maxName), segments: 7, files: []string{"", "b"}}
	got, err := decodeStart(want.encode())
	require.NoError(t, err)
	require.Equal(t, want, got)

	cutShort, err := decodeStart(startMessage{files: []string{strings.Repeat("n", 1000)}}.encode())
	require.NoError(t, err)
	require.Len(t, cutShort.files[0], maxName)
}

func TestFramesRoundTrip(t *testing.T) {
	var b []byte
	b = appendFrame(b, frameReady, nil)
	b = appendFrame(b, frameFailed, []byte("text"))
	r := bytes.NewReader(b)
	kind, payload, err := readFrame(r)
	require.NoError(t, err)
	require.Equal(t, frameReady, kind)
	require.Empty(t, payload)
	kind, payload, err = readFrame(r)
	require.NoError(t, err)
	require.Equal(t, frameFailed, kind)
	require.Equal(t, "text", string(payload))
	_, _, err = readFrame(r)
	require.ErrorIs(t, err, io.EOF)

	cutOff := appendFrame(nil, frameFailed, []byte("text"))
	for n := range cutOff {
		_, _, err := readFrame(bytes.NewReader(cutOff[:n]))
		require.Error(t, err)
		require.NotErrorIs(t, err, ErrProtocol, "the other side ended")
	}
	_, _, err = readFrame(strings.NewReader("HTTP/1.1 400 Bad Request"))
	require.ErrorIs(t, err, ErrProtocol)
	require.ErrorIs(t, writeFrame(io.Discard, frameStart, make([]byte, maxFrame+1)), ErrProtocol)
}

func TestRefusals(t *testing.T) {
	for why, want := range map[refusal]error{
		refusedNotRegistered: ErrNotRegistered,
		refusedUndecodable:   ErrUndecodable,
		refusedProtocol:      ErrProtocol,
		99:                   ErrProtocol,
	} {
		err := decodeRefusal(encodeRefusal(why, "the reason"))
		require.ErrorIs(t, err, want)
		require.ErrorContains(t, err, "the reason")
	}
	require.ErrorContains(t, decodeRefusal(encodeRefusal(refusedSystem, "out of luck")), "in the child: out of luck")
	require.ErrorIs(t, decodeRefusal(nil), ErrProtocol)
}
