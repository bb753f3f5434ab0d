package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/bailey-run/bailey/internal/probe"
	"github.com/bailey-run/bailey/internal/trust"
)

// gate is the command of a box with the policy that is proved and a gate that leads to
// servers of the proof. why says why the policy has no room for one.
func (s *subject) gate(self string, w probe.World, g probe.Grants) (command []string, why string, err error) {
	for _, f := range s.files {
		if f.to == "ws" && f.name == ".bailey/local.toml" {
			return nil, "the project has a .bailey/local.toml, where the gate of the proof would be", nil
		}
	}
	file := filepath.Join(w.WS, ".bailey/local.toml")
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return nil, "", fmt.Errorf("place policy: %w", err)
	}
	if err := os.WriteFile(file, []byte(g.Policy), 0o644); err != nil {
		return nil, "", fmt.Errorf("place policy: %w", err)
	}
	store, err := trust.Open(filepath.Join(w.Home, ".local/state/bailey"))
	if err == nil {
		err = store.Add(file, []byte(g.Policy), time.Now())
	}
	if err != nil {
		return nil, "", err
	}
	flags := slices.Concat(s.flags(w), g.Flags)
	// Before anything is dialled: the plan must lead to our name server and through
	// nobody's proxy. The owner of a machine can fix both.
	c := exec.Command(self, slices.Concat([]string{verbRun, w.Home, "--dry-run", "--json"}, flags, []string{"--", "true"})...)
	c.Dir, c.Env = w.WS, w.Environ()
	out, err := c.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		said := strings.TrimSpace(string(exit.Stderr) + string(out))
		if strings.Contains(said, "locked") {
			return nil, "the owner of this machine has locked the network", nil
		}
		return nil, "", &probe.StartError{What: "no plan for a box with a gate: " + err.Error(), Said: said}
	}
	var p struct {
		Network *struct {
			Resolver string          `json:"resolver"`
			Upstream json.RawMessage `json:"upstream"`
		} `json:"network"`
	}
	if err == nil {
		err = json.Unmarshal(out, &p)
	}
	switch {
	case err != nil:
		return nil, "", fmt.Errorf("plan a box with a gate: %w", err)
	case p.Network == nil:
		return nil, "the policy grants no network, whatever is added to it", nil
	case p.Network.Resolver != g.Resolver:
		return nil, "the policy fixes another name server, " + p.Network.Resolver, nil
	case len(p.Network.Upstream) > 0 && string(p.Network.Upstream) != "null":
		return nil, "the policy fixes a proxy that connections go through", nil
	}
	return slices.Concat([]string{self, verbRun, w.Home, "--quiet", "--log=" + filepath.Join(g.Logs, "log.jsonl"), "--net-log=" + filepath.Join(g.Logs, "net.jsonl")}, flags, []string{"--"}), "", nil
}
