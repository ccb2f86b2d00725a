package locks_test

import (
	"testing"

	"github.com/kindred-ipc/kindred/internal/proctest"
)

func TestMain(m *testing.M) { proctest.Main(m) }
