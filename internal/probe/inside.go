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
	"runtime"
	"strings"
	"syscall"
	"time"
)

// The verbs by which the program calls itself. They are no part of the interface.
const (
	verbInside  = "prove-inside"  // the program inside: probes from stdin, or packed in a word
	verbOne     = "prove-one"     // one probe, from stdin
	verbVictim  = "prove-victim"  // a process with a secret
	verbLinger  = "prove-linger"  // tries to outlive the box
	verbJanitor = "prove-janitor" // removes everything when its input ends
)

// Hidden runs the program as one of its own helpers, when args say so.
func Hidden(args []string) (code int, is bool) {
	if len(args) == 0 || !strings.HasPrefix(args[0], "prove-") {
		return 0, false
	}
	switch args[0] {
	case verbInside:
		return insideMain(args[1:]), true
	case verbOne:
		return oneMain(), true
	case verbVictim:
		return victimMain(), true
	case verbLinger:
		return lingerMain(args[1:]), true
	case verbJanitor:
		return janitorMain(), true
	}
	return 0, false
}

// Inside is what an attack has.
type Inside struct {
	World
	Nonce string            // a fresh word: what a listener gets to hear
	Args  map[string]string // what Plant left
	Self  string            // this program

	loot []byte
}

// Loot notes what was got hold of.
func (in *Inside) Loot(b []byte) {
	in.loot = append(in.loot, b[:min(len(b), maxLoot-len(in.loot))]...)
}

type lackError string

func (e lackError) Error() string { return "program missing: " + string(e) }

// Lack says that a program is missing inside.
func (in *Inside) Lack(program string) error { return lackError(program) }

// errHeld is the error of an attempt that was made and got nothing.
var errHeld = errors.New("nothing got through")

// holdTime is how long the driver stays to be killed: far longer than that takes.
const holdTime = 30 * time.Second

// insideMain is the driver: it runs inside the sandbox and starts one process
// after the other. It does what its input says and judges nothing.
func insideMain(args []string) int {
	self, err := os.Executable()
	if err != nil {
		self = os.Args[0]
	}
	answer := func(req *request) bool {
		_, err := os.Stdout.Write(encodeReport(runOne(self, req)))
		return err == nil
	}
	if len(args) > 0 && args[0] != "-" {
		word := args[0]
		if strings.HasPrefix(word, "/") { // no packed word has a slash
			text, err := os.ReadFile(word)
			if err != nil {
				fmt.Fprintln(os.Stderr, "read requests:", err)
				return 2
			}
			word = string(text)
		}
		list, err := unpack(word)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 2
		}
		for i := range list {
			if !answer(&list[i]) {
				return 1
			}
			if list[i].Hold {
				time.Sleep(holdTime)
			}
		}
		return 0
	}
	in := bufio.NewReaderSize(os.Stdin, 64<<10)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return 0
		}
		var req request
		if err := json.Unmarshal(line, &req); err != nil {
			fmt.Fprintln(os.Stderr, "decode request:", err)
			return 2
		}
		if !answer(&req) {
			return 1
		}
	}
}

// runOne runs one probe in a process of its own.
func runOne(self string, req *request) *Report {
	r := &Report{Nonce: req.Nonce}
	text, _ := json.Marshal(req) // strings: it cannot fail
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(req.Limit)*time.Millisecond)
	defer cancel()
	c := exec.CommandContext(ctx, self, verbOne)
	var out, errs bounded
	c.Stdout = &out
	if req.TTY {
		// The probe has the terminal as input and for messages; the request goes along
		// as an argument.
		c.Args = append(c.Args, pack([]request{*req}))
		c.Stdin, c.Stderr = os.Stdin, os.Stderr
	} else {
		c.Stdin, c.Stderr = bytes.NewReader(text), &errs
		c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		c.Cancel = func() error { return endGroup(c.Process.Pid) }
	}
	if req.ID == "" { // nobody asks for that: the driver is looked at
		r.Ended = "done"
		return r
	}
	if len(req.Args["stdin"]) > 0 { // the driver's own input is what is probed
		c.Args = append(c.Args, pack([]request{*req}))
		c.Stdin = os.Stdin
	}
	c.WaitDelay = 300 * time.Millisecond
	err := c.Run()
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil // it ended well; something that it started has its output
	}
	if got, e := decodeReport(out.Bytes()); e == nil && err == nil {
		got.Nonce = req.Nonce
		return got
	}
	r.Ended = "crash"
	if st := c.ProcessState; st != nil {
		if ws, ok := st.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
			r.Ended, r.Signal = "signal", int(ws.Signal())
		}
	}
	if ctx.Err() != nil {
		r.Ended = "timeout"
	}
	r.Err = strings.ToValidUTF8(fmt.Sprintf("%v: %s", err, errs.Bytes()), "?")
	return r
}

// bounded keeps the beginning of what is written to it.
type bounded struct{ bytes.Buffer }

func (b *bounded) Write(p []byte) (int, error) {
	if room := maxLine - b.Len(); room > 0 {
		b.Buffer.Write(p[:min(len(p), room)])
	}
	return len(p), nil
}

// oneMain makes one attempt.
func oneMain() int {
	var req request
	if len(os.Args) > 2 {
		list, err := unpack(os.Args[2])
		if err != nil || len(list) != 1 {
			return 2
		}
		req = list[0]
	} else {
		text, err := io.ReadAll(io.LimitReader(os.Stdin, maxLine))
		if err == nil {
			err = json.Unmarshal(text, &req)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 2
		}
	}
	p := lookup(req.ID)
	if p == nil {
		fmt.Fprintln(os.Stderr, "no such probe:", req.ID)
		return 2
	}
	// Attacks change what belongs to a thread: keyrings, filters, namespaces.
	runtime.LockOSThread()
	self, err := os.Executable()
	if err != nil {
		self = os.Args[0]
	}
	in := &Inside{World: req.World, Nonce: req.Nonce, Args: req.Args, Self: self}
	out := os.Stdout
	os.Stdout = os.Stderr // nothing but the report goes there
	attack := p.Attack
	if req.Again {
		attack = p.Again
	}
	r := &Report{Nonce: req.Nonce, Ended: "done"}
	if attack != nil {
		err = attack(in)
	}
	var lack lackError
	switch {
	case errors.As(err, &lack):
		r.Lack, r.Err = string(lack), lack.Error()
	case err != nil:
		r.Err = strings.ToValidUTF8(err.Error(), "?")
	default:
		r.Claimed = true
	}
	r.Loot = in.loot
	r.Err = strings.ToValidUTF8(r.Err[:min(len(r.Err), maxErr)], "?")
	text, _ := json.Marshal(r)
	if _, err := out.Write(text); err != nil {
		return 1
	}
	return 0
}
