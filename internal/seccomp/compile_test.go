package seccomp

import (
	"errors"
	"fmt"
	"testing"
	"unsafe"
)

// profiles yields every profile.
func profiles(yield func(Profile) bool) {
	for i := range 128 {
		if !yield(Profile{Debug: i&1 != 0, Broker: i&2 != 0, Reads: i&4 != 0, Sockets: i&8 != 0, Metadata: i&16 != 0, Interfaces: i&32 != 0, Proxy: i&64 != 0}) {
			return
		}
	}
}

// interesting are argument values that some rule looks at, neighbours of them,
// and the same with high bits set.
var interesting = []uint64{
	0, 1, 2, 3, 5, 6, 8, 10, 16, 17, 35, 58, 0x41, 0x40, 0x200, 0x400, 0x600, 0x8000, 0x4_0000, 0x2_0000, 0x20_0000, 0x20_0041, 0x41_0000,
	0o644, 0o755, 0x5411, 0x5412, 0x541c, 0x541d, 0x5423, 0x4205, 0x4206, 262, 0x80002, 0x800 | 1, 0x1000_0000, 0x2000_0000, 0x7e02_0000,
	0x40_0000, 0xffff_ffff, 1 << 32, 1<<32 | 16, 1<<32 | 0x5412, 1 << 63, 0xffff_ffff_ffff_ffff,
}

func TestProgramEqualsRules(t *testing.T) {
	for _, name := range []string{"amd64", "arm64"} {
		a, err := archFor(name)
		if err != nil {
			t.Fatal(err)
		}
		for p := range profiles {
			prog, err := Compile(p, name, 0)
			if err != nil {
				t.Fatal(err)
			}
			if len(prog) > 400 { // loading takes the kernel about 0.2 us an instruction
				t.Errorf("%s %+v: %d instructions", name, p, len(prog))
			}
			m := newVM(t, prog)
			table := byNumber(p, a)
			for nr := range uint32(1024) {
				r := &absentRule
				if int(nr) < len(table) {
					r = table[nr]
				}
				check := func(d data) {
					if got, want := m.run(t, d), judge(r, d); got != want {
						t.Fatalf("%s %+v: %+v gives %v, want %v", name, p, d, got, want)
					}
				}
				d := data{nr: nr, arch: a.audit}
				check(d)
				if len(r.clauses) == 0 {
					continue
				}
				for _, x := range interesting {
					for arg := range 4 {
						d := d
						d.args[arg] = x
						check(d)
					}
				}
				if len(r.clauses) > 3 || r.next != nil { // socket, ioctl: combinations decide
					for _, x := range interesting {
						for _, y := range interesting {
							for _, z := range interesting[:20] {
								check(data{nr: nr, arch: a.audit, args: [6]uint64{x, y, z}})
							}
						}
					}
				}
			}
		}
	}
}

func TestForeignArchitecture(t *testing.T) {
	for name, foreign := range map[string][]uint32{
		"amd64": {0x4000_0003 /* i386 */, 0xc000_00b7, 0, 0xffff_ffff},
		"arm64": {0x4000_0028 /* arm */, 0xc000_003e, 0, 0xffff_ffff},
	} {
		prog, err := Compile(Profile{}, name, 0)
		if err != nil {
			t.Fatal(err)
		}
		m := newVM(t, prog)
		for _, audit := range foreign {
			for nr := range uint32(600) {
				if v := m.run(t, data{nr: nr, arch: audit}); v != retKill {
					t.Fatalf("%s: number %d of architecture %#x gives %v", name, nr, audit, v)
				}
			}
		}
	}
}

func TestForeignNumbers(t *testing.T) {
	for p := range profiles {
		prog, err := Compile(p, "amd64", 0)
		if err != nil {
			t.Fatal(err)
		}
		m := newVM(t, prog)
		for nr := range uint32(1024) {
			for _, high := range []uint32{0x4000_0000, 0x8000_0000, 0xc000_0000} { // x32, and numbers below zero
				if v := m.run(t, data{nr: nr | high, arch: 0xc000_003e}); v != eNOSYS {
					t.Fatalf("number %#x gives %v", nr|high, v)
				}
			}
		}
		if v := m.run(t, data{nr: 0xffff_ffff, arch: 0xc000_003e}); v != eNOSYS {
			t.Fatalf("number -1 gives %v", v)
		}
	}
}

func TestUnknownArchitecture(t *testing.T) {
	_, err := Compile(Profile{}, "riscv64", 0)
	var e *ArchError
	if !errors.As(err, &e) || e.Arch != "riscv64" {
		t.Fatalf("Compile for riscv64: %v", err)
	}
}

// TestLongJumps compiles rules that are far longer than a conditional jump
// reaches, which no profile has.
func TestLongJumps(t *testing.T) {
	var spans []span
	for nr := range uint32(30) {
		r := &rule{otherwise: verdict(retErrno | verdict(nr+100))}
		for i := range uint32(10) {
			r.clauses = append(r.clauses, clause{fmt.Sprint(i),
				[]test{is(0, i), masked(1, 0xff, nr), {arg: 2, high: true, mask: 0xf, want: i & 3, not: i&1 == 0}}, verdict(retErrno | verdict(nr*20+i))})
		}
		spans = append(spans, span{nr * 2, r}, span{nr*2 + 1, &absentRule})
	}
	var c compiler
	c.blocks = map[*rule]target{}
	c.load(dataNumber, c.tree(spans))
	prog := c.finish()
	if len(prog) < 4*farthest || len(prog) > MaxInstructions {
		t.Fatalf("the program has %d instructions, which tests nothing", len(prog))
	}
	m := newVM(t, prog)
	for nr := range uint32(70) {
		r := spans[min(int(nr), len(spans)-1)].rule
		for a := range uint64(12) {
			for _, b := range []uint64{0, 7, uint64(nr / 2), uint64(nr/2) | 1<<40} {
				for h := range uint64(5) {
					d := data{nr: nr, args: [6]uint64{a, b, h << 32}}
					if got, want := m.run(t, d), judge(r, d); got != want {
						t.Fatalf("%+v gives %v, want %v", d, got, want)
					}
				}
			}
		}
	}
}

func TestLayout(t *testing.T) {
	var i Instruction
	if s := unsafe.Sizeof(i); s != 8 {
		t.Errorf("an instruction has %d bytes, struct sock_filter has 8", s)
	}
	if unsafe.Offsetof(i.Jt) != 2 || unsafe.Offsetof(i.Jf) != 3 || unsafe.Offsetof(i.K) != 4 {
		t.Error("fields stand elsewhere than in struct sock_filter")
	}
}

// Every run pays for this.
func BenchmarkCompile(b *testing.B) {
	for b.Loop() {
		if _, err := Compile(Profile{Broker: true}, "amd64", 0); err != nil {
			b.Fatal(err)
		}
	}
}
