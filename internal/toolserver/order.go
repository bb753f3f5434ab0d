package toolserver

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/bailey-run/bailey"
)

// Order is what bailey mcp starts this program with.
type Order struct {
	Version string        // of bailey
	Config  bailey.Config // made of its flags
}

// ReadOrder reads the program's arguments: none, or an order as JSON. What it does
// not know is an error, and so is another version of bailey: a flag that one of
// the two does not know could be a wall.
func ReadOrder(args []string) (*Order, error) {
	o := &Order{}
	o.Config.Caller = "--"
	switch len(args) {
	case 0:
		return o, nil
	case 1:
	default:
		return nil, errors.New("bailey-mcp takes no flags")
	}
	d := json.NewDecoder(strings.NewReader(args[0]))
	d.DisallowUnknownFields()
	if err := d.Decode(o); err != nil {
		return nil, fmt.Errorf("read what bailey mcp was told: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("read what bailey mcp was told: there is more than one value")
	}
	if o.Version != bailey.Version() {
		return nil, fmt.Errorf("bailey is %s and bailey-mcp is %s: install both from one version", o.Version, bailey.Version())
	}
	return o, nil
}
