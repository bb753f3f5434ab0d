package bailey

import (
	"testing"
	"time"
)

func TestMeter(t *testing.T) {
	m := newMeter(100, 0)
	if n, wait := m.take(60); n != 60 || wait != 0 {
		t.Errorf("60 of 100: %d, %v", n, wait)
	}
	if n, _ := m.take(60); n != 40 {
		t.Errorf("60 of the remaining 40: %d", n)
	}
	if n, _ := m.take(1); n != 0 {
		t.Errorf("1 of none: %d", n)
	}

	m = newMeter(0, 1<<20)
	if _, wait := m.take(1 << 20); wait != 0 {
		t.Errorf("the first second's worth waits %v", wait)
	}
	if _, wait := m.take(1 << 19); wait < 400*time.Millisecond || wait > 600*time.Millisecond {
		t.Errorf("half a second's worth more waits %v", wait)
	}
	m = newMeter(0, 1) // a low rate still lets a short answer through
	if _, wait := m.take(minBurst); wait != 0 {
		t.Errorf("the burst waits %v", wait)
	}
}

func TestAmount(t *testing.T) {
	for want, e := range map[string]*LimitError{
		"1m30s":      {Value: int64(90 * time.Second), Unit: "ns"},
		"4 GiB":      {Value: 4 << 30, Unit: "bytes"},
		"1025 bytes": {Value: 1025, Unit: "bytes"},
		"7":          {Value: 7, Unit: "count"},
	} {
		if got := e.Amount(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
