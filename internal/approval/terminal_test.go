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
	if strings.Contains(string(b), "allow?") {
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
	s := &screen{typed: typed, answers: map[string][]string{"yes.test:443": {"what", "Y"}, "session.test": {"s"}, "no.test": {"n"}, "never.test": {"v"}, "end.test": {""}}}
	a := NewTerminal(in, s)
	// Lines that were typed before anything was asked.
	a.start.Do(func() { go a.read() })
	io.WriteString(typed, "y\ny\n")
	io.WriteString(typed, "\n") // is taken when the lines before it are dealt with
	for _, c := range []struct {
		host string
		want Answer
	}{
		{"silent.test", Answer{Rule: "not answered"}},
		{"yes.test", Answer{Allow: true, Scope: Once, Rule: "asked: yes"}}, {"session.test", Answer{Allow: true, Scope: Session, Rule: "asked: yes"}},
		{"no.test", Answer{Scope: Once, Rule: "asked: no"}}, {"never.test", Answer{Scope: Session, Rule: "asked: never"}},
		{"end.test", Answer{Rule: "not answered"}}, {"after.test", Answer{Rule: "not answered"}},
	} {
		wait := time.Minute
		if c.host == "silent.test" {
			wait = 100 * time.Millisecond
		}
		ctx, cancel := context.WithTimeout(t.Context(), wait)
		c.want.By = "terminal"
		if got := a.Ask(ctx, Question{Kind: Network, Subject: c.host + ":443", Exe: "/bin/\x1b[2Jx"}); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.host, got, c.want)
		}
		cancel()
	}
	if strings.ContainsRune(s.shown.String(), '\x1b') {
		t.Error("a program's name writes to the terminal")
	}
}
