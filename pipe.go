package bailey

import (
	"errors"
	"io"
	"os"
)

// StdinPipe returns a pipe to the command's input. Wait closes it; close it
// before when the command waits for the end of its input.
func (c *Cmd) StdinPipe() (io.WriteCloser, error) {
	if c.Stdin != nil {
		return nil, errors.New("bailey: Stdin already set")
	}
	if c.started.Load() {
		return nil, errors.New("bailey: StdinPipe after process started")
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	c.Stdin = r
	c.io.child = append(c.io.child, r)
	c.io.user = append(c.io.user, w)
	return w, nil
}

// StdoutPipe returns a pipe from the command's output. Wait closes it, so read
// all of it before.
func (c *Cmd) StdoutPipe() (io.ReadCloser, error) { return c.outPipe(&c.Stdout, "Stdout") }

// StderrPipe is StdoutPipe for the standard error.
func (c *Cmd) StderrPipe() (io.ReadCloser, error) { return c.outPipe(&c.Stderr, "Stderr") }

func (c *Cmd) outPipe(to *io.Writer, name string) (io.ReadCloser, error) {
	if *to != nil {
		return nil, errors.New("bailey: " + name + " already set")
	}
	if c.started.Load() {
		return nil, errors.New("bailey: " + name + "Pipe after process started")
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	*to = w
	if c.io.own == nil {
		c.io.own = map[*os.File]bool{}
	}
	c.io.own[w] = true
	c.io.user = append(c.io.user, r)
	return r, nil
}
