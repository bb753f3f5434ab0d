//go:build linux

package probe

func lifecycleProbes() []Probe {
	return []Probe{}
}
