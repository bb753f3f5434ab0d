package approval

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bailey-run/bailey/internal/statefile"
)

const (
	storeName = "grants.json"
	usesName  = "grants.uses"
	version   = 1

	// maxStore is the greatest store that is read, in bytes: some 10,000 grants.
	maxStore = 4 << 20
	// maxUses bounds the record of uses, in bytes. Beyond it uses are not counted
	// until the next change of the store, which folds them in.
	maxUses = 1 << 20
	// maxSubject is the longest subject that is kept, in bytes: what does not fit on
	// a screen has not been read.
	maxSubject = 4096
	// maxNote bounds a person's own words.
	maxNote = 1000
)

// Grant is an answer that is kept: what exactly was allowed or denied, for what,
// by whom and until when.
type Grant struct {
	ID      string    `json:"id"`
	Kind    Kind      `json:"kind"`
	Subject string    `json:"subject"`
	Allow   bool      `json:"allow"`
	Scope   Scope     `json:"scope"`             // project or always
	Project string    `json:"project,omitempty"` // the root of the project, for that scope
	Inode   uint64    `json:"inode,omitempty"`   // of that directory: another one in its place is another project
	Made    time.Time `json:"made"`
	By      string    `json:"by"`
	Expires time.Time `json:"expires,omitzero"`
	Note    string    `json:"note,omitempty"`
	Uses    int       `json:"uses"`
	Used    time.Time `json:"used,omitzero"` // for the last time
}

// Origin says where an answer comes from, for people.
func (g *Grant) Origin() string {
	verb := "denied"
	if g.Allow {
		verb = "granted"
	}
	scope := "always"
	if g.Scope == Project {
		scope = "for this project"
	}
	s := verb + " " + scope + " on " + g.Made.Local().Format(time.DateOnly) + " by " + g.By + " (grant " + g.ID + ")"
	if g.Note != "" {
		s += ": " + g.Note
	}
	return s
}

// Holds reports whether the grant counts at a time, in a project.
func (g *Grant) Holds(project string, now time.Time) bool {
	if !g.Expires.IsZero() && !now.Before(g.Expires) {
		return false
	}
	return g.Scope == Always || g.Scope == Project && project != "" && g.Project == project && g.Inode == inode(project)
}

// Grants are the answers that a person keeps: read when they are asked for, and
// again when the file has changed. A nil value has none. Methods may be called at
// the same time, by other processes too.
type Grants struct {
	file statefile.File

	mu    sync.Mutex // guards what was read last, and of which file
	of    fs.FileInfo
	known []Grant
}

// Open returns the grants in bailey's own state directory, without reading them.
func Open(dir string) *Grants {
	return &Grants{file: statefile.File{Dir: filepath.Clean(dir), Name: storeName, What: "grants", Lost: "grant again what you need", Max: maxStore}}
}

// stored is the form of the store on disk.
type stored struct {
	Version int     `json:"version"`
	Grants  []Grant `json:"grants"`
}

func (s *Grants) parse(raw []byte) ([]Grant, error) {
	if raw == nil {
		return nil, nil
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	var c stored
	if err := dec.Decode(&c); err != nil {
		return nil, s.file.Broken("cannot be understood: " + err.Error())
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, s.file.Broken("holds more than one value")
	}
	if c.Version != version {
		return nil, s.file.Broken(fmt.Sprintf("has version %d, not %d", c.Version, version))
	}
	ids := make(map[string]bool, len(c.Grants))
	for i := range c.Grants {
		g := &c.Grants[i]
		if problem := g.check(); problem != "" || ids[g.ID] {
			if problem == "" {
				problem = "is there twice"
			}
			return nil, s.file.Broken(fmt.Sprintf("has a broken grant %.40q: it %s", g.ID, problem))
		}
		ids[g.ID] = true
	}
	return c.Grants, nil
}

// check says what is wrong with a grant, "" for nothing.
func (g *Grant) check() string {
	project := g.Project != ""
	switch {
	case !isID(g.ID):
		return "has no id"
	case !g.Kind.known():
		return "is of no known kind"
	case g.Subject == "" || len(g.Subject) > maxSubject || !Plain(g.Subject):
		return "has a subject that cannot be shown"
	case g.Scope != Project && g.Scope != Always, project != (g.Scope == Project):
		return "has a scope that is not kept"
	case project && (!filepath.IsAbs(g.Project) || filepath.Clean(g.Project) != g.Project):
		return "is for no project"
	case len(g.Note) > maxNote:
		return "has a note that is too long"
	case g.Uses < 0:
		return "was used less than never"
	}
	return ""
}

func (k Kind) known() bool {
	switch k {
	case Network, Read, Write, Command, Tool, Exception:
		return true
	}
	return false
}

func isID(s string) bool {
	return len(s) == 9 && s[0] == 'g' && strings.Trim(s[1:], "0123456789abcdef") == ""
}

// List returns every grant with its uses, the oldest first.
func (s *Grants) List() ([]Grant, error) {
	if s == nil {
		return nil, nil
	}
	raw, err := s.file.Read()
	if err != nil {
		return nil, err
	}
	list, err := s.parse(raw)
	if err == nil {
		s.count(list)
	}
	return list, err
}

// Held returns the grants of some kinds that count now in a project, denials
// too.
func (s *Grants) Held(project string, kinds ...Kind) ([]Grant, error) {
	list, err := s.List()
	if err != nil {
		return nil, err
	}
	now := time.Now()
	return slices.DeleteFunc(list, func(g Grant) bool { return !slices.Contains(kinds, g.Kind) || !g.Holds(project, now) }), nil
}

// Held is what [Grants.Held] says of the grants in a state directory; "" is none.
func Held(dir, project string, kinds ...Kind) ([]Grant, error) {
	if dir == "" {
		return nil, nil
	}
	return Open(dir).Held(project, kinds...)
}

// Find is Snapshot and its Find.
func (s *Grants) Find(project string, kind Kind, subject string) (Grant, bool, error) {
	held, err := s.Snapshot(project)
	g, ok := held.Find(kind, subject)
	return g, ok, err
}

// current is the store, read when its file is another one than last time: a
// change puts a new file in its place.
func (s *Grants) current() ([]Grant, error) {
	info, err := os.Lstat(s.file.Path())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil && s.of != nil && os.SameFile(s.of, info) && s.of.ModTime().Equal(info.ModTime()) && s.of.Size() == info.Size() && s.of.Mode() == info.Mode() {
		return s.known, nil
	}
	s.of = nil
	raw, err := s.file.Read()
	if err != nil {
		return nil, err
	}
	list, err := s.parse(raw)
	if err == nil {
		s.of, s.known = info, list // a newer file than info is read again next time
	}
	return list, err
}

// Snapshot is the grants that hold at one moment in one project.
type Snapshot []Grant

// Snapshot returns the grants that hold now in a project.
func (s *Grants) Snapshot(project string) (Snapshot, error) {
	if s == nil {
		return nil, nil
	}
	list, err := s.current()
	if err != nil {
		return nil, err
	}
	var out Snapshot
	now := time.Now()
	for i := range list {
		if list[i].Holds(project, now) {
			out = append(out, list[i])
		}
	}
	return out, nil
}

// Find returns the grant that decides about a subject: a denial before anything
// else.
func (s Snapshot) Find(kind Kind, subject string) (found Grant, ok bool) {
	for i := range s {
		g := &s[i]
		if g.Kind != kind || g.Subject != subject {
			continue
		}
		if !g.Allow {
			return *g, true
		}
		if !ok {
			found, ok = *g, true
		}
	}
	return found, ok
}

// Add keeps a grant, in place of one about the same for the same, and returns it
// with its id.
func (s *Grants) Add(g Grant) (Grant, error) {
	if s == nil {
		return g, errors.New("keep the grant: there is no home directory to keep it in")
	}
	var random [4]byte
	rand.Read(random[:])
	g.ID, g.Made = "g"+hex.EncodeToString(random[:]), time.Now().UTC().Truncate(time.Second)
	if g.Scope == Project {
		if g.Inode = inode(g.Project); g.Inode == 0 {
			return g, fmt.Errorf("keep the grant: %s is no directory", g.Project)
		}
	}
	if problem := g.check(); problem != "" {
		return g, errors.New("keep the grant: it " + problem)
	}
	return g, s.change(func(list []Grant) []Grant {
		same := func(o Grant) bool {
			return o.Kind == g.Kind && o.Subject == g.Subject && o.Scope == g.Scope && o.Project == g.Project
		}
		return append(slices.DeleteFunc(list, same), g)
	})
}

// Remove forgets the grants with the named ids, or all, and returns them.
func (s *Grants) Remove(all bool, ids ...string) ([]Grant, error) {
	if s == nil {
		return nil, nil
	}
	var gone []Grant
	err := s.change(func(list []Grant) []Grant {
		gone = nil
		return slices.DeleteFunc(list, func(g Grant) bool {
			out := all || slices.Contains(ids, g.ID)
			if out {
				gone = append(gone, g)
			}
			return out
		})
	})
	return gone, err
}

// change edits the newest state, with the uses folded in and what has expired
// left out.
func (s *Grants) change(edit func([]Grant) []Grant) error {
	return s.file.Change(func(old []byte) ([]byte, error) {
		list, err := s.parse(old)
		if err != nil {
			return nil, err
		}
		s.count(list)
		os.Remove(s.uses())
		now := time.Now()
		list = edit(slices.DeleteFunc(list, func(g Grant) bool { return !g.Expires.IsZero() && now.After(g.Expires) }))
		if list == nil {
			list = []Grant{}
		}
		raw, err := json.MarshalIndent(stored{version, list}, "", "  ")
		return append(raw, '\n'), err
	})
}

func (s *Grants) uses() string { return filepath.Join(s.file.Dir, usesName) }

// Use notes that a grant decided. It is for people who tidy up: that it cannot be
// written keeps nobody from anything.
func (s *Grants) Use(id string) {
	if s == nil {
		return
	}
	f, err := os.OpenFile(s.uses(), os.O_WRONLY|os.O_APPEND|os.O_CREATE|noFollow, 0o600)
	if err != nil {
		return
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() && info.Size() < maxUses {
		fmt.Fprintf(f, "%s %d\n", id, time.Now().Unix())
	}
}

// count adds the uses that are not in the store yet.
func (s *Grants) count(list []Grant) {
	if len(list) == 0 {
		return
	}
	f, err := os.OpenFile(s.uses(), os.O_RDONLY|noFollow|nonBlock, 0)
	if err != nil {
		return
	}
	defer f.Close()
	raw, _ := io.ReadAll(io.LimitReader(f, maxUses+100))
	for line := range strings.Lines(string(raw)) {
		var id string
		var at int64
		if n, _ := fmt.Sscanf(line, "%s %d", &id, &at); n != 2 {
			continue
		}
		if i := slices.IndexFunc(list, func(g Grant) bool { return g.ID == id }); i >= 0 {
			list[i].Uses++
			list[i].Used = time.Unix(at, 0).UTC()
		}
	}
}

// inode identifies a directory as long as it exists; 0 when there is none.
func inode(dir string) uint64 {
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) || err != nil || !info.IsDir() {
		return 0
	}
	return inodeOf(info)
}
