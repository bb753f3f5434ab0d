package terminal

import (
	"slices"
	"strconv"
)

// modes remembers what a box switched on in the terminal, so that a box that was
// killed does not leave a mouse that types or a screen that scrolls away.
type modes struct {
	on      []int // private modes set, of those in undoable
	hidden  bool  // the cursor
	nowrap  bool  // lines do not wrap
	keypad  bool
	keys    bool // xterm's modifyOtherKeys
	kitty   int  // depth of kitty's keyboard stack
	kittyOn bool // flags set without a push
	newline bool // mode 20
	drawn   bool // colours or attributes were changed
	charset bool // line drawing characters may be selected
	scroll  bool // a scrolling region was set
	region  string
	cursor  bool // the cursor's shape was changed
}

// undoable are the private modes (CSI ? n h) that a shell does not expect.
var undoable = [...]int{1, 5, 6, 9, 47, 66, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 1015, 1016, 1047, 1049, 2004, 2026, 2031, 2048}

// maxKitty bounds the stack that is undone: terminals keep 8 to 16 entries.
const maxKitty = 16

func (m *modes) escape(final byte) {
	switch final {
	case '=':
		m.keypad = true
	case '>':
		m.keypad = false
	case 'c':
		*m = modes{}
	case 'n', 'o', '|', '}', '~': // locking shifts
		m.charset = true
	}
}

func (m *modes) csi(body []byte, final byte) {
	params, inter := split(body)
	switch {
	case final == 'm' && len(params) > 0 && params[0] == '>':
		m.keys = true
	case final == 'm':
		m.drawn = len(params) > 0 && string(params) != "0"
	case final == 'r' && len(inter) == 0 && !private(params):
		m.scroll, m.region = true, string(params)
	case final == 'q' && string(inter) == " ":
		m.cursor = true
	case final == 'u' && len(params) > 0 && params[0] == '>':
		m.kitty = min(m.kitty+1, maxKitty)
	case final == 'u' && len(params) > 0 && params[0] == '<':
		m.kitty = max(m.kitty-max(numbers(params)[0], 1), 0)
	case final == 'u' && len(params) > 0 && params[0] == '=':
		m.kittyOn = true
	case (final == 'h' || final == 'l') && len(inter) == 0 && len(params) > 0 && params[0] == '?':
		for _, n := range numbers(params) {
			m.set(n, final == 'h')
		}
	case (final == 'h' || final == 'l') && len(inter) == 0:
		if slices.Contains(numbers(params), 20) {
			m.newline = final == 'h'
		}
	}
}

func (m *modes) set(n int, on bool) {
	switch n {
	case 7:
		m.nowrap = !on
		return
	case 25:
		m.hidden = !on
		return
	}
	if !slices.Contains(undoable[:], n) {
		return
	}
	m.on = slices.DeleteFunc(m.on, func(o int) bool { return o == n })
	if on {
		m.on = append(m.on, n)
	}
}

// undo returns what undoes all of it, and forgets it.
func (m *modes) undo() []byte {
	var out []byte
	add := func(is bool, s string) {
		if is {
			out = append(out, s...)
		}
	}
	add(m.kitty > 0, "\x1b[<"+strconv.Itoa(m.kitty)+"u")
	add(m.kittyOn, "\x1b[=0u")
	add(m.keys, "\x1b[>4m")
	// A scrolling region's reset moves the cursor: save and restore it around.
	add(m.scroll, "\x1b7\x1b[r\x1b8")
	for _, n := range slices.Backward(m.on) {
		out = append(out, "\x1b[?"+strconv.Itoa(n)+"l"...)
	}
	add(m.newline, "\x1b[20l")
	add(m.keypad, "\x1b>")
	add(m.nowrap, "\x1b[?7h")
	add(m.hidden, "\x1b[?25h")
	add(m.cursor, "\x1b[0 q")
	add(m.charset, "\x0f")
	add(m.drawn, "\x1b[0m")
	*m = modes{}
	return out
}

// second reports whether a full-screen program draws, or one that moves around in
// a part of the screen.
func (m *modes) second() bool {
	return m.scroll || slices.ContainsFunc(m.on, func(n int) bool { return n == 47 || n == 1047 || n == 1049 })
}

// aside returns what puts a screen of bailey's own in front, with nothing in force
// of what a box has set, and what brings back the box's. redraw says that the box
// had the terminal's second screen already: that one is gone then.
func (m *modes) aside() (enter, leave []byte, redraw bool) {
	// ESC 7 and ESC 8 keep the cursor with its colours and characters.
	enter = append(enter, "\x1b7"...)
	var back []byte
	swap := func(is bool, now, then string) {
		if is {
			enter = append(enter, now...)
			back = append(back, then...)
		}
	}
	for _, n := range m.on {
		number := strconv.Itoa(n)
		switch n {
		case 47, 1047, 1049:
			redraw = true
		default:
			swap(true, "\x1b[?"+number+"l", "\x1b[?"+number+"h")
		}
	}
	swap(!redraw, "\x1b[?1049h", "")
	swap(m.kitty > 0 || m.kittyOn, "\x1b[>0u", "\x1b[<u")
	swap(m.scroll, "\x1b[r", "\x1b["+m.region+"r")
	swap(m.newline, "\x1b[20l", "\x1b[20h")
	swap(m.keypad, "\x1b>", "\x1b=")
	swap(m.nowrap, "\x1b[?7h", "\x1b[?7l")
	swap(m.hidden, "\x1b[?25h", "\x1b[?25l")
	enter = append(enter, "\x1b(B\x0f\x1b[0m"...)
	leave = append(leave, "\x1b[0m\x1b[2J\x1b[H"...)
	if !redraw {
		leave = append(leave, "\x1b[?1049l"...)
	}
	leave = append(leave, back...)
	return enter, append(leave, "\x1b8"...), redraw
}
