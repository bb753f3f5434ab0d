package permission

import "strings"

// Programs that read, search and change text.
var textPrograms = [...]program{
	{names: "cat,rev,tsort,comm,sum,md5sum,sha1sum,sha224sum,sha256sum,sha384sum,sha512sum,zcat,bzcat,xzcat,zdiff,zcmp", safe: true, reads: "all"},
	{names: "wc", safe: true, reads: "all", from: "--files0-from"},
	{names: "tac", safe: true, reads: "all", takes: "-s --separator"},
	{names: "nl", safe: true, reads: "all", takes: "-b -d -f -h -i -l -n -s -v -w"},
	{names: "fold,fmt,base32,basenc", safe: true, reads: "all", takes: "-w -g -p --width --goal --prefix --wrap"},
	{names: "expand,unexpand", safe: true, reads: "all", takes: "-t --tabs"},
	{names: "cut", safe: true, reads: "all", takes: "-b -c -d -f --bytes --characters --delimiter --fields --output-delimiter"},
	{names: "paste", safe: true, reads: "all", takes: "-d --delimiters"},
	{names: "head,tail", safe: true, reads: "all", takes: "-n -c -s --lines --bytes --sleep-interval --pid --max-unchanged-stats"},
	{names: "strings", safe: true, reads: "all", takes: "-n -t -e -T -s -U --bytes --radix --encoding --target --output-separator --unicode"},
	{names: "od", safe: true, reads: "all", takes: "-A -j -N -S -t --address-radix --skip-bytes --read-bytes --format"},
	{names: "hexdump,hd", safe: true, reads: "all", takes: "-n -s -e", from: "-f --format-file"},
	{names: "cksum,b2sum", safe: true, reads: "all", takes: "-a -l --algorithm --length"},
	{names: "column", safe: true, reads: "all", takes: "-c -o -s -N -W -H -O -R -T -C -i -p -r"},
	{names: "tr,colrm", safe: true},
	{names: "cmp", safe: true, reads: "all", takes: "-i -n --ignore-initial --bytes"},
	{names: "join", safe: true, reads: "all", takes: "-1 -2 -a -e -j -o -t -v"},
	{names: "look", safe: true, reads: "rest", takes: "-t --terminate"},
	{names: "ptx", safe: true, reads: "all", bad: "-G --traditional", takes: "-F -M -S -W -g -w", from: "-b -i -o --break-file --ignore-file --only-file"},
	{names: "zstdcat", safe: true, reads: "all", bad: "-o --output-dir-flat --output-dir-mirror --rm --trace"},
	{names: "base64", safe: true, reads: "all", bad: "-o --output", takes: "-w --wrap", to: "-o --output"},
	{names: "grep,egrep,fgrep,zgrep", safe: true, reads: "rest", given: "-e -f --regexp --file", from: "-f --file --exclude-from", takes: "-e -m -A -B -C -d -D --regexp --max-count --after-context --before-context --context --include --exclude --exclude-dir --label --binary-files --devices --directories"},
	{names: "rg", safe: true, reads: "rest", given: "-e -f --regexp --file --files --type-list", from: "-f --file --ignore-file", bad: "--pre --hostname-bin -z --search-zip", takes: "-e -m -A -B -C -g -t -T -j -M -r -d -E --regexp --glob --iglob --type --type-not --max-count --threads --color --colors --sort --sortr --max-depth --context --replace"},
	{names: "ag,ack", bad: "--pager --output --ackrc -o --files-from"},
	{names: "sort", safe: true, reads: "all", bad: "-o --output --compress-program -T --temporary-directory --files0-from", takes: "-k -t -S -T --key --field-separator --buffer-size --parallel --batch-size --sort --compress-program --temporary-directory", from: "--files0-from --random-source", to: "-o --output"},
	{names: "uniq", safe: true, reads: "all", writes: "last", most: 1, takes: "-f -s -w --skip-fields --skip-chars --check-chars"},
	{names: "shuf", safe: true, reads: "all", bad: "-o --output", takes: "-n -i --head-count --input-range", from: "--random-source", to: "-o --output"},
	{names: "diff", safe: true, reads: "all", bad: "--to-file --from-file", takes: "-U -C -I -x -W --label --exclude", from: "--to-file --from-file -X --exclude-from"},
	{names: "sdiff", reads: "all", bad: "-o --output --diff-program", to: "-o --output"},
	{names: "xxd", safe: true, reads: "all", writes: "last", most: 1, takes: "-c -g -l -o -s -n -R"},
	{names: "pr", safe: true, reads: "all", takes: "-h -l -o -w -W -N"},
	{names: "split", reads: "all", writes: "rest", bad: "--filter", takes: "-b -l -n -a -C"},
	{names: "csplit", reads: "all", takes: "-n -f -b"},
	{names: "jq", safe: true, reads: "rest", given: "-f --from-file --arg --argjson --slurpfile --rawfile", from: "-f --from-file", takes: "--arg --argjson --slurpfile --rawfile --indent"},
	{names: "yq", bad: "-i --inplace -s --split-exp", reads: "rest", turns: "-i --inplace --in-place"},
	{names: "bat,batcat", reads: "all", bad: "--pager --config-file --map-syntax --diff --paging -P"},
	{names: "less,more", bad: "-o -O --log-file --LOG-FILE -k --lesskey-file --lesskey-src --lesskey-content +", reads: "all", to: "-o -O --log-file --LOG-FILE"},
	{names: "sed,gsed", safe: true, reads: "rest", given: "-e -f --expression --file", turns: "-i -I --in-place", from: "-f --file", bad: "-i -I --in-place -f --file", takes: sedTakes, look: sedLook},
	{names: "awk,gawk,mawk,nawk", safe: true, reads: "rest", given: "-f --file -e --source -E --exec", from: "-f --file -i --include -E --exec", bad: "-f --file -i --include -l --load -E --exec -o --pretty-print -p --profile -d --dump-variables -D --debug -e --source -W", takes: awkTakes, look: awkLook},
	{names: "perl", stops: true, look: codeLook, reads: "all", turns: "-i", takes: "-e -E -I", bad: "-i -e -E -M -m -I -x -S -s -n -p -d"},
	{names: "python,python2,python3", stops: true, look: codeLook, reads: "all", bad: "-c -m -i", takes: "-W -X -c -m --check-hash-based-pycs"},
	{names: "ruby", stops: true, look: codeLook, reads: "all", turns: "-i", takes: "-e -r -I -C -E -K --encoding --external-encoding --internal-encoding --dump --backtrace-limit", bad: "-e -i -r -I -x -S -n -p -C -X --dump"},
	{names: "node,nodejs", stops: true, reads: "all", look: codeLook, takes: "-e -p -r --eval --print --require --import --conditions -C --input-type --title --disable-warning --dns-result-order --experimental-default-type --disable-proto --icu-data-dir --max-http-header-size --secure-heap --secure-heap-min --snapshot-blob --test-concurrency --test-name-pattern --test-reporter --test-reporter-destination --test-shard --test-timeout --test-skip-pattern --test-isolation --tls-cipher-list --tls-keylog --trace-event-categories --trace-event-file-pattern --trace-require-module --unhandled-rejections --use-largepages --watch-path --network-family-autoselection-attempt-timeout --heapsnapshot-near-heap-limit --heapsnapshot-signal --stack-trace-limit --v8-pool-size --inspect-port --inspect-publish-uid --report-filename --report-dir --report-directory --report-signal --cpu-prof-dir --cpu-prof-interval --cpu-prof-name --heap-prof-dir --heap-prof-interval --heap-prof-name --env-file --env-file-if-exists --redirect-warnings --diagnostic-dir --openssl-config --localstorage-file --experimental-config-file --experimental-sea-config --experimental-policy --policy-integrity --build-snapshot-config --loader --experimental-loader --allow-fs-read --allow-fs-write",
		bad: "-e --eval -p --print -r --require --import --loader --experimental-loader --inspect --inspect-brk --inspect-wait -i --interactive --env-file --env-file-if-exists --run --watch --build-snapshot --build-snapshot-config --snapshot-blob --openssl-config --test-reporter --test-reporter-destination --redirect-warnings --diagnostic-dir --tls-keylog --icu-data-dir --cpu-prof --heap-prof --report-filename --report-dir --report-directory --trace-event-file-pattern --localstorage-file --experimental-config-file --experimental-sea-config --experimental-policy"},
	{names: "php", stops: true, look: codeLook, takes: "-t -c -d -z -g --docroot --php-ini --define", bad: "-r -B -R -F -E -d -c -z -S -a -t --run --process-begin --process-code --process-file --process-end --define --php-ini --zend-extension --server --interactive --docroot"},
	{names: "lua", stops: true, look: codeLook, bad: "-e -l -i"},
	{names: "view", reads: "all", takes: "-c --cmd -u", bad: "-c --cmd -S -s -u -W -w +"},
	{names: "ed,ex,vi,vim,nvim,emacs,nano", writes: "all", takes: "-c --cmd -u", bad: "-c --cmd -S -s -u -W -w -l -f -e + --eval --load --funcall --batch --script"},
	{names: "iconv", safe: true, reads: "all", bad: "-o --output", to: "-o --output", takes: "-f -t --from-code --to-code"},
	{names: "seq,factor,numfmt,expr,basename,dirname,echo,true,false,test,[,:,printenv,sleep,yes,tput,getopt,pathchk", safe: true},
	{names: "printf", safe: true, stops: true, bad: "-v"},
	{names: "bc,dc", bad: "-e -f --expression --file"},
}

// Options with a value, where the look at the script needs them too.
const (
	sedTakes  = "-e -l --expression --line-length"
	awkTakes  = "-F -v --field-separator --assign"
	dateTakes = "-d -r --date --reference"
)

// sedLook looks for commands of sed that run or write. Only scripts that are
// plainly printing, deleting or substituting are understood.
func sedLook(args []word) string {
	for _, w := range sedScripts(args) {
		if !w.exact || !plainSed(w.alts[0]) {
			return "the script may run or write something"
		}
	}
	return ""
}

// sedScripts are the scripts among the arguments of sed: what -e gives, or the first
// operand.
func sedScripts(args []word) []word {
	p := &program{takes: "-l --line-length -f --file"}
	if list := p.values(args, "-e --expression"); len(list) > 0 {
		return list
	}
	if p.has(args, "-f --file") {
		return nil
	}
	list := operandsOf(args, sedTakes, false)
	return list[:min(1, len(list))]
}

// plainSed reports whether a script of sed surely neither runs nor writes.
func plainSed(s string) bool {
	for s != "" {
		s = strings.TrimLeft(s, " \t\n;{}")
		if s == "" {
			return true
		}
		// addresses
		for s != "" && (isDigit(s[0]) || strings.IndexByte("$,!~+ ", s[0]) >= 0 || s[0] == '/') {
			if s[0] != '/' {
				s = s[1:]
				continue
			}
			end, sure := pattern(s[1:], '/')
			if !sure {
				return false
			}
			s = strings.TrimLeft(s[1+end+1:], "IM")
		}
		if s == "" {
			return false
		}
		c := s[0]
		s = s[1:]
		switch c {
		case 'p', 'd', 'q', 'Q', '=', 'n', 'N', 'g', 'G', 'h', 'H', 'x', 'D', 'P', 'l', '{', '}':
			s = strings.TrimLeft(s, " \t0123456789")
			if s != "" && strings.IndexByte(";}\n{", s[0]) < 0 {
				return false
			}
		case 's', 'y':
			if s == "" || s[0] == '\\' || s[0] == '\n' {
				return false
			}
			sep := s[0]
			one, sure := pattern(s[1:], sep)
			if !sure && (one < 0 || !cut(s[1:], sep)) {
				return false
			}
			two := delimited(s[1+one+1:], sep)
			if two < 0 {
				return false
			}
			s = strings.TrimLeft(s[1+one+1+two+1:], "gpiI0123456789 \t")
			if s != "" && strings.IndexByte(";}\n", s[0]) < 0 {
				return false // flags such as e and w
			}
		default:
			return false
		}
	}
	return true
}

// delimited is where the delimiter stands, behind backslashes; -1
// for nowhere.
func delimited(s string, sep byte) int {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case sep:
			return i
		}
	}
	return -1
}

// pattern is where the delimiter behind a pattern of sed stands, -1 for nowhere. It is
// not sure when another one stands inside brackets, which is part of them only since
// version 4.9 of GNU sed.
func pattern(s string, sep byte) (end int, sure bool) {
	sure = true
	open := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\':
			i++
		case c == sep && open:
			sure = false
		case c == sep:
			return i, sure
		case c == '[' && !open:
			open = true
			if i+1 < len(s) && s[i+1] == '^' {
				i++
			}
			if i+1 < len(s) && s[i+1] == ']' {
				i++
			}
		case c == '[' && i+1 < len(s) && strings.IndexByte(":.=", s[i+1]) >= 0:
			if end := strings.IndexByte(s[i+2:], ']'); end >= 0 {
				i += 2 + end
			}
		case c == ']':
			open = false
		}
	}
	return -1, false
}

// cut reports whether a sed that knows no brackets refuses the substitution, and so
// the whole script: it does not end, or has a delimiter among its flags.
func cut(s string, sep byte) bool {
	for range 2 {
		end := delimited(s, sep)
		if end < 0 {
			return true
		}
		s = s[end+1:]
	}
	return s != "" && s[0] == sep
}

// codeLook looks for code that an interpreter reads from its standard input, as it does
// when it is given no file. Options that only tell something need none.
func codeLook(args []word) string {
	for _, w := range args {
		if text := w.alts[0]; text == "-" || text == "" || text[0] != '-' {
			if text == "-" {
				break
			}
			return ""
		}
		if w.exact && listed("-v -V --version -h --help --test", w.alts[0]) {
			return ""
		}
	}
	return "it runs what it reads from its standard input"
}

// awkLook looks for what an awk program runs or writes.
func awkLook(args []word) string {
	list := operandsOf(args, awkTakes, false)
	if len(list) == 0 {
		return ""
	}
	if w := list[0]; !w.exact || strings.ContainsAny(w.alts[0], "|@`") || strings.Contains(w.alts[0], "system") || strings.Contains(w.alts[0], "getline") || writesAwk(w.alts[0]) {
		return "the program may run or write something"
	}
	return ""
}

// writesAwk reports whether a > may be a redirection: behind print or printf it
// is, in a condition it is not.
func writesAwk(s string) bool {
	for {
		i := strings.Index(s, "print")
		if i < 0 {
			return false
		}
		s = s[i+5:]
		end := strings.IndexAny(s, ";}\n")
		if end < 0 {
			end = len(s)
		}
		if strings.IndexByte(s, '>') >= 0 {
			return true
		}
		s = s[end:]
	}
}

// awkFiles are the files that an awk program writes, where it names them right behind
// the >.
func awkFiles(s string) []string {
	var out []string
	for part := range strings.SplitSeq(s, ">") {
		if name, ok := strings.CutPrefix(strings.TrimLeft(part, " \t"), `"`); ok && part != s {
			name, _, _ = strings.Cut(name, `"`)
			out = append(out, name)
		}
	}
	return out
}
