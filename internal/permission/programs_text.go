package permission

import "strings"

// Programs that read, search and change text.
var textPrograms = [...]program{
	{names: "cat,tac,nl,rev,fold,fmt,expand,unexpand,cut,paste,tr,wc,head,strings,base32,basenc,od,hd,cksum,sum,md5sum,sha1sum,sha224sum,sha256sum,sha384sum,sha512sum,b2sum,column,colrm,cmp,comm,join,look,tsort,ptx,zcat,bzcat,xzcat,zstdcat,zgrep,zdiff,zcmp", safe: true, reads: "all",
		takes: "-n -c -d -f -b -w -s -t -o -N -A -j -S -k --lines --bytes --delimiter --fields --width"},
	{names: "base64", safe: true, reads: "all", bad: "-o --output", takes: "-w --wrap -i"},
	{names: "tail", safe: true, reads: "all", takes: "-n -c -s --lines --bytes --pid"},
	{names: "grep,egrep,fgrep", safe: true, reads: "rest", takes: "-e -f -m -A -B -C -d -D --regexp --file --max-count --include --exclude --exclude-dir --color"},
	{names: "rg", safe: true, reads: "rest", bad: "--pre --hostname-bin -z --search-zip", takes: "-e -f -m -A -B -C -g -t -T -j -M -r -d -E --regexp --file --glob --iglob --type --type-not --max-count --threads --color --colors --sort --sortr --max-depth --context --replace"},
	{names: "ag,ack", bad: "--pager --output --ackrc -o --files-from"},
	{names: "sort", safe: true, reads: "all", bad: "-o --output --compress-program -T --temporary-directory --files0-from", takes: "-k -t -S --key --field-separator --buffer-size --parallel --batch-size --sort"},
	{names: "uniq", safe: true, reads: "all", most: 1, takes: "-f -s -w --skip-fields --skip-chars --check-chars"},
	{names: "shuf", safe: true, bad: "-o --output", takes: "-n -i --head-count --input-range --random-source"},
	{names: "diff", safe: true, reads: "all", bad: "--to-file --from-file", takes: "-U -C -I -x -X -W --label --color --exclude"},
	{names: "sdiff", bad: "-o --output --diff-program"},
	{names: "hexdump", safe: true, reads: "all", takes: "-n -s -e -f"},
	{names: "xxd", safe: true, reads: "all", most: 1, takes: "-c -g -l -o -s -n -R"},
	{names: "pr", safe: true, reads: "all", takes: "-h -l -o -w -W -N"},
	{names: "csplit,split", bad: "--filter", takes: "-b -l -n -a -C"},
	{names: "jq", safe: true, reads: "rest", takes: "--arg --argjson --slurpfile --rawfile --indent"},
	{names: "yq", bad: "-i --inplace -s --split-exp", reads: "rest"},
	{names: "bat,batcat", bad: "--pager --config-file --map-syntax --diff --paging -P"},
	{names: "less,more", bad: "-o -O --log-file --LOG-FILE -k --lesskey-file --lesskey-src --lesskey-content +", reads: "all"},
	{names: "sed,gsed", safe: true, reads: "rest", bad: "-i --in-place -f --file", takes: sedTakes, look: sedLook},
	{names: "awk,gawk,mawk,nawk", safe: true, reads: "rest", bad: "-f --file -i --include -l --load -E --exec -o --pretty-print -p --profile -d --dump-variables -D --debug -e --source -W", takes: awkTakes, look: awkLook},
	{names: "perl", stops: true, bad: "-i -e -E -M -m -I -x -S -s -n -p -d"},
	{names: "python,python2,python3", stops: true, bad: "-c -m -i", takes: "-W -X"},
	{names: "ruby", stops: true, bad: "-e -i -r -I -x -S -n -p"},
	{names: "node,nodejs", stops: true, bad: "-e --eval -p --print -r --require --import --loader --experimental-loader --inspect --inspect-brk -i --interactive --env-file --run --watch --build-snapshot --openssl-config"},
	{names: "php", stops: true, bad: "-r -B -R -F -E -d -c -z -S -a"},
	{names: "lua", stops: true, bad: "-e -l -i"},
	{names: "ed,ex,vi,vim,nvim,view,emacs,nano", bad: "-c --cmd -S -s -u -W -w -l -f -e + --eval --load --funcall --batch --script"},
	{names: "iconv", safe: true, bad: "-o --output", takes: "-f -t --from-code --to-code"},
	{names: "seq,factor,numfmt,expr,basename,dirname,echo,true,false,test,[,:,printenv,sleep,yes,tput,getopt,pathchk", safe: true},
	{names: "printf", safe: true, bad: "-v"},
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
	var scripts []word
	named := false
	for i := 0; i < len(args); i++ {
		text := args[i].alts[0]
		switch {
		case text == "-e" || text == "--expression":
			if i++; i < len(args) {
				scripts = append(scripts, args[i])
			}
			named = true
		case strings.HasPrefix(text, "--expression="):
			scripts = append(scripts, word{alts: []string{strings.TrimPrefix(text, "--expression=")}, exact: args[i].exact})
			named = true
		case strings.HasPrefix(text, "-") && !strings.HasPrefix(text, "--") && strings.ContainsAny(text, "e") && len(text) > 2:
			rest := text[strings.IndexByte(text, 'e')+1:]
			if rest == "" && i+1 < len(args) {
				i++
				rest = args[i].alts[0]
			}
			scripts = append(scripts, word{alts: []string{rest}, exact: args[i].exact})
			named = true
		}
	}
	if !named {
		if list := operandsOf(args, sedTakes, false); len(list) > 0 {
			scripts = append(scripts, list[0])
		}
	}
	for _, w := range scripts {
		if !w.exact || !plainSed(w.alts[0]) {
			return "the script may run or write something"
		}
	}
	return ""
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
			end := delimited(s[1:], '/')
			if end < 0 {
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
			one := delimited(s[1:], sep)
			if one < 0 {
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

// delimited is where the delimiter stands, behind backslashes and brackets; -1
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
