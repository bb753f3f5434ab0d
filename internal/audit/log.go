package audit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"
)

// Options says where the events of a session go. The zero value drops them.
type Options struct {
	// File receives one line per event, one write per line. The log owns it.
	File *os.File
	// Sink, when not nil, is called with each event, one at a time and in order;
	// it must not call back into the log.
	Sink func(Event)
	// Secrets are values that never appear in an event.
	Secrets []string
}

// Log is the event stream of one session. A nil Log drops everything.
type Log struct {
	session string
	sink    func(Event)
	scrub   scrubber
	now     func() time.Time

	mu   sync.Mutex // guards all below
	file *os.File
	seq  uint64
	err  error // the first failure; nothing is written after it
}

// New returns a log for the session, or nil when nobody listens.
func New(session string, o Options) *Log {
	if o.File == nil && o.Sink == nil {
		return nil
	}
	return &Log{session: session, sink: o.Sink, scrub: newScrubber(o.Secrets), now: time.Now, file: o.File}
}

// Add writes one event. The first failure is kept and returned ever after: a
// stream with a hole in it would be worse than one that ends.
func (l *Log) Add(d Data) error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return l.err
	}
	l.seq++
	e := Event{
		Version: Version,
		Seq:     l.seq,
		Time:    l.now().UTC(),
		Session: l.session,
		Type:    d.Type(),
		Data:    d.scrubbed(l.scrub.text),
	}
	if l.file != nil {
		var line bytes.Buffer
		enc := json.NewEncoder(&line)
		enc.SetEscapeHTML(false) // shell text is full of < > &
		err := enc.Encode(e)
		if err == nil {
			_, err = l.file.Write(line.Bytes())
		}
		if err != nil {
			l.err = fmt.Errorf("write event: %w", err)
			return l.err
		}
	}
	if l.sink != nil {
		l.sink(e)
	}
	return nil
}

// Close closes the file.
func (l *Log) Close() error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil
	}
	err := l.file.Close()
	l.file = nil
	if l.err != nil {
		return l.err
	}
	return err
}
