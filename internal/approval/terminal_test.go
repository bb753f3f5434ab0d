package approval

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"
)

// screen types what belongs to the question that is shown last.
type screen struct {
	answers map[string][]string // by words of the question; each is typed at one showing
	typed   *io.PipeWriter
	shown   strings.Builder
}

func (s *screen) Write(b []byte) (int, error) {
	s.shown.Write(b)
	if strings.Contains(string(b), "answer: ") {
		for words, lines := range s.answers {
			if strings.Contains(string(b), words) && len(lines) > 0 {
				s.answers[words] = lines[1:]
				go func() {
					if lines[0] == "" {
						s.typed.Close()
					} else {
						io.WriteString(s.typed, lines[0]+"\n")
					}
				}()
			}
		}
	}
	return len(b), nil
}

func TestTerminal(t *testing.T) {
	in, typed := io.Pipe()
	s := &screen{typed: typed, answers: map[string][]string{"yes.test:443": {"what", "y"}, "session.test": {"s"}, "no.test": {"n"}, "never.test": {"v"}, "end.test": {""}}}
	stage := Lines(in, s).(*lines)
	a := NewTerminal(stage)
	// Lines that were typed before anything was asked.
	stage.start.Do(func() { go stage.read() })
	io.WriteString(typed, "y\ny\n")
	io.WriteString(typed, "\n") // is taken when the lines before it are dealt with
	for _, c := range []struct {
		host string
		want Answer
	}{
		{"silent.test", Answer{Rule: "not answered"}},
		{"yes.test", Answer{Allow: true, Scope: Once}}, {"session.test", Answer{Allow: true, Scope: Session}},
		{"no.test", Answer{Scope: Once}}, {"never.test", Answer{Scope: Session}},
		{"end.test", Answer{By: Nobody, Rule: "nobody to ask: the terminal is gone"}}, {"after.test", Answer{By: Nobody, Rule: "nobody to ask: the terminal is gone"}},
	} {
		wait := time.Minute
		if c.host == "silent.test" {
			wait = 100 * time.Millisecond
		}
		ctx, cancel := context.WithTimeout(t.Context(), wait)
		if c.want.By == "" {
			c.want.By = byTerminal
		}
		if got := a.Ask(ctx, Question{Kind: Network, Subject: c.host + ":443", Exe: "/bin/\x1b[2Jx", Scopes: []Scope{Session}}); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.host, got, c.want)
		}
		cancel()
	}
	if strings.ContainsRune(s.shown.String(), '\x1b') {
		t.Error("a program's name writes to the terminal")
	}
}
