package permission

// Programs that tell about the machine, and ones that reach another.
var systemPrograms = [...]program{
	{names: "id,whoami,groups,uname,arch,uptime,free,nproc,getconf,lscpu,lsmem,lsusb,lspci,tty,logname,users,who,w,last,cal,locale,type,which,whatis,pgrep,pidof,ps,pstree,vmstat,ldd", safe: true},
	{names: "hostname", safe: true, most: 0, bad: "-F --file -b --boot", look: noOperands},
	{names: "date", safe: true, bad: "-s --set -f --file", takes: dateTakes, look: dateLook},
	{names: "man", bad: "-P --pager -H --html -C --config-file -M --manpath -l --local-file -X -t -T"},
	{names: "curl", bad: "-o --output -O --remote-name --remote-name-all -K --config -T --upload-file --output-dir -c --cookie-jar -D --dump-header --trace --trace-ascii --stderr --libcurl --engine --netrc-file --etag-save --hsts --alt-svc -F --form --proxy-cert --unix-socket --abstract-unix-socket --doh-url -x --proxy --preproxy --write-out -w",
		same: "-X=--request -d=--data -o=--output -O=--remote-name -T=--upload-file -F=--form -L=--location -k=--insecure", takes: "-X -d -H -o -u -A -b -e -m -F -T -w -x -r -Y -y -z -C -E -K -D -c --request --data --header --output --user --url --max-time --connect-timeout --data-raw --data-binary --retry"},
	{names: "wget", bad: "-O --output-document -o --output-file -a --append-output -P --directory-prefix -i --input-file -e --execute --use-askpass --config --save-cookies --warc-file --post-file --body-file --rejected-log --ca-directory --preferred-location",
		same: "-O=--output-document"},
	{names: "ssh", bad: "-o -F -E -S -J -L -R -D -w -W -O -I -i -M"},
	{names: "ping", bad: "-f", takes: "-c -i -W -w -s"},
	{names: "dig,host,nslookup", bad: "-f -k -b"},
	{names: "nc,ncat,netcat,socat", bad: "-e -c --exec --sh-exec --lua-exec -l -o"},
	{names: "openssl", bad: "-engine -provider -provider-path -config -out -keyout -writerand", whole: true},
	{names: "kill", same: "-9=-KILL=-SIGKILL -s=--signal"},
	{names: "docker,podman", takes: "-H --host -c --context --config -l --log-level"},
	{names: "kubectl", takes: "-n --namespace --context --cluster --kubeconfig -s --server --user --token -v --as"},
	{names: "systemctl,journalctl", takes: "-H --host -M --machine -t --type -p --property -u --unit -n --lines", bad: "-H --host -M --machine --root --image"},
	{names: "gdb", bad: "-x --command -ex --eval-command -ix -iex -p --pid --init-command"},
	{names: "sqlite3", bad: "-init -cmd", whole: true},
	{names: "psql", bad: "-c --command -f --file -o --output -L --log-file -v --set --variable"},
}

// dateLook refuses an operand that sets the clock.
func dateLook(args []word) string {
	for _, w := range operandsOf(args, dateTakes, false) {
		if !w.exact || w.alts[0] == "" || w.alts[0][0] != '+' {
			return "it may set the clock"
		}
	}
	return ""
}

func noOperands(args []word) string {
	for _, w := range args {
		if !w.exact || w.alts[0] == "" || w.alts[0][0] != '-' {
			return "it may set something"
		}
	}
	return ""
}
