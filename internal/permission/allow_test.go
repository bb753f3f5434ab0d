package permission

import (
	"strings"
	"testing"

	"github.com/bailey-run/bailey/internal/policy"
)

// TestAllow holds what allow rules cover, under untrusted.
func TestAllow(t *testing.T) {
	want(t, rules(t, strings.Join([]string{
		"allow Bash(npm run *)", "allow Bash(find *)", "allow Bash(sed *)", "allow Bash(sort *)", "allow Bash(tar *)", "allow Bash(rg *)", "allow Bash(git log *)", "allow Bash(git *)",
		"allow Bash(timeout *)", "allow Bash(make)", "allow Bash(awk *)", "allow Bash(go test *)", "allow Bash(python3 x.py *)", "allow Bash(xargs *)", "allow Bash(bash *)", "allow Bash(mytool a:*)",
	}, "\n")), `
allow npm run build
allow npm run
ask npm runx
ask npm "run build"
allow npm "run" build
allow /usr/bin/npm run x
ask ./npm run x
ask /tmp/npm run x
allow NODE_ENV=x npm run x
ask FOO=x npm run x
ask PATH=x npm run x
allow timeout 5 npm run x
ask timeout 5 foo
ask timeout --foo 5 npm run x
allow nice -n 5 timeout 5 npm run x
ask sudo npm run x
allow bash -c 'npm run x && npm run y'
ask bash -c 'npm run x && foo'
ask bash foo.sh
allow npm run x | tail -5
ask npm run x | foo
ask npm run x > f
allow npm run x > /dev/null 2>&1
ask npm run $(foo)
ask npm run $(ls)
allow npm run -- $(ls)
allow find . -name x
ask find . -exec foo \;
ask find . -execdir ls \;
ask find . -delete
ask find . -fprintf f x
ask find . $x
allow sed s/a/b/ f
ask sed -i s/a/b/ f
ask sed -ni s/a/b/ f
ask sed --in-pl s/a/b/ f
ask sed s/a/b/e f
ask sed 's/a/b/w f' f
ask sed 'w f' f
ask sed -n -e p -e '1e x' f
ask sed $x f
allow sort f
ask sort -o f f
ask sort -uo f f
ask sort --outp f f
ask sort --compress-program=x f
ask sort --comp=x f
ask sort $x
allow sort -- $x
allow sort "./$x"
allow tar tf x
ask tar cf x --checkpoint-action=exec=y .
ask tar cf x --checkp=exec=y .
ask tar -I x -cf y .
allow rg foo
ask rg --pre x foo
allow rg --pretty foo
allow git log
ask git -c a.b=c log
ask git -c core.pager=x log
allow git --no-pager log
ask git --exec-path=x log
ask git log --output=f
ask git log --outp=f
ask git log --ext-diff
allow git -C x log
allow awk '{print $1}' f
ask awk 'BEGIN{system("x")}'
ask awk '{print > "f"}' f
ask awk -f x f
allow go test ./...
ask go test -exec x ./...
ask go test -toolexec=x ./...
allow python3 x.py
allow python3 x.py -c y
ask xargs foo
allow ls | xargs grep x
ask ls | xargs -I% sh -c '%'
allow mytool a
allow mytool a b c
ask mytool ab
allow make
ask make all
`)
	// A rule that names an option covers it.
	want(t, rules(t, "allow Bash(sed -i *)\nallow Bash(find * -exec grep *)\nallow Bash(git -c core.abbrev=9 log *)\nallow Bash(timeout 60 foo *)"), `
allow sed -i s/a/b/ f
ask sed -i -f x f
allow timeout 60 foo x
ask timeout 61 foo x
allow git -c core.abbrev=9 log
`)
}

// TestReadOnly holds what the built-in list allows.
func TestReadOnly(t *testing.T) {
	want(t, rules(t, ""), `
allow ls -la
allow cat a b
allow grep -rn x .
allow git status
allow git diff HEAD
allow git log -p
allow git show HEAD:x
allow git branch
allow git branch -a
allow git branch --list x
ask git branch x
ask git branch -D x
allow git remote -v
ask git remote add x y
allow git stash list
ask git stash
ask git -C /tmp/x status
ask git --git-dir=x status
ask git -c core.fsmonitor=x status
allow git -c core.fsmonitor=false status
ask git diff --ext-diff
ask git diff --output=x
ask git diff --textconv
ask git config user.name x
allow git config --get user.name
ask git fetch
ask git commit -m x
ask GIT_DIR=x git status
allow find . -name x | wc -l
ask find . -exec ls {} +
allow sed -n 5,10p f
ask sed -n w f
ask /proc/self/exe -c ls
ask /dev/fd/3 x
allow date
ask date -s x
ask date 010203042020
allow hostname
ask hostname x
allow uniq a
ask uniq a b
ask tee f
ask xxd a b
ask awk '{print | "x"}'
allow cd x && pwd
allow [ -f x ] && cat x
allow for i in a b; do echo $i; done
ask make
ask ./ls
ask env
ask node x.js
allow echo x > /dev/null
ask echo x > f
ask echo x >> ~/.bashrc
`)
}

// TestDestructive holds what is always asked about.
func TestDestructive(t *testing.T) {
	want(t, rules(t, "allow Bash\napproval on-request"), `
ask rm -rf x
ask rm -fr x
ask rm --recursive x
ask rm -r -f x
ask rm x -r
ask sudo rm -rf x
allow rm x
ask git reset --hard
ask git -C x reset --hard HEAD~1
allow git reset x
ask git push -f
ask git push origin main --force
ask git push --forc
ask git push origin +main
ask git push origin :main
allow git push
allow git push origin main
allow git push origin HEAD:main
ask git clean -fdx
ask git branch -D x
ask git checkout -- x
ask dd if=a of=b
ask mkfs.ext4 x
ask find . -delete
ask chmod -R 777 .
ask terraform -chdir=x apply
ask npm publish
ask kubectl -n x delete pod y
allow kill $pid
allow rm "$f"
ask f=-rf; rm $f x
allow chmod +x s && ./s
ask echo x > s && ./s
ask cp x s && sh s
`)
}

func TestPaths(t *testing.T) {
	s := rules(t, strings.Join([]string{
		"deny Read(.env)", "deny Read(//etc/shadow)", "deny Read(~/.ssh)", "deny Edit(/locked/**)", "deny Edit(./gen)", "ask Edit(*.lock)", "allow Edit(src/**)", "allow Edit(notes.md)", "deny Read(*.{pem,key})", "approval untrusted",
	}, "\n"))
	for _, c := range []struct{ tool, path, want string }{
		{"Read", ".env", "deny"}, {"Read", "a/b/.env", "deny"}, {"Read", "/other/.env", "deny"}, {"Read", ".ENV", "deny"}, {"Read", ".env.x", "allow"},
		{"Read", "./x/../.env", "deny"}, {"Grep", ".env", "deny"}, {"Write", ".env", "deny"}, {"Read", "/etc/shadow", "deny"}, {"Read", "/etc/../etc//shadow", "deny"}, {"Read", "etc/shadow", "allow"},
		{"Read", "~/.ssh/id", "deny"}, {"Read", "/home/ann/.ssh", "deny"}, {"Read", "/home/bob/.ssh/id", "allow"},
		{"Edit", "locked/a", "deny"}, {"Edit", "x/locked/a", "ask"}, {"Edit", "gen/a/b", "deny"}, {"Edit", "x.lock", "ask"}, {"Edit", "src/x.lock", "ask"}, {"Edit", "src/a.go", "allow"}, {"MultiEdit", "src/a.go", "allow"}, {"NotebookEdit", "src/a.ipynb", "allow"},
		{"Edit", "/src/a.go", "ask"}, {"Edit", "src/../x", "ask"}, {"Edit", "../src/x", "ask"}, {"Edit", "a/notes.md", "allow"}, {"Edit", "/tmp/notes.md", "ask"}, {"Read", "a.pem", "deny"}, {"Read", "x/a.key", "deny"},
	} {
		if got := s.Check(Call{Tool: c.tool, Input: Input{Path: c.path}}, here); string(got.Verdict) != c.want {
			t.Errorf("%s(%s): %s (%s); want %s", c.tool, c.path, got.Verdict, got.Reason, c.want)
		}
	}
	// The directory of the call, by both of its names.
	for _, text := range []string{"deny Read(.)", "deny Read(./)"} {
		for path, want := range map[string]Verdict{"x": Deny, "a/b": Deny, ".": Deny, "../x": Allow, "/etc/hostname": Allow} {
			if d := rules(t, text).Check(Call{Tool: "Read", Input: Input{Path: path}}, here); d.Verdict != want {
				t.Errorf("%s: %s: %s", text, path, d.Verdict)
			}
		}
	}
	// A link is judged where it leads.
	link := here
	link.Real = func(p string) string { return strings.Replace(p, "/app/link", "/app/a/.env", 1) }
	if d := s.Check(Call{Tool: "Read", Input: Input{Path: "link"}}, link); d.Verdict != Deny {
		t.Errorf("a link to .env: %s", d.Verdict)
	}
	// Behind a link, .. leads to where the link does.
	link.Real = func(p string) string { return strings.Replace(p, "/app/link/../", "/app/locked/", 1) }
	for _, c := range []struct {
		tool string
		in   Input
	}{{"Edit", Input{Path: "link/../a"}}, {"Edit", Input{Path: "/home/ann/app/link/../a"}}, {"Edit", Input{Path: "~/app/link/../a"}}, {"Bash", Input{Command: "echo > link/../a"}}, {"Bash", Input{Command: "touch link/../a"}}} {
		if d := s.Check(Call{Tool: c.tool, Input: c.in}, link); d.Verdict != Deny {
			t.Errorf("%s %v: %s", c.tool, c.in, d.Verdict)
		}
	}
	want(t, s, `
deny cat .env
deny cat a/.env
deny cat < .env
deny cat ./x/../.env
deny cat $HOME/.ssh/id
deny cat ~/.ssh/id
deny cat "$HOME"/.ssh/id
ask cat .e*
ask cat $x
allow cat x
deny cd a && cat .env
deny cd /etc && cat shadow
deny cd / && cd etc && cat shadow
ask cd $x && cat shadow
deny echo x > gen/a
deny echo x >> locked/y
deny cp x locked/y
deny tee gen/x
ask echo x > a.lock
allow echo x > src/y
ask echo x > y
deny f=.env; cat $f
deny for f in .env; do cat "$f"; done
deny head -5 < .env
deny grep x .env
deny sort .env
deny : > gen/x
deny { ls; } > gen/x
`)
}

func TestOther(t *testing.T) {
	s := rules(t, "deny WebFetch(domain:evil.example)\nallow WebFetch(domain:*.good.example)\nallow mcp__git__log\ndeny mcp__bad\nask Agent(Deploy*)\nallow Agent\napproval untrusted")
	for _, c := range []struct {
		tool string
		in   Input
		want Verdict
	}{
		{"WebFetch", Input{URL: "https://evil.example/x"}, Deny}, {"WebFetch", Input{URL: "https://EVIL.example.:443/x"}, Deny}, {"WebFetch", Input{URL: "evil.example"}, Deny},
		{"WebFetch", Input{URL: "https://a.good.example"}, Allow}, {"WebFetch", Input{URL: "https://good.example"}, Ask}, {"WebFetch", Input{URL: "https://a.good.example.evil.org"}, Ask},
		{"WebFetch", Input{URL: "https://a.good.example@evil.org"}, Deny}, {"WebFetch", Input{URL: "https://a.good.example\\@evil.org"}, Deny}, {"WebFetch", Input{URL: "file:///etc/passwd"}, Deny}, {"WebFetch", Input{URL: "https://a.good.exa%6dple"}, Deny}, {"WebFetch", Input{URL: "https://evil.org#a.good.example"}, Ask},
		{"WebFetch", Input{URL: "https:/evil.example/x"}, Deny}, {"WebFetch", Input{URL: "HTTPS:evil.example"}, Deny}, {"WebFetch", Input{URL: "https:///evil.example"}, Deny}, {"WebFetch", Input{URL: "https://evil.example..:80/"}, Deny},
		{"WebFetch", Input{URL: "http://2130706433/"}, Deny}, {"WebFetch", Input{URL: "http://127.1/"}, Deny}, {"WebFetch", Input{URL: "http://0x7f.0.0.1/"}, Deny}, {"WebFetch", Input{URL: "http://0177.0.0.1/"}, Deny}, {"WebFetch", Input{URL: "http://127.0.0.1/"}, Ask}, {"WebFetch", Input{URL: "http://[::1]/"}, Ask},
		{"mcp__git__log", Input{}, Allow}, {"mcp__git__push", Input{}, Ask}, {"mcp__bad__x", Input{}, Deny}, {"mcp__BAD__x", Input{}, Deny}, {"mcp__badly__x", Input{}, Ask},
		{"Agent", Input{Name: "Deployer"}, Ask}, {"Task", Input{Name: "x"}, Allow}, {"TodoWrite", Input{}, Allow}, {"Nonsense", Input{}, Deny}, {"bash", Input{}, Deny},
	} {
		if got := s.Check(Call{Tool: c.tool, Input: c.in}, here); got.Verdict != c.want {
			t.Errorf("%s(%+v): %s (%s); want %s", c.tool, c.in, got.Verdict, got.Reason, c.want)
		}
	}
}

func TestRefused(t *testing.T) {
	s := rules(t, "allow Bash\napproval on-request")
	for _, text := range []string{"ls\x00", "ls\r\nrm x", "ls\x1b[A", "ls\u00a0-l", "ls \u202erm", "ls \u200bx", "ls \xff", "l\u3000s", strings.Repeat("a", maxText+1)} {
		if d := bash(s, text); d.Verdict != Deny {
			t.Errorf("%.20q: %s", text, d.Verdict)
		}
	}
	for _, text := range []string{"echo ä", "echo 👩‍💻", "ls\n\tpwd"} {
		if d := bash(s, text); d.Verdict != Allow {
			t.Errorf("%q: %s (%s)", text, d.Verdict, d.Reason)
		}
	}
}

func TestBadRules(t *testing.T) {
	for text, problem := range map[string]string{
		"Bash(":             "does not end with )",
		"Bash()":            "nothing in its parentheses",
		"Bash(:*)":          "names no command",
		"Bsh(ls)":           "there is no tool",
		"Bash(a && b)":      "a rule is about one command",
		`Bash("a)`:          "quote that is not closed",
		"Bash(FOO=1 rm *)":  "starts with an assignment",
		"WebFetch(x.org)":   "is not domain:HOST",
		"WebFetch(domain:)": "is not the name of a host",
		"Read(!x)":          "takes a rule back",
		"Read([a)":          "is not a valid pattern",
		"Read(~bob/x)":      "other users' homes",
		"Read(../x)":        "climbs",
		"mcp__a__b(x)":      "takes no parentheses",
		"TodoWrite(x)":      "takes no parentheses",
		"mcp__*":            "allows every server",
	} {
		_, err := parseRule(Allow, text, "/b", "/h")
		if err == nil || !strings.Contains(err.Error(), problem) {
			t.Errorf("%s: %v; want %q", text, err, problem)
		}
	}
}

func TestExamples(t *testing.T) {
	try := func(list Verdict, r policy.Rule) error {
		p := &policy.Policy{Home: "/home/ann", Workspace: "/home/ann/app"}
		v := []policy.Value[policy.Rule]{{V: r, From: policy.Source{File: "x.toml", Line: 3, Column: 5}}}
		switch list {
		case Deny:
			p.Permissions.Deny = v
		case Allow:
			p.Permissions.Allow = v
		}
		_, err := New(p)
		return err
	}
	for _, r := range []policy.Rule{
		{Text: "Bash(rm *)", Match: []string{"rm x", "ls; env rm"}, NotMatch: []string{"rmdir x"}},
		{Text: "Read(.env)", Match: []string{"a/.env"}, NotMatch: []string{"env"}},
		{Text: "WebFetch(domain:a.b)", Match: []string{"https://a.b/c"}, NotMatch: []string{"https://b"}},
		{Text: "mcp__a", Match: []string{"mcp__a__b"}, NotMatch: []string{"mcp__b__a"}},
	} {
		if err := try(Deny, r); err != nil {
			t.Error(err)
		}
	}
	if err := try(Allow, policy.Rule{Text: "Bash(sed *)", Match: []string{"sed s/a/b/"}, NotMatch: []string{"sed -i x", "ls", "sed p; ls"}}); err != nil {
		t.Error(err)
	}
	err := try(Deny, policy.Rule{Text: "Bash(rm -r *)", Match: []string{"rm x"}})
	if err == nil || !strings.Contains(err.Error(), "x.toml:3:5: permissions.deny: the rule Bash(rm -r *) does not match its example \"rm x\"") {
		t.Error(err)
	}
	if err := try(Deny, policy.Rule{Text: "Bash(rm *)", NotMatch: []string{"nice rm x"}}); err == nil {
		t.Error("a counterexample that matches is accepted")
	}
}

func TestBuiltin(t *testing.T) {
	list := Builtin()
	if len(list) < 200 {
		t.Fatalf("%d built-in rules", len(list))
	}
	for _, r := range list {
		if _, err := parseRule(r.List, r.Rule, "", ""); err != nil && !strings.Contains(r.Rule, "(: ") {
			t.Errorf("%s: %v", r.Rule, err)
		}
	}
}

// TestAllowMore holds what runs or writes more than a rule with a star names, in ways
// that programs take beside the common ones.
func TestAllowMore(t *testing.T) {
	want(t, rules(t, strings.Join([]string{
		"allow Bash(npm run *)", "allow Bash(pnpm run *)", "allow Bash(yarn run *)", "allow Bash(curl *)", "allow Bash(python3 *)", "allow Bash(node *)", "allow Bash(ruby *)", "allow Bash(php *)", "allow Bash(perl *)",
		"allow Bash(sqlite3 *)", "allow Bash(gcc *)", "allow Bash(tar *)", "allow Bash(kubectl *)", "allow Bash(helm *)", "allow Bash(docker *)", "allow Bash(wget *)", "allow Bash(awk *)",
	}, "\n")), `
ask npm run build -prefix=evil
ask npm run build -prefix evil
ask npm run build -C evil
ask npm run build -node-options=--require=./evil.js
ask pnpm run build --dir evil
ask yarn run --cwd evil build
allow npm run build -w web
allow npm run build -- -prefix=x
ask curl --expand-output '{{x}}' --variable x=f http://h
ask curl --expand-config x http://h
allow curl -sSL http://h
ask python3 --check-hash-based-pycs always -c 'code'
ask python3 -
ask echo code | python3
ask python3 <<'E'\nprint(1)\nE
allow python3 --version
allow python3 -u x.py -c
ask node --title x -e 'code'
ask node --input-type module -e 'code'
ask node --conditions x -e 'code'
ask node --test-reporter=./x.js --test
ask echo code | node
allow node --test
allow node --version
allow node x.js -e
ask ruby -C . -e 'code'
ask ruby -E utf-8 -e 'code'
ask php -t . -r 'code'
ask perl < f
ask sqlite3 :memory: '.load ./evil'
ask sqlite3 x.db '.output /tmp/f'
allow sqlite3 ./x.db '.tables'
allow sqlite3 ./x.db 'select 1'
ask gcc --prefix=./evil a.c
allow gcc -c a.c
ask tar xf a --one-top-level=/x
ask kubectl get pods --kubeconfig=./evil
allow kubectl get pods
ask helm template x --post-renderer ./evil
ask docker --config ./evil ps
ask wget --hsts-file=f http://h
ask awk -f -
`)
}

// TestSetsInArithmetic holds what a text sets where the shell evaluates arithmetic, and
// by other ways round an assignment.
func TestSetsInArithmetic(t *testing.T) {
	want(t, rules(t, ""), `
ask let 'PATH=1'; ls
ask a='PATH=1'; echo $((a)); ls
ask a='PATH=1'; [[ $a -eq 1 ]]; ls
ask [[ PATH=1 -eq 1 ]]; ls
ask [[ 'PATH=1' -eq 1 ]]; ls
ask echo $(("PATH=1")); ls
ask echo $((PATH++)); ls
ask echo $((--IFS)); ls
ask echo ${x:"PATH=1"}; ls
ask printf '%n' PATH; ls
ask printf '%s%-5n' a PATH; ls
ask builtin printf %n PATH; ls
ask wait -np PATH; ls
ask read -aIFS < f
ask OPTIND='a[$(x)]'
ask RANDOM=$x
ask read OPTIND < f
ask for OPTIND in $x; do ls; done
ask export OPTIND=$x
ask : ${OPTIND:=$x}
allow OPTIND=1
allow SECONDS=0
allow i=0; ((i++)); echo $((i+1))
allow [[ $i -eq 1 && x -lt 2 ]]
allow printf '%s\n' "$x"
allow printf '%d%%\n' "$x"
allow read -r -n 1 x < f
allow trap - INT
ask set -o history
ask set -o histexpand
ask set -euH
ask shopt -so keyword
ask bash -H -c ls
ask bash -o history -c ls
ask bash -O expand_aliases -c ls
allow bash -o pipefail -c ls
allow bash --version
ask bash --version -c x
allow bash <<'E'\nls\ncat f | grep x\nwhile read -r x; do echo $x; done < f\nE
ask bash <<'E'\nread x\nls\nE
ask bash <<'E'\nread -n 5 x\necho rm x\nE
ask bash <<'E'\nhead -c 5\necho rm x\nE
ask bash <<'E'\nhead -c 5 -\necho rm x\nE
ask bash <<'E'\nif true; then grep -m 1 x; fi\necho rm x\nE
ask bash <<'E'\nsh -c 'head -c 5'\necho rm x\nE
ask bash <<'E'\nselect x in a; do break; done\nE
ask bash <<'E'\nexec < f\nE
ask bash <<'E'\nexec <&3\nE
allow bash <<'E'\nexec 2> /dev/null\nls\nE
allow bash <<'E'\ncat <<F\nx\nF\nls\nE
ask bash <<'E'\nread x <&0\nls\nE
ask bash <<'E'\nread x < /dev/stdin\nls\nE
ask bash <<'E'\nhead -c 5 < /proc/self/fd/0\nls\nE
allow bash <<'E'\nhead -c 5 < /dev/null\nls\nE
ask OPTIND=($x)
allow head -c 5
allow exec < f
`)
}

// TestEveryday holds commands that agents use all the time, and that only read.
func TestEveryday(t *testing.T) {
	want(t, rules(t, ""), `
ask env rm x
ask env -S 'rm x'
allow git config user.name
ask git config user.name x
ask git config --unset user.name
allow ss -tlnp
ask ss -K
allow lsof -i :3000
ask lsof -Db
allow netstat -an | grep LISTEN
allow gofmt -l .
ask gofmt -w .
ask gofmt -l -w=true .
`)
	want(t, rules(t, "approval on-request\ndeny Bash(rm *)"), `
allow docker exec -it web ls
deny docker exec -it web rm x
deny docker exec rm x
deny kubectl exec -it p -- rm x
ask docker exec -it web bash
`)
}
