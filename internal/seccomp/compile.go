package seccomp

// An Instruction is one step of a classic BPF program, laid out as the kernel's
// struct sock_filter.
type Instruction struct {
	Code   uint16
	Jt, Jf uint8
	K      uint32
}

// MaxInstructions is BPF_MAXINSNS: the kernel refuses longer programs.
const MaxInstructions = 4096

// Offsets in struct seccomp_data. Both architectures are little endian.
const (
	dataNumber = 0
	dataArch   = 4
	dataArgs   = 16 // six of 8 bytes, the low half first
)

// Compile makes the filter of profile p for an architecture named as by GOARCH.
// It takes microseconds, so nothing caches it.
//
// The program checks the architecture first and kills on a foreign one: its
// numbers mean other syscalls. Then a balanced tree over ranges of numbers leads
// to each rule in about eight comparisons. A chain of comparisons would be as
// right, but the kernel runs a new filter once for every number it knows (to
// learn which are always allowed), which costs five times as much.
//
// With Profile.Exec, an execve whose fourth argument is key passes: the kernel
// does not look at that argument, and the launcher, whose supervisor waits for it
// to become the command, sets it. Key 0 is none. It must be random, and new for
// each filter; nothing of it is left once the command runs.
func Compile(p Profile, archName string, key uint64) ([]Instruction, error) {
	a, err := archFor(archName)
	if err != nil {
		return nil, err
	}
	var c compiler
	c.code = make([]Instruction, 0, 640)
	c.blocks = make(map[*rule]target, 32)

	table := byNumber(p, a)
	if p.Exec && key != 0 {
		lo, hi := is(3, uint32(key)), is(3, uint32(key>>32))
		hi.high = true
		table[a.numbers[sysExecve]] = &rule{clauses: []clause{{"the launcher's own", []test{lo, hi}, retAllow}}, otherwise: retNotify}
	}
	root := c.tree(ranges(table))
	if a.foreign != 0 {
		root = c.branch(opJumpGreaterEqual, a.foreign, c.verdict(eNOSYS), root)
	}
	root = c.load(dataNumber, root)
	root = c.branch(opJumpEqual, a.audit, root, c.verdict(retKill))
	c.load(dataArch, root)

	return c.finish(), nil
}

// A span is a run of syscall numbers with one rule, up to the next span's first.
type span struct {
	first uint32
	rule  *rule
}

func ranges(table []*rule) []span {
	spans := make([]span, 0, 256)
	for nr, r := range table {
		if len(spans) == 0 || spans[len(spans)-1].rule != r {
			spans = append(spans, span{uint32(nr), r})
		}
	}
	if spans[len(spans)-1].rule != &absentRule {
		spans = append(spans, span{uint32(len(table)), &absentRule})
	}
	return spans
}

// tree emits the search for the current number among spans.
func (c *compiler) tree(spans []span) target {
	if len(spans) == 1 {
		return c.rule(spans[0].rule)
	}
	mid := len(spans) / 2
	upper := c.tree(spans[mid:])
	lower := c.tree(spans[:mid])
	return c.branch(opJumpGreaterEqual, spans[mid].first, upper, lower)
}

// rule emits r, once: spans of the same rule share its block.
func (c *compiler) rule(r *rule) target {
	if len(r.clauses) == 0 {
		return c.verdict(r.otherwise)
	}
	if t, ok := c.blocks[r]; ok {
		return t
	}
	var next target
	if r.next != nil {
		next = c.rule(r.next)
	} else {
		next = c.verdict(r.otherwise)
	}
	for i := len(r.clauses) - 1; i >= 0; i-- {
		next = c.clause(&r.clauses[i], next)
	}
	c.blocks[r] = next
	return next
}

// clause emits one clause that goes on at next when a test of it fails.
func (c *compiler) clause(cl *clause, next target) target {
	yes := c.verdict(cl.do)
	for i := len(cl.all) - 1; i >= 0; i-- {
		yes = c.test(&cl.all[i], yes, next)
	}
	return yes
}

func (c *compiler) test(t *test, yes, no target) target {
	if t.not {
		yes, no = no, yes
	}
	offset := uint32(dataArgs + 8*uint32(t.arg))
	if t.high {
		offset += 4
	}
	switch {
	case t.mask == ^uint32(0):
		return c.load(offset, c.branch(opJumpEqual, t.want, yes, no))
	case t.want == 0:
		return c.load(offset, c.branch(opJumpSet, t.mask, no, yes))
	}
	return c.load(offset, c.and(t.mask, c.branch(opJumpEqual, t.want, yes, no)))
}
