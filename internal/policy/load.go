package policy

import (
	"errors"
	"io/fs"
	"path"

	"github.com/pelletier/go-toml/v2/unstable"
)

// ManagedDir is where the owner of a machine puts managed.toml and managed.d.
const ManagedDir = "/etc/bailey"

// File is one file that a layer may come from.
type File struct {
	Layer    Layer
	Path     string // absolute
	Required bool   // its absence is an error
}

// LoadInput is everything Load knows of the world.
type LoadInput struct {
	// Files are the candidates, lowest layer first; Candidates gives the usual
	// ones. One that does not exist is passed over unless it is Required.
	Files []File
	// ReadFile returns a file's content. For a file that does not exist its
	// error wraps fs.ErrNotExist; every other error ends Load.
	ReadFile func(path string) ([]byte, error)
	// Trusted reports whether a person has approved exactly this content of
	// the project file at path. Load asks only about files that loosen
	// something. Nil trusts nothing.
	Trusted func(path string, content []byte) bool

	Home      string   // the home directory, "" for none
	StartDir  string   // where bailey was started: the flags' relative paths
	Workspace string   // the root of the workspace: the project files' relative paths
	Names     []string // what is directly in Workspace: it switches profiles on
	Private   []string // bailey's own directories (configuration, state, caches), never writable from a box

	Presets []*Preset // of the agent that is run: above the profiles
	Flags   Overrides

	profile func(name string) *document // for tests of extends; nil: builtin
}

// Candidates are the usual policy files: configDir is bailey's own (usually
// ~/.config/bailey), workspace the root of the project, managed the names of the
// *.toml files in ManagedDir/managed.d in lexical order. A part that is "" has no
// file.
func Candidates(configDir, workspace string, managed []string) []File {
	var list []File
	if configDir != "" {
		list = append(list, File{Layer: LayerUser, Path: path.Join(configDir, "config.toml")})
	}
	if workspace != "" {
		list = append(list,
			File{Layer: LayerProject, Path: path.Join(workspace, "bailey.toml")},
			File{Layer: LayerLocal, Path: path.Join(workspace, ".bailey", "local.toml")})
	}
	list = append(list, File{Layer: LayerManaged, Path: path.Join(ManagedDir, "managed.toml")})
	for _, name := range managed {
		list = append(list, File{Layer: LayerManaged, Path: path.Join(ManagedDir, "managed.d", path.Base(name))})
	}
	return list
}

// Load reads every layer and merges them. The error, when there is one, is an
// Errors: nothing may start with half a policy.
func Load(in LoadInput) (*Policy, error) {
	parser := new(unstable.Parser)
	docs, errs := readLayers(parser, &in)
	flags, flagErrs := in.Flags.document(&in)
	errs = append(errs, flagErrs...)
	if len(errs) > 0 {
		return nil, Errors(errs)
	}
	docs = append(docs, flags)
	m := newMerger(&in)
	m.profiles(docs)
	for _, layer := range [...]Layer{LayerUser, LayerProject, LayerLocal, LayerFlag} {
		for _, doc := range docs {
			if doc.layer == layer {
				m.apply(doc)
			}
		}
	}
	m.managed(docs)
	if len(m.errs) > 0 {
		return nil, Errors(m.errs)
	}
	return m.policy(), nil
}

// readLayers reads, decodes and resolves the files that exist.
func readLayers(parser *unstable.Parser, in *LoadInput) ([]*document, []*Error) {
	var docs []*document
	var errs []*Error
	for _, file := range in.files() {
		content, err := in.ReadFile(file.Path)
		if errors.Is(err, fs.ErrNotExist) && !file.Required {
			continue
		}
		if err != nil {
			errs = append(errs, &Error{File: file.Path, Problem: "cannot read the policy: " + err.Error(), Hint: "check who may read it"})
			continue
		}
		at := anywhere
		if file.Layer == LayerManaged {
			at = inManaged
		}
		doc, problems := decode(parser, file.Layer, file.Path, content, at)
		if len(problems) == 0 {
			problems = resolve(doc, in.places(file))
		}
		errs = append(errs, problems...)
		docs = append(docs, doc)
	}
	return docs, errs
}

// files are the candidates, with --config in place of the user's own file.
func (in *LoadInput) files() []File {
	if in.Flags.Config == "" {
		return in.Files
	}
	config := in.Flags.Config
	if !path.IsAbs(config) {
		config = path.Join(in.StartDir, config)
	}
	list := []File{{Layer: LayerUser, Path: config, Required: true}}
	for _, file := range in.Files {
		if file.Layer != LayerUser {
			list = append(list, file)
		}
	}
	return list
}

// places says how the paths of one file are read. The project's two files share
// one base, the workspace, although one of them lies in .bailey: a rule means the
// same in both.
func (in *LoadInput) places(file File) *places {
	where := &places{home: in.Home, base: path.Dir(file.Path), private: in.private()}
	if file.Layer == LayerProject || file.Layer == LayerLocal {
		where.base, where.project = in.Workspace, in.Workspace
	}
	return where
}

// private are bailey's own directories, the usual ones included even when the
// caller did not name them.
func (in *LoadInput) private() []string {
	list := append([]string{ManagedDir}, in.Private...)
	if in.Home != "" {
		list = append(list, path.Join(in.Home, ".config/bailey"), path.Join(in.Home, ".local/state/bailey"))
	}
	for i := range list {
		list[i] = path.Clean(list[i])
	}
	return list
}
