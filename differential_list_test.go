//go:build linux

package bailey_test

import (
	"strings"
	"testing"

	"github.com/bailey-run/bailey"
)

// tricks are texts that somebody could hope are read as something else than bash
// reads. Each runs rm or tool push, or is there to see that it does not.
const tricks = `
set -o history -o histexpand\ntrue x\n^true^rm
set -o history -o histexpand\nhistory -s rm x\n!!
bash -o history -o histexpand -c 'history -s rm x\n!!'
OPTIND='a[$(rm x)]'
RANDOM='a[$(rm x)]'
HISTCMD='a[$(rm x)]'
export OPTIND='a[$(rm x)]'
read OPTIND <<< 'a[$(rm x)]'
for OPTIND in 'a[$(rm x)]'; do :; done
printf -v OPTIND %s 'a[$(rm x)]'
x='a[$(rm x)]'; OPTIND=$x
x='a[$(rm x)]'; [[ x+1 -eq 1 ]]
x='a[$(rm x)]'; [[ "x+1" -eq 1 ]]
x='a[$(rm x)]'; [[ 'x' -eq 1 ]]
x='a[$(rm x)]'; (( "x+1" ))
: & wait -np 'a[$(rm x)]'
bash <<'E'\nread x\n: '\nrm x\n: '\nE
bash <<'E'\nread -n 5 x\necho rm x\nE
bash <<'E'\nhead -c 5\necho rm x\nE
bash <<'E'\nexec < <(echo rm x)\nE
bash -s <<'E'\nselect x in a; do break; done\n: '\nrm x\n: '\nE
shopt -so keyword; ls PATH=.; rm x
awk -f - <<< 'BEGIN{system("rm x")}'
a=(rm x); "${a[@]}"
a=(rm x); ${a[0]} y
a=(rm x); ${a} y
declare -A a=([k]=rm); ${a[k]} y
printf -v c rm; $c x
read c <<< rm; $c x
read -r c d <<< 'rm x'; $c $d
mapfile -t a <<< rm; ${a[0]} x
IFS=,; c=rm,x; $c
IFS=m; c=rmm; echo $c; rm x
set -- rm x; "$@"
set -- rm x; $*
set -- rm x; "$1" "$2"
f() { "$@"; }; f rm x
f() { $1 x; }; f rm
f() { local c=$1; $c x; }; f rm
f() { eval "$*"; }; f rm x
ls() { rm x; }; ls
cd() { rm x; }; cd
command_not_found_handle() { rm x; }; nosuchthing
trap 'rm x' DEBUG; ls
trap 'rm x' ERR; false
trap 'rm x' RETURN; f() { :; }; f
trap -- 'rm x' EXIT
trap "rm x" 0
PROMPT_COMMAND='rm x' bash -ic :
PS1='$(rm x)' bash --norc -i <<< :
env BASH_ENV=<(echo rm x) bash -c :
BASH_ENV=/dev/stdin bash -c : <<< 'rm x'
ENV=/dev/stdin sh -i <<< 'rm x'
exec bash -c 'rm x'
exec -c bash -c 'PATH=/nope; rm x'; rm x
exec -l bash -c 'rm x'
bash -s <<< 'rm x'
bash /dev/stdin <<< 'rm x'
bash <(echo rm x)
source <(echo rm x)
. <(echo rm x)
. /dev/stdin <<< 'rm x'
echo 'rm x' | bash
echo 'rm x' | sh -s
echo 'rm x' > s; bash s
echo 'rm x' > s; . ./s
echo 'rm x' > s; chmod +x s; ./s
cat <<E | bash\nrm x\nE
bash <<E\nr$(echo m) x\nE
bash << 'E'\nrm x\nE
bash <<-E\n\trm x\n\tE
bash <<"E"\nr\\m x\nE
bash <<E\nr\\m x\nE
bash <<< "rm x"
bash <<< $'rm x'
bash <<< r''m\ x
bash <<< 'r'm' x'
xargs <<< 'rm x'
xargs -I{} bash -c {} <<< 'rm x'
xargs bash -c <<< "'rm x'"
xargs -a f rm
xargs -n 1 -P 2 rm <<< x
xargs env <<< 'rm x'
xargs -I % sh -c '% x' <<< rm
xargs --replace=R R x <<< rm
echo rm x | xargs -I{} {}
find . -name f -exec sh -c 'rm $1' _ {} \;
find . -name f -exec rm {} ';'
find . -name f -ok rm {} \; <<< y
find . -name f '-exec' rm '{}' '+'
x=-exec; find . -name f $x rm {} +
find . -name f -{exec,} rm {} \;
env -S'rm x'
env -S 'A=1 rm x'
env -vS 'rm x'
env --split-string='rm x'
env - PATH="$PATH" rm x
env -u A -- rm x
env -i PATH=$PATH bash -c 'rm x'
env A=1 B=2 env C=3 rm x
timeout -s9 1 rm x
timeout --preserve-status --kill-after=1 1 rm x
timeout 1 env nice rm x
nice -n1 rm x
nice --adjustment=1 rm x
nice -1 rm x
nohup -- rm x
stdbuf -o0 -e0 rm x
stdbuf --output=L rm x
setsid -fw rm x
setsid --wait rm x
ionice -c3 rm x
ionice -c 3 -n 0 rm x
flock f rm x
flock -n f -c 'rm x'
flock -x -w 1 f rm x
time -f %e rm x
\time rm x
time time rm x
! ! rm x
coproc rm x; wait
coproc N { rm x; }; wait
coproc N rm x; wait
select c in rm; do $c x; break; done <<< 1
for c in rm; do $c x; done
for c in {rm,ls}; do $c x; done
for c in r{m,n}; do $c x; done
for c in "rm x"; do $c; done
for c; do $c x; done
while read c; do $c x; done <<< rm
c=r; c+=m; $c x
c=r; d=m; $c$d x
c=xrmx; ${c:1:2} y
c=RM; ${c,,} y
c=mr; ${c:1}${c:0:1} y
c=rmx; ${c%x} y
c=xrm; ${c#x} y
c=rn; ${c/n/m} y
c=d; d=rm; ${!c} y
declare -n n=c; c=rm; $n y
c='rm x'; eval $c
c='rm x'; eval "$c"
c='rm x'; bash -c "$c"
c='r'"m"; $c x
${nope:-rm} x
${nope-rm x}
${nope:=rm} x
${PATH:+rm} x
"${nope:-rm}" x
${nope:-r}m x
$(echo rm) x
$(echo rm x)
$(printf '%s' rm) x
$(printf '\x72m') x
$(echo mr | rev) x
$(cat <<< rm) x
$(<f)rm x
"$(echo rm)" x
eval $(echo rm x)
eval "$(echo rm x)"
eval "$(base64 -d <<< cm0geAo=)"
bash -c "$(echo cm0geAo= | base64 -d)"
$'rm' x
$'\162\155' x
$'\x72\x6d' x
$'\u0072\u006d' x
$'\U00000072m' x
$'r\x6d\0junk' x
$'rm\cax' y; rm x
$"rm" x
r$''m x
r$""m x
"r"'m' x
r\\nm x
r\m x
\r\m x
r$nope'm' x
r"$nope"m x
r${nope}m x
r$@m x
r$*m x
"r$@m" x
r` + "``" + `m x
r$()m x
{rm,x}
{rm,-rf,x}
{r,}m x
r{m,} x
{,rm} x
{rm,x} y
r{m..m} x
{r..r}m x
{rm,x}; ls
{ rm x; }
{ rm x
}
(rm x)
((1)); rm x
(( $(rm x) ))
((a[$(rm x)]))
let 'a[$(rm x)]=1'
let a=$(rm x)
echo $((a[$(rm x)]))
echo $[ $(rm x) ]
x='a[$(rm y)]'; echo $((x))
x='a[$(rm y)]'; ((x))
x='a[$(rm y)]'; let x
x='a[$(rm y)]'; [[ x -eq 1 ]]
x='a[$(rm y)]'; [[ $x -eq 1 ]]
x='a[$(rm y)]'; y=${z[x]}
x='a[$(rm y)]'; echo ${z:x}
x='a[$(rm y)]'; z[x]=1
x='a[$(rm y)]'; declare -i n=x
x='a[$(rm y)]'; declare -i n; n=x
x='a[$(rm y)]'; test -v "$x"
x='a[$(rm y)]'; [ -v "$x" ]
x='a[$(rm y)]'; [[ -v $x ]]
x='a[$(rm y)]'; unset "$x"
x='a[$(rm y)]'; read "$x" <<< 1
x='a[$(rm y)]'; printf -v "$x" 1
x='a[$(rm y)]'; export "$x=1"
x='a[$(rm y)]'; declare "$x=1"
x='a[$(rm y)]'; echo "${!x}"
x='a[$(rm y)]'; for ((i=x;i<1;i++)); do :; done
x='a[$(rm y)]'; echo {1..$x}
read x <<< 'a[$(rm y)]'; echo $((x))
x=$(echo 'a[$(rm y)]'); echo $((x))
w=x; x='a[$(rm y)]'; echo $((w))
x='$(rm y)'; echo "${x@P}"
x='$(rm y)'; eval echo $x
x='$(rm y)'; PS4=$x; set -x; ls
[[ $(rm x) ]]
[[ -f $(rm x) ]]
[[ a =~ $(rm x) ]]
[[ a == b || $(rm x) ]]
[[ a -nt $(rm x) ]]
case x in $(rm x)) ;; esac
case $(rm x) in *) ;; esac
case x in x) rm x ;& y) ls ;; esac
if rm x; then :; fi
if :; then :; elif :; then :; else :; fi; rm x
if false; then :; elif rm x; then :; fi
if false; then :; else rm x; fi
until rm x; do break; done
while :; do rm x; break; done
for ((rm=0; rm<1; rm++)); do rm x; done
function rm2 { rm x; }; rm2
function f() { rm x; }; f
f() if :; then rm x; fi; f
f() for i in 1; do rm x; done; f
f() { :; } > $(rm x); f
ls > $(rm x)
ls 2> "$(rm x)"
ls <<< $(rm x)
ls <<< "$(rm x)"
cat <<E\n$(rm x)\nE
cat <<E\n${nope:-$(rm x)}\nE
cat <<E\n` + "`rm x`" + `\nE
cat <<E\n$((a[$(rm x)]))\nE
cat <<'E'\n$(rm x)\nE
cat <<E <<F\na\nE\n$(rm x)\nF
cat < <(rm x)
cat <(rm x)
tee >(rm x) <<< a
exec 3< <(rm x)
exec {fd}< <(rm x)
ls & rm x
ls | rm x
ls |& rm x
ls && rm x || :
ls;rm x
ls\nrm x
ls #comment\nrm x
# comment\nrm x
: #\\nrm x
ls \\nrm x
ls &&\nrm x
ls |\nrm x
echo "a\n"; rm x
echo 'a\n'; rm x
echo "\\"; rm x
echo '\'; rm x
echo "` + "`rm x`" + `"
echo "` + "`echo \\`rm x\\``" + `"
echo "${nope:-"$(rm x)"}"
echo "${nope:-'$(rm x)'}"
echo ${nope:-'$(rm x)'}
echo '$(rm x)'
echo \$(rm x)
echo "\$(rm x)"
echo "\\$(rm x)"
echo $(( 1 + $(rm x; echo 1) ))
echo ~$(rm x)
a=$(rm x)
a+=$(rm x)
a[0]=$(rm x)
a=([0]=$(rm x))
a=(b $(rm x))
export a=$(rm x)
local a=$(rm x)
readonly a=$(rm x)
declare -x a=$(rm x)
typeset a=$(rm x)
A=$(rm x) ls
A=1 rm x
A= rm x
A+=1 rm x
A[0]=1 rm x
A=1 B=2 rm x
>f rm x
<f rm x
2>&1 rm x
>f 2>&1 rm x
rm>g x
rm<f x
rm 2>/dev/null x
rm&
rm;
(rm)
rm\t x
rm	x
command -- rm x
command -p rm x; rm x
builtin eval rm x
builtin command rm x
builtin exec rm x
builtin source <(echo rm x)
command eval rm x
command exec rm x
eval eval rm x
eval -- rm x
eval "r""m x"
eval r\m x
eval 'eval "eval rm x"'
bash -c 'bash -c "bash -c \"rm x\""'
bash -c 'bash -c "bash -c \"bash -c \\\"rm x\\\"\""'
bash -c 'eval rm x'
bash -c '$0 x' rm
bash -c '"$@"' _ rm x
bash -c '$1 x' _ rm
bash -c 'shift; "$@"' _ a rm x
bash -c -- 'rm x'
bash -c +e 'rm x'
bash +c 'rm x' ; rm x
bash -ec 'rm x'
bash -ce 'rm x'
bash -o pipefail -c 'rm x'
bash -O extglob -c 'rm x'
bash --norc -c 'rm x'
bash --noprofile --norc -c 'rm x'
bash --rcfile <(echo rm x) -i -c :
bash --init-file <(echo rm x) -ic :
bash -xc 'rm x'
dash -c 'rm x'
dash -c 'r\m x'
sh -c 'rm x'
sh -c "rm x"
sh -c rm\ x
sh -c $'rm x'
sh -c 'ls; rm x'
sh -c 'ls
rm x'
dash -c '[[ a && rm x ]]'
dash -c 'ls <(rm x)'; rm x
dash -c '{ls,rm} x'; rm x
dash -c 'a &> g; rm x'
dash -c 'rm &> g'
dash -c 'function f { rm x; }; rm x'
dash -c "echo \$'\\x'; rm x"
alias z=rm\nz x
shopt -s expand_aliases\nalias z=rm\nz x
shopt -s expand_aliases\nalias ls='rm x;'\nls
set -o posix; alias z=rm\nz x
BASH_ALIASES[z]=rm; shopt -s expand_aliases\nz x
BASH_CMDS[ls]=$(type -P rm); ls x
hash -p "$(type -P rm)" ls; ls x
enable -n echo; echo a; rm x
complete -C 'rm x' z; compgen -C 'rm x'
compgen -W '$(rm x)'
compgen -F f; f() { rm x; }; compgen -F f
bind -x '"a":rm x'
history -s rm x; fc -s
mapfile -C 'rm x #' -c 1 a < f
echo a | mapfile -C 'rm x' -c 1
readarray -c 1 -C 'rm' a <<< a
jobs -x rm x
tool push x
tool -v push
tool --opt=1 push
tool --opt 1 push
tool 'push'
tool pu''sh
tool $'push'
tool "push" x
tool {push,x}
tool pus{h,}
tool -a -b push
t=push; tool $t
tool $(echo push)
tool ${nope:-push}
tool $nope push
tool "$@" push
tool pus[h]
touch push; tool pus?
touch push; tool p*
set -- push; tool $1
a=(push); tool "${a[@]}"
tool -x $nope push
xargs tool <<< push
xargs -I{} tool {} <<< push
find . -name f -exec tool push {} \;
touch rm; ./rm; rm x
touch rm; r? x
r? x
r* x
[r]m x
[r][m] x
?m x
*m x
$PATH/rm x
$(type -P rm) x
"$(command -v rm)" x
` + "`which rm`" + ` x
"${PATH}/rm" x
` + "`echo rm` x" + `
awk 'BEGIN{system("rm x")}'
awk 'BEGIN{"rm x"|getline}'
awk 'BEGIN{print "x" | "rm x"}'
awk 'BEGIN{c="rm x"; system(c)}'
awk 'BEGIN{c="r" "m x"; system(c)}'
awk -f <(echo 'BEGIN{system("rm x")}')
awk -v c='rm x' 'BEGIN{system(c)}'
sed '1e rm x' f
sed 's/.*/rm x/e' <<< a
sed -n '1{e rm x' -e '}' f
sed -e '1e rm x' <<< a
sed -f <(echo '1e rm x') <<< a
sed 1e\ rm\ x <<< a
sed $'1e rm x' <<< a
sort --compress-program=rm f
tar cf g.tar f --checkpoint=1 --checkpoint-action=exec='rm x'
tar cf g.tar f --checkpoint=1 --checkpoint-action exec='rm x'
tar cf g.tar f --use-compress-program='rm x'
tar -I'rm x' -cf g.tar f
tar cf g.tar f; tar xf g.tar --to-command='rm x'
git -c alias.z='!rm x' z
git -c alias.z='!rm' z x
git -c core.pager='rm x' -p help
GIT_PAGER='rm x' git -p version
git --exec-path=. version; rm x
git config --global alias.z '!rm x'; git z
git init -q r; cd r; git submodule foreach 'rm x'; rm x
GIT_SSH_COMMAND='rm x' git ls-remote ssh://h/x
git clone 'ext::rm x' q
git grep --open-files-in-pager='rm' x; rm x
split --filter='rm x' f
python3 -c 'import os; os.system("rm x")'
python3 -c 'import subprocess as s; s.run(["rm","x"])'
python3 <<< 'import os; os.system("rm x")'
perl -e 'system "rm x"'
perl -e '` + "`rm x`" + `'
perl -e 'exec "rm", "x"'
perl -we 'open(F, "rm x|")'
make -f - <<< $'a:\n\trm x'
make --eval=$'a:\n\trm x' a
make SHELL=rm x
watch -n 9 rm x
script -c 'rm x' /dev/null
script -qc 'rm x' /dev/null
script /dev/null -c 'rm x'
`

// TestTricks gives the list to bash and to the rules.
func TestTricks(t *testing.T) {
	rec := newRecorder(t)
	p := denyPolicy(t)
	var texts []string
	unescape := strings.NewReplacer(`\n`, "\n", `\t`, "\t")
	for line := range strings.SplitSeq(strings.TrimSpace(tricks), "\n") {
		texts = append(texts, unescape.Replace(line))
	}
	rec.more(t, strings.Fields(programsOfTricks))
	unescape = strings.NewReplacer(`\\`, `\`, `\n`, "\n", `\t`, "\t")
	for line := range strings.SplitSeq(strings.TrimSpace(programTricks), "\n") {
		texts = append(texts, unescape.Replace(line))
	}
	ran := 0
	for i, log := range rec.run(t, texts) {
		line := forbidden(log)
		if line == "" {
			continue
		}
		ran++
		if d := p.CheckShell(texts[i], "bash"); d.Verdict == bailey.Allow {
			t.Errorf("allowed, and bash ran %q:\n%s\n%+v", line, texts[i], d.Parts)
		}
	}
	if ran < len(texts)/2 {
		t.Errorf("bash ran what a rule names in %d of %d texts only", ran, len(texts))
	}
	t.Logf("%d of %d texts ran what a rule names", ran, len(texts))
}
