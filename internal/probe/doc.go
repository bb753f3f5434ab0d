// Package probe attacks a sandbox from inside and judges from outside whether it
// held: the engine of bailey prove.
//
// # How a run goes
//
// [Run] plants a scratch world (a home directory with secrets, a project, listening
// sockets, a victim process …) that belongs to nobody else, starts the probe
// program inside the sandbox, and hands it one probe after the other. Each runs in
// a process of its own with a time limit. After each the host looks at what really
// happened. A process of its own, the janitor, removes everything when the run
// ends, in whatever way it ends.
//
// # How a probe is written
//
// One file a category, probe_CATEGORY.go, with one constructor that returns
// []Probe; [All] lists the constructors. No init, no package-level variables: the
// binary's start-up pays for them. A probe has up to three functions:
//
//	{
//		ID: "files.ssh-key", Severity: Boundary,
//		Title: "read a private key in ~/.ssh",
//		Why:   "a key that is read once is lost for good",
//		Wall:  "files outside are not mounted", Fix: "take ~/.ssh out of files.read",
//		Plant:  secretAt("home", ".ssh/id_ed25519"),  // outside, before the box starts
//		Attack: readPath,                             // inside, in a process of its own
//		Judge:  cameOut,                              // outside, after the attack
//	}
//
// Plant gets a [Case] that is the probe's own: c.Token is a fresh secret which only
// the host knows, c.Nonce a fresh word that the attack may pass on, c.Args is
// handed to the attack. c.Secret, c.Target, c.Watch, c.Listener, c.Victim plant the
// usual things. Two probes never share a file.
//
// Attack gets an [Inside]. It returns nil when the attempt was not refused, and an
// error that says why it failed. What it reads it gives to in.Loot: never what it
// thinks of it. It must be harmless where nothing holds it: only what was planted
// is touched, and nothing of the machine is set. When a program that the probe
// needs is not there, it returns in.Lack("npm"); only probes with MayLack may.
//
// Judge says whether it happened, by what the host sees: cameOut (the token is in
// the loot), touched (a watched path is not as it was), heard (a listener got the
// nonce), died (the victim is dead), ranOutside (host git ran what was planted). A
// probe without Judge is judged by its own word, and the result says so.
//
// A control (Control: true) is a probe that must happen.
//
// Every probe that can must be shown to work without walls: go test, and bailey
// prove --self-check. NeedsRoot is for what only root can do there, Needs for
// what the machine may lack. Undo repairs the world after the attack has
// happened; Dirty makes the engine put the whole workspace back.
//
// Probes of sceneGate and sceneWeb run in a box that has a network: site.go has the servers of
// ours that it leads to, reach.go what attacks speak to them. Everything that arrives
// is in one book, so the nonce is said only where it must not arrive. Each has Host
// and port right but for the one thing that it is about. Its policy also denies a
// program (probe_programs.go) and hides files of the workspace (probe_mounts.go).
//
// Probes about what bailey keeps for a person, and about what its boxes have, are
// OwnBox; NeedsBox are those of which there is nothing without one. Probes that Asks
// must not meet a program that answers: the policy's own would be run.
//
// It makes raw system calls, because it attacks. It runs on Linux.
package probe
