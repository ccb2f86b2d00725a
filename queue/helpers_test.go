package queue_test

import (
	"testing"

	"github.com/kindred-ipc/kindred/internal/proctest"
)

func TestMain(m *testing.M) { proctest.Main(m) }

var (
	bounded   = proctest.Bounded
	over      = proctest.Over
	anonymous = proctest.Anonymous
	again     = proctest.Attach // one more participant, as another process would be
)
