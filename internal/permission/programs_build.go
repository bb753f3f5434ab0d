package permission

import "strings"

// Programs that build. They run the project's own code whatever their options; the
// options here run something else.
var buildPrograms = [...]program{
	{names: "go", takes: "-C"},
	{names: "go version", safe: true},
	{names: "go env", safe: true, bad: "-w -u", whole: true},
	{names: "go doc", safe: true, bad: "-http", whole: true},
	{names: "go help", safe: true},
	{names: "gofmt", safe: true, bad: "-w -cpuprofile", whole: true},
	{names: "go build", bad: "-toolexec -overlay -ldflags -gcflags -asmflags -gccgoflags -o -compiler -exec -modfile -pkgdir", whole: true, to: "-o"},
	{names: "go test", bad: "-toolexec -overlay -ldflags -gcflags -asmflags -gccgoflags -o -exec -modfile -vettool -outputdir -fuzzcachedir -coverprofile -cpuprofile -memprofile -blockprofile -mutexprofile -trace", whole: true, to: "-o -coverprofile -cpuprofile -memprofile -blockprofile -mutexprofile -trace"},
	{names: "go vet", bad: "-vettool -toolexec -overlay -fix", whole: true},
	{names: "go run", bad: "-exec -toolexec -overlay -ldflags -modfile", whole: true},
	{names: "go list", bad: "-toolexec -exec -overlay -modfile", whole: true},
	{names: "go generate", bad: "-toolexec", whole: true},
	{names: "gcc,g++,cc,c++,clang,clang++", bad: "-wrapper -B -fplugin -specs -o -load -Xclang -fuse-ld -T", whole: true, to: "-o", look: gccLook},
	{names: "make,gmake", bad: "--eval -f --file --makefile -C --directory -I --include-dir -E", look: makeLook, takes: "-W -o", moves: "-C --directory", same: "-C=--directory -f=--file=--makefile"},
	{names: "ninja", bad: "-C -f -t"},
	{names: "cargo", takes: "-C --color --config -Z --manifest-path", bad: "--config -Z -C"},
	{names: "npm,pnpm,yarn", takes: "--prefix -C --dir --cwd -w --workspace --filter -F", bad: npmBad, look: npmLook},
	{names: "pip,pip3", takes: "--proxy --timeout --cache-dir --log"},
	{names: "terraform,tofu", takes: "-chdir", whole: true},
	{names: "cmake", bad: "-P -E -C --build-and-test -D"},
	{names: "ctags", bad: "--options -f -o -L"},
}

// npmBad are the options of npm and its like that make them run something else, or work
// somewhere else.
const npmBad = "--script-shell --node-options --userconfig --globalconfig --prefix -C --dir --cwd --git --editor --shell --viewer --ignore-scripts-off -c --call"

// npmLook looks for options with one dash: npm takes a long name behind any number of
// them.
func npmLook(args []word) string {
	p := &program{bad: npmBad}
	for _, w := range args {
		text := w.alts[0]
		if w.exact && text == "--" {
			break
		}
		if len(text) > 2 && text[0] == '-' && text[1] != '-' {
			if bad := p.isBad("-" + text); bad != "" {
				return bad + " runs or changes something"
			}
		}
	}
	return ""
}

// makeLook judges variables that are set on make's command line.
func makeLook(args []word) string {
	for _, w := range args {
		if why := makeRuns(w.alts[0]); why != "" {
			return why
		}
		if name, _, _ := makeSetting(w.alts[0]); decides(name) || strings.HasSuffix(name, "FLAGS") {
			return name + " changes what make runs"
		}
	}
	return ""
}

// makeSetting takes NAME=VALUE apart, with any of make's operators: = := ::= += ?= !=.
func makeSetting(text string) (name, value string, shell bool) {
	name, value, ok := strings.Cut(text, "=")
	if !ok || strings.HasPrefix(name, "-") {
		return "", "", false
	}
	return strings.TrimRight(name, " \t:+?!"), value, strings.HasSuffix(name, "!")
}

// makeRuns says how a setting on make's command line runs something of its own, "" for
// not at all.
func makeRuns(text string) string {
	name, value, shell := makeSetting(text)
	switch {
	case shell:
		return "!= runs a command"
	case name == "SHELL", name == ".SHELLFLAGS", name == "MAKEFLAGS", name == "GNUMAKEFLAGS", name == "MFLAGS":
		return name + " changes what make runs"
	case name != "" && strings.Contains(value, "$"):
		for _, sign := range [...]string{"shell", "eval", "file", "guile", "load"} {
			if strings.Contains(value, sign) {
				return "the value may run a command"
			}
		}
	}
	return ""
}

// gccLook looks for options whose value is joined to them, and for ones in a file.
func gccLook(args []word) string {
	for _, w := range args {
		for _, start := range [...]string{"@", "-B", "--prefix", "-dumpdir", "-dumpbase", "-fplugin", "-Wl,", "-Wa,", "-Wp,", "-Xlinker", "-Xassembler", "-MF", "-save-temps", "-fdump", "-o", "--output"} {
			if strings.HasPrefix(w.alts[0], start) {
				return start + " may run or write something"
			}
		}
	}
	return ""
}
