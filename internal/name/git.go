package name

import "bytes"

// place is where in a repository a directory is, as far as names tell.
type place uint8

const (
	inWork        place = iota // in a work tree, or in no repository at all
	inGit                      // a git directory itself
	inHooks                    // hooks
	inRemotes                  // remotes and branches: files that name where to fetch from
	inInfo                     // info
	inObjects                  // objects
	inObjectsInfo              // objects/info
	inModules                  // modules: below it names of submodules, with slashes in them
	inModule                   // below modules/NAME: a git directory, or part of the name of one
	inWorktrees                // worktrees
	inWorktree                 // worktrees/NAME: the private part of a linked worktree
	inBody                     // refs, logs, and all else that runs nothing
	inModuleBody               // the same in a submodule's git directory
	inHeld                     // below something that is held: held too
)

// kind is what one name is to git.
type kind uint8

const (
	free      kind = iota
	dotGit         // .git itself
	bareHead       // HEAD outside a git directory: it would make one
	hooksDir       // hooks, remotes, branches: may be made empty
	heldHook       // below hooks
	heldFile       // commondir, gitdir, attributes, alternates, remotes/*
	keptDir        // info, objects, modules, worktrees: may be made empty, never swapped
	submodule      // below modules: may be a file, or a whole git directory
	linked         // worktrees/NAME: may be made empty, never swapped
	config         // config and config.worktree
	pointer        // commondir of a linked worktree
	second         // what would make a second git directory inside a submodule's
)

// Sets of operations, as constants: nothing runs at start-up.
const (
	renames ops = 1<<RenameFrom | 1<<RenameTo | 1<<Exchange
	making  ops = 1<<Create | 1<<Mknod | 1<<Symlink | 1<<Link | 1<<RenameTo | 1<<Exchange
	changes ops = 1<<Write | 1<<Create | 1<<Truncate | 1<<Mkdir | 1<<Mknod | 1<<Symlink | 1<<Link | 1<<LinkFrom | 1<<RenameFrom | 1<<RenameTo | 1<<Exchange | 1<<Unlink | 1<<Rmdir | 1<<Chmod
)

// gitRefused says which operations each kind refuses. GuardConfig, GuardPointer
// and NestedGit are exceptions that gitVerdict makes.
var gitRefused = [...]ops{
	dotGit:    changes &^ (1<<Rmdir | 1<<Chmod), // git itself tries to remove it, in vain, when it clears directories
	bareHead:  making,
	hooksDir:  making | renames | (1<<Write | 1<<Truncate | 1<<LinkFrom | 1<<Unlink),
	heldHook:  changes,
	heldFile:  changes,
	keptDir:   making | renames,
	submodule: (1 << Symlink),
	linked:    making | renames,
	config:    changes &^ (1 << Chmod),
	pointer:   changes &^ (1 << Unlink),
	second:    making | (1<<Mkdir | 1<<RenameFrom),
}

var gitRules = [...]rule{
	dotGit:    {"git: .git", "a repository's .git cannot be replaced, moved or removed from inside the box; do it outside"},
	bareHead:  {"git: bare repository", "a new bare repository cannot be made in a writable root, because git outside would run what its configuration says; make it in /tmp or in HOME inside the box"},
	hooksDir:  {"git: hooks", "git runs or follows what is in this directory, outside the box too; change it outside"},
	heldHook:  {"git: hooks", "git runs hooks outside the box too; put the script elsewhere and install it as a hook outside"},
	heldFile:  {"git: redirection", "git outside the box would follow or run what this file says; change it outside"},
	keptDir:   {"git: directory", "this directory of a repository cannot be swapped, because protected files lie below it; change the files in it one by one, or do it outside"},
	submodule: {"git: submodule", "a submodule's git directory cannot be put in place as a whole; run git submodule update outside the box"},
	linked:    {"git: worktree", "a linked worktree's git directory cannot be put in place as a whole; run git worktree outside the box"},
	config:    {"git: configuration", "git configuration is changed with git config or by git itself, never by writing the file; keys that can run code are changed outside the box"},
	pointer:   {"git: worktree", "where a linked worktree belongs to is written by git worktree add only, and not changed afterwards; do it outside the box"},
	second:    {"git: submodule", "this name could make a second git directory inside a submodule's; use another branch name, or do it outside"},
}

var (
	nestedRule = rule{"git: nested repository", "a new repository cannot be made inside a writable root (nested-git = \"deny\"); clone or init it in /tmp or in HOME inside the box, or set nested-git = \"hold\""}
	parentRule = rule{"writable root", "a directory above a writable root cannot be moved"}
)

// spot is a place, and whether it lies below modules.
type spot struct {
	place  place
	module bool
}

// walk goes from s along rel and says what its last component is.
func (s spot) walk(rel []byte, bare bool) (spot, kind) {
	k := free
	for len(rel) > 0 {
		part, rest, _ := bytes.Cut(rel, slash)
		rel = rest
		if len(part) == 0 {
			continue
		}
		s.place, k = step(s.place, part, bare)
		switch {
		case s.place == inModules:
			s.module = true
		case s.place == inGit:
			s.module = false
		case s.place == inBody && s.module:
			s.place = inModuleBody
		}
	}
	return s, k
}

// step goes one component down and says what the component itself is.
func step(p place, part []byte, bare bool) (place, kind) {
	if p == inHeld {
		return inHeld, heldFile
	}
	if isDotGit(part) {
		return inGit, dotGit
	}
	switch p {
	case inWork:
		if bare && string(part) == "HEAD" {
			return inWork, bareHead
		}
		return inWork, free
	case inGit:
		return gitEntry(part, false)
	case inModule:
		return gitEntry(part, true)
	case inModules:
		return inModule, submodule
	case inHooks:
		// Git makes the samples of its template and never runs them.
		if bytes.HasSuffix(part, sampleSuffix) {
			return inHeld, free
		}
		return inHeld, heldHook
	case inRemotes:
		return inHeld, heldFile
	case inInfo:
		if equalFold(part, "attributes") {
			return inHeld, heldFile
		}
		return inBody, free
	case inObjects:
		if equalFold(part, "info") {
			return inObjectsInfo, keptDir
		}
		return inBody, free
	case inObjectsInfo:
		if equalFold(part, "alternates") || equalFold(part, "http-alternates") {
			return inHeld, heldFile
		}
		return inBody, free
	case inWorktrees:
		return inWorktree, linked
	case inWorktree:
		switch {
		case equalFold(part, "commondir"):
			return inHeld, pointer
		case equalFold(part, "gitdir"):
			// Where the worktree is. Git reads it to list and prune worktrees and
			// checks that the other side points back before it acts.
			return inHeld, free
		}
		return gitEntry(part, false)
	case inModuleBody:
		// modules/a/refs/heads could itself be the git directory of a submodule
		// called a/refs/heads. Git takes a directory for one only when it holds
		// objects (or a commondir that says where they are).
		if equalFold(part, "objects") || equalFold(part, "commondir") {
			return inHeld, second
		}
		return inModuleBody, free
	}
	return inBody, free
}

var (
	slash        = []byte("/")
	sampleSuffix = []byte(".sample")
)

// gitEntry is an entry directly inside a git directory, or, below modules, inside
// what may be one.
func gitEntry(part []byte, module bool) (place, kind) {
	var buf [16]byte
	if len(part) <= len(buf) {
		for i, c := range part {
			buf[i] = fold(c)
		}
		switch string(buf[:len(part)]) {
		case "hooks":
			return inHooks, hooksDir
		case "remotes", "branches":
			return inRemotes, hooksDir
		case "config", "config.worktree":
			return inHeld, config
		case "commondir", "gitdir":
			return inHeld, heldFile
		case "info":
			return inInfo, keptDir
		case "objects":
			return inObjects, keptDir
		case "modules":
			return inModules, keptDir
		case "worktrees":
			return inWorktrees, keptDir
		case "refs", "logs", "rebase-merge", "rebase-apply", "sequencer", "rr-cache", "lfs":
			return inBody, free
		}
	}
	if module {
		return inModule, submodule
	}
	return inBody, free
}

// isDotGit reports whether a file system may take part for ".git": letters in
// either case, code points that case folding ignores, and NTFS's short name.
func isDotGit(part []byte) bool {
	switch {
	case len(part) == 4:
		return part[0] == '.' && fold(part[1]) == 'g' && fold(part[2]) == 'i' && fold(part[3]) == 't'
	case len(part) < 4 || len(part) > 64:
		return false
	case equalFold(part, "git~1"):
		return true
	}
	if part[0] != '.' && part[0] < 0x80 {
		return false
	}
	const want = ".git"
	i, odd := 0, false
	for rest := part; len(rest) > 0; {
		if len(rest) >= 3 && ignorable(rest) {
			rest, odd = rest[3:], true
			continue
		}
		if i == len(want) || fold(rest[0]) != want[i] {
			return false
		}
		i++
		rest = rest[1:]
	}
	return odd && i == len(want)
}

// ignorable reports whether s starts with a code point that Unicode case folding
// drops (the list git itself uses): U+200C-200F, 202A-202E, 206A-206F, FEFF.
func ignorable(s []byte) bool {
	switch {
	case s[0] == 0xe2 && s[1] == 0x80:
		return 0x8c <= s[2] && s[2] <= 0x8f || 0xaa <= s[2] && s[2] <= 0xae
	case s[0] == 0xe2 && s[1] == 0x81:
		return 0xaa <= s[2] && s[2] <= 0xaf
	case s[0] == 0xef && s[1] == 0xbb:
		return s[2] == 0xbf
	}
	return false
}

func equalFold(part []byte, lower string) bool {
	if len(part) != len(lower) {
		return false
	}
	for i, c := range part {
		if fold(c) != lower[i] {
			return false
		}
	}
	return true
}
