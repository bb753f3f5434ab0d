package linux

import "fmt"

// An UnsupportedError is a plan that asks for more than this machine has.
type UnsupportedError struct {
	Feature string // what is missing
	Need    string // what the plan asks for
	Have    string // what the machine has
}

func (e *UnsupportedError) Error() string {
	return fmt.Sprintf("%s: need %s, have %s", e.Feature, e.Need, e.Have)
}
