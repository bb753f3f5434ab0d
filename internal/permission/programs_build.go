package permission

import "strings"

// Programs that build. They run the project's own code whatever their options; the
// options here run something else.
var buildPrograms = [...]program{
	{names: "go", takes: "-C"},
	{names: "go version", safe: true},
	{names: "go env", safe: true, bad: "-w -u", whole: true},
	{names: "go doc", safe: true},
	{names: "go help", safe: true},
	{names: "go build", bad: "-toolexec -overlay -ldflags -gcflags -asmflags -gccgoflags -o -compiler -exec -modfile -pkgdir", whole: true},
	{names: "go test", bad: "-toolexec -overlay -ldflags -gcflags -asmflags -gccgoflags -o -exec -modfile -vettool -outputdir -fuzzcachedir", whole: true},
	{names: "go vet", bad: "-vettool -toolexec -overlay", whole: true},
	{names: "go run", bad: "-exec -toolexec -overlay -ldflags -modfile", whole: true},
	{names: "go list", bad: "-toolexec -exec -overlay -modfile", whole: true},
	{names: "go generate", bad: "-toolexec", whole: true},
	{names: "gcc,g++,cc,c++,clang,clang++", bad: "-wrapper -B -fplugin -specs -o -load -Xclang -fuse-ld -T", whole: true},
	{names: "make,gmake", bad: "--eval -f --file --makefile -C --directory -I --include-dir -E", look: makeLook, takes: "-j -l -W -o", same: "-C=--directory -f=--file=--makefile"},
	{names: "ninja", bad: "-C -f -t"},
	{names: "cargo", takes: "-C --color --config -Z --manifest-path", bad: "--config -Z -C"},
	{names: "npm,pnpm,yarn", takes: "--prefix -C --dir --cwd -w --workspace --filter -F", bad: "--script-shell --node-options --userconfig --globalconfig --prefix --git --editor --shell --viewer --ignore-scripts-off -c --call"},
	{names: "pip,pip3", takes: "--proxy --timeout --cache-dir --log"},
	{names: "terraform,tofu", takes: "-chdir", whole: true},
	{names: "cmake", bad: "-P -E -C --build-and-test -D"},
	{names: "ctags", bad: "--options -f -o -L"},
}

// makeLook judges variables that are set on make's command line.
func makeLook(args []word) string {
	for _, w := range args {
		if name := assignment(w.alts[0]); decides(name) || name == "SHELL" || name == ".SHELLFLAGS" || strings.HasSuffix(name, "FLAGS") && name != "" {
			return name + " changes what make runs"
		}
	}
	return ""
}
