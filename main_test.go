//go:build linux

package bailey_test

import (
	"errors"
	"flag"
	"os"
	"testing"

	"github.com/bailey-run/bailey"
)

// TestMain leaves the examples out where no box can be made, as inside one: an
// example cannot skip itself. The tests do, and say why.
func TestMain(m *testing.M) {
	flag.Parse()
	if skip := flag.Lookup("test.skip"); skip != nil && skip.Value.String() == "" {
		if _, err := bailey.Prepare(bailey.Config{Dir: os.TempDir()}); errors.Is(err, errors.ErrUnsupported) {
			flag.Set("test.skip", "^Example")
		}
	}
	os.Exit(m.Run())
}
