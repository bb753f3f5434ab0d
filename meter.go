package bailey

import (
	"errors"
	"io"
	"sync"
	"time"
)

// errOutput ends the copying of a command's output.
var errOutput = errors.New("output limit reached")

// minBurst is how much output may pass at once however low the rate is: one full
// pipe, so that a short answer never waits.
const minBurst = 64 << 10

// meter holds the output limits of a box. It counts the bytes of all commands.
type meter struct {
	total, rate int64 // bytes, bytes a second; 0 is no limit

	mu     sync.Mutex
	used   int64
	tokens float64
	last   time.Time
}

func newMeter(total, rate int64) *meter {
	m := &meter{total: total, rate: rate, last: time.Now()}
	m.tokens = float64(m.burst())
	return m
}

func (m *meter) burst() int64 { return max(m.rate, minBurst) }

// take returns how many of n bytes may pass, and how long to wait before they
// do. Less than n means that the total is used up.
func (m *meter) take(n int) (int, time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.total > 0 {
		n = int(min(int64(n), m.total-m.used))
		m.used += int64(n)
	}
	if m.rate == 0 {
		return n, 0
	}
	now := time.Now()
	m.tokens = min(m.tokens+now.Sub(m.last).Seconds()*float64(m.rate), float64(m.burst()))
	m.last = now
	m.tokens -= float64(n) // below zero: borrowed from the future, and waited for
	if m.tokens >= 0 {
		return n, 0
	}
	return n, time.Duration(-m.tokens / float64(m.rate) * float64(time.Second))
}

// meteredWriter passes what the meter allows.
type meteredWriter struct {
	w     io.Writer
	m     *meter
	stop  <-chan struct{} // ends waiting
	limit func(*LimitError)
}

func (w *meteredWriter) Write(p []byte) (int, error) {
	n, wait := w.m.take(len(p))
	if wait > 0 {
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-w.stop:
			t.Stop()
		}
	}
	written, err := w.w.Write(p[:n])
	if err == nil && n < len(p) {
		w.limit(&LimitError{Limit: "output", Value: w.m.total, Unit: "bytes"})
		err = errOutput
	}
	return written, err
}
