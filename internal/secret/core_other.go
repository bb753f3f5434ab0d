//go:build !linux

package secret

// NoCore is for Linux only so far: elsewhere dumps are switched off by default.
func NoCore() (undo func(), err error) { return func() {}, nil }
