//go:build !unix

package statefile

import "io/fs"

// ownedByCaller cannot tell on this system; the directory's own protection holds.
func ownedByCaller(fs.FileInfo) bool { return true }

// lock has no counterpart here that the kernel gives back when a process dies.
func lock(string) (unlock func(), err error) { return func() {}, nil }
