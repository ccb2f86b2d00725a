package crashcases

import "github.com/kindred-ipc/kindred/internal/crashlab"

func stormCases() []crashlab.Case { return nil }
