//go:build !linux

package bailey

// maxRSSUnit: getrusage(2) counts in bytes here.
const maxRSSUnit = 1
