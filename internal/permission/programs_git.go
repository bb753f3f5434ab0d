package permission

import "strings"

// git and its subcommands. What a repository's own configuration makes git run,
// the box guards by content (internal/name); what is here are the options that
// make git run or write something.
var gitPrograms = [...]program{
	{names: "git", takes: "-C -c --git-dir --work-tree --namespace --exec-path --config-env --super-prefix --attr-source --list-cmds",
		bad: "--exec-path --config-env --git-dir --work-tree -p --paginate --namespace --attr-source --bare", moves: "-C", look: gitLook},
	{names: "git status", safe: true},
	{names: "git diff", safe: true, reads: "all", to: "--output", bad: "--output --ext-diff --textconv -O --no-index", takes: "-S -G --diff-filter"},
	{names: "git log", safe: true, reads: "all", to: "--output", look: gitSigned, bad: "--output --ext-diff --textconv -O --show-signature", takes: "-S -G -n -L --author --grep --since --until --date"},
	{names: "git show", safe: true, reads: "all", to: "--output", look: gitSigned, bad: "--output --ext-diff --textconv -O --show-signature", takes: "-S -G -n"},
	{names: "git blame", safe: true, reads: "all", from: "--contents", bad: "--contents --textconv --output -S --ignore-revs-file", takes: "-L"},
	{names: "git shortlog", safe: true, look: gitSigned, bad: "--output"},
	{names: "git rev-parse", safe: true, bad: "--parseopt --sq-quote"},
	{names: "git rev-list", safe: true, look: gitSigned, bad: "--use-bitmap-index --output"},
	{names: "git ls-files", safe: true, takes: "-x -X", bad: "-X --exclude-from"},
	{names: "git ls-tree", safe: true},
	{names: "git cat-file", safe: true, reads: "all", bad: "--textconv --filters"},
	{names: "git describe", safe: true},
	{names: "git merge-base", safe: true},
	{names: "git name-rev", safe: true},
	{names: "git for-each-ref", safe: true, look: gitSigned},
	{names: "git show-ref", safe: true},
	{names: "git count-objects", safe: true},
	{names: "git check-ignore", safe: true},
	{names: "git check-attr", safe: true},
	{names: "git diff-tree", safe: true, look: gitSigned, bad: "--output --ext-diff --textconv -O"},
	{names: "git diff-index", safe: true, bad: "--output --ext-diff --textconv -O"},
	{names: "git diff-files", safe: true, bad: "--output --ext-diff --textconv -O"},
	{names: "git grep", safe: true, bad: "-O --open-files-in-pager --ext-grep --textconv -f"},
	{names: "git branch", safe: true, bad: "-d -D --delete -m -M --move -c -C --copy -f --force -u --set-upstream-to --unset-upstream --edit-description --create-reflog --track -t --set-upstream", look: gitListing, same: "-D=--delete -d=--delete -f=--force -M=--move"},
	{names: "git tag", safe: true, bad: "-d --delete -a --annotate -s --sign -u --local-user -f --force -m --message -F --file -e --edit -v --verify --create-reflog --cleanup --trailer", look: gitListing, same: "-d=--delete -f=--force"},
	{names: "git remote", safe: true, look: gitRemote},
	{names: "git stash", safe: true, look: gitStash, bad: "--output --ext-diff --textconv -O --show-signature"},
	{names: "git worktree", safe: true, look: gitList},
	{names: "git reflog", safe: true, look: gitReflog, bad: "--output --ext-diff --textconv"},
	{names: "git config", safe: true, look: gitConfig, bad: "-e --edit --add --unset --unset-all --replace-all --rename-section --remove-section -f --file --blob"},
	{names: "git version", safe: true},
	{names: "git push", same: "-f=--force -d=--delete -n=--dry-run -u=--set-upstream", bad: "--receive-pack --exec --repo -o --push-option", takes: "-o --push-option --repo --receive-pack --exec"},
	{names: "git commit", same: "-a=--all -n=--no-verify -m=--message -F=--file", takes: "-m -F -C -c -t --message --file --author --date --template"},
	{names: "git add", same: "-A=--all -f=--force -u=--update -p=--patch", takes: "--chmod --pathspec-from-file"},
	{names: "git fetch", bad: "--upload-pack", same: "-f=--force -a=--append -p=--prune", takes: "-o --server-option --depth"},
	{names: "git pull", bad: "--upload-pack -s --strategy -x", same: "-f=--force -r=--rebase", takes: "-s -X --strategy"},
	{names: "git clone", bad: "-u --upload-pack -c --config --template --separate-git-dir --reference --bundle-uri", takes: "-b -o -u -c -j --branch --origin --depth --config"},
	{names: "git ls-remote", bad: "--upload-pack --exec"},
	{names: "git rebase", bad: "-x --exec -s --strategy -i --interactive --edit-todo", takes: "-x -s -X --exec --onto"},
	{names: "git merge", bad: "-s --strategy", takes: "-m -F -s -X"},
	{names: "git reset", same: "-q=--quiet -p=--patch"},
	{names: "git clean", same: "-f=--force -n=--dry-run -q=--quiet -i=--interactive", takes: "-e --exclude"},
	{names: "git checkout", writes: "all", same: "-f=--force -B=-b", takes: "-b -B --conflict"},
	{names: "git switch", same: "-f=--force=--discard-changes -C=--force-create -c=--create"},
	{names: "git rm", same: "-f=--force", writes: "all"},
	{names: "git bisect", bad: "--term-old", look: gitBisect},
	{names: "git difftool", bad: "-x --extcmd -t --tool --tool-help"},
	{names: "git mv,git restore", writes: "all"},
	{names: "git mergetool", bad: "-t --tool"},
	{names: "git archive", to: "-o --output", bad: "--exec -o --output --remote --add-file --add-virtual-file"},
	{names: "git submodule", look: gitForeach},
	{names: "git help", bad: "-w --web"},
	{names: "git init", bad: "--template --separate-git-dir"},
	{names: "git format-patch", bad: "-o --output-directory --output --ext-diff --textconv", to: "-o --output-directory"},
	{names: "git interpret-trailers", bad: "--in-place"},
	{names: "git filter-branch,git filter-repo,git daemon,git instaweb,git send-email,git remote-ext,git remote-fd,git hook,git web--browse,git shell,git upload-pack,git receive-pack,git for-each-repo,git maintenance,git svn,git p4,git credential,git fast-import,git fast-export", look: always},
}

func always([]word) string { return "it runs commands" }

// gitLook judges git's own options, in front of the subcommand: -c sets
// configuration, much of which is run.
func gitLook(args []word) string {
	for i := 0; i+1 < len(args); i++ {
		if args[i].alts[0] == "-c" && !harmlessSetting(args[i+1]) {
			return "-c " + args[i+1].src + " changes what git runs"
		}
		if args[i].alts[0] == "-C" {
			i++
			if !args[i].exact {
				return "which repository is meant is not known"
			}
		}
	}
	for _, w := range args {
		if strings.HasPrefix(w.alts[0], "-c") && len(w.alts[0]) > 2 {
			return "-c changes what git runs"
		}
	}
	return ""
}

// harmlessSetting reports whether a setting given with git -c runs nothing.
func harmlessSetting(w word) bool {
	if !w.exact {
		return false
	}
	key, value, _ := strings.Cut(strings.ToLower(w.alts[0]), "=")
	switch key {
	case "core.pager":
		return value == "cat" || value == ""
	case "core.fsmonitor", "core.usebuiltinfsmonitor":
		return value == "false" || value == "0"
	case "core.hookspath":
		return value == "/dev/null"
	case "core.quotepath", "core.autocrlf", "core.safecrlf", "core.abbrev", "core.precomposeunicode", "commit.gpgsign", "tag.gpgsign", "gc.auto", "init.defaultbranch",
		"protocol.version", "diff.renames", "diff.renamelimit", "diff.algorithm", "log.showsignature", "status.showuntrackedfiles", "push.default", "pull.rebase", "fetch.prune", "rebase.autosquash":
		return value != "" && !strings.HasPrefix(value, "!") && key != "log.showsignature" || value == "false"
	}
	return strings.HasPrefix(key, "user.") || strings.HasPrefix(key, "color.") || strings.HasPrefix(key, "advice.") || strings.HasPrefix(key, "column.")
}

// gitListing allows git branch and git tag without a name to make.
func gitListing(args []word) string {
	listing := false
	if why := gitSigned(args); why != "" {
		return why
	}
	for _, w := range args {
		if !w.exact {
			return "it may make something"
		}
		switch w.alts[0] {
		case "-l", "--list", "--contains", "--no-contains", "--merged", "--no-merged", "--points-at":
			listing = true
		}
		if w.alts[0] == "" || w.alts[0][0] != '-' {
			if !listing {
				return "it makes something"
			}
		}
	}
	return ""
}

// gitSigned looks for formats that show who signed something: git runs a program to
// know it.
func gitSigned(args []word) string {
	for _, w := range args {
		if strings.Contains(w.alts[0], "%G") || strings.Contains(w.alts[0], "%(signature") {
			return "it runs the program that checks signatures"
		}
	}
	return ""
}

func first(args []word) string {
	if len(args) == 0 {
		return ""
	}
	if !args[0].exact {
		return "?"
	}
	return args[0].alts[0]
}

func gitRemote(args []word) string {
	switch first(args) {
	case "", "get-url":
		return ""
	case "-v", "--verbose":
		if len(args) == 1 {
			return ""
		}
	}
	return "it changes or reaches a remote"
}

func gitStash(args []word) string {
	if first(args) == "list" {
		return gitSigned(args)
	}
	return "it changes the stash"
}

func gitList(args []word) string {
	if first(args) == "list" {
		return ""
	}
	return "it changes the work trees"
}

func gitReflog(args []word) string {
	switch f := first(args); {
	case f == "" || f == "show" || f == "exists" || strings.HasPrefix(f, "-"):
		return gitSigned(args)
	}
	return "it changes the reflog"
}

func gitConfig(args []word) string {
	switch first(args) {
	case "--get", "--get-all", "--get-regexp", "--list", "-l", "get", "list":
		return ""
	}
	if len(args) == 1 && args[0].exact && strings.Contains(args[0].alts[0], ".") && args[0].alts[0][0] != '-' {
		return "" // a name alone: its value is printed
	}
	return "it changes the configuration"
}

func gitBisect(args []word) string {
	if first(args) == "run" {
		return "it runs a command"
	}
	return ""
}

func gitForeach(args []word) string {
	for _, w := range args {
		if !w.exact || w.alts[0] == "foreach" {
			return "it runs a command"
		}
	}
	return ""
}
