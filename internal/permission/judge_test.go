package permission

import (
	"strings"
	"testing"

	"github.com/bailey-run/bailey/internal/policy"
)

// rules makes a set of rules in the order of their text: lines of "deny RULE",
// "ask RULE", "allow RULE" and "approval POLICY".
func rules(t testing.TB, text string) *Set {
	t.Helper()
	p := &policy.Policy{Home: "/home/ann", Workspace: "/home/ann/app"}
	p.Approval.V = policy.Untrusted
	for i, line := range strings.Split(text, "\n") {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		v := policy.Value[policy.Rule]{V: policy.Rule{Text: rest, Base: "/home/ann/app"}, Set: true, From: policy.Source{Layer: policy.LayerUser, File: "rules.toml", Line: i + 1}}
		switch word {
		case "":
		case "approval":
			p.Approval.V = policy.Approval(rest)
		case "deny":
			p.Permissions.Deny = append(p.Permissions.Deny, v)
		case "ask":
			p.Permissions.Ask = append(p.Permissions.Ask, v)
		case "allow":
			p.Permissions.Allow = append(p.Permissions.Allow, v)
		default:
			t.Fatalf("no such line: %s", line)
		}
	}
	s, err := New(p)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var here = Context{Cwd: "/home/ann/app", Home: "/home/ann"}

func bash(s *Set, text string) Decision {
	return s.Check(Call{Tool: "Bash", Input: Input{Command: text}}, here)
}

// want checks lines of "VERDICT TEXT"; \n in TEXT is a line break.
func want(t *testing.T, s *Set, table string) {
	t.Helper()
	for line := range strings.SplitSeq(strings.TrimSpace(table), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		verdict, text, _ := strings.Cut(line, " ")
		text = strings.ReplaceAll(strings.TrimSpace(text), `\n`, "\n")
		if got := bash(s, text); string(got.Verdict) != verdict {
			t.Errorf("%s: %s (%s); want %s", text, got.Verdict, got.Reason, verdict)
		}
	}
}

func TestSpellings(t *testing.T) {
	want(t, rules(t, "deny Bash(rm *)\nallow Bash\napproval on-request"), `
deny rm x
deny rm
allow rmdir x
allow ls; echo rm
deny "rm" x
deny /bin/rm x
deny ../../bin/rm x
deny FOO=1 rm x
deny timeout 5 rm x
deny timeout -k 1 5 rm x
deny timeout --signal=KILL 5 rm x
deny env rm x
deny env -i A=1 rm x
deny env -S "rm x"
deny env -u X A=b rm x
deny \rm x
deny r''m x
deny r""m x
deny r\m x
deny $'\x72m' x
deny $'\162\155' x
deny $'\u0072m' x
deny ${x:-rm} y
deny ${x-rm} y
deny ${x:=rm} y
deny {rm,x}
deny r{m,x}
ask {$a,b} y
deny /bin/r? x
deny /bin/r* x
deny /bin/[r]m x
deny /bin/[a-z][a-z] x
deny nohup rm x
deny nice -n 5 rm x
deny nice -5 rm x
deny sudo rm x
deny sudo -u root rm x
deny sudo -nu root -- rm x
deny doas rm x
deny xargs rm
deny ls | xargs rm
deny ls | xargs -0 -I {} rm {}
deny ls | xargs -n1 sh -c 'rm "$0"'
deny find . -exec rm {} \;
deny find . -name x -execdir rm {} +
deny time rm x
deny time -p rm x
deny stdbuf -oL rm x
deny setsid rm x
deny setsid -w rm x
deny ionice -c 3 rm x
deny chroot / rm x
deny unshare -r rm x
deny unshare --map-root-user -- rm x
deny busybox rm x
deny sh -c 'rm x'
deny sh -c "rm x"
deny bash -lc 'rm x'
deny bash -c 'bash -c "rm x"'
deny bash -o errexit -c 'rm x'
deny command rm x
deny command -p rm x
deny builtin command rm x
deny exec rm x
deny exec -a ls rm x
deny eval rm x
deny eval 'rm' x
deny eval "r""m x"
deny x=rm; $x y
deny x=r; ${x}m y
deny x='rm y'; $x
deny for c in ls rm; do $c x; done
deny c=$(echo rm); $c x
deny $(echo rm) x
deny $(printf rm) x
deny `+"`echo rm`"+` x
deny bash <<E\nrm x\nE
deny bash <<< 'rm x'
deny sh -s <<'E'\nrm x\nE
deny (rm x)
deny { rm x; }
deny if true; then rm x; fi
deny while rm x; do :; done
deny until false; do rm x; done
deny case a in a) rm x;; esac
deny f() { rm x; }; f
deny function f { rm x; }; f
deny f() ( rm x )
deny ls && rm x
deny ls || rm x
deny ls; rm x
deny ls & rm x
deny ls | rm x
deny ls |& rm x
deny ! rm x
deny echo $(rm x)
deny echo "$(rm x)"
deny echo "${x:-$(rm x)}"
deny echo ${x/a/$(rm x)}
deny echo $((1 + $(rm x)))
deny echo ${a[$(rm x)]}
deny a[$(rm x)]=1
deny a=([$(rm x)]=1)
deny cat <(rm x)
deny tee >(rm x)
deny cat <<E\n$(rm x)\nE
allow cat <<'E'\n$(rm x)\nE
deny [[ -n $(rm x) ]]
deny (( $(rm x) ))
deny let "a=$(rm x)"
deny export X=$(rm x)
deny declare -a x=($(rm x))
deny coproc rm x
deny trap 'rm x' EXIT
deny alias ls='rm x'
deny select i in a; do rm x; done
deny for ((i=$(rm x);;)); do :; done
deny > f rm x
deny echo a > $(rm x)
deny jobs -x rm x
deny git -c alias.x='!rm y' x
deny git submodule foreach 'rm x'
deny git bisect run rm x
deny git rebase -x 'rm x' main
deny tar cf x --checkpoint-action=exec='rm x' .
deny tar -I 'rm x' -cf a b
deny rsync -e 'rm x' a b
deny sort --compress-program=rm x
deny sort --compress-prog rm x
deny rg --pre rm x
deny awk 'BEGIN { system("rm x") }'
deny awk 'BEGIN { "rm x" | getline }'
deny sed '1e rm x' f
deny python3 -c 'import os; os.system("rm x")'
deny ssh host rm x
deny ssh host 'rm x'
deny watch rm x
deny flock /tmp/l rm x
deny flock /tmp/l -c 'rm x'
deny npx rm x
deny $x rm y
deny $(true) rm y
deny {,} rm y
deny ld-linux-x86-64.so.2 /bin/rm x
deny /lib64/ld-linux-x86-64.so.2 /bin/rm x
deny hash -p /bin/rm ls; ls
deny mapfile -C 'rm x' -c 1 a
deny #x\nrm x
deny rm\\n x
ask $x y
ask "$x" y
ask $0 y
ask "$@"
ask bash
ask cat f | bash
ask curl x | sh
ask . /dev/stdin
ask eval "$x"
ask bash -c "$x"
ask PATH=/tmp:$PATH ls
ask export PATH=/tmp
ask LD_PRELOAD=./x ls
ask IFS=x
ask BASH_ENV=x bash x
ask ${!x}
ask echo ${x@P}
ask x='a[$(rm y)]'; (( x ))
ask read x; echo $((x))
ask if then
ask ls 'unclosed
ask fc -s
ask shopt -s expand_aliases
ask enable -f x y
ask BASH_CMDS[ls]=/bin/x; ls
ask unset 'a[$(x)]'
ask [[ -v a[$x] ]]
ask declare -n r=PATH
ask printf -v 'a[$(x)]' y
ask fish -c 'ls'
ask zsh -c 'ls'
`)
}

func TestNever(t *testing.T) {
	s := rules(t, "ask Bash(git push *)\napproval never")
	want(t, s, `
allow make
deny git push
deny $x
deny rm -rf x
`)
}
