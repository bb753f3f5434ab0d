// Package agent knows the coding agents that people run: where each keeps its files,
// which hosts its models are at, what holds its key. What it knows is data, one
// preset an agent.
package agent

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"github.com/bailey-run/bailey/internal/policy"
)

//go:embed presets/*.toml
var presets embed.FS

// Names are the agents that bailey knows by itself, in the order of the help.
func Names() []string {
	return []string{"opencode", "claude", "codex", "gemini", "aider", "amp", "goose"}
}

// UnknownError says that there is no preset of a name.
type UnknownError struct {
	Name  string
	Known []string // the names that there are
}

func (e *UnknownError) Error() string {
	return "there is no preset for the agent " + strconv.Quote(e.Name)
}

// userFile is where a person's own preset of an agent is. It lies over bailey's.
func userFile(configDir, name string) string {
	return filepath.Join(configDir, "agents", name+".toml")
}

// Exists says whether there is a preset for a program of that name. It decodes
// nothing.
func Exists(name, configDir string) bool {
	if !validName(name) {
		return false
	}
	for _, n := range Names() {
		if n == name {
			return true
		}
	}
	if configDir == "" {
		return false
	}
	_, err := os.Lstat(userFile(configDir, name))
	return err == nil
}

// All are the names of every preset, the person's own ones last.
func All(configDir string) []string {
	all := Names()
	if configDir == "" {
		return all
	}
	entries, _ := os.ReadDir(filepath.Join(configDir, "agents"))
	var own []string
	for _, e := range entries {
		name, is := strings.CutSuffix(e.Name(), ".toml")
		known := false
		for _, n := range all {
			known = known || n == name
		}
		if is && !known && validName(name) {
			own = append(own, name)
		}
	}
	sort.Strings(own)
	return append(all, own...)
}

// Load reads the presets of an agent, bailey's own below the person's. read reads
// one file of the person.
func Load(name, configDir string, read func(string) ([]byte, error)) ([]*policy.Preset, error) {
	if !validName(name) {
		return nil, &UnknownError{name, All(configDir)}
	}
	var out []*policy.Preset
	if text, err := presets.ReadFile("presets/" + name + ".toml"); err == nil {
		p, err := policy.DecodePreset(policy.LayerBuiltin, "agent:"+name, text)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	if configDir != "" {
		file := userFile(configDir, name)
		switch text, err := read(file); {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return nil, fmt.Errorf("read the preset %s: %w", file, err)
		default:
			p, err := policy.DecodePreset(policy.LayerUser, file, text)
			if err != nil {
				return nil, err
			}
			out = append(out, p)
		}
	}
	if len(out) == 0 {
		return nil, &UnknownError{name, All(configDir)}
	}
	return out, nil
}

// validName keeps a name from being a path.
func validName(name string) bool {
	if name == "" || len(name) > 64 {
		return false
	}
	for i := range len(name) {
		c := name[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return name[0] != '-'
}
