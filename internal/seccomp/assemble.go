package seccomp

import "slices"

// Opcodes of linux/bpf_common.h that filters use.
const (
	opLoad             = 0x20 // BPF_LD | BPF_W | BPF_ABS
	opAnd              = 0x54 // BPF_ALU | BPF_AND | BPF_K
	opJump             = 0x05 // BPF_JMP | BPF_JA
	opJumpEqual        = 0x15 // BPF_JMP | BPF_JEQ | BPF_K
	opJumpGreaterEqual = 0x35 // BPF_JMP | BPF_JGE | BPF_K
	opJumpSet          = 0x45 // BPF_JMP | BPF_JSET | BPF_K
	opReturn           = 0x06 // BPF_RET | BPF_K
)

// farthest is how many instructions a conditional jump can skip.
const farthest = 255

// A compiler emits a program from its end to its start: classic BPF jumps only
// forwards, so whatever is jumped to stands already and its distance is known.
type compiler struct {
	code   []Instruction // last instruction first
	blocks map[*rule]target
	near   [8]copyOf // the latest copy of each verdict
	nears  int
}

type copyOf struct {
	verdict verdict
	at      target
}

// A target names an instruction by its place from the end of the program.
type target int

// emit adds an instruction in front of all others.
func (c *compiler) emit(i Instruction) target {
	c.code = append(c.code, i)
	return target(len(c.code) - 1)
}

// distance is what an instruction emitted next has to skip to reach t.
func (c *compiler) distance(t target) int { return len(c.code) - 1 - int(t) }

// verdict returns a return instruction for v within reach: a second copy costs
// no more than the jump that would lead to the first, and nothing to run.
func (c *compiler) verdict(v verdict) target {
	// slack leaves room for what may be emitted between this and its use.
	const slack = 8
	for i := range c.near[:c.nears] {
		r := &c.near[i]
		if r.verdict != v {
			continue
		}
		if c.distance(r.at) > farthest-slack {
			r.at = c.emit(Instruction{Code: opReturn, K: uint32(v)})
		}
		return r.at
	}
	t := c.emit(Instruction{Code: opReturn, K: uint32(v)})
	if c.nears < len(c.near) {
		c.near[c.nears] = copyOf{v, t}
		c.nears++
	}
	return t
}

// load reads the word at offset of the syscall's data and goes on at next.
func (c *compiler) load(offset uint32, next target) target {
	c.follow(next)
	return c.emit(Instruction{Code: opLoad, K: offset})
}

// and masks the loaded word and goes on at next.
func (c *compiler) and(mask uint32, next target) target {
	c.follow(next)
	return c.emit(Instruction{Code: opAnd, K: mask})
}

// follow makes next the instruction that runs after the one emitted next.
func (c *compiler) follow(next target) {
	if d := c.distance(next); d > 0 {
		c.emit(Instruction{Code: opJump, K: uint32(d)})
	}
}

// branch compares the loaded word with k and goes on at yes or no, over a long
// jump where that is too far for a conditional one.
func (c *compiler) branch(op uint16, k uint32, yes, no target) target {
	// Making no reachable may move yes out of reach, by one instruction.
	if c.distance(yes) > farthest-1 {
		yes = c.emit(Instruction{Code: opJump, K: uint32(c.distance(yes))})
	}
	if c.distance(no) > farthest {
		no = c.emit(Instruction{Code: opJump, K: uint32(c.distance(no))})
	}
	return c.emit(Instruction{Code: op, Jt: uint8(c.distance(yes)), Jf: uint8(c.distance(no)), K: k})
}

// finish returns the program first instruction first.
func (c *compiler) finish() []Instruction {
	slices.Reverse(c.code)
	return c.code
}
