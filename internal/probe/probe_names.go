//go:build linux

package probe

// nameProbes make or change names that act outside later.
func nameProbes() []Probe {
	p := func(id, name string) Probe {
		return Probe{ID: "names." + id, Severity: Persistence, Title: "make " + name + " in the workspace", Why: "programs outside act on it without being asked", Wall: "the name broker", Fix: "bailey policy show lists the protected names",
			Plant: absentAt("ws", "src/"+name), Attack: create, Judge: touched, Dirty: true}
	}
	return []Probe{
		p("envrc", ".envrc"),
	}
}
