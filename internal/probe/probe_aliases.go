//go:build linux

package probe

func aliasProbes() []Probe {
	return []Probe{}
}
