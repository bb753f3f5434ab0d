package main

import (
	"github.com/bailey-run/bailey"
	"github.com/bailey-run/bailey/internal/policy"
)

// policyFlags are the flags that are a layer of the policy.
func policyFlags(c *bailey.Config) []*flag {
	c.Caller = "--"
	setting := func(key, name string) func(string) error {
		return func(v string) error {
			c.Set = append(c.Set, bailey.Setting{Key: key, Value: v, Flag: "--" + name})
			return nil
		}
	}
	auto := &fullAuto{c: c}
	modes := []string{string(bailey.ReadOnly), string(bailey.WorkspaceWrite), string(bailey.DangerFullAccess)}
	return []*flag{
		{name: "mode", value: "MODE", help: "what may be changed: read-only, workspace-write, danger-full-access", offer: modes, set: beside(auto, &c.Mode)},
		{name: "approval", value: "POLICY", help: "when a person is asked: untrusted, on-request, on-failure, never", offer: []string{"untrusted", "on-request", "on-failure", "never"}, set: beside(auto, &c.Approval)},
		{name: "full-auto", help: "--mode workspace-write --approval on-failure", set: auto.set},
		{name: "read", value: "PATH", help: "show a path, read-only", many: true, kind: "file", set: list(&c.Read)},
		{name: "write", value: "PATH", help: "show a path and let it be written", many: true, kind: "dir", set: list(&c.Write)},
		{name: "deny", value: "PATTERN", help: "hide a path or glob, whatever else says", many: true, kind: "file", set: list(&c.Deny)},
		{name: "protect", value: "PATTERN", help: "a name that cannot be made or changed", many: true, set: list(&c.Protect)},
		{name: "env", value: "NAME", help: "let a variable of your environment in", many: true, kind: "env", set: list(&c.Env)},
		{name: "setenv", value: "NAME=VALUE", help: "set a variable", many: true, set: list(&c.SetEnv)},
		{name: "allow-net", value: "HOST", help: "let a host be reached: NAME[:PORTS], *.NAME, ADDRESS:PORT/tcp", many: true, set: list(&c.AllowNet)},
		{name: "deny-net", value: "HOST", help: "refuse a host, whatever else says", many: true, set: list(&c.DenyNet)},
		{name: "localhost", value: "PORT", help: "let a port of your loopback be reached, as host.bailey.internal", many: true, set: list(&c.Localhost)},
		{name: "publish", value: "PORT", help: "reach a port that the box listens on at your loopback", many: true, set: list(&c.Publish)},
		{name: "resolve", value: "NAME=ADDRESS", help: "pin the address of a name, private ones too", many: true, set: list(&c.Resolve)},
		{name: "profile", value: "NAME", help: "use a built-in profile", many: true, offer: policy.Profiles(), set: list(&c.Profiles)},
		{name: "agent", value: "NAME", help: "use the preset of a coding agent, or none; run takes it from the command's name", set: text(&c.Agent)},
		{name: "config", value: "FILE", help: "read FILE in place of your own configuration", kind: "file", set: text(&c.PolicyFile)},
		{name: "chdir", value: "DIR", help: "start in DIR instead of the current directory", kind: "dir", set: text(&c.Dir)},
		{name: "timeout", value: "TIME", help: "end the command after TIME, as in 90s or 10m (exit code 124)", set: text(&c.Timeout)},
		{name: "memory", value: "SIZE", help: "memory of all processes together, as in 2GiB", set: text(&c.Memory)},
		{name: "pids", value: "N", help: "processes and threads", set: setting("limits.pids", "pids")},
		{name: "accept", value: "WALL", help: "start although a wall is missing, as in limits.pids", many: true, offer: policy.Acceptable(), set: list(&c.Accept)},
		{name: "min-tier", value: "TIER", help: "weakest tier to accept: full, landlock", offer: []string{"full", "landlock"}, set: keyword(&c.MinTier)},
	}
}

// messageFlags say how much is said.
func (a *app) messageFlags() []*flag {
	return []*flag{
		{name: "json", help: "messages (with --dry-run: the plan) as JSON", set: toggle(&a.json)},
		{name: "quiet", short: "q", help: "say nothing but errors", set: toggle(&a.quiet)},
		{name: "verbose", short: "v", help: "say what was switched on and everything that was denied", set: toggle(&a.verbose)},
	}
}

// fullAuto is short for a mode and an approval policy: work inside the walls, and
// ask when they refuse something. It may stand beside the same two in words, not
// beside others.
type fullAuto struct {
	c  *bailey.Config
	on bool
}

func (f *fullAuto) check() error {
	if f.on && (f.c.Mode != "" && f.c.Mode != bailey.WorkspaceWrite || f.c.Approval != "" && f.c.Approval != bailey.OnFailure) {
		return &usageError{"--full-auto and another --mode or --approval exclude each other", "--full-auto is --mode workspace-write --approval on-failure"}
	}
	if f.on {
		f.c.Mode, f.c.Approval = bailey.WorkspaceWrite, bailey.OnFailure
	}
	return nil
}

func (f *fullAuto) set(string) error { f.on = true; return f.check() }

// beside sets a keyword that --full-auto sets too.
func beside[T ~string](f *fullAuto, to *T) func(string) error {
	return func(s string) error { *to = T(s); return f.check() }
}
