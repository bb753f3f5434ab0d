//go:build linux

package probe

// socketProbes connect to unix sockets outside.
func socketProbes() []Probe {
	p := func(id, title, kind, wall string) Probe {
		return Probe{ID: "sockets." + id, Severity: Boundary, Title: title, Why: "who speaks to an agent or a daemon acts as you", Wall: wall, Fix: "take the directory of the socket out of the policy",
			Plant: listenOn(kind), Attack: dial, Judge: heard}
	}
	return []Probe{
		p("ssh-agent", "connect to an ssh agent", "agent.sock", "the socket's directory is not mounted"),
		p("abstract", "connect to an abstract socket", "abstract", "a network namespace of its own, Landlock scope"),
	}
}
