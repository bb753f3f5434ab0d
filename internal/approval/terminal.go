package approval

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Stage is a terminal that is there for one prompt at a time.
type Stage interface {
	// Enter takes the terminal: nobody else draws on it or reads from it until
	// Leave. The error says that nobody can be asked there.
	Enter(ctx context.Context) (Show, error)
}

// Show is a terminal that was taken.
type Show interface {
	// Draw puts text in place of what was drawn before.
	Draw(text string)
	// Size is how much fits; 0, 0 when there is no end to it.
	Size() (rows, cols int)
	// Keys are what is typed after the text was drawn, key by key. It is closed
	// when nobody can answer any more.
	Keys() <-chan string
	// Leave gives the terminal back as it was.
	Leave()
}

// Terminal asks on a terminal. Questions that come while one is shown wait, and
// are shown as one list when there are several.
type Terminal struct {
	stage Stage
	turn  chan struct{} // whose prompt is shown

	mu    sync.Mutex // guards what follows
	queue []*waiting
}

type waiting struct {
	q      *Question
	ctx    context.Context
	answer chan Answer
}

// NewTerminal returns an asker on a terminal.
func NewTerminal(stage Stage) *Terminal {
	return &Terminal{stage: stage, turn: make(chan struct{}, 1)}
}

const byTerminal = "terminal"

// Ask is Asker's.
func (t *Terminal) Ask(ctx context.Context, q Question) Answer {
	w := &waiting{q: &q, ctx: ctx, answer: make(chan Answer, 1)}
	t.mu.Lock()
	t.queue = append(t.queue, w)
	t.mu.Unlock()
	for {
		select {
		case a := <-w.answer:
			return a
		case <-ctx.Done():
			t.drop(w)
			return Answer{By: byTerminal, Rule: "not answered"}
		case t.turn <- struct{}{}:
			select {
			case a := <-w.answer: // by the prompt that was shown just now
				<-t.turn
				return a
			default:
			}
			if ctx.Err() != nil {
				<-t.turn
				continue // nothing is shown for a question that was given up
			}
			t.prompt()
			<-t.turn
		}
	}
}

func (t *Terminal) drop(w *waiting) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, x := range t.queue {
		if x == w {
			t.queue = append(t.queue[:i], t.queue[i+1:]...)
			return
		}
	}
}

// give answers a question, unless it was given up.
func (t *Terminal) give(w *waiting, a Answer) {
	t.drop(w)
	w.answer <- a
}

// several is from how many waiting questions on they are shown as a list.
const several = 3

// prompt shows what waits, and returns when something of it has been answered, or
// nobody waits for it any more.
func (t *Terminal) prompt() {
	t.mu.Lock()
	list := append([]*waiting(nil), t.queue...)
	t.mu.Unlock()
	if len(list) == 0 {
		return
	}
	ctx, cancel := anyOf(list)
	defer cancel()
	show, err := t.stage.Enter(ctx)
	if err != nil {
		for _, w := range list {
			t.give(w, Answer{By: Nobody, Rule: "nobody to ask: " + err.Error()})
		}
		return
	}
	defer show.Leave()
	if len(list) >= several {
		if !t.askList(ctx, show, list) {
			return
		}
	}
	for _, w := range list {
		if w.ctx.Err() != nil {
			continue
		}
		if !t.askOne(w, show) {
			return
		}
	}
}

// anyOf is done when every question has been given up.
func anyOf(list []*waiting) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer cancel()
		for _, w := range list {
			select {
			case <-w.ctx.Done():
			case <-ctx.Done():
				return
			}
		}
	}()
	return ctx, cancel
}

// choice is one key and what it answers.
type choice struct {
	key   string
	text  string
	allow bool
	scope Scope
}

// choices are the answers to a question that are offered.
func (q *Question) choices() []choice {
	all := [...]choice{
		{"y", "yes, once", true, Once},
		{"s", "yes, in this session", true, Session},
		{"p", "yes, in this project, kept until it is taken back", true, Project},
		{"a", "yes, always and everywhere, kept until it is taken back", true, Always},
		{"n", "no, not now", false, Once},
		{"v", "never in this session", false, Session},
		{"P", "never in this project, kept", false, Project},
		{"A", "never and nowhere, kept", false, Always},
	}
	var out []choice
	for _, c := range all {
		if q.Offers(c.scope) {
			out = append(out, c)
		}
	}
	return out
}

// askOne shows one question until it is answered or given up. It returns false
// when the terminal is gone.
func (t *Terminal) askOne(w *waiting, show Show) bool {
	var span time.Duration
	note, noting := "", false
	for {
		rows, cols := show.Size()
		text, offered := w.q.text(span, note, noting, rows, cols)
		show.Draw(text)
		select {
		case <-w.ctx.Done():
			return true
		case key, ok := <-show.Keys():
			switch {
			case !ok:
				t.give(w, Answer{By: Nobody, Rule: "nobody to ask: the terminal is gone"})
				return false
			case resized(show, rows, cols):
				continue // what is in sight now is something else than was drawn
			case noting:
				note, noting = edited(note, key)
				continue
			case key == "e" && rows > 0:
				span = nextSpan(span)
				continue
			case key == "w" && rows > 0:
				noting = true
				continue
			case key == "\x03", key == "\x04":
				key = "n"
			}
			for _, c := range offered {
				if c.key == key {
					t.give(w, c.answer(span, note))
					return true
				}
			}
		}
	}
}

// resized reports whether the terminal has another size than it had.
func resized(show Show, rows, cols int) bool {
	r, c := show.Size()
	return r != rows || c != cols
}

func (c *choice) answer(span time.Duration, note string) Answer {
	a := Answer{Allow: c.allow, Scope: c.scope, Note: note, By: byTerminal}
	if span > 0 && c.scope != Once {
		a.Expires = time.Now().Add(span)
	}
	return a
}

// nextSpan goes round the times after which an answer ends by itself.
func nextSpan(d time.Duration) time.Duration {
	const hour = time.Hour
	switch d {
	case 0:
		return hour
	case hour:
		return 24 * hour
	case 24 * hour:
		return 7 * 24 * hour
	}
	return 0
}

func spanText(d time.Duration) string {
	if d == 0 {
		return "when its scope does"
	}
	if d < 24*time.Hour {
		return "in 1 hour"
	}
	return "in " + strconv.Itoa(int(d/(24*time.Hour))) + " days"
}

// edited adds keys to a note; Enter ends it.
func edited(note, keys string) (string, bool) {
	for _, r := range keys {
		switch {
		case r == '\r' || r == '\n':
			return note, false
		case r == 0x7f || r == 8:
			if n := []rune(note); len(n) > 0 {
				note = string(n[:len(n)-1])
			}
		case (r == ' ' || plainRune(r)) && len(note) < maxNote-4:
			note += string(r)
		}
	}
	return note, true
}

// Verb says what a program wants with the subject of a kind.
func (k Kind) Verb() string {
	switch k {
	case Network:
		return "connect to"
	case Read:
		return "read"
	case Write:
		return "write"
	case Command:
		return "run"
	case Tool:
		return "use the tool"
	}
	return "run OUTSIDE the box, without walls,"
}

// Shorten quotes a text that only explains, and may be cut.
func Shorten(s string) string {
	const most = 160
	if len(s) > most {
		return Quote(s[:most]) + " … (" + strconv.Itoa(len(s)) + " bytes)"
	}
	return Quote(s)
}

// text is what is shown of a question, and the answers that are offered with it. On a
// small screen they are fewer; where the subject is not seen whole, there is no yes.
func (q *Question) text(span time.Duration, note string, noting bool, rows, cols int) (text string, offered []choice) {
	all := q.choices()
	once := slices.DeleteFunc(slices.Clone(all), func(c choice) bool { return c.scope != Once })
	for _, offered := range [...][]choice{all, once} {
		if text := q.lay(Quote(q.Subject), offered, span, note, noting, rows); fits(text, rows, cols) {
			return text, offered
		}
	}
	no := slices.DeleteFunc(slices.Clone(all), func(c choice) bool { return c.allow || rows < small && c.scope != Once })
	subject := Quote(q.Subject)
	// What stands around it takes some 16 lines at most.
	if room := max(rows-16, 1) * cols; len(subject) > room {
		subject = strings.ToValidUTF8(subject[:room/2], "") + " … (of " + strconv.Itoa(len(q.Subject)) + " bytes)"
	}
	return q.lay(subject, no, span, note, noting, rows), no
}

// small is a screen, in lines, on which the answers alone would take most of it.
const small = 20

// fits reports whether all of a text is in sight. Without a size there is no end to it.
func fits(text string, rows, cols int) bool {
	if rows <= 0 || cols <= 0 {
		return true
	}
	need := 0
	for line := range strings.SplitSeq(text, "\n") {
		need += 1 + max(width(line)-1, 0)/cols
	}
	return need <= rows
}

// width is how many columns a line takes at most.
func width(line string) int {
	n := 0
	for _, r := range line {
		n++
		if r >= 0x1100 { // it may be a wide one
			n++
		}
	}
	return n
}

// lay puts together what is shown.
func (q *Question) lay(subject string, offered []choice, span time.Duration, note string, noting bool, rows int) string {
	var b strings.Builder
	line := func(parts ...string) {
		for _, p := range parts {
			b.WriteString(p)
		}
		b.WriteByte('\n')
	}
	who := "A program"
	if q.Exe != "" {
		who = Shorten(q.Exe)
	}
	line("bailey: ", who, " wants to ", q.Kind.Verb())
	line()
	line("  ", subject)
	line()
	if q.Why != "" {
		line("  it says  ", Shorten(q.Why))
	}
	if q.Rule != "" {
		rule := Shorten(q.Rule)
		if q.Where != "" {
			rule += " at " + Quote(q.Where)
		}
		line("  rule     ", rule)
	}
	if q.Project != "" {
		line("  project  ", Quote(q.Project))
	}
	if q.Unclear {
		line("  Some of it is known only when it runs: the answer is for this once.")
	}
	if !slices.ContainsFunc(offered, func(c choice) bool { return c.allow }) {
		line("  It does not fit here: a larger window, or bailey approve, shows it whole.")
	}
	for _, c := range offered {
		line("  ", c.key, "  ", c.text)
	}
	if len(offered) > 2 && rows > 0 {
		line("  e  ends ", spanText(span), "    w  a note: ", Quote(note))
	}
	if noting {
		b.WriteString("note, then Enter: " + Quote(note))
	} else {
		b.WriteString("answer: ")
	}
	return b.String()
}

// askList shows several questions as one list. Only what was shown is answered.
// It returns true when they are to be asked one by one.
func (t *Terminal) askList(ctx context.Context, show Show, list []*waiting) (oneByOne bool) {
	rows, cols := show.Size()
	left := 1 << 20
	if rows > 0 && cols > 0 {
		left = rows - 9 // what stands around them
	}
	var b strings.Builder
	b.WriteString("bailey: " + strconv.Itoa(len(list)) + " questions wait\n\n")
	var shown []*waiting
	common := []choice{
		{"Y", "yes to all of these, once", true, Once}, {"S", "yes to all of these, in this session", true, Session},
		{"n", "no to all of these, not now", false, Once}, {"v", "never in this session, all of these", false, Session},
	}
	session := true
	for i, w := range list {
		text := "  " + strconv.Itoa(i+1) + "  " + w.q.Kind.Verb() + " " + Quote(w.q.Subject)
		need := 1
		if cols > 0 {
			need += max(width(text)-1, 0) / cols
		}
		if left -= need; left < 0 {
			break
		}
		b.WriteString(text + "\n")
		session = session && w.q.Offers(Session)
		shown = append(shown, w)
	}
	if len(shown) == 0 {
		return true
	}
	if n := len(list) - len(shown); n > 0 {
		b.WriteString("  and " + strconv.Itoa(n) + " more, which are asked next\n")
	}
	b.WriteString("\n  o  one by one\n")
	for _, c := range common {
		if c.scope == Once || session {
			b.WriteString("  " + c.key + "  " + c.text + "\n")
		}
	}
	b.WriteString("answer: ")
	show.Draw(b.String())
	for {
		select {
		case <-ctx.Done():
			return false
		case key, ok := <-show.Keys():
			switch {
			case !ok:
				for _, w := range list {
					t.give(w, Answer{By: Nobody, Rule: "nobody to ask: the terminal is gone"})
				}
				return false
			case key == "o", resized(show, rows, cols):
				return true
			case key == "\x03", key == "\x04":
				key = "n"
			}
			for _, c := range common {
				if c.key == key && (c.scope == Once || session) {
					for _, w := range shown {
						t.give(w, c.answer(0, ""))
					}
					return false
				}
			}
		}
	}
}
