// Package layers gathers what a plan on this machine is made from: the facts, the
// files of the policy, and what a person has trusted.
package layers

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/bailey-run/bailey/internal/host"
	"github.com/bailey-run/bailey/internal/linux"
	"github.com/bailey-run/bailey/internal/permission"
	"github.com/bailey-run/bailey/internal/plan"
	"github.com/bailey-run/bailey/internal/policy"
	"github.com/bailey-run/bailey/internal/trust"
)

// Look finds out about the machine and about the place where a box starts ("" is
// the current directory): all but the paths that depend on the policy. home is
// taken for the caller's home directory; "" is that of the user database.
func Look(dir, home string) (*plan.Facts, error) {
	facts, err := Collect(dir, home)
	if err != nil {
		return nil, err
	}
	facts.Kernel = kernel(facts)
	return facts, nil
}

// Collect is Look without the kernel, which a policy does not depend on.
func Collect(dir, home string) (*plan.Facts, error) {
	if strings.IndexByte(dir, 0) >= 0 {
		return nil, fmt.Errorf("start in %s: %w", plan.Show(dir), fs.ErrInvalid)
	}
	return host.Collect(host.Options{Dir: dir, Home: home})
}

// kernel asks the kernel once for all projects of a person. Root, working for
// somebody else, keeps the answers at home: what lies in that one's directories
// is theirs to write.
func kernel(f *plan.Facts) plan.Kernel {
	switch {
	case f.CacheDir == "":
		return linux.Probe(os.TempDir())
	case f.UID != f.Account.UID:
		return linux.ProbeCached(filepath.Join(f.Home, ".cache/bailey"))
	}
	return linux.ProbeCached(filepath.Dir(filepath.Dir(f.CacheDir))) // less projects/ID
}

// Load makes the effective policy, with the presets of an agent above the profiles.
func Load(facts *plan.Facts, flags policy.Overrides, presets ...*policy.Preset) (*policy.Policy, error) {
	store := &lazyStore{dir: facts.StateDir}
	pol, err := policy.Load(policy.LoadInput{
		Files:     policy.Candidates(facts.ConfigDir, facts.Workspace.Root, managedNames()),
		ReadFile:  Read,
		Trusted:   store.trusted,
		Home:      facts.Home,
		StartDir:  facts.StartDir,
		Workspace: facts.Workspace.Root,
		Names:     facts.Workspace.Names,
		Private:   private(facts),
		Presets:   presets,
		Flags:     flags,
	})
	if store.err != nil {
		err = store.err // it also explains why a file is not trusted
	}
	return checked(pol, err)
}

// LoadAlone makes the policy that one file says, with nothing but the built-in
// profiles below it.
func LoadAlone(facts *plan.Facts, file string) (*policy.Policy, error) {
	if !filepath.IsAbs(file) {
		file = filepath.Join(facts.StartDir, file)
	}
	return checked(policy.Load(policy.LoadInput{
		Files:     []policy.File{{Layer: policy.LayerUser, Path: file, Required: true}},
		ReadFile:  Read,
		Home:      facts.Home,
		StartDir:  facts.StartDir,
		Workspace: facts.Workspace.Root,
		Names:     facts.Workspace.Names,
		Private:   private(facts),
	}))
}

// checked refuses a policy with a rule that cannot be read, or whose examples
// fail.
func checked(pol *policy.Policy, err error) (*policy.Policy, error) {
	if err != nil {
		return nil, err
	}
	if rules := &pol.Permissions; len(rules.Deny)+len(rules.Ask)+len(rules.Allow) > 0 {
		if _, err := permission.New(pol); err != nil {
			return nil, err
		}
	}
	return pol, nil
}

// Files are the policy files that Load would read, those that do not exist too.
func Files(facts *plan.Facts, flags policy.Overrides) []string {
	var out []string
	for _, f := range policy.Candidates(facts.ConfigDir, facts.Workspace.Root, managedNames()) {
		if f.Layer == policy.LayerUser && flags.Config != "" {
			f.Path = flags.Config
			if !filepath.IsAbs(f.Path) {
				f.Path = filepath.Join(facts.StartDir, f.Path)
			}
		}
		out = append(out, f.Path)
	}
	return out
}

// private are bailey's own directories: no box may write them, whatever the
// policy says.
func private(f *plan.Facts) []string {
	var out []string
	for _, dir := range [...]string{f.StateDir, f.ConfigDir, f.CacheDir} {
		if dir != "" {
			out = append(out, dir)
		}
	}
	return out
}

// managedNames are the files of the machine's owner, in lexical order.
func managedNames() []string {
	entries, err := os.ReadDir(filepath.Join(policy.ManagedDir, "managed.d"))
	if err != nil && (!errors.Is(err, fs.ErrNotExist) || dangling(filepath.Join(policy.ManagedDir, "managed.d"))) {
		// Reading a file there will fail and say so: a managed policy that cannot
		// be read must not be passed over.
		return []string{"."}
	}
	var names []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".toml") {
			names = append(names, e.Name())
		}
	}
	return names
}

// maxFile bounds a policy file. Ten thousand rules take about half of it.
const maxFile = 1 << 20

// Read reads a policy file. A project's may be anything: a pipe must not make
// bailey wait, nor a device or an endless file make it read for ever. The error
// wraps fs.ErrNotExist when there is no such file.
func Read(name string) ([]byte, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	switch {
	case err == nil:
	case errors.Is(err, syscall.ENOTDIR):
		return nil, fs.ErrNotExist
	case errors.Is(err, fs.ErrNotExist) && dangling(name):
		return nil, errors.New("it, or a directory above it, is a link that leads nowhere")
	default:
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, errors.New("not a regular file")
	case info.Size() > maxFile:
		return nil, fmt.Errorf("larger than %d bytes", maxFile)
	}
	return io.ReadAll(io.LimitReader(f, maxFile))
}

// dangling reports whether a file is missing because a link on the way to it leads
// nowhere, as when somebody's dotfiles are not there: a policy is meant to be there, and
// must not be passed over.
func dangling(name string) bool {
	for ; ; name = filepath.Dir(name) {
		if _, err := os.Lstat(name); err == nil {
			_, err := os.Stat(name)
			return errors.Is(err, fs.ErrNotExist)
		} else if name == filepath.Dir(name) {
			return false
		}
	}
}

// lazyStore reads the trust store when it is asked for the first time, which most
// starts never do.
type lazyStore struct {
	dir   string
	store *trust.Store
	err   error
}

func (t *lazyStore) trusted(path string, content []byte) bool {
	if t.store == nil && t.err == nil && t.dir != "" {
		t.store, t.err = trust.Open(t.dir)
	}
	return t.err == nil && t.store.Trusted(path, content)
}

// SecretsDir is where bailey keeps the person's secrets, as far as they are not in
// the keyring of the operating system.
func SecretsDir() (string, error) {
	facts, err := Collect("", "")
	if err != nil {
		return "", err
	}
	if facts.StateDir == "" {
		return "", errors.New("find the secrets: there is no home directory")
	}
	return filepath.Join(facts.StateDir, "secrets"), nil
}

// Project are the policy files of the project around a directory, and the store
// that says which of them a person has trusted.
type Project struct {
	Root  string
	Files []string // those that exist
	Store *trust.Store
}

// FindProject finds the project's policy files.
func FindProject(dir string) (*Project, error) {
	facts, err := Collect(dir, "")
	if err != nil {
		return nil, err
	}
	if facts.StateDir == "" {
		return nil, errors.New("find the trust store: there is no home directory")
	}
	p := &Project{Root: facts.Workspace.Root}
	if p.Store, err = trust.Open(facts.StateDir); err != nil {
		return nil, err
	}
	for _, f := range policy.Candidates("", p.Root, nil) {
		if f.Layer != policy.LayerProject && f.Layer != policy.LayerLocal {
			continue
		}
		if _, err := os.Lstat(f.Path); err == nil {
			p.Files = append(p.Files, f.Path)
		}
	}
	return p, nil
}
