package permission

import "strings"

// wrapper is a program that runs the command in its arguments. Lists have blanks
// between.
type wrapper struct {
	name   string
	values string // options with a value: joined, or the next word
	flags  string // options without one
	text   string // options whose value is a shell text
	skip   int    // words in front of the command, as the time of timeout
	assign bool   // NAME=VALUE may stand in front of the command
	look   bool   // an allow rule for the command looks through this one
	joined bool   // the words are joined to a shell text, as watch and ssh do
	after  string // the command starts behind one of these words, as in poetry run
	unsure bool   // where the command starts is not sure: any word may be it
	shells bool   // without a command, it runs a shell, or what it reads
	moves  string // options whose value is the directory it works in
}

// wrappers are the programs that deny looks through; allow looks through the
// marked ones, with the options that are named here alone. Further down are
// programs whose options are not told here: each word of theirs may be the
// command.
var wrappers = [...]wrapper{
	{name: "timeout", values: "-k --kill-after -s --signal", flags: "-f -p -v --foreground --preserve-status --verbose", skip: 1, look: true},
	{name: "time", values: "-f --format -o --output", flags: "-p -v -a -q --verbose --portability", look: true},
	{name: "nice", values: "-n --adjustment", look: true},
	{name: "nohup", look: true},
	{name: "stdbuf", values: "-i --input -o --output -e --error", look: true},
	{name: "env", values: "-u --unset -C --chdir", flags: "-i - --ignore-environment -0 --null -v --debug", assign: true, look: true, text: "-S --split-string", moves: "-C --chdir"},

	// priority and placement
	{name: "gtimeout", values: "-k --kill-after -s --signal", flags: "--foreground --preserve-status -v --verbose", skip: 1},
	{name: "ionice", values: "-c --class -n --classdata", flags: "-t --ignore"},
	{name: "setsid", flags: "-c --ctty -f --fork -w --wait"},
	{name: "chrt", values: "-T -P -D", flags: "-b -f -i -o -r -v -R -a -m", skip: 1},
	{name: "taskset", flags: "-c -a -p --cpu-list", skip: 1},
	{name: "numactl", unsure: true}, {name: "prlimit", unsure: true}, {name: "choom", unsure: true}, {name: "cgexec", unsure: true},
	{name: "setarch", unsure: true, shells: true}, {name: "arch", unsure: true}, {name: "linux32", unsure: true, shells: true}, {name: "linux64", unsure: true, shells: true},
	{name: "i386", unsure: true, shells: true}, {name: "x86_64", unsure: true, shells: true}, {name: "aarch64", unsure: true}, {name: "caffeinate", unsure: true},

	// somebody else
	{name: "sudo", values: "-u --user -g --group -h --host -p --prompt -C --close-from -D --chdir -R --chroot -r --role -t --type -T --command-timeout -U --other-user",
		flags: "-A -b -E -e -H -i -K -k -l -n -P -S -s -V -v --preserve-env --login --non-interactive --set-home --shell --stdin --background", assign: true, shells: true, moves: "-D --chdir"},
	{name: "doas", values: "-u -C", flags: "-L -n -s", shells: true},
	{name: "pkexec", values: "--user", flags: "--disable-internal-agent"},
	{name: "gosu", skip: 1}, {name: "su-exec", skip: 1},
	{name: "su", text: "-c --command --session-command", unsure: true, shells: true}, {name: "runuser", text: "-c --command", unsure: true, shells: true}, {name: "sg", text: "-c", unsure: true, joined: true, shells: true}, {name: "newgrp", unsure: true, shells: true}, {name: "run0", unsure: true, shells: true},
	{name: "s6-setuidgid", unsure: true}, {name: "with-contenv", unsure: true}, {name: "daemon", unsure: true}, {name: "setpriv", unsure: true}, {name: "capsh", text: "-c", unsure: true}, {name: "chpst", unsure: true},

	// another place
	{name: "chroot", values: "--groups --userspec", flags: "--skip-chdir", skip: 1, shells: true},
	{name: "unshare", unsure: true, shells: true}, {name: "nsenter", unsure: true, shells: true}, {name: "bwrap", unsure: true}, {name: "firejail", unsure: true}, {name: "proot", unsure: true},
	{name: "bailey", unsure: true}, {name: "fakeroot", unsure: true, shells: true}, {name: "fakechroot", unsure: true}, {name: "eatmydata", unsure: true}, {name: "faketime", unsure: true},
	{name: "torsocks", unsure: true}, {name: "torify", unsure: true}, {name: "proxychains", unsure: true}, {name: "proxychains4", unsure: true}, {name: "tsocks", unsure: true},
	{name: "xvfb-run", unsure: true}, {name: "dbus-run-session", unsure: true}, {name: "dbus-launch", unsure: true}, {name: "systemd-run", unsure: true}, {name: "systemd-inhibit", unsure: true},
	{name: "start-stop-daemon", unsure: true}, {name: "daemonize", unsure: true}, {name: "ssh", unsure: true, joined: true, shells: true}, {name: "docker", unsure: true, text: "-c"}, {name: "podman", unsure: true, text: "-c"}, {name: "kubectl", after: "--", unsure: true},

	// somebody watches
	{name: "ccache", unsure: true}, {name: "sccache", unsure: true}, {name: "distcc", unsure: true}, {name: "bear", unsure: true}, {name: "scan-build", unsure: true}, {name: "intercept-build", unsure: true},
	{name: "strace", unsure: true}, {name: "ltrace", unsure: true}, {name: "gdb", after: "--args", unsure: true}, {name: "valgrind", unsure: true}, {name: "perf", unsure: true},
	{name: "hyperfine", unsure: true, joined: true}, {name: "heaptrack", unsure: true}, {name: "rr", unsure: true}, {name: "uftrace", unsure: true}, {name: "catchsegv", unsure: true},
	{name: "watch", unsure: true, joined: true}, {name: "script", text: "-c --command", unsure: true, shells: true}, {name: "unbuffer", unsure: true}, {name: "rlwrap", unsure: true},
	{name: "screen", unsure: true, joined: true}, {name: "tmux", unsure: true, joined: true}, {name: "dtach", unsure: true}, {name: "abduco", unsure: true},

	// again and again
	{name: "flock", values: "-w --wait --timeout -E --conflict-exit-code", flags: "-s -x -e -u -n -o -F --shared --exclusive --unlock --nonblock --close --no-fork --verbose", skip: 1, text: "-c --command"},
	{name: "parallel", unsure: true, joined: true, shells: true}, {name: "env_parallel", unsure: true, joined: true, shells: true}, {name: "sem", unsure: true, joined: true}, {name: "entr", unsure: true, joined: true}, {name: "watchexec", unsure: true, joined: true}, {name: "nodemon", unsure: true, text: "-x --exec"},
	{name: "cronic", unsure: true}, {name: "annotate-output", unsure: true}, {name: "timelimit", unsure: true}, {name: "lckdo", unsure: true}, {name: "multitime", unsure: true}, {name: "execlineb", unsure: true, text: "-c"}, {name: "chronic", unsure: true}, {name: "ifne", unsure: true}, {name: "retry", unsure: true}, {name: "at", unsure: true, shells: true}, {name: "batch", unsure: true, shells: true},

	// with something held, counted or limited
	{name: "sshpass", unsure: true}, {name: "ssh-agent", unsure: true, shells: true}, {name: "gpg-agent", unsure: true}, {name: "cpulimit", unsure: true}, {name: "trickle", unsure: true}, {name: "nocache", unsure: true},
	{name: "tini", unsure: true}, {name: "dumb-init", unsure: true}, {name: "envdir", unsure: true}, {name: "envuidgid", unsure: true}, {name: "setuidgid", unsure: true}, {name: "setlock", unsure: true}, {name: "softlimit", unsure: true},
	{name: "systemd-cat", unsure: true}, {name: "uclampset", unsure: true}, {name: "run-one", unsure: true}, {name: "runcon", unsure: true}, {name: "aa-exec", unsure: true}, {name: "sandbox-exec", unsure: true}, {name: "xcrun", unsure: true},
	{name: "gdbserver", unsure: true}, {name: "lldb", unsure: true}, {name: "bpftrace", text: "-c", unsure: true}, {name: "mispipe", unsure: true, joined: true}, {name: "pee", unsure: true, joined: true}, {name: "concurrently", unsure: true, joined: true},

	// another terminal, container or host
	{name: "alacritty", unsure: true}, {name: "kitty", unsure: true}, {name: "zellij", unsure: true}, {name: "xterm", unsure: true}, {name: "gnome-terminal", unsure: true}, {name: "konsole", unsure: true}, {name: "x-terminal-emulator", unsure: true}, {name: "xinit", unsure: true}, {name: "startx", unsure: true}, {name: "openvt", unsure: true},
	{name: "systemd-nspawn", unsure: true}, {name: "machinectl", unsure: true}, {name: "lxc-attach", unsure: true}, {name: "lxc", unsure: true}, {name: "incus", unsure: true}, {name: "nerdctl", unsure: true, text: "-c"}, {name: "oc", after: "--", unsure: true},
	{name: "toolbox", unsure: true}, {name: "distrobox", unsure: true}, {name: "flatpak-spawn", unsure: true}, {name: "flatpak", unsure: true}, {name: "rsh", unsure: true, joined: true, shells: true}, {name: "mosh", unsure: true, joined: true},
	{name: "pdsh", unsure: true, joined: true}, {name: "pssh", unsure: true, joined: true}, {name: "clush", unsure: true, joined: true}, {name: "ansible", text: "-a --args", unsure: true}, {name: "vagrant", text: "-c --command", unsure: true},

	// one program that is many
	{name: "busybox"}, {name: "toybox"}, {name: "coreutils", unsure: true},

	// programs of a project
	{name: "npx", unsure: true, text: "-c --call"}, {name: "bunx", unsure: true}, {name: "pnpx", unsure: true}, {name: "uvx", unsure: true}, {name: "pipx", after: "run", unsure: true},
	{name: "npm", after: "exec x explore", unsure: true, text: "-c --call"}, {name: "pnpm", after: "exec dlx", unsure: true, text: "-c"}, {name: "yarn", after: "exec dlx", unsure: true}, {name: "bun", after: "x", unsure: true},
	{name: "bundle", after: "exec", unsure: true}, {name: "poetry", after: "run", unsure: true}, {name: "pipenv", after: "run", unsure: true}, {name: "uv", after: "run", unsure: true},
	{name: "rye", after: "run", unsure: true}, {name: "hatch", after: "run", unsure: true}, {name: "pdm", after: "run", unsure: true}, {name: "conda", after: "run", unsure: true},
	{name: "mamba", after: "run", unsure: true}, {name: "micromamba", after: "run", unsure: true}, {name: "devbox", after: "run", unsure: true}, {name: "direnv", after: "exec", unsure: true},
	{name: "mise", after: "-- exec x", unsure: true}, {name: "asdf", after: "exec", unsure: true}, {name: "rbenv", after: "exec", unsure: true}, {name: "pyenv", after: "exec", unsure: true},
	{name: "dotenv", unsure: true}, {name: "dotenvx", unsure: true}, {name: "env-cmd", unsure: true}, {name: "nodenv", after: "exec", unsure: true}, {name: "rtx", after: "-- exec x", unsure: true}, {name: "op", after: "--", unsure: true}, {name: "doppler", after: "run", unsure: true, text: "--command"}, {name: "aws-vault", after: "--", unsure: true},
	{name: "nix-shell", text: "--run --command", unsure: true}, {name: "nix", after: "-c --command", unsure: true}, {name: "cross-env", unsure: true},
	{name: "guix", after: "--", unsure: true}, {name: "pixi", after: "run", unsure: true}, {name: "rustup", after: "run", unsure: true}, {name: "opam", after: "exec", unsure: true}, {name: "stack", after: "exec", unsure: true}, {name: "cabal", after: "exec", unsure: true},
	{name: "rvm", after: "do", unsure: true}, {name: "nvm", after: "exec", unsure: true}, {name: "fnm", after: "exec", unsure: true}, {name: "volta", after: "run", unsure: true}, {name: "mix", after: "cmd", unsure: true}, {name: "lerna", after: "exec", unsure: true, joined: true},
	{name: "just", text: "-c --command", unsure: true}, {name: "sops", unsure: true, joined: true}, {name: "chamber", after: "--", unsure: true}, {name: "infisical", after: "--", unsure: true},
}

// isLinker reports whether a program is the dynamic linker, which runs the program that
// is named in its arguments: ld.so, ld-linux-x86-64.so.2, ld-musl-x86_64.so.1, ld-2.31.so.
func isLinker(name string) bool {
	return name == "ld.so" || strings.HasPrefix(name, "ld-linux") || strings.HasPrefix(name, "ld-musl") || strings.HasPrefix(name, "ld-") && strings.HasSuffix(name, ".so")
}

// findWrapper returns the entry of a program; nil for one that is no wrapper.
func findWrapper(name string) *wrapper {
	if isLinker(name) {
		return &wrapper{name: name, unsure: true}
	}
	for i := range wrappers {
		if wrappers[i].name == name {
			return &wrappers[i]
		}
	}
	return nil
}
