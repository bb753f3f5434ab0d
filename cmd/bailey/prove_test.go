//go:build linux

package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/bailey-run/bailey"
	"github.com/bailey-run/bailey/internal/probe"
)

// A policy that gives a file of the person's own home by an absolute path is found
// out, though no scratch home could show it.
func TestProveRealHome(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	home, work := filepath.Join(dir, "home"), filepath.Join(dir, "work")
	for _, d := range []string{home + "/.ssh", home + "/.aws", work} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "config.toml")
	if err := os.WriteFile(file, []byte("[files]\nread = [\""+home+"/.ssh\"]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	pl, err := bailey.Prepare(bailey.Config{Dir: work, Home: home, PolicyFile: file})
	if err != nil {
		t.Skip("no plan here:", err)
	}
	s := &subject{plan: pl, root: work, home: home}
	w := probe.World{Base: "/var/tmp/x", Home: "/var/tmp/x/home", WS: "/var/tmp/x/home/project"}
	results := []probe.Result{
		{Status: probe.Held, Reads: true, Path: w.Home + "/.ssh/id", World: w},
		{Status: probe.Held, Reads: true, Path: w.Home + "/.aws/credentials", World: w},
		{Status: probe.Held, Path: w.Home + "/.ssh/id", World: w},
		{Status: probe.Held, Reads: true, Path: w.WS + "/file", World: w},
	}
	s.real(results)
	for i, want := range []probe.Status{probe.Escaped, probe.Held, probe.Held, probe.Held} {
		if results[i].Status != want {
			t.Errorf("%d: %+v", i, results[i])
		}
	}
	if r := results[0].Rule; r.Where != file+":2" {
		t.Errorf("%+v", r)
	}
}

// Flags that name places in the person's home or project mean the scratch ones.
func TestProveMovesFlags(t *testing.T) {
	s := &subject{root: "/home/ann/app", home: "/home/ann", given: []string{"--read=/home/ann/.ssh", "--write=/home/ann/app/build", "--read=/opt/x", "--deny=**/.env", "--mode=read-only", "--config=/x", "--chdir=sub", "--read=/home/ann", "--write=out", "--read=../../data"}, dir: "/home/ann/app/sub"}
	got := s.flags(probe.World{Home: "/s/home", WS: "/s/home/project"})
	want := []string{"--read=/s/home/.ssh", "--write=/s/home/project/build", "--read=/opt/x", "--deny=**/.env", "--mode=read-only", "--read=/s/home", "--write=/s/home/project/sub/out", "--read=/s/home/data"}
	if len(got) != len(want) {
		t.Fatal(got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%s, want %s", got[i], want[i])
		}
	}
}
