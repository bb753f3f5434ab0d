package policy

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// wrong are documents with exactly one thing wrong, and the place and words of the
// error.
var wrong = []struct {
	text         string
	line, column int
	key, says    string
	nearest      string
}{
	{"[files]\n  wirte = []\n", 2, 3, "files.wirte", "unknown key", "files.write"},
	{"write = [\"/x\"]", 1, 1, "write", "unknown key", "files.write"},
	{"[file]\nread = []", 1, 2, "file", "unknown key", "files"},
	{"[fils]\nwirte = []\nx = 1\n[limits]\nmemory = \"4GiB\"", 1, 2, "fils", "unknown key", "files"},
	{"[limits]\ncpus = 3", 2, 1, "limits.cpus", "unknown key", "limits.cpu"},
	{"Mode = \"read-only\"", 1, 1, "Mode", "unknown key", "mode"},
	{"completely-different = 1", 1, 1, "completely-different", "unknown key", ""},
	{"\"files.read\" = []", 1, 1, "\"files.read\"", "unknown key", ""},
	{"[profile]\nname = \"x\"", 1, 2, "profile", "only a built-in profile", ""},
	{"[managed]\nlock = []", 1, 2, "managed", "only /etc/bailey", ""},
	{"profile.name = \"x\"", 1, 1, "profile.name", "unknown key", ""},
	{"mode = \"readonly\"", 1, 8, "mode", "is not one of read-only, workspace-write", "read-only"},
	{"mode = \"\"", 1, 8, "mode", "is not one of", ""},
	{"mode = 1", 1, 1, "mode", "expected a string, not a number", ""},
	{"mode = [\"read-only\"]", 1, 1, "mode", "not a list", ""},
	{"mode = {}", 1, 1, "mode", "not a table", ""},
	{"[mode]\n", 1, 2, "mode", "not a table", ""},
	{"min-tier = 1979-05-27", 1, 1, "min-tier", "not a date or time", ""},
	{"files = 3", 1, 1, "files", "expected a table, not a number", ""},
	{"[[files]]\n", 1, 3, "files", "not a list of tables", ""},
	{"[files]\nread = \"/x\"", 2, 1, "files.read", "expected a list of strings, not a string", ""},
	{"[files]\nread = [\n  \"/x\",\n  7,\n]", 4, 3, "files.read", "expected a string in the list, not a number", ""},
	{"[files]\nread = [[\"/x\"]]", 2, 1, "files.read", "not a list", ""},
	{"[files]\nread = [\"\"]", 2, 9, "files.read", "an empty string is not a path", ""},
	{"[files]\nread = [\"/ä\", \"\"]", 2, 15, "files.read", "an empty string", ""},
	{"[files]\ndeny = [\"a\", \"\"]", 2, 14, "files.deny", "an empty string", ""},
	{"[files]\nread = [\"/a\\u0000b\"]", 2, 9, "files.read", "NUL", ""},
	{"[files]\nwrite = [\"/data/*\"]", 2, 10, "files.write", "is a pattern", ""},
	{"[files]\nwrite = [\"$HOME/x\"]", 2, 10, "files.write", "variables are not expanded", ""},
	{"[files]\ndeny = [\"!x\"]", 2, 9, "files.deny", "takes a rule back", ""},
	{"[files]\netc = [\"/etc/hosts\"]", 2, 8, "files.etc", "is not a name below /etc", ""},
	{"[files]\netc = [\"a/../../x\"]", 2, 8, "files.etc", "leaves /etc", ""},
	{"[files]\nstrict = \"true\"", 2, 10, "files.strict", "expected true or false, not a string", ""},
	{"[files]\nstrict = 1", 2, 1, "files.strict", "expected true or false, not a number", ""},
	{"[files]\ncaches = [{env = \"X\"}]", 2, 11, "files.caches", "a cache needs a path", ""},
	{"[files]\ncaches = [{path = \"/x\", evn = \"X\"}]", 2, 25, "files.caches.evn", "unknown key", "env"},
	{"[files]\ncaches = [{path = 1}]", 2, 12, "files.caches.path", "expected a string", ""},
	{"[files]\ncaches = [{path = \"/x\", path = \"/y\"}]", 2, 25, "files.caches.path", "defined twice", ""},
	{"[[files.caches]]\nenv = \"X\"\n[limits]\npids = 3", 1, 3, "files.caches", "a cache needs a path", ""},
	{"[[files.caches]]\npath = \"/x\"\npath = \"/y\"", 3, 1, "files.caches.path", "defined twice", ""},
	{"[env]\nallow = [\"A=1\"]", 2, 10, "env.allow", "is not the name", ""},
	{"[env]\nallow = [\"\"]", 2, 10, "env.allow", "empty string", ""},
	{"[env]\nset = {\"A-B\" = \"x\"}", 2, 8, "env.set.A-B", "is not the name", ""},
	{"[env]\nset = {\"A*\" = \"x\"}", 2, 8, "env.set.A*", "is a pattern", ""},
	{"[env.set]\nA = 1", 2, 1, "env.set.A", "expected a string, not a number", ""},
	{"[env.set]\nA.B = \"x\"", 2, 1, "env.set.A.B", "is not the name", ""},
	{"[limits]\nmemory = 0", 2, 10, "limits.memory", "0 is not a limit", ""},
	{"[limits]\nmemory = -1", 2, 10, "limits.memory", "cannot be negative", ""},
	{"[limits]\nmemory = 1.5", 2, 1, "limits.memory", "expected a size such as", ""},
	{"[limits]\nmemory = \"4G\"", 2, 10, "limits.memory", "is not a size", ""},
	{"[limits]\nmemory = \"\"", 2, 10, "limits.memory", "is not a size", ""},
	{"[limits]\nmemory = \"9999999TiB\"", 2, 10, "limits.memory", "is not a size", ""},
	{"[limits]\npids = 99999999999999999999", 2, 8, "limits.pids", "too large", ""},
	{"[limits]\npids = \"64\"", 2, 8, "limits.pids", "not a string", ""},
	{"[limits]\ntimeout = \"500ms\"", 2, 11, "limits.timeout", "is not a time", ""},
	{"[limits]\ntimeout = \"1m1h\"", 2, 11, "limits.timeout", "is not a time", ""},
	{"[limits]\ntimeout = 99999999999", 2, 11, "limits.timeout", "too large", ""},
	{"extends = [\"ruts\"]", 1, 12, "extends", "no built-in profile", "rust"},
	{"extends = [\"\"]", 1, 12, "extends", "no built-in profile", ""},
	{"mode = \"read-only\"\nmode = \"read-only\"", 2, 1, "mode", "defined twice", ""},
	{"[files]\n[limits]\n[files]\n", 3, 2, "files", "defined twice", ""},
	{"[files]\nread = []\nread = []", 3, 1, "files.read", "defined twice", ""},
	{"files.read = []\n[files]\nwrite = []", 2, 2, "files", "defined twice", ""},
	{"files = {read = []}\n[files]\nwrite = []", 2, 2, "files", "defined twice", ""},
	{"files = {read = []}\nfiles.write = []", 2, 1, "files", "defined twice", ""},
	{"files = {read = [], read = []}", 1, 21, "files.read", "defined twice", ""},
	{"[env.set]\nA = \"1\"\n[env]\nset.B = \"2\"", 4, 1, "env.set", "defined twice", ""},
	{"mode = read-only", 1, 8, "", "not valid TOML", ""},
	{"mode = \"x", 1, 9, "", "not valid TOML", ""},
	{"[limits]\nmemory = 4GiB", 2, 11, "", "strings must be quoted", ""},
	{"a\x00b = 1", 1, 2, "", "not valid TOML", ""},
	{"# \xff\n", 1, 3, "", "not valid TOML", ""},
}

// right are documents with nothing wrong.
var right = []string{
	"", "# nothing\n", "\r\n", "extends = []", "extends = ['go', \"c\",]",
	"mode = \"read-only\"\napproval = 'never'\nmin-tier = \"landlock\"\n",
	"[files]\nread = [\n  \"/x\", # why\n  '/y z', \"/new\\nline\",\n]\n",
	"files.read = [\"/x\"]\nfiles.write = [\"./y\"]", "files = {read = [\"/x\"], strict = true}",
	"[files]\ndeny = [\"*.pem\", \"**/.env\", \"a/b\", \"~/x\", \"{a,b}\"]\nprotect = [\"x\"]\nmissing = \"error\"\nnested-git = \"hold\"\nstrict = false",
	"[files]\ncaches = [\"/x\", {path = \"~/y\"}, {path = \"/z\", env = \"Z\"}]\netc = [\"ssl/certs\", \"java-*\"]\nsystem = [\"/usr\"]",
	"[[files.caches]]\npath = \"/x\"\n[[files.caches]]\npath = \"/y\"\nenv = \"Y\"\n[limits]\npids = 3",
	"[env]\nallow = [\"LC_*\", \"*\", \"_x\"]\ndeny = [\"A\"]\nset = {A = \"\", B = \"x=y\"}", "[env.set]\nA = \"1\"", "env.set.A = \"1\"\nenv.set.B = \"2\"\nenv.allow = []",
	"[limits]\nmemory = \"4GiB\"\npids = 64\ncpu = \"1h30m\"\nfile-size = 0x100\nopen-files = 1_024\nscratch = \"none\"\ntimeout = 90\noutput = \"512MB\"\noutput-rate = \"1B\"",
	"[limits]\npids = \"none\"\ntimeout = \"none\"", "[process]\ndebug = true", "[process]\n[files]\n[env]\n[limits]\n[env.set]",
}

func parse(text string) (*document, []*Error) {
	return decode(new(unstable.Parser), LayerUser, "f.toml", []byte(text), anywhere)
}

func TestDecodeWrong(t *testing.T) {
	for _, c := range wrong {
		_, errs := parse(c.text)
		if len(errs) != 1 {
			t.Errorf("%q: %d errors, want 1: %v", c.text, len(errs), Errors(errs))
			continue
		}
		e := errs[0]
		if e.File != "f.toml" || e.Line != c.line || e.Column != c.column || e.Key != c.key || e.Nearest != c.nearest || !strings.Contains(e.Problem, c.says) {
			t.Errorf("%q:\n got %s:%d:%d key %q near %q: %s\nwant f.toml:%d:%d key %q near %q: …%s…",
				c.text, e.File, e.Line, e.Column, e.Key, e.Nearest, e.Problem, c.line, c.column, c.key, c.nearest, c.says)
		}
	}
}

func TestDecodeRight(t *testing.T) {
	for _, text := range right {
		if _, errs := parse(text); len(errs) > 0 {
			t.Errorf("%q: %v", text, Errors(errs))
		}
	}
}

func TestDecodeManyErrors(t *testing.T) {
	_, errs := parse("a = 1\nmode = 2\n[files]\nread = [1, \"\", 2]\nx = 1\n[limits]\npids = 0")
	if len(errs) != 7 {
		t.Errorf("%d errors: %v", len(errs), Errors(errs))
	}
	_, errs = parse(strings.Repeat("[files]\n", 1000))
	if len(errs) != maxErrors {
		t.Errorf("%d errors, want %d", len(errs), maxErrors)
	}
	_, errs = parse("[files]\nread = [" + strings.Repeat("1,", 1000) + "]")
	if len(errs) != maxErrors {
		t.Errorf("%d errors, want %d", len(errs), maxErrors)
	}
}

func TestDecodeTooBig(t *testing.T) {
	_, errs := parse(strings.Repeat("#", maxFile+1))
	if len(errs) != 1 || !strings.Contains(errs[0].Problem, "more than") {
		t.Errorf("errors %v", Errors(errs))
	}
}

func TestDecodeValues(t *testing.T) {
	doc, errs := parse("[limits]\nmemory = \"4GiB\"\nfile-size = \"512MB\"\npids = 0x10\ntimeout = \"1h30m5s\"\noutput = \"none\"\n[env.set]\nA = \"q\\\"\\u00e9\"\n")
	if len(errs) > 0 {
		t.Fatal(Errors(errs))
	}
	var got []string
	for _, e := range doc.entries {
		got = append(got, fmt.Sprint(e.key.name, " ", e.num, " ", e.text, " ", e.aux, " ", e.from.Line))
	}
	want := "limits.memory 4294967296 4GiB  2|limits.file-size 512000000 512MB  3|limits.pids 16   4|limits.timeout 5405 1h30m5s  5|limits.output 0 none  6|env.set 0 A q\"é 8"
	if s := strings.Join(got, "|"); s != want {
		t.Errorf("got  %s\nwant %s", s, want)
	}
}

// FuzzDecode holds that the decoder never panics, that whatever go-toml's own
// decoder refuses is refused here too (the low-level parser leaves duplicates to
// its caller), and that every error has a place.
func FuzzDecode(f *testing.F) {
	for _, c := range wrong {
		f.Add(c.text)
	}
	for _, text := range right {
		f.Add(text)
	}
	for _, name := range Profiles() {
		f.Add(profileText(f, name))
	}
	f.Add(Init("go"))
	f.Fuzz(func(t *testing.T, text string) {
		doc, errs := parse(text)
		for _, e := range errs {
			if e.File == "" || e.Problem == "" || len(text) <= maxFile && (e.Line < 1 || e.Column < 1 || e.Line > 1+strings.Count(text, "\n")) {
				t.Errorf("error without a place: %+v", e)
			}
		}
		if len(errs) > 0 {
			return
		}
		var tree map[string]any
		if err := toml.Unmarshal([]byte(text), &tree); err != nil {
			t.Errorf("accepted what is not TOML: %v", err)
		}
		where := places{home: testHome, base: testRoot, project: testRoot}
		if errs := resolve(doc, &where); len(errs) > 0 {
			return
		}
		for _, e := range doc.entries {
			if (e.key.kind == kindPaths || e.key.kind == kindCaches) && (e.text[0] != '/' || climbs(e.text)) {
				t.Errorf("%s is not absolute and clean: %q", e.key.name, e.text)
			}
			if e.key.kind == kindGlobs && (e.text == "" || e.text == "/" || e.text[0] == '!' || !validGlob(e.text) || climbs(e.text)) {
				t.Errorf("%s: bad pattern %q", e.key.name, e.text)
			}
			if e.key.name == "files.write" && RefusedRoot(e.text, testHome, nil) != "" {
				t.Errorf("%q is a writable root", e.text)
			}
		}
	})
}
