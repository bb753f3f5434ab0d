// Package bailey runs commands inside walls that the operating system holds up.
//
// A box is made from a policy: what may be read, written and spent, and which
// variables of the environment get in. The zero Config is the safe one: the
// project around the current directory may be read and written, except for names
// that would run code outside the box later (git hooks, agent and editor
// settings, shell start files); the system and toolchains can be read; HOME is
// private and empty; there is no network; nothing of the caller's environment
// passes that the policy does not name.
//
//	box, err := bailey.Open(ctx, bailey.Config{})
//	if err != nil {
//		return err // nothing runs when a wall does not stand
//	}
//	defer box.Close()
//	out, err := box.Command(ctx, "go", "test", "./...").CombinedOutput()
//
// [Cmd] has the shape and the semantics of [exec.Cmd]. Many commands can run in
// one box, at the same time. [Plan.Command] and [Command] give a command a box of
// its own, which is the fastest way to run one. [Prepare] makes the plan without
// opening anything: what a box would be made of, and why.
//
// # What a program that embeds this package must know
//
// It needs no other program: a box is built by a child of this process that makes
// a prepared list of system calls and becomes the command. The program is not
// executed again, and nothing has to be called at the beginning of main.
//
// The commands are direct children of the program. A program that waits for any
// child (wait4 with pid -1) or ignores SIGCHLD takes their status away.
//
// When the program ends, by whatever signal, everything in its boxes is killed.
//
// # Errors
//
// A wall that this machine cannot hold is an [*UnsupportedError]: no box is
// opened, unless [Config.MinTier] accepts a weaker tier. A policy that is wrong is
// reported whole, each error a [*PolicyError]. A failing step of opening a box is a
// [*SetupError]. What the policy refuses to the caller is a [*DeniedError]; what it
// refuses to the box is told by [Box.Denials]. A limit that ended a command is a
// [*LimitError], and an unsuccessful exit an [*ExitError].
package bailey
