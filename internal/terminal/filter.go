// Package terminal stands between a box and the person's terminal: it lets
// through what draws, and stops what makes the terminal act or answer.
package terminal

import (
	"bytes"
	"io"
	"strings"
	"sync"
	"unicode/utf8"
)

const (
	// maxCSI bounds a control sequence. The longest in use (a colour in every
	// parameter) stay below 100 bytes; longer ones are dropped.
	maxCSI = 256
	// maxOSC bounds an operating system command. Links carry addresses of up to
	// about 2,000 bytes; longer commands are dropped.
	maxOSC = 4096
)

// The states of the filter, named as in ECMA-48.
type state uint8

const (
	ground   state = iota
	escape         // after ESC
	csi            // after ESC [
	osc            // after ESC ]
	oscEsc         // after an ESC within an osc
	linuxOSC       // ESC ] P of the Linux console, which has no end mark
	str            // in a string that is dropped: DCS, APC, PM, SOS, ESC k
	strEsc         // after an ESC within such a string
)

// Filter copies a box's terminal output to a terminal. Text, colours, cursor
// movement, modes, titles and links pass. What reaches beyond the screen does
// not: the clipboard (OSC 52), fonts (OSC 50), files, images and notifications
// by private protocols (OSC 1337, APC), device control strings, printing,
// windows being moved, and every report whose text a program can choose
// (answerback, title, DECRQSS, checksums of the screen): such an answer would
// arrive as if it had been typed.
//
// Only complete sequences are passed on, so the terminal's parser cannot be
// brought out of step with this one. The terminal is taken to speak UTF-8.
type Filter struct {
	w io.Writer

	mu    sync.Mutex // held while a question of bailey's own is shown
	out   []byte     // what this Write passes on
	state state
	seq   []byte // the sequence so far, from ESC
	drop  bool   // the sequence is too long or has bytes it must not have
	left  int    // bytes of a linuxOSC still to come
	utf   []byte // an incomplete UTF-8 character
	inner bool   // the last byte passed on did not end a line
	modes modes
}

// NewFilter returns a filter that writes to w.
func NewFilter(w io.Writer) *Filter { return &Filter{w: w} }

// Write filters p. What it holds back (the beginning of a sequence) is bounded.
func (f *Filter) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.out = f.out[:0]
	for i := 0; i < len(p); i++ {
		if f.state == ground && len(f.utf) == 0 {
			n := printable(p[i:])
			f.out = append(f.out, p[i:i+n]...)
			if i += n; i == len(p) {
				break
			}
		}
		f.feed(p[i])
	}
	if len(f.out) > 0 {
		f.inner = f.out[len(f.out)-1] != '\n'
		if _, err := f.w.Write(f.out); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// Note writes lines of bailey's own between those of the box. It reports false, and
// writes nothing, where they would disturb what the box draws: on a second screen, or
// in the middle of a sequence.
func (f *Filter) Note(lines string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.modes.second() || f.state != ground || len(f.utf) > 0 {
		return false
	}
	if f.inner {
		lines = "\n" + lines
	}
	f.inner = false
	_, err := io.WriteString(f.w, strings.ReplaceAll(lines, "\n", "\r\n"))
	return err == nil
}

// printable counts the leading bytes that are nothing but text.
func printable(p []byte) int {
	for i, b := range p {
		if (b < 0x20 || b >= 0x7f) && b != '\n' && b != '\r' && b != '\t' {
			return i
		}
	}
	return len(p)
}

// Reset writes what brings the terminal back to how a shell expects it: the
// modes that the box switched on and left on.
func (f *Filter) Reset() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.state, f.seq, f.utf = ground, f.seq[:0], f.utf[:0]
	if undo := f.modes.undo(); len(undo) > 0 {
		_, err := f.w.Write(undo)
		return err
	}
	return nil
}

// hold keeps the box from drawing until release is called. It returns what to
// write before and after something else is drawn, so that the screen is as it was,
// and whether a full-screen program has to draw anew, because its screen was taken.
func (f *Filter) hold() (enter, leave []byte, redraw bool) {
	f.mu.Lock()
	return f.modes.aside()
}

func (f *Filter) release() { f.mu.Unlock() }

func (f *Filter) feed(b byte) {
	if f.state == ground && (len(f.utf) > 0 || b >= 0x80) {
		if f.text(b) {
			return
		}
	}
	switch f.state {
	case ground:
		switch {
		case b == esc:
			f.begin()
		case b == 0x05: // ENQ: the terminal types its answerback
		default:
			f.out = append(f.out, b)
		}
	case escape:
		f.inEscape(b)
	case csi:
		f.inCSI(b)
	case linuxOSC:
		if f.left--; f.left == 0 {
			f.end()
		}
	case osc, str:
		f.inString(b)
	case oscEsc, strEsc:
		if b == '\\' {
			f.stringEnd([]byte{esc, '\\'})
			return
		}
		f.begin() // the ESC began another sequence: the string is void
		f.inEscape(b)
	}
}

const esc = 0x1b

func (f *Filter) begin() {
	f.state, f.drop = escape, false
	f.seq = append(f.seq[:0], esc)
}

func (f *Filter) end() { f.state, f.seq = ground, f.seq[:0] }

// control handles the bytes that act in the middle of a sequence too, and says
// whether b was one.
func (f *Filter) control(b byte) bool {
	switch {
	case b == esc:
		f.begin()
	case b == 0x18, b == 0x1a: // CAN, SUB
		f.end()
	case b == 0x05, b == 0x7f:
	case b < 0x20:
		f.out = append(f.out, b)
	default:
		return false
	}
	return true
}

func (f *Filter) inEscape(b byte) {
	if f.control(b) {
		return
	}
	switch {
	case b >= 0x80:
		f.end()
		f.feed(b)
	case b <= 0x2f: // an intermediate byte
		f.add(b, maxCSI)
	case len(f.seq) > 1: // the final byte after intermediates
		// ESC % switches the terminal away from UTF-8, ESC SP makes it answer
		// with 8-bit controls: either would blind this filter.
		if !f.drop && f.seq[1] != '%' && f.seq[1] != ' ' {
			f.out = append(append(f.out, f.seq...), b)
		}
		f.end()
	case b == '[':
		f.add(b, maxCSI)
		f.state = csi
	case b == ']':
		f.add(b, maxOSC)
		f.state = osc
	case b == 'P', b == 'X', b == '^', b == '_', b == 'k': // DCS, SOS, PM, APC, a title for screen
		f.state = str
	case b == '\\': // the end of a string that there was not
		f.end()
	default:
		f.modes.escape(b)
		f.out = append(f.out, esc, b)
		f.end()
	}
}

func (f *Filter) inCSI(b byte) {
	if f.control(b) {
		return
	}
	switch {
	case b >= 0x80:
		f.end()
		f.feed(b)
	case b < 0x40:
		f.add(b, maxCSI)
	default:
		if !f.drop && passCSI(f.seq[2:], b) {
			f.modes.csi(f.seq[2:], b)
			f.out = append(append(f.out, f.seq...), b)
		}
		f.end()
	}
}

func (f *Filter) inString(b byte) {
	isOSC := f.state == osc
	switch {
	case b == esc && isOSC:
		f.state = oscEsc
	case b == esc:
		f.state = strEsc
	case b == 0x18, b == 0x1a:
		f.end()
	case b == 0x07 && isOSC:
		f.stringEnd([]byte{b})
	case !isOSC:
	case len(f.seq) == 2 && b == 'P':
		f.state, f.left = linuxOSC, 7
	case len(f.seq) == 2 && b == 'R':
		f.end()
	case b < 0x20, b == 0x7f:
		f.drop = true
	default:
		f.add(b, maxOSC)
	}
}

// stringEnd ends a string; mark is the end mark it came with.
func (f *Filter) stringEnd(mark []byte) {
	// A C1 control hides in UTF-8 as 0xc2 0x80…0x9f; invalid text could hide
	// one from this parser only.
	if f.state == osc || f.state == oscEsc {
		body := f.seq[2:]
		if !f.drop && utf8.Valid(body) && !hasC1(body) && passOSC(body) {
			f.out = append(append(f.out, f.seq...), mark...)
		}
	}
	f.end()
}

func (f *Filter) add(b byte, max int) {
	if len(f.seq) >= max {
		f.drop = true
		return
	}
	f.seq = append(f.seq, b)
}

// text takes the bytes of UTF-8 characters and says whether b was one of them.
// The 8-bit controls, encoded (U+0080 to U+009F) or bare, are dropped: ESC and a
// letter does all that they do.
func (f *Filter) text(b byte) bool {
	if len(f.utf) > 0 && b&0xc0 != 0x80 { // the character was cut short
		f.bare(f.utf)
		f.utf = f.utf[:0]
		if b < 0x80 {
			return false
		}
	}
	f.utf = append(f.utf, b)
	if !utf8.FullRune(f.utf) {
		return true
	}
	if r, n := utf8.DecodeRune(f.utf); r == utf8.RuneError && n == 1 {
		f.bare(f.utf)
	} else if r >= 0xa0 {
		f.out = append(f.out, f.utf...)
	}
	f.utf = f.utf[:0]
	return true
}

// bare passes bytes that are no UTF-8, without those that could be controls.
func (f *Filter) bare(p []byte) {
	for _, b := range p {
		if b >= 0xa0 {
			f.out = append(f.out, b)
		}
	}
}

func hasC1(p []byte) bool {
	return bytes.ContainsFunc(p, func(r rune) bool { return r >= 0x80 && r < 0xa0 })
}
