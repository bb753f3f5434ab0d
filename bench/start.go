//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/bailey-run/bailey"
)

var simpleBwrap = []string{"bwrap", "--unshare-all", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "true"}

// start measures what it costs to run nothing.
func (b *bench) start() error {
	list := []candidate{}
	if have("bwrap") {
		same, err := b.sameMounts()
		if err != nil {
			return err
		}
		list = append(list, candidate{name: "bwrap --unshare-all --ro-bind / /", argv: simpleBwrap},
			candidate{name: "bwrap, the same mounts as bailey", argv: same})
	}
	list = append(list,
		candidate{name: "true", argv: []string{"true"}},
		candidate{name: "bailey version", argv: []string{b.bailey, "version"}},
		candidate{name: "bailey run -- true", argv: []string{b.bailey, "run", "--quiet", "--", "true"}})
	if have("landrun") {
		list = append(list, candidate{name: "landrun", argv: []string{"landrun", "--rox", "/usr", "--ro", "/", "true"}})
	}
	if have("srt") {
		list = append(list, candidate{name: "srt", argv: []string{"srt", "-c", "true"}})
	}
	if have("codex") {
		list = append(list, candidate{name: "codex sandbox", argv: []string{"codex", "sandbox", "linux", "true"}})
	}
	return b.compare("start-up", 200, list)
}

// sameMounts turns bailey's own plan into arguments for bwrap.
func (b *bench) sameMounts() ([]string, error) {
	cmd := exec.Command(b.bailey, "plan", "--json", "--", "true")
	cmd.Dir, cmd.Stderr = b.work, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("bailey plan: %w", err)
	}
	var p struct {
		Tree []struct {
			Kind, Path, Source string
			Writable, Device   bool
		}
	}
	if err := json.Unmarshal(out, &p); err != nil {
		return nil, err
	}
	args := []string{"bwrap", "--unshare-all", "--die-with-parent", "--new-session"}
	for _, n := range p.Tree {
		switch n.Kind {
		case "bind":
			how := "--ro-bind"
			if n.Device {
				how = "--dev-bind"
			} else if n.Writable {
				how = "--bind"
			}
			args = append(args, how, n.Source, n.Path)
		case "copy":
			args = append(args, "--ro-bind", n.Source, n.Path)
		case "overlay":
			args = append(args, "--ro-bind", n.Source, n.Path)
		case "scratch":
			args = append(args, "--tmpfs", n.Path)
		case "symlink":
			args = append(args, "--symlink", n.Source, n.Path)
		case "proc":
			args = append(args, "--proc", n.Path)
		case "dir":
			args = append(args, "--dir", n.Path)
		}
	}
	return append(args, "true"), nil
}

// second measures another command in a box that is open.
func (b *bench) second() error {
	box, err := bailey.Open(context.Background(), bailey.Config{Dir: b.work})
	if err != nil {
		return err
	}
	defer box.Close()
	list := []candidate{}
	if have("bwrap") {
		same, err := b.sameMounts()
		if err != nil {
			return err
		}
		list = append(list, candidate{name: "bwrap, the same mounts as bailey", argv: same})
	}
	list = append(list, candidate{name: "true", argv: []string{"true"}}, candidate{name: "box.Command(\"true\").Run()", do: func() (time.Duration, error) {
		start := time.Now()
		err := box.Command(context.Background(), "true").Run()
		return time.Since(start), err
	}})
	return b.compare("another command in an open box", 200, list)
}

// memory prints the peak resident memory of the supervisor.
func (b *bench) memory() error {
	fmt.Printf("\n### peak memory\n\n| what | MB |\n| --- | ---: |\n")
	for _, argv := range [][]string{{b.bailey, "run", "--quiet", "--", "true"}, {b.bailey, "run", "--quiet", "--", "sh", "-c", "for i in $(seq 500); do : > f$i; done; rm f*"}} {
		cmd := exec.Command(argv[0], argv[1:]...)
		cmd.Dir = b.work
		if err := cmd.Run(); err != nil {
			return err
		}
		fmt.Printf("| %s | %.1f |\n", argv[len(argv)-1], float64(cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss)/1024)
	}
	return nil
}

// many runs 200 boxes at once.
func (b *bench) many() error {
	const n = 200
	var wg sync.WaitGroup
	errs := make(chan error, n)
	start := time.Now()
	for range n {
		wg.Add(1)
		go func() {
			defer wg.Done()
			cmd := exec.Command(b.bailey, "run", "--quiet", "--", "sleep", "3")
			cmd.Dir = b.work
			errs <- cmd.Run()
		}()
	}
	wg.Wait()
	failed := 0
	for range n {
		if err := <-errs; err != nil {
			failed++
		}
	}
	fmt.Printf("\n### %d boxes at once\n\n%d failed, %.1f s in all, of which each slept 3 s\n", n, failed, time.Since(start).Seconds())
	return nil
}
