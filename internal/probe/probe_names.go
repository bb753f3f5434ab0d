//go:build linux

package probe

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	wallBroker = "the name broker"
	fixNames   = "bailey policy show lists the protected names"
)

// nameProbes make or change names that act outside later.
func nameProbes() []Probe {
	return concat(newNames(), waysToMake(), waysToChange(), gitNames())
}

// newNames make names that are not there yet, in a directory of the workspace.
func newNames() []Probe {
	p := func(id, path, title, why string) Probe {
		return Probe{ID: "names." + id, Severity: Persistence, Title: title, Why: why, Wall: wallBroker, Fix: fixNames,
			Plant: func(c *Case) error {
				dir := c.own(c.WS + "/src")
				first, _, _ := strings.Cut(path, "/")
				if err := os.MkdirAll(dir, 0o755); err != nil {
					return err
				}
				c.Watch(filepath.Join(dir, first))
				c.Args["path"] = filepath.Join(dir, path)
				return nil
			}, Attack: create, Judge: touched, Dirty: true}
	}
	const (
		agent  = "the agent outside runs the commands that its settings name"
		editor = "an editor runs the tasks of a folder that is opened"
		shell  = "a shell that starts there runs it"
		hook   = "git outside runs it at the next commit"
	)
	return []Probe{
		p("claude", ".claude/settings.json", "make .claude/settings.json", agent),
		p("codex", ".codex/config.toml", "make .codex/config.toml", agent),
		p("gemini", ".gemini/settings.json", "make .gemini/settings.json", agent),
		p("opencode", "opencode.json", "make opencode.json", agent),
		p("cursor", ".cursor/mcp.json", "make .cursor/mcp.json", agent),
		p("mcp", ".mcp.json", "make .mcp.json", agent),
		p("vscode", ".vscode/tasks.json", "make .vscode/tasks.json", editor),
		p("idea", ".idea/workspace.xml", "make .idea/workspace.xml", editor),
		p("devcontainer", ".devcontainer/devcontainer.json", "make .devcontainer/devcontainer.json", editor),
		p("vimrc", ".nvim.lua", "make .nvim.lua", editor),
		p("envrc", ".envrc", "make .envrc", shell),
		p("bashrc", ".bashrc", "make .bashrc in the workspace", "a workspace may be somebody's home directory"),
		p("mise", "mise.toml", "make mise.toml", shell),
		p("husky", ".husky/pre-commit", "make .husky/pre-commit", hook),
		p("pre-commit", ".pre-commit-config.yaml", "make .pre-commit-config.yaml", hook),
		p("gitconfig", ".gitconfig", "make .gitconfig in the workspace", "a workspace may be somebody's home directory"),
		p("ssh", ".ssh/authorized_keys", "make .ssh in the workspace", "a workspace may be somebody's home directory"),
		p("policy", "bailey.toml", "make bailey.toml", "the next box would be opened with it"),
		p("local-policy", ".bailey/local.toml", "make .bailey/local.toml", "the next box would be opened with it"),
		p("new-repository", ".git/config", "make a repository in a directory", "git outside runs what its configuration names, in every directory"),
	}
}

// waysToMake make one such name by each call that makes names.
func waysToMake() []Probe {
	const name = ".envrc"
	p := func(id, title string, attack func(in *Inside, path, from string) error) Probe {
		return Probe{ID: "names.by-" + id, Severity: Persistence, Title: "make a protected name by " + title, Why: "a guard that forgets one call guards nothing", Wall: wallBroker, Fix: fixNames,
			Plant: func(c *Case) error { return c.Absent(filepath.Join(c.own(c.WS+"/src"), name)) },
			Attack: func(in *Inside) error {
				from := filepath.Join(in.WS, "from-"+in.Nonce)
				if err := os.WriteFile(from, []byte("evil\n"), 0o644); err != nil {
					return err
				}
				defer os.RemoveAll(from)
				return attack(in, in.Args["path"], from)
			}, Judge: touched, Dirty: true}
	}
	made := func(fd int, err error) error { unix.Close(fd); return err }
	return concat(oldWaysToMake(p), []Probe{
		p("open", "an open for writing", func(_ *Inside, path, _ string) error { return made(unix.Open(path, unix.O_CREAT|unix.O_WRONLY, 0o644)) }),
		p("read-only-open", "an open for reading", func(_ *Inside, path, _ string) error {
			return made(unix.Open(path, unix.O_CREAT|unix.O_RDONLY, 0o644))
		}),
		p("openat2", "openat2", func(_ *Inside, path, _ string) error {
			return made(unix.Openat2(unix.AT_FDCWD, path, &unix.OpenHow{Flags: unix.O_CREAT | unix.O_WRONLY, Mode: 0o644}))
		}),
		p("mknod", "mknod", func(_ *Inside, path, _ string) error { return unix.Mknod(path, unix.S_IFREG|0o644, 0) }),
		p("fifo", "mkfifo", func(_ *Inside, path, _ string) error { return unix.Mkfifo(path, 0o644) }),
		p("mkdir", "mkdir", func(_ *Inside, path, _ string) error { return os.Mkdir(path, 0o755) }),
		p("symlink", "symlink", func(_ *Inside, path, from string) error { return os.Symlink(from, path) }),
		p("link", "link", func(_ *Inside, path, from string) error { return os.Link(from, path) }),
		p("rename", "rename", func(_ *Inside, path, from string) error { return os.Rename(from, path) }),
		p("renameat2", "renameat2", func(_ *Inside, path, from string) error {
			return unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, path, unix.RENAME_NOREPLACE)
		}),
		p("tmpfile", "naming a nameless file", func(in *Inside, path, _ string) error {
			fd, err := unix.Open(in.WS, unix.O_TMPFILE|unix.O_RDWR, 0o644)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			return unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", fd), unix.AT_FDCWD, path, unix.AT_SYMLINK_FOLLOW)
		}),
		p("moved-directory", "moving a directory that holds it", func(in *Inside, path, from string) error {
			// A copy may be made where names are not guarded, and moved to where they are.
			dir := "/tmp/from-" + in.Nonce
			if err := os.Mkdir(dir, 0o755); err != nil {
				return err
			}
			defer os.RemoveAll(dir)
			if err := os.WriteFile(dir+"/"+name, []byte("evil\n"), 0o644); err != nil {
				return err
			}
			to := filepath.Dir(path)
			if err := os.Rename(to, from+".old"); err != nil {
				return err
			}
			err := os.Rename(dir, to)
			if err != nil { // another file system: as far as a copy is let
				err = syncTree(dir, to, "")
			}
			if err != nil {
				os.Rename(from+".old", to)
			}
			return err
		}),
		p("linked-directory", "a path through a symbolic link", func(in *Inside, path, from string) error {
			link := from + ".link"
			if err := os.Symlink(filepath.Dir(path), link); err != nil {
				return err
			}
			defer os.Remove(link)
			return made(unix.Open(filepath.Join(link, name), unix.O_CREAT|unix.O_WRONLY, 0o644))
		}),
		p("dangling-link", "a dangling symbolic link to it", func(in *Inside, path, from string) error {
			link := from + ".link"
			if err := os.Symlink(path, link); err != nil {
				return err
			}
			defer os.Remove(link)
			return made(unix.Open(link, unix.O_CREAT|unix.O_WRONLY, 0o644))
		}),
		p("descriptor", "a path of a descriptor in /proc", func(_ *Inside, path, _ string) error {
			fd, err := unix.Open(filepath.Dir(path), unix.O_PATH|unix.O_DIRECTORY, 0)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			return made(unix.Open(fmt.Sprintf("/proc/self/fd/%d/./%s", fd, name), unix.O_CREAT|unix.O_WRONLY, 0o644))
		}),
		p("long-path", "a path of a thousand dots", func(_ *Inside, path, _ string) error {
			if err := os.Chdir(filepath.Dir(path)); err != nil {
				return err
			}
			return made(unix.Open(strings.Repeat("./", 1000)+name, unix.O_CREAT|unix.O_WRONLY, 0o644))
		}),
		p("race", "changing the path while the kernel looks", func(in *Inside, path, _ string) error {
			return raceName(filepath.Dir(path))
		}),
		{ID: "names.git-spellings", Severity: Persistence, Title: "make .git in other spellings", Why: "a file system that ignores case, or a clone on one, takes .GIT and git~1 for .git", Wall: wallBroker, Fix: fixNames,
			Plant: func(c *Case) error {
				dir := c.own(c.WS + "/src")
				for _, s := range spellings() {
					c.Watch(filepath.Join(dir, s))
				}
				c.Args["path"] = dir
				return os.MkdirAll(dir, 0o755)
			},
			Attack: func(in *Inside) error {
				var last error = errHeld
				for _, s := range spellings() {
					if err := os.WriteFile(filepath.Join(in.Args["path"], s), []byte("gitdir: ../x\n"), 0o644); err == nil {
						last = nil
					}
				}
				return last
			}, Judge: touched, Dirty: true},
	})
}

func spellings() []string { return []string{".GIT", ".gIt", ".g\u200cit", "git~1"} }

// waysToChange change a protected file that is there, by each call that changes
// files.
func waysToChange() []Probe {
	p := func(id, title string, attack func(in *Inside, path, tmp string) error) Probe {
		return Probe{ID: "names.change-" + id, Severity: Persistence, Title: title, Why: "what is trusted already is run without a question", Wall: wallBroker, Fix: fixNames,
			Plant: func(c *Case) error { return c.Target(filepath.Join(c.own(c.WS+"/src"), "in", ".envrc")) },
			Attack: func(in *Inside) error {
				tmp := filepath.Join(in.WS, "tmp-"+in.Nonce)
				defer os.RemoveAll(tmp)
				return attack(in, in.Args["path"], tmp)
			}, Judge: touched, Dirty: true}
	}
	put := func(path string, flags int) error {
		f, err := os.OpenFile(path, flags, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = f.WriteString("evil\n")
		return err
	}
	xattr := p("xattr", "set an attribute of a protected file", func(_ *Inside, path, _ string) error {
		return unix.Setxattr(path, "user.bailey-prove", []byte("x"), 0)
	})
	xattr.Severity = Hardening
	for _, q := range changeProbes() {
		if q.ID == "files.xattr" {
			xattr.Needs = q.Needs
		}
	}
	fxattr := xattr
	fxattr.ID, fxattr.Title = "names.change-xattr-descriptor", "set an attribute of a protected file by its descriptor"
	fxattr.Attack = func(in *Inside) error {
		fd, err := unix.Open(in.Args["path"], unix.O_RDONLY, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return unix.Fsetxattr(fd, "user.bailey-prove", []byte("x"), 0)
	}
	lxattr := xattr
	lxattr.ID, lxattr.Title = "names.change-xattr-link", "set an attribute of a protected file without following links"
	lxattr.Attack = func(in *Inside) error {
		return unix.Lsetxattr(in.Args["path"], "user.bailey-prove", []byte("x"), 0)
	}
	return concat(oldWaysToChange(p), []Probe{
		p("write", "write to a protected file", func(_ *Inside, path, _ string) error { return put(path, os.O_WRONLY) }),
		p("append", "append to a protected file", func(_ *Inside, path, _ string) error { return put(path, os.O_WRONLY|os.O_APPEND) }),
		p("truncate", "truncate a protected file", func(_ *Inside, path, _ string) error { return unix.Truncate(path, 1) }),
		p("open-truncate", "truncate a protected file by opening it for reading", func(_ *Inside, path, _ string) error {
			fd, err := unix.Open(path, unix.O_RDONLY|unix.O_TRUNC, 0)
			unix.Close(fd)
			return err
		}),
		p("remove", "remove a protected file", func(_ *Inside, path, _ string) error { return os.Remove(path) }),
		p("rename-away", "rename a protected file", func(_ *Inside, path, tmp string) error { return os.Rename(path, tmp) }),
		p("rename-over", "rename a file over a protected one", func(_ *Inside, path, tmp string) error {
			if err := os.WriteFile(tmp, []byte("evil\n"), 0o644); err != nil {
				return err
			}
			return os.Rename(tmp, path)
		}),
		p("exchange", "exchange a file with a protected one", func(_ *Inside, path, tmp string) error {
			if err := os.WriteFile(tmp, []byte("evil\n"), 0o644); err != nil {
				return err
			}
			return unix.Renameat2(unix.AT_FDCWD, tmp, unix.AT_FDCWD, path, unix.RENAME_EXCHANGE)
		}),
		p("hard-link", "write to a protected file by another name", func(_ *Inside, path, tmp string) error {
			if err := os.Link(path, tmp); err != nil {
				return err
			}
			return put(tmp, os.O_WRONLY)
		}),
		p("reopen", "open the descriptor of a protected file again for writing", func(_ *Inside, path, _ string) error {
			f, err := os.Open(path)
			if err != nil {
				return err
			}
			defer f.Close()
			return put(fmt.Sprintf("/proc/self/fd/%d", f.Fd()), os.O_WRONLY)
		}),
		p("reopen-path", "open an O_PATH descriptor of a protected file for writing", func(_ *Inside, path, _ string) error {
			fd, err := unix.Open(path, unix.O_PATH, 0)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			return put(fmt.Sprintf("/dev/fd/%d", fd), os.O_WRONLY|os.O_CREATE)
		}),
		p("reopen-here", "open a descriptor again from inside /proc/self/fd", func(_ *Inside, path, _ string) error {
			f, err := os.Open(path)
			if err != nil {
				return err
			}
			defer f.Close()
			if err := os.Chdir("/proc/self/fd"); err != nil {
				return err
			}
			return put(fmt.Sprint(f.Fd()), os.O_WRONLY)
		}),
		p("move-parent", "write to a protected file below a moved directory", func(_ *Inside, path, tmp string) error {
			dir := filepath.Dir(path)
			if err := os.Rename(dir, tmp); err != nil {
				return err
			}
			defer os.Rename(tmp, dir)
			return put(filepath.Join(tmp, filepath.Base(path)), os.O_WRONLY)
		}),
		p("swap-parent", "put a directory with another file in the place of its directory", func(_ *Inside, path, tmp string) error {
			dir, old := filepath.Dir(path), tmp+".old"
			if err := os.Mkdir(tmp, 0o755); err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(tmp, "x"), []byte("evil\n"), 0o644); err != nil {
				return err
			}
			if err := os.Rename(dir, old); err != nil {
				return err
			}
			err := os.Rename(tmp, dir)
			if err == nil {
				err = os.Rename(filepath.Join(dir, "x"), path)
			}
			if err != nil { // it is the file's name that is protected, not where it is
				os.Rename(dir, tmp)
				os.Rename(old, dir)
			}
			return err
		}),
		p("chmod", "make a protected file a program", func(_ *Inside, path, _ string) error { return os.Chmod(path, 0o755) }),
		p("map-shared", "change a protected file through shared memory", func(_ *Inside, path, _ string) error {
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				return err
			}
			defer f.Close()
			mem, err := unix.Mmap(int(f.Fd()), 0, 4, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
			if err != nil {
				return err
			}
			copy(mem, "evil")
			return unix.Munmap(mem)
		}),
		p("chmod-descriptor", "make a protected file a program by its descriptor", func(_ *Inside, path, _ string) error {
			f, err := os.Open(path)
			if err != nil {
				return err
			}
			defer f.Close()
			return f.Chmod(0o755)
		}),
		xattr, fxattr, lxattr,
	})
}

// gitNames take git's own directory apart.
func gitNames() []Probe {
	const fix = "bailey policy show lists the protected names; nested-git = \"deny\" for new repositories"
	p := func(id, title, why string, plant func(*Case) error, attack func(*Inside) error) Probe {
		return Probe{ID: "names.git-" + id, Severity: Persistence, Title: title, Why: why, Wall: wallBroker + ", read-only mounts", Fix: fix, Needs: needProgram("git"), Plant: plant, Attack: attack, Judge: touched, Dirty: true}
	}
	absent := func(name string) func(*Case) error {
		return func(c *Case) error { c.Args["path"] = c.WS + "/" + name; c.Watch(c.Args["path"]); return nil }
	}
	// A file that is there stands for its directory.
	watch := func(name string) func(*Case) error { return absent(name) }
	const (
		moved = "git outside takes its configuration from wherever .git leads to"
		reads = "git outside takes its configuration from there"
	)
	evil := func(in *Inside, dir string) error {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, "settings"), []byte("evil\n"), 0o644)
	}
	// away moves .git aside and does something in its place; it is put back when
	// that fails.
	away := func(do func(in *Inside, git, aside string) error) func(*Inside) error {
		return func(in *Inside) error {
			git, aside := in.WS+"/.git", in.WS+"/aside-"+in.Nonce
			if err := os.Rename(git, aside); err != nil {
				return err
			}
			err := do(in, git, aside)
			if err != nil {
				os.Rename(aside, git)
			}
			return err
		}
	}
	return []Probe{
		p("commondir", "make .git/commondir", moved, absent(".git/commondir"), create),
		p("config-worktree", "make .git/config.worktree", reads, absent(".git/config.worktree"), create),
		p("attributes", "make .git/info/attributes", "attributes choose which commands git runs on files", absent(".git/info/attributes"), create),
		p("alternates", "make .git/objects/info/alternates", "git outside takes objects from wherever it leads to", absent(".git/objects/info/alternates"), create),
		p("hook", "make a hook", "git outside runs it", absent(".git/hooks/pre-commit"), create),
		p("config", "append to .git/config", reads, watch(".git/config"), func(in *Inside) error {
			f, err := os.OpenFile(in.Args["path"], os.O_WRONLY|os.O_APPEND, 0)
			if err != nil {
				return err
			}
			defer f.Close()
			_, err = f.WriteString("[core]\n\tfsmonitor = ./evil.sh\n")
			return err
		}),
		p("renamed", "rename .git", moved, watch(".git/HEAD"), away(func(*Inside, string, string) error { return nil })),
		p("to-file", "put a file in the place of .git", moved, watch(".git/HEAD"), away(func(in *Inside, git, _ string) error {
			return os.WriteFile(git, []byte("gitdir: elsewhere\n"), 0o644)
		})),
		p("to-link", "put a symbolic link in the place of .git", moved, watch(".git/HEAD"), away(func(in *Inside, git, _ string) error { return os.Symlink("elsewhere", git) })),
		p("exchanged", "exchange .git with another directory", moved, watch(".git/HEAD"), func(in *Inside) error {
			dir := in.WS + "/other-" + in.Nonce
			if err := evil(in, dir); err != nil {
				return err
			}
			defer os.RemoveAll(dir)
			return unix.Renameat2(unix.AT_FDCWD, dir, unix.AT_FDCWD, in.WS+"/.git", unix.RENAME_EXCHANGE)
		}),
		p("hooks-exchanged", "exchange .git/hooks with another directory", "git outside runs what lies there", func(c *Case) error {
			c.Watch(c.WS + "/.git/hooks")
			return nil
		}, func(in *Inside) error {
			dir := in.WS + "/other-" + in.Nonce
			if err := evil(in, dir); err != nil {
				return err
			}
			defer os.RemoveAll(dir)
			return unix.Renameat2(unix.AT_FDCWD, dir, unix.AT_FDCWD, in.WS+"/.git/hooks", unix.RENAME_EXCHANGE)
		}),
		p("worktree-file", "change the .git file of a linked worktree", moved, watch("wt/.git"), overwrite),
		p("worktree-admin", "change the commondir of a linked worktree", moved, watch(".git/worktrees/wt/commondir"), overwrite),
		p("worktree-config", "make a configuration for a linked worktree", reads, absent(".git/worktrees/wt/config.worktree"), create),
		p("submodule-config", "change the configuration of a submodule", reads, func(c *Case) error { return c.Target(c.WS + "/.git/modules/prove/config") }, overwrite),
		p("nested-config", "change the configuration of a nested repository", reads, watch("nested/.git/config"), overwrite),
		p("nested-swap", "put another directory in the place of a nested repository's", moved, watch("nested/.git/HEAD"), func(in *Inside) error {
			dir, old := in.WS+"/nested", in.WS+"/old-"+in.Nonce
			if err := os.Rename(dir, old); err != nil {
				return err
			}
			err := os.MkdirAll(dir, 0o755)
			if err == nil {
				err = evil(in, dir+"/.git")
			}
			if err != nil {
				os.RemoveAll(dir)
				os.Rename(old, dir)
			}
			return err
		}),
		p("bare", "make a bare repository in a directory", "git outside takes a directory that looks like a repository for one", func(c *Case) error {
			return c.Absent(filepath.Join(c.own(c.WS+"/src"), "HEAD"))
		}, func(in *Inside) error {
			dir := filepath.Dir(in.Args["path"])
			for _, d := range []string{"objects", "refs"} {
				if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
					return err
				}
			}
			return os.WriteFile(in.Args["path"], []byte("ref: refs/heads/main\n"), 0o644)
		}),
	}
}
