//go:build linux

package bailey_test

// programTricks are more texts of which each runs rm or tool push: by options of
// programs that the tables did not know, by what programs read from a here-document,
// and by values that the shell evaluates once more. In them \\ is one backslash.
const programTricks = `
env a.b=1 rm x
env 1=2 rm x
env a-b=1 c=2 rm x
env -u X a.b=1 rm x
env 'BASH_FUNC_ls%%=() { rm x; }' bash -c ls
sed -e'1e rm x' <<< a
sed -ne'1e rm x' <<< a
sed 'sXaXrm xXe' <<< a
sed '\,a,e rm x' <<< a
sed 'p;1e rm x' <<< a
sed 'p\n1e rm x' <<< a
sed 'x;G;1e rm x' <<< a
tar cIf 'rm x' g.tar f
tar cfI g.tar 'rm x' f
tar -cI'rm x' -f g.tar f
tar -cvI'rm x' -f g.tar f
ed <<< '!rm x'
ed -s f <<< '!rm x'
ed f <<E\n!rm x\nq\nE
ex -s f <<< '!rm x'
vim -es +'!rm x' +q! f
vim -es -c 'call system("rm x")' -cq f
gdb -batch -ex 'shell rm x'
gdb -batch -ex '!rm x'
gdb -batch -eval-command='shell rm x'
gdb --batch --ex 'pipe p 1 | rm x'
ssh -oProxyCommand='rm x' h
ssh -o 'ProxyCommand rm x' h
ssh -o proxycommand='rm x' h
ssh -o 'proxycommand=rm x' h
scp -o 'ProxyCommand rm x' h:f g
make 'X:=$(shell rm x)' -f /dev/null
make 'X!=rm x' -f /dev/null
make 'X != rm x' -f /dev/null
make -f /dev/null -E '$(shell rm x)'
make -f /dev/null 'X:=$(shell\trm x)'
script -q /dev/null <<< 'rm x'
mapfile -tC 'rm x #' -c1 a < <(echo)
readarray -tC rm -c1 a <<< a
hash -r -p "$(type -P rm)" ls; ls x
set -k; bash -c : BASH_ENV=<(echo rm x)
set -o keyword; bash -c : BASH_ENV=<(echo rm x)
time -p -- rm x
f() { echo $(($1)); }; f 'h[$(rm x)]'
f() { (( $1 )); }; f 'h[$(rm x)]'
f() { [[ $1 -eq 0 ]]; }; f 'h[$(rm x)]'
f() { [[ "$1" -eq 0 ]]; }; f 'h[$(rm x)]'
f() { echo ${a[$1]}; }; f 'h[$(rm x)]'
f() { a[$1]=1; }; f 'h[$(rm x)]'
f() { for ((i=$1;i<1;i++)); do :; done; }; f 'h[$(rm x)]'
set -- 'h[$(rm x)]'; echo $(($1))
set -- 'h[$(rm x)]'; echo $(($@))
set -- 'h[$(rm x)]'; echo $(($*))
set -- 'h[$(rm x)]'; echo $((${1}))
: 'h[$(rm x)]'; echo $(($_))
: 'h[$(rm x)]'; echo $((_))
: 'h[$(rm x)]'; (( $_ ))
: 'h[$(rm x)]'; [[ $_ -eq 0 ]]
read <<< 'h[$(rm x)]'; echo $((REPLY))
read <<< 'h[$(rm x)]'; echo $(($REPLY))
read -r <<< 'h[$(rm x)]'; [[ $REPLY -eq 0 ]]
mapfile <<< 'h[$(rm x)]'; echo $((MAPFILE))
mapfile -t <<< 'h[$(rm x)]'; echo $((MAPFILE[0]))
set -- -a 'h[$(rm x)]'; getopts a: o; echo $((OPTARG))
[[ 'h[$(rm x)]' =~ .* ]]; echo $((BASH_REMATCH))
[[ 'h[$(rm x)]' =~ .* ]]; echo $((BASH_REMATCH[0]))
bash -c 'echo $(($0))' 'h[$(rm x)]'
bash -c 'echo $(($1))' _ 'h[$(rm x)]'
bash -c '((x=$1))' _ 'h[$(rm x)]'
read 'n' <<< 'h[$(rm x)]'; echo $((n))
read "n" <<< 'h[$(rm x)]'; echo $((n))
"read" n <<< 'h[$(rm x)]'; echo $((n))
\\read n <<< 'h[$(rm x)]'; echo $((n))
r''ead n <<< 'h[$(rm x)]'; echo $((n))
printf -vn %s 'h[$(rm x)]'; echo $((n))
printf -v 'n' %s 'h[$(rm x)]'; echo $((n))
"printf" -v n %s 'h[$(rm x)]'; echo $((n))
declare "n=$(echo aFskKHJtIHgpXQ== | base64 -d)"; echo $((n))
f() { local "n=$1"; echo $((n)); }; f 'h[$(rm x)]'
env n='h[$(rm x)]' bash -c 'echo $((n))'
select n in a; do echo $((REPLY)); break; done <<< 'h[$(rm x)]'
perl -E 'say readpipe "rm x"'
perl -d -e 0 <<< '!rm x'
sqlite3 :memory: '.sh rm x'
sqlite3 :memory: '.sys rm x'
dpkg --pre-invoke='rm x' -i f
groff -U <<< '.sy rm x'
echo rm x | sort -o s; bash s
echo rm x | sed -n 'w s'; bash s
sed -n 'w s' <<< 'rm x'; bash s
awk 'BEGIN{print "rm x" > "s"}'; bash s
GREP='rm x' zgrep a f
tar cf g.tar f --use='rm x'
tar cf g.tar --checkpoint=1 --checkp=exec='rm x' f
git -c alias.z='!rm x' z
V='!rm x' git --config-env=alias.z=V z
git init -q r; git ls-remote --upload-pack='rm x' r
git init -q r; cd r; git commit -q --allow-empty -m a; git rebase --exe 'rm x' --root
git init -q r; cd r; git -c core.fsmonitor='rm x' status
git init -q r; cd r; echo a > b; git add b; git difftool --cached -yx 'rm x'
make -f - <<'E'\na: ; rm x\nE
setarch x86_64 rm x
choom -n 0 -- rm x
chrt --other 0 rm x
!(rm x)
$((rm x); (ls))
for i in a; { rm x; }
for ((i=0;i<1;i++)) { rm x; }
{rm,{x,y}}
r{m,\\}x}
{rm,$(echo x}
echo $(# )\nrm x\n)
echo "$(# '\nrm x\n#'\n)"
echo $(cat <<'E'\na\nE)\nrm x\n
cat <<""\na\n\nrm x\n
cat <<'A' <<'B'\nA\nB\nrm x\nB\nrm x
[[ $'h[$(rm x)]' -eq 0 ]]
let h[\\$\\(rm\\ x\\)]=1
set -- 'h[$(rm x)]'; for x in "$@"; do ((x)); done
bash -c 'eval "$1"' _ 'rm x'
find . -maxdepth 0 -exec timeout 1 rm {} +
sqlite3 -cmd '.shell rm x' :memory: .q
zip -q -TT 'rm x' -T g.zip f
split --fil='rm x' -l1 <<< a
sdiff --diff-prog=rm f f
gcc -x c /dev/null -wrapper rm -c
set -H; set -o history\necho rm x\n!:1*
exec 3<<< 'rm x'; . /dev/fd/3
echo rm x | tee s; bash s
x=RM; "${x@L}" y
tool $'push\\0junk'
vim -esc '!rm x|q' f
env -- a.b=1 rm x
tar fcI g.tar 'rm x' f
tar czvfI g.tar 'rm x' f; tar cvfI g.tar 'rm x' f
sed '\\%a%,\\%b%e rm x' <<< a
sed 'v;1e rm x' <<< a
sed 'v 4.2\n1e rm x' <<< a
sed ':a;1e rm x' <<< a
sed 's/[/p/;s,]/rm x/e;#,q,' <<< '/]'
sed 'a\\foo\n1e rm x' <<< a
ssh -vo 'ProxyCommand rm x' h
ssh -4oProxyCommand='rm x' h
ssh -o 'ProxyCommand "rm" x' h
ssh -o$'ProxyCommand\trm x' h
scp -vo 'ProxyCommand rm x' h:f g
ssh-agent rm x
ssh-agent -- rm x
ssh-agent sh -c 'rm x'
/proc/self/exe -c 'rm x'
exec /proc/self/exe -c 'rm x'
/proc/self/../self/exe -c 'rm x'
ex -s +'!rm x' +q f
vim -es f <<< $':!rm x\n:q!'
ed -s f <<< $'r !rm x\nq'
ed -s f <<< $'g/x/!rm x\n!rm x\nq'
ed '!rm x' <<< q
gdb -batch -ex 'python import os; os.system("rm x")'
gdb -batch -ex 'she rm x'
gdb -q <<< $'shell rm x\nq'
gdb -nx -batch -iex 'shell rm x'
sqlite3 :memory: ".once |rm x" 'select 1'
sqlite3 :memory: ".output |rm x" 'select 1'
sqlite3 <<< $'.output |rm x\nselect 1;'
sqlite3 :memory: "select edit('a','rm x')"
groff -U <<< $'.sy rm x'
groff -U -Tascii <<< $'.pso rm x'
make -f /dev/null 'X=$(shell rm x)' '.DEFAULT_GOAL=$(X)'
make -f /dev/null '.DEFAULT_GOAL=$(shell rm x)'
make -f /dev/null '.DEFAULT_GOAL=$(eval $(shell rm x))'
make -f /dev/null X::='$(shell rm x)'
make -f /dev/null X:::='$(shell rm x)'; make -f /dev/null 'X:=${shell rm x}'
make -f /dev/null -E 'a:;rm x' a
make -sE 'a:;rm x' -f /dev/null a
script -q /dev/null <<E\nrm x\nE
`

// programsOfTricks are the programs that they need beside realPrograms. A text whose
// program is not here runs nothing, and is passed by.
const programsOfTricks = "ed ex vim gdb ssh scp setarch choom chrt node mawk sqlite3 zgrep gzip sdiff diff gcc dpkg groff troff grotty base64 rev id type ssh-agent"
