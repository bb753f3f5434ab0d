package seccomp

import (
	"encoding/binary"
	"testing"

	"golang.org/x/net/bpf"
)

// A vm runs a filter as the kernel would, with the interpreter of x/net, which
// also checks every jump. It reads big-endian words where the kernel reads
// native ones, so the data is laid out word by word.
type vm struct{ *bpf.VM }

func newVM(t testing.TB, prog []Instruction) vm {
	t.Helper()
	insns := make([]bpf.Instruction, len(prog))
	for i, in := range prog {
		raw := bpf.RawInstruction{Op: in.Code, Jt: in.Jt, Jf: in.Jf, K: in.K}
		insns[i] = raw.Disassemble()
		if _, ok := insns[i].(bpf.RawInstruction); ok {
			t.Fatalf("instruction %d is unknown: %+v", i, in)
		}
	}
	m, err := bpf.NewVM(insns)
	if err != nil {
		t.Fatalf("load filter: %v", err)
	}
	return vm{m}
}

// data is struct seccomp_data.
type data struct {
	nr, arch uint32
	args     [6]uint64
}

func (m vm) run(t testing.TB, d data) verdict {
	var b [64]byte
	binary.BigEndian.PutUint32(b[dataNumber:], d.nr)
	binary.BigEndian.PutUint32(b[dataArch:], d.arch)
	for i, a := range d.args {
		binary.BigEndian.PutUint32(b[dataArgs+8*i:], uint32(a))
		binary.BigEndian.PutUint32(b[dataArgs+8*i+4:], uint32(a>>32))
	}
	v, err := m.Run(b[:])
	if err != nil {
		t.Fatalf("run filter on %+v: %v", d, err)
	}
	return verdict(v)
}

// judge is what the rules say, worked out without a program.
func judge(r *rule, d data) verdict {
next:
	for _, cl := range r.clauses {
		for _, t := range cl.all {
			half := uint32(d.args[t.arg])
			if t.high {
				half = uint32(d.args[t.arg] >> 32)
			}
			if (half&t.mask == t.want) == t.not {
				continue next
			}
		}
		return cl.do
	}
	if r.next != nil {
		return judge(r.next, d)
	}
	return r.otherwise
}
