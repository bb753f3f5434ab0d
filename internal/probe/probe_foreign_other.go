//go:build linux && !amd64

package probe

// foreign are probes for system call tables that only amd64 has.
func foreign(func(id, title, why string, attack func(*Inside) error) Probe) []Probe { return nil }
