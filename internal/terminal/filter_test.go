package terminal

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
)

func filtered(t testing.TB, chunks ...string) string {
	t.Helper()
	var out bytes.Buffer
	f := NewFilter(&out)
	for _, c := range chunks {
		if n, err := f.Write([]byte(c)); n != len(c) || err != nil {
			t.Fatalf("write = %d, %v", n, err)
		}
	}
	return out.String()
}

// passes are sequences that ordinary programs draw with.
var passes = []string{
	"plain text\r\n\ttab\b\a",
	"grüße 日本語 🏰 ┌─┐ é",
	"\x1b[1;31mred\x1b[0m\x1b[38;2;1;2;3mtrue\x1b[38:2::1:2:3mcolon\x1b[4:3mcurly",
	"\x1b[2J\x1b[H\x1b[10;20H\x1b[K\x1b[?25l\x1b[?25h\x1b7\x1b8\x1bM",
	"\x1b[?1049h\x1b[?2004h\x1b[?1006h\x1b[?2026h\x1b[?2026l",
	"\x1b]0;title\x07\x1b]2;title – ü\x1b\\",
	"\x1b]8;;https://example.com/a?b=c\x1b\\link\x1b]8;;\x1b\\\x1b]8;id=1;FILE:///x\x07",
	"\x1b[6n\x1b[c\x1b[>c\x1b[5n\x1b[?u\x1b[>1u\x1b[<u\x1b[>q\x1b[?2026$p", // reports of numbers
	"\x1b]11;?\x07\x1b]10;#fff\x1b\\\x1b]4;1;rgb:00/00/00\x07\x1b]104\x07",
	"\x1b]9;4;1;50\x07\x1b]9;done\x07\x1b]777;notify;a;b\x07\x1b]133;A\x07",
	"\x1b[18t\x1b[22;0t\x1b[23;0t\x1b[3 q\x1b[!p\x1b[1;5r\x1b=\x1b>\x1b(0\x1b(B\x1b#8\x1bc",
	"latin \xe9t\xe9.", // no UTF-8, no control either
}

// stopped are sequences that reach beyond the screen; text around them stays.
var stopped = map[string]string{
	"clipboard":              "\x1b]52;c;cm0gLXJmIH4=\x07",
	"clipboard, ST":          "\x1b]52;c;?\x1b\\",
	"clipboard, zeros":       "\x1b]052;c;eA==\x07",
	"clipboard, many zeros":  "\x1b]0000052;c;eA==\x07",
	"clipboard, kitty":       "\x1b]5522;type=write\x07",
	"font":                   "\x1b]50;?\x07",
	"iterm file":             "\x1b]1337;File=name=eA==;inline=0:eA==\x07",
	"working directory":      "\x1b]7;file:///tmp/x\x07",
	"vscode":                 "\x1b]633;E;rm\x07",
	"conemu run":             "\x1b]9;7;calc\x07",
	"link to a program":      "\x1b]8;;x-man-page://ls\x07",
	"link with javascript":   "\x1b]8;;javascript:alert(1)\x07",
	"no number":              "\x1b]L;x\x07",
	"sign":                   "\x1b]+0;x\x07",
	"DECRQSS":                "\x1bP$q\"p\x1b\\",
	"termcap query":          "\x1bP+q544e\x1b\\",
	"sixel":                  "\x1bPq#0;2;0;0;0~\x1b\\",
	"tmux passthrough":       "\x1bPtmux;\x1b\x1b]52;c;eA==\x07\x1b\\",
	"kitty graphics":         "\x1b_Gt=f;L2V0Yy9wYXNzd2Q=\x1b\\",
	"privacy message":        "\x1b^x\x1b\\",
	"start of string":        "\x1bXx\x1b\\",
	"screen title":           "\x1bkx\x1b\\",
	"report title":           "\x1b[21t",
	"report icon":            "\x1b[20t",
	"report title, padded":   "\x1b[021t",
	"move window":            "\x1b[3;0;0t",
	"resize":                 "\x1b[8;24;80t",
	"title mode":             "\x1b[>2t",
	"print":                  "\x1b[5i",
	"print, private":         "\x1b[?5i",
	"answerback":             "\x05",
	"screen checksum":        "\x1b[1;1;1;1;1;1*y",
	"macro":                  "\x1b[1*z",
	"presentation report":    "\x1b[1$w",
	"keyboard lock":          "\x1b[2h",
	"keyboard lock, 2nd":     "\x1b[4;2h",
	"leave utf-8":            "\x1b%@",
	"8-bit answers":          "\x1b G",
	"linux palette":          "\x1b]P0ff0000",
	"linux palette reset":    "\x1b]R",
	"linux key":              "\x1b[[",
	"private mark inside":    "\x1b[2;?5h",
	"params behind":          "\x1b[ 1q",
	"8-bit csi":              "\xc2\x9b",
	"bare 8-bit csi":         "\x9b",
	"cut character, 8-bit":   "\xe2\x9b\x1b[m\x1b[m"[:2],
	"control in title":       "\x1b]0;a\nb\x07",
	"8-bit control in title": "\x1b]0;a\xc2\x9bb\x07",
	"no utf-8 in title":      "\x1b]0;a\x9b\x07",
	"cancelled":              "\x1b]0;a\x18",
	"void string":            "\x1b]52;c;x\x1b",
	"long csi":               "\x1b[" + strings.Repeat("1;", 200) + "m",
	"long osc":               "\x1b]0;" + strings.Repeat("x", 5000) + "\x07",
}

func TestPasses(t *testing.T) {
	for _, s := range passes {
		if got := filtered(t, s); got != s {
			t.Errorf("%q became %q", s, got)
		}
	}
}

func TestStopped(t *testing.T) {
	for name, s := range stopped {
		tail := "\x1b[mafter"
		if got := filtered(t, "before"+s+tail); got != "before"+tail && got != "before\xe2"+tail {
			t.Errorf("%s: %q became %q", name, s, got)
		}
	}
}

func Test8BitString(t *testing.T) {
	// Without its introducer a string is only text.
	if got := filtered(t, "\xc2\x9d52;c;eA==\xc2\x9c\x9d52;c;x"); got != "52;c;eA==52;c;x" {
		t.Errorf("%q", got)
	}
}

func TestEverySplit(t *testing.T) {
	all := strings.Join(passes, "")
	for _, s := range stopped {
		all += s + "."
	}
	want := filtered(t, all)
	for i := range len(all) {
		if got := filtered(t, all[:i], all[i:]); got != want {
			t.Fatalf("split at %d (%q|%q) differs", i, all[max(0, i-9):i], all[i:min(len(all), i+9)])
		}
	}
	if got := filtered(t, strings.Split(all, "")...); got != want {
		t.Error("byte by byte differs")
	}
}

func TestReset(t *testing.T) {
	for in, want := range map[string]string{
		"\x1b[31mred":              "\x1b[0m",
		"\x1b[31mred\x1b[0m":       "",
		"\x1b[?1049h\x1b[?1003h":   "\x1b[?1003l\x1b[?1049l",
		"\x1b[?1049h\x1b[?1049l":   "",
		"\x1b[?25l":                "\x1b[?25h",
		"\x1b[>1u\x1b[>3u":         "\x1b[<2u",
		"\x1b[>1u\x1b[<u":          "",
		"\x1b[?7l\x1b[>4;2m":       "\x1b[>4m\x1b[?7h",
		"\x1b=\x1b[20h\x1b[2 q":    "\x1b[20l\x1b>\x1b[0 q",
		"\x1b[?1000h\x1bc":         "",
		"\x1b[2;5r":                "\x1b7\x1b[r\x1b8",
		"\x1b[?9999999999999999h":  "",
		"\x1b[<99999999999999999u": "",
	} {
		var out bytes.Buffer
		f := NewFilter(&out)
		f.Write([]byte(in))
		out.Reset()
		if err := f.Reset(); err != nil || out.String() != want {
			t.Errorf("%q: reset writes %q, want %q (%v)", in, out.String(), want, err)
		}
	}
}

// dangerous finds what must never come out, whatever went in.
var dangerous = regexp.MustCompile("(?s)\x05|\x1b[PX^_k]|\x1b\\]0*(52|50|1337|7|633|5522);|\x1b\\[0*2[01]t|\x1b\\[[0-9;?]*i|\x1b%|[\u0080-\u009f]")

func FuzzFilter(f *testing.F) {
	for _, s := range passes {
		f.Add([]byte(s), 3)
	}
	for _, s := range stopped {
		f.Add([]byte(s), 1)
	}
	f.Fuzz(func(t *testing.T, in []byte, cut int) {
		whole := filtered(t, string(in))
		if cut = min(max(cut, 0), len(in)); filtered(t, string(in[:cut]), string(in[cut:])) != whole {
			t.Errorf("%q: split at %d differs", in, cut)
		}
		if len(whole) > len(in) {
			t.Errorf("%q grew to %q", in, whole)
		}
		// The dot ends a character that was cut short.
		if again := filtered(t, whole+"."); again != whole+"." {
			t.Errorf("%q: filtered twice %q, once %q", in, again, whole)
		}
		if at := dangerous.FindString(whole); at != "" {
			t.Errorf("%q lets %q through", in, at)
		}
		var out bytes.Buffer
		fl := NewFilter(&out)
		fl.Write(in)
		if cap(fl.seq) > 2*maxOSC || len(fl.utf) > 4 || len(fl.modes.on) > len(undoable) {
			t.Error("unbounded")
		}
		out.Reset()
		fl.Reset()
		if again := filtered(t, out.String()); again != out.String() {
			t.Errorf("the reset does not pass the filter: %q, %q", out.String(), again)
		}
	})
}
