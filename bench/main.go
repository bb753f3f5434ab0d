//go:build linux

// Command bench measures bailey beside its peers and beside no sandbox at all.
// Every comparison alternates its candidates round by round in one run, takes
// medians and prints ratios: a shared machine's load then hits all alike.
//
//	go run ./bench            # everything that this machine can run
//	go run ./bench start tree # only some parts
package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench: error:", err)
		os.Exit(1)
	}
}

// bench is one run: a scratch directory with a built bailey and a workspace.
type bench struct {
	dir, bailey, work string
}

func run(parts []string) error {
	dir, err := os.MkdirTemp("", "bailey-bench-")
	if err != nil {
		return err
	}
	defer func() {
		filepath.WalkDir(dir, func(p string, d os.DirEntry, _ error) error { os.Chmod(p, 0o700); return nil })
		os.RemoveAll(dir)
	}()
	b := &bench{dir: dir, bailey: filepath.Join(dir, "bailey"), work: filepath.Join(dir, "work")}
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", b.bailey, "./cmd/bailey")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build bailey: %w\n%s", err, out)
	}
	if err := os.Mkdir(b.work, 0o755); err != nil {
		return err
	}
	all := []struct {
		name string
		run  func() error
	}{
		{"start", b.start}, {"second", b.second}, {"memory", b.memory}, {"tree", b.tree}, {"build", b.build}, {"execs", b.execs}, {"many", b.many}, {"net", b.network},
	}
	for _, p := range all {
		if len(parts) > 0 && !slices.Contains(parts, p.name) {
			continue
		}
		if err := p.run(); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return nil
}

// candidate is one way to do the same thing.
type candidate struct {
	name string
	argv []string
	do   func() (time.Duration, error) // instead of argv
}

func (b *bench) once(c *candidate) (time.Duration, error) {
	if c.do != nil {
		return c.do()
	}
	cmd := exec.Command(c.argv[0], c.argv[1:]...)
	cmd.Dir = b.work
	start := time.Now()
	if err := cmd.Run(); err != nil {
		return 0, fmt.Errorf("%s: %s: %w", c.name, strings.Join(c.argv, " "), err)
	}
	return time.Since(start), nil
}

// compare prints medians in milliseconds, and each as a ratio of the first.
func (b *bench) compare(title string, rounds int, list []candidate) error {
	times := make([][]float64, len(list))
	out := map[int]bool{}          // of the race: it broke off
	for r := -2; r < rounds; r++ { // two rounds warm up
		for i := range list {
			if out[i] {
				continue
			}
			d, err := b.once(&list[i])
			if err != nil && i > 0 && list[i].do != nil {
				fmt.Printf("left out of %q: %v\n", title, err)
				out[i] = true
				continue
			}
			if err != nil {
				return err
			}
			if r >= 0 {
				times[i] = append(times[i], float64(d.Microseconds())/1000)
			}
		}
	}
	fmt.Printf("\n### %s (%d rounds)\n\n| what | median ms | best ms | ratio |\n| --- | ---: | ---: | ---: |\n", title, rounds)
	base := median(times[0])
	for i, c := range list {
		if out[i] {
			continue
		}
		fmt.Printf("| %s | %.2f | %.2f | %.2f |\n", c.name, median(times[i]), slices.Min(times[i]), median(times[i])/base)
	}
	return nil
}

func median(v []float64) float64 {
	s := slices.Clone(v)
	sort.Float64s(s)
	return s[len(s)/2]
}

func have(name string) bool {
	_, err := exec.LookPath(name)
	return err == nil
}
