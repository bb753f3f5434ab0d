package name

import "strings"

// guarded says why an entry is held: it may not appear, change or go. It is empty
// for entries that cannot run code or send anything elsewhere. had is what
// already has a URL; nil asks about an entry that is in place.
func (e *entry) guarded(had map[string]bool) string {
	if e.odd != "" {
		return "is written with " + e.odd + ", which is refused from inside the box"
	}
	if len(e.value) > maxValue {
		return "has a value that is too long"
	}
	if e.isURL() {
		// A URL in place stays: changing it would send the next push elsewhere.
		switch {
		case had == nil || had[e.section+" "+e.sub]:
			return "says where to push or fetch; change it outside the box"
		case !safeURL(e.value):
			return "has a URL that is not https, ssh or user@host:path; set it outside the box"
		}
		return ""
	}
	for i := range freeKeys {
		k := &freeKeys[i]
		if k.section != e.section || (k.sub != "") != e.hasSub {
			continue
		}
		for _, name := range strings.Fields(k.keys) {
			if name == e.key || name == "*" || strings.HasSuffix(name, "*") && strings.HasPrefix(e.key, name[:len(name)-1]) {
				if k.value.ok(e.value) {
					return ""
				}
				return "has a value that is not allowed from inside the box; set it outside"
			}
		}
	}
	return "could run code or redirect git outside the box; change it outside"
}

// maxValue is far above any name, pattern or description git stores.
const maxValue = 4096

func (e *entry) isURL() bool {
	switch e.section {
	case "remote":
		return e.hasSub && (e.key == "url" || e.key == "pushurl")
	case "submodule":
		return e.hasSub && e.key == "url"
	}
	return false
}

// values is what may be a free key's value.
type values uint8

const (
	anyValue    values = iota
	falseOnly          // false, no, off, 0
	boolOnly           //
	remoteName         // the name of a remote, never a URL or a path
	branchRef          // refs/heads/…
	fetchSpec          // [+]refs/…:refs/…
	tagOption          // --tags, --no-tags
	objectHash         // sha1, sha256
	refStore           // files, reftable
	updateMode         // checkout, rebase, merge, none: never a command
	formatZero         // repository format 0 or 1
	simpleValue        // letters, digits and . _ - ,
)

// freeKeys are the keys that may change from inside: they choose between
// behaviours of git itself. Everything else is held. sub is "*" for keys in a
// subsection. Not here, with the reason:
//   - core.fsmonitor, core.hookspath, core.pager, core.editor, core.sshcommand,
//     core.askpass, core.gitproxy, alias, filter, diff.*.command, diff.*.textconv,
//     diff.external, merge.*.driver, mergetool, difftool, credential, gpg,
//     sequence, interactive, pager, uploadpack, remote.*.uploadpack,
//     remote.*.receivepack, remote.*.vcs, man, web, browser, trailer, sendemail,
//     lfs, hook: run programs
//   - include, includeif, core.worktree, core.attributesfile, core.excludesfile,
//     url, http, protocol, remote.*.proxy, remote.pushdefault,
//     extensions.partialclone, blame.ignorerevsfile, commit.template: redirect
//   - branch.*.mergeoptions, pull.twohead: name a strategy, which is a program
//   - user.signingkey, safe, receive, transfer, fetch.fsckobjects: weaken checks
var freeKeys = [...]struct {
	section, sub, keys string
	value              values
}{
	{"branch", "*", "remote pushremote", remoteName},
	{"branch", "*", "merge", branchRef},
	{"branch", "*", "rebase", simpleValue},
	{"branch", "*", "description vscode-* github-pr-* gk-* gh-*", anyValue},
	{"branch", "", "autosetupmerge autosetuprebase sort", simpleValue},
	{"user", "", "name email useconfigonly", anyValue},
	{"author", "", "name email", anyValue},
	{"committer", "", "name email", anyValue},
	{"remote", "*", "fetch", fetchSpec},
	{"remote", "*", "prune prunetags skipdefaultupdate skipfetchall", boolOnly},
	{"remote", "*", "tagopt", tagOption},
	{"remote", "*", "gh-resolved", simpleValue},
	{"submodule", "*", "active", boolOnly},
	{"submodule", "*", "update", updateMode},
	{"core", "", "repositoryformatversion", formatZero},
	{"core", "", "bare", falseOnly},
	{"core", "", "filemode logallrefupdates ignorecase precomposeunicode symlinks autocrlf safecrlf eol quotepath abbrev whitespace trustctime checkstat untrackedcache preloadindex splitindex sparsecheckout sparsecheckoutcone compression loosecompression bigfilethreshold commitgraph multipackindex longpaths warnambiguousrefs", simpleValue},
	{"extensions", "", "worktreeconfig", boolOnly},
	{"extensions", "", "objectformat", objectHash},
	{"extensions", "", "refstorage", refStore},
	{"push", "", "default autosetupremote followtags useforceifincludes", simpleValue},
	{"pull", "", "rebase ff", simpleValue},
	{"fetch", "", "prune prunetags parallel writecommitgraph output", simpleValue},
	{"init", "", "defaultbranch", anyValue},
	{"merge", "", "conflictstyle ff log renames renamelimit stat autostash directoryrenames verbosity", simpleValue},
	{"rebase", "", "autosquash autostash updaterefs stat missingcommitscheck abbreviatecommands rebasemerges forkpoint", simpleValue},
	{"diff", "", "algorithm renames renamelimit mnemonicprefix noprefix colormoved colormovedws context interhunkcontext indentheuristic statgraphwidth wserrorhighlight submodule ignoresubmodules relative suppressblankempty", simpleValue},
	{"commit", "", "verbose status cleanup", simpleValue},
	{"commit", "", "gpgsign", falseOnly},
	{"tag", "", "gpgsign forcesignannotated", falseOnly},
	{"tag", "", "sort", simpleValue},
	{"gc", "", "auto autodetach autopacklimit packrefs", simpleValue},
	{"maintenance", "", "auto strategy", simpleValue},
	{"rerere", "", "enabled autoupdate", simpleValue},
	{"color", "", "*", anyValue},
	{"color", "*", "*", anyValue},
	{"column", "", "*", anyValue},
	{"advice", "", "*", boolOnly},
	{"log", "", "date decorate abbrevcommit follow mailmap graphcolors diffmerges", anyValue},
	{"status", "", "short branch showuntrackedfiles relativepaths aheadbehind renames renamelimit displaycommentprefix showstash submodulesummary", simpleValue},
	{"stash", "", "showpatch showstat showincludeuntracked", boolOnly},
	{"feature", "", "manyfiles experimental", boolOnly},
	{"index", "", "version threads skiphash sparse recordendofindexentries recordoffsettable", simpleValue},
	{"pack", "", "threads window depth windowmemory deltacachesize deltacachelimit packsizelimit compression writereverseindex usebitmaps usesparse", simpleValue},
	{"checkout", "", "guess workers thresholdforparallelism defaultremote", simpleValue},
	{"worktree", "", "guessremote", boolOnly},
}

func (k values) ok(v string) bool {
	switch k {
	case falseOnly:
		return oneOf(v, "false", "no", "off", "0")
	case boolOnly:
		return oneOf(v, "true", "yes", "on", "1", "false", "no", "off", "0")
	case remoteName:
		// A value with a slash or a colon is taken for a path or a URL.
		return v == "." || simple(v, "._-") && v[0] != '-' && v[0] != '.'
	case branchRef:
		return strings.HasPrefix(v, "refs/heads/")
	case fetchSpec:
		from, to, ok := strings.Cut(strings.TrimPrefix(v, "+"), ":")
		return ok && strings.HasPrefix(from, "refs/") && (strings.HasPrefix(to, "refs/remotes/") || strings.HasPrefix(to, "refs/tags/"))
	case tagOption:
		return oneOf(v, "--tags", "--no-tags")
	case objectHash:
		return oneOf(v, "sha1", "sha256")
	case refStore:
		return oneOf(v, "files", "reftable")
	case updateMode:
		return oneOf(v, "checkout", "rebase", "merge", "none")
	case formatZero:
		return v == "0" || v == "1"
	case simpleValue:
		return simple(v, "._-,")
	}
	return true
}

func oneOf(v string, list ...string) bool {
	for _, s := range list {
		if strings.EqualFold(v, s) {
			return true
		}
	}
	return false
}

// simple reports whether v is not empty and made of ASCII letters, digits and extra.
func simple(v, extra string) bool {
	for i := 0; i < len(v); i++ {
		if c := v[i]; !isAlpha(c) && (c < '0' || c > '9') && strings.IndexByte(extra, c) < 0 {
			return false
		}
	}
	return v != ""
}

// safeURL reports whether git reads v as https, ssh, or the user@host:path form
// of ssh, and nothing in it can become an option or another transport.
func safeURL(v string) bool {
	for i := 0; i < len(v); i++ {
		if c := v[i]; c <= ' ' || c >= 0x7f || strings.IndexByte("\"'`$\\<>|;&(){}*", c) >= 0 {
			return false
		}
	}
	if strings.Contains(v, "::") { // transport::address
		return false
	}
	rest, ok := strings.CutPrefix(v, "https://")
	if !ok {
		rest, ok = strings.CutPrefix(v, "ssh://")
	}
	if ok {
		host, path, _ := strings.Cut(rest, "/")
		return hostOK(host, ":") && !strings.HasPrefix(path, "-")
	}
	if strings.Contains(v, "://") {
		return false
	}
	host, path, ok := strings.Cut(v, ":")
	return ok && strings.Contains(host, "@") && hostOK(host, "") && path != "" && path[0] != '-'
}

// hostOK checks [user@]host, with extra allowed in the host.
func hostOK(s, extra string) bool {
	user, host, ok := strings.Cut(s, "@")
	if !ok {
		user, host = "x", s
	}
	return simple(user, "._-+%"+extra) && user[0] != '-' && simple(host, ".-"+extra) && host[0] != '-'
}
