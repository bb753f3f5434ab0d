//go:build linux

package probe

// networkProbes connect to what listens outside.
func networkProbes() []Probe {
	p := func(id, title, kind string) Probe {
		return Probe{ID: "network." + id, Severity: Boundary, Title: title, Why: "services on localhost trust whoever reaches them", Wall: "a network namespace of its own", Fix: "run with the tier full",
			Plant: listenOn(kind), Attack: dial, Judge: heard}
	}
	return []Probe{
		p("tcp4-loopback", "connect to 127.0.0.1", "tcp4"),
	}
}
