//go:build linux && !amd64

package probe

// Other architectures never had the older calls.

func oldWaysToMake(func(id, title string, attack func(in *Inside, path, from string) error) Probe) []Probe {
	return nil
}

func oldWaysToChange(func(id, title string, attack func(in *Inside, path, tmp string) error) Probe) []Probe {
	return nil
}
