package permission

import "strings"

// Programs that tell about the machine, and ones that reach another.
var systemPrograms = [...]program{
	{names: "id,whoami,groups,uname,uptime,free,nproc,getconf,lscpu,lsmem,lsusb,tty,logname,users,who,w,last,cal,locale,type,which,pgrep,pidof,ps,pstree,vmstat", safe: true},
	{names: "ss", safe: true, bad: "-K --kill -D --diag -F --filter -N --net"},
	{names: "netstat", safe: true},
	{names: "lsof", safe: true, bad: "-D"},
	{names: "arch", safe: true, look: noOperands}, // on a Mac it runs its operands
	{names: "lspci", safe: true, bad: "-q -Q -i -p -A -O"},
	{names: "whatis", safe: true, bad: "-C --config-file -M --manpath"},
	{names: "hostname", safe: true, most: 0, bad: "-F --file -b --boot", look: noOperands},
	{names: "date", safe: true, bad: "-s --set -f --file", takes: dateTakes, from: "-f --file", look: dateLook},
	{names: "man", bad: "-P --pager -H --html -C --config-file -M --manpath -l --local-file -X -t -T"},
	{names: "curl", bad: "-o --output -O --remote-name --remote-name-all -K --config -T --upload-file --output-dir -c --cookie-jar -D --dump-header --trace --trace-ascii --stderr --libcurl --engine --netrc-file --etag-save --hsts --alt-svc -F --form --proxy-cert --unix-socket --abstract-unix-socket --doh-url -x --proxy --preproxy --write-out -w --ssl-sessions", look: curlLook,
		to: "-o --output -c --cookie-jar -D --dump-header --trace --trace-ascii --stderr --libcurl --output-dir --etag-save", from: "-T --upload-file -K --config --netrc-file",
		at:   curlAt,
		same: "-X=--request -d=--data -o=--output -O=--remote-name -T=--upload-file -F=--form -L=--location -k=--insecure", takes: "-X -d -H -o -u -A -b -e -m -F -T -w -x -r -Y -y -z -C -E -K -D -c --request --data --header --output --user --url --max-time --connect-timeout --data-raw --data-binary --retry"},
	{names: "wget", to: "-O --output-document -o --output-file -a --append-output -P --directory-prefix --save-cookies --warc-file --rejected-log", from: "-i --input-file --post-file --body-file --load-cookies", bad: "-O --output-document -o --output-file -a --append-output -P --directory-prefix -i --input-file -e --execute --use-askpass --config --save-cookies --warc-file --post-file --body-file --rejected-log --hsts-file --ca-directory --preferred-location",
		same: "-O=--output-document"},
	{names: "ssh", bad: "-o -F -E -S -J -L -R -D -w -W -O -I -i -M"},
	{names: "ping", bad: "-f", takes: "-c -i -W -w -s"},
	{names: "dig,host,nslookup", bad: "-f -k -b"},
	{names: "nc,ncat,netcat,socat", bad: "-e -c --exec --sh-exec --lua-exec -l -o"},
	{names: "openssl", bad: "-engine -provider -provider-path -config -out -keyout -writerand", whole: true, to: "-out -keyout -writerand", from: "-in -inkey -config"},
	{names: "gpg,gpg2", reads: "all", to: "-o --output", takes: "-u -r --local-user --recipient"},
	{names: "kill", same: "-9=-KILL=-SIGKILL -s=--signal"},
	{names: "docker,podman", takes: "-H --host -c --context --config -l --log-level --runtime --conmon --hooks-dir --network-cmd-path", bad: "--config --runtime --conmon --hooks-dir --network-cmd-path"},
	{names: "kubectl", takes: "-n --namespace --context --cluster --kubeconfig -s --server --user --token -v --as -o --output -l --selector --field-selector -f --filename -c --container", bad: "--kubeconfig"}, // a configuration may name a program that says who one is
	{names: "helm", takes: "-n --namespace --kube-context --kubeconfig", bad: "--kubeconfig --post-renderer --post-renderer-args --registry-config"},
	{names: "systemctl,journalctl", takes: "-H --host -M --machine -t --type -p --property -u --unit -n --lines", bad: "-H --host -M --machine --root --image"},
	{names: "gdb", bad: "-x --command -ex --eval-command -ix -iex -p --pid --init-command"},
	{names: "sqlite3", bad: "-init -cmd", whole: true, look: sqliteLook},
	{names: "apt,apt-get,aptitude", bad: "-o --option -c --config-file"},
	{names: "dpkg", bad: "--pre-invoke --post-invoke --status-logger --admindir --root --instdir"},
	{names: "psql", bad: "-c --command -f --file -o --output -L --log-file -v --set --variable"},
}

// curlAt are the options of curl whose value may name a file behind an @.
const curlAt = "-d --data --data-ascii --data-binary --data-urlencode --json --url-query -F --form -H --header --variable"

// curlLook looks for what curl reads of this machine to send it.
func curlLook(args []word) string {
	p := &program{takes: curlAt}
	for _, w := range p.values(args, curlAt) {
		if strings.HasPrefix(w.alts[0], "@") || strings.HasPrefix(w.alts[0], "<") || strings.Contains(w.alts[0], "=@") || strings.Contains(w.alts[0], "=<") || !w.exact {
			return "it may send a file"
		}
	}
	for _, w := range p.values(args, "--data-urlencode --variable") {
		if strings.Contains(w.alts[0], "@") {
			return "it may send a file"
		}
	}
	for _, w := range args {
		if strings.HasPrefix(w.alts[0], "--expand-") {
			return "it makes an option's value from variables" // any long option may be written so
		}
		if scheme, _, ok := strings.Cut(w.alts[0], ":"); ok && strings.EqualFold(scheme, "file") {
			return "it reads a file"
		}
	}
	return ""
}

// sqliteLook looks for what sqlite3 runs or writes beside the database.
func sqliteLook(args []word) string {
	for _, w := range args {
		text := strings.TrimSpace(w.alts[0])
		for _, sign := range [...]string{"load_extension", "writefile", "edit(", "\n."} {
			if strings.Contains(text, sign) {
				return "it may run or write something"
			}
		}
		name, _, _ := strings.Cut(strings.TrimPrefix(text, "."), " ")
		if strings.HasPrefix(text, ".") && !listed("dump schema tables indexes headers mode help databases stats show fullschema", name) && !strings.Contains(name, "/") {
			return "it may run or write something"
		}
	}
	return ""
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
