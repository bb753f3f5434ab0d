//go:build !linux

// Command bench measures bailey beside its peers; it needs Linux.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "bench: error: needs Linux")
	os.Exit(1)
}
