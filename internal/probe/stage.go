//go:build linux

package probe

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// stage is one scenario under way.
type stage struct {
	*run
	host    *host
	name    string
	cases   []*Case
	indices []int
}

// grace is added to an attack's own limit: the driver inside has to notice. A box
// that takes longer is ended.
const grace = 3 * time.Second

// startLimit is for a sandbox to come up: some take seconds.
const startLimit = 30 * time.Second

func (r *run) patience() time.Duration {
	if r.o.Patience > 0 {
		return r.o.Patience
	}
	return startLimit
}

// maxStarts bounds how often a box is started again when no probe reports from it.
const maxStarts = 5

// box is a sandbox with the driver inside.
type box struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	reports chan *Report
	done    chan struct{} // closed when its output has ended
	quiet   chan struct{} // closed when its messages have; nil on a terminal, where they are one with it
	exited  chan struct{} // closed when the launcher has ended; it is waited for in end
	over    bool          // end was called
	screen  *screen       // of a terminal

	mu   sync.Mutex
	said []byte // the last it said that was no report
}

// maxWord is the longest word of a command line: firejail takes 4,128 bytes.
const maxWord = 2000

// start runs the driver in a sandbox. With a word it works through the probes
// packed in it, else through its input.
func (s *stage) start(word string) (*box, error) {
	var argv []string
	if s.o.Command != nil {
		argv = s.o.Command(s.host.World)
	}
	if s.host.command != nil {
		argv = slices.Clone(s.host.command)
	}
	if word == "" {
		word = "-"
	}
	if len(word) > maxWord { // some sandboxes take no long words
		name := filepath.Join(filepath.Dir(s.host.Bin), "requests-"+random(4))
		if err := os.WriteFile(name, []byte(word), 0o644); err != nil {
			return nil, fmt.Errorf("hand over the requests: %w", err)
		}
		word = name
	}
	argv = append(argv, s.host.Bin, verbInside, word)
	b := &box{reports: make(chan *Report, 64), done: make(chan struct{}), exited: make(chan struct{})}
	c := exec.Command(argv[0], argv[1:]...)
	c.Dir, c.Env = s.host.WS, slices.Concat(s.host.Env, s.host.secretEnv)
	b.cmd = c
	if s.name == sceneTTY {
		if err := b.terminal(s.host); err != nil {
			return nil, err
		}
		return b, nil
	}
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, outW, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	errs, errsW, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer outW.Close()
	defer errsW.Close()
	c.Stdout, c.Stderr = outW, errsW
	c.ExtraFiles = s.host.extra
	if s.host.stdin != nil {
		c.Stdin = s.host.stdin
	} else if b.in, err = c.StdinPipe(); err != nil {
		return nil, err
	}
	if err := c.Start(); err != nil {
		return nil, &StartError{What: "the sandbox does not start: " + err.Error()}
	}
	go b.watch()
	go b.listen(out)
	b.quiet = make(chan struct{})
	go func() {
		defer close(b.quiet)
		buf := make([]byte, 4096)
		for {
			n, err := errs.Read(buf)
			b.say(buf[:n])
			if err != nil {
				errs.Close()
				return
			}
		}
	}()
	return b, nil
}

// listen reads what comes out.
func (b *box) listen(out io.Reader) {
	defer close(b.done)
	in := bufio.NewReaderSize(io.LimitReader(out, maxTalk), maxLine+1024)
	for {
		line, err := in.ReadSlice('\n')
		r, bad := parseReport(line)
		switch {
		case bad == nil:
			select {
			case b.reports <- r:
			default: // more than anybody asked for
			}
		case len(line) > 0:
			b.say(line)
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}

// maxSaid is how much is kept of what a sandbox says, for an error message.
const maxSaid = 600

func (b *box) say(text []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.said = append(b.said, text...)
	b.said = b.said[max(0, len(b.said)-maxSaid):]
}

func (b *box) words() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.ToValidUTF8(string(bytes.TrimSpace(b.said)), "?")
}

// watch says when the launcher has ended, and leaves it a zombie: until end has
// signalled its group, nobody else may get its number.
func (b *box) watch() {
	for unix.Waitid(unix.P_PID, b.cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
	}
	close(b.exited)
}

// lastWords is how long what a box has said may take to be read here, when it has
// ended: why it did not start is there. Only what lives on makes it wait so long.
const lastWords = time.Second

// end ends a box and all that is in its process group, and says how it ended.
func (b *box) end(patience time.Duration) string {
	if b.over {
		return b.cmd.ProcessState.String()
	}
	b.over = true
	if b.in != nil {
		b.in.Close()
	}
	select {
	case <-b.exited:
	case <-time.After(patience):
	}
	endGroup(b.cmd.Process.Pid) // what is left of its group
	<-b.exited
	b.cmd.Wait() // how it ended is in ProcessState

	// Something that lives on may have its output.
	late, cancel := context.WithTimeout(context.Background(), lastWords)
	defer cancel()
	for _, ended := range [...]chan struct{}{b.done, b.quiet} {
		if ended == nil {
			continue
		}
		select {
		case <-ended:
		case <-late.Done():
		}
	}
	if b.screen != nil {
		b.screen.close()
	}
	return b.cmd.ProcessState.String()
}

// ended says whether the launcher has ended by itself.
func (b *box) ended() bool {
	select {
	case <-b.exited:
		return true
	case <-b.done: // its output has: it is about to
		return true
	default:
		return false
	}
}

// next waits for the report with a nonce. Others are nobody's.
func (b *box) next(ctx context.Context, nonce string, limit time.Duration) (*Report, string) {
	t := time.NewTimer(limit)
	defer t.Stop()
	for {
		select {
		case r := <-b.reports:
			if r.Nonce == nonce {
				return r, ""
			}
		case <-b.done:
			for {
				select {
				case r := <-b.reports:
					if r.Nonce == nonce {
						return r, ""
					}
					continue
				default:
				}
				return nil, "the sandbox ended"
			}
		case <-t.C:
			return nil, "nothing came for " + limit.String()
		case <-ctx.Done():
			return nil, ctx.Err().Error()
		}
	}
}

// oneByOne hands over one probe after the other and judges each before the next.
func (s *stage) oneByOne(ctx context.Context) error {
	var b *box
	defer func() {
		if b != nil {
			b.end(2 * time.Second)
		}
	}()
	ran := false // a probe has reported, ever
	idle := 0    // boxes that were started since the last report
	for k, c := range s.cases {
		began := time.Now()
		var rep *Report
		why := ""
		slow := false
		// A box may end in between, as by the policy's own time limit: the probe that
		// finds it gone is tried again. One that ends its box does so twice.
		for try := 0; rep == nil && try < 3; try++ {
			if err := ctx.Err(); err != nil {
				return err
			}
			if b == nil {
				if idle == maxStarts {
					why = "the sandbox breaks down again and again"
					break
				}
				idle++
				var err error
				if b, err = s.start(""); err != nil {
					return err
				}
			}
			req := c.request()
			if slow {
				req.Limit *= 4
			}
			limit := time.Duration(req.Limit)*time.Millisecond + grace
			if !ran {
				limit += s.patience()
			}
			text, _ := json.Marshal(req) // strings: it cannot fail
			if _, err := b.in.Write(append(text, '\n')); err != nil {
				limit = grace // it has ended; what it said last is read all the same
			}
			rep, why = b.next(ctx, c.Nonce, limit)
			if rep != nil {
				ran, idle = true, 0
				if rep.Ended == "timeout" && !slow {
					// A busy machine, or an attack that hangs: it gets more time, once.
					rep, slow = nil, true
					continue
				}
				break
			}
			gone := b.ended()
			how := b.end(500 * time.Millisecond)
			said := b.words()
			b = nil
			if err := ctx.Err(); err != nil {
				return err
			}
			if !ran {
				return &StartError{What: "no probe ran inside: " + how, Said: said}
			}
			why += ", " + how
			if !gone {
				break // it was there and did not answer: it would not the next time
			}
		}
		s.judge(s.indices[k], c, rep, time.Since(began), why)
	}
	return nil
}

// lookBack judges what was sent over a network once more, when everything is over: on a
// busy machine a word may arrive after it was looked for.
func (s *stage) lookBack() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, c := range s.cases {
		r := &s.results[s.indices[k]]
		if r.Status != Held || c.Category() != "gate" || c.Probe.Judge == nil {
			continue
		}
		c.over = true
		if happened, what := c.Probe.Judge(c, nil); happened {
			r.Status, r.Reason = Escaped, plain(what+", late")
		}
	}
}

// packed makes one word of the scenario's requests.
func (s *stage) packed(again bool) string {
	var list []request
	for _, c := range s.cases {
		r := c.request()
		r.Again, r.TTY = again, s.name == sceneTTY
		list = append(list, r)
	}
	if s.name == sceneKill {
		list[len(list)-1].Hold = true
	}
	return pack(list)
}

// collect waits for a report about each case.
func (s *stage) collect(ctx context.Context, b *box) []*Report {
	reports := make([]*Report, len(s.cases))
	limit := s.patience()
	for k, c := range s.cases {
		reports[k], _ = b.next(ctx, c.Nonce, limit+c.limit()+grace)
		if reports[k] == nil {
			break
		}
		limit = 0
	}
	return reports
}

// allAtOnce gives the driver all probes in its command line and judges when the
// box is gone.
func (s *stage) allAtOnce(ctx context.Context) error {
	began := time.Now()
	b, err := s.start(s.packed(false))
	if err != nil {
		return err
	}
	if b.in != nil && s.name != sceneKill {
		b.in.Close()
	}
	reports := s.collect(ctx, b)
	patience := 2 * time.Second
	if s.name == sceneEnd {
		select {
		case <-b.exited: // in its own time; then it has as long as after a kill
		case <-time.After(patience):
		}
		patience = 300 * time.Millisecond
	}
	if s.name == sceneKill {
		b.cmd.Process.Kill() // the one process that was started, as kill -9 does it
		patience = 300 * time.Millisecond
	}
	if s.name == sceneKill || s.name == sceneEnd {
		s.settle(b, patience)
	}
	how := ""
	if s.name != sceneKill && s.name != sceneEnd {
		how = b.end(patience)
	}
	if err := ctx.Err(); err != nil {
		b.end(0)
		return err
	}
	if reports[0] == nil {
		if s.name == sceneFDs || s.name == sceneStdin || s.name == sceneStdinFile {
			if b.cmd.ProcessState != nil && b.cmd.ProcessState.ExitCode() > 0 && b.words() != "" {
				s.refused(b)
			}
		}
		if how == "" {
			how = b.end(0)
		}
		return &StartError{What: "no probe ran inside (" + s.name + "): " + how, Said: b.words()}
	}
	for k, c := range s.cases {
		s.judge(s.indices[k], c, reports[k], time.Since(began)/time.Duration(len(s.cases)), "the sandbox ended")
	}
	if how == "" {
		b.end(0)
	}
	return nil
}

// settle waits for a box whose launcher has ended, or was killed, without ending
// anything itself: what lives on is what is looked for.
func (s *stage) settle(b *box, patience time.Duration) {
	for end := time.Now().Add(patience + 700*time.Millisecond); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if len(processesOf(s.host.Base)) == len(s.host.ours()) {
			return
		}
	}
}

// refused notes that the sandbox did not even start on what it was given. Whether
// it starts at all, the other scenarios say.
func (s *stage) refused(b *box) {
	for k, c := range s.cases {
		if happened, _ := c.Probe.Judge(c, nil); happened {
			s.judge(s.indices[k], c, nil, 0, "")
			continue
		}
		status := Held
		if s.o.SelfCheck {
			status = Failed
		}
		s.finish(s.indices[k], c, status, "the sandbox refused to start: "+b.words(), 0)
	}
}

// twice runs two boxes in one world, one after the other, and judges then.
func (s *stage) twice(ctx context.Context) error {
	began := time.Now()
	var reports []*Report
	for _, again := range []bool{false, true} {
		b, err := s.start(s.packed(again))
		if err != nil {
			return err
		}
		b.in.Close()
		got := s.collect(ctx, b)
		how := b.end(2 * time.Second)
		if err := ctx.Err(); err != nil {
			return err
		}
		if got[0] == nil && !again {
			return &StartError{What: "no probe ran inside: " + how, Said: b.words()}
		}
		if got[0] == nil {
			// What the first run left keeps the second from starting: not an escape by
			// itself, and not to be passed over.
			for k, c := range s.cases {
				s.judge(s.indices[k], c, nil, time.Since(began)/time.Duration(len(s.cases)), "the second run did not start: "+b.words())
			}
			return nil
		}
		if again {
			for k, r := range reports {
				if r != nil && got[k] != nil {
					got[k].Loot = append(got[k].Loot, r.Loot...)
				}
			}
		}
		reports = got
	}
	for k, c := range s.cases {
		s.judge(s.indices[k], c, reports[k], time.Since(began)/time.Duration(len(s.cases)), "the sandbox ended")
	}
	return nil
}
