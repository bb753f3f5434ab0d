package secret

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const (
	// commandTime is how long a command may take to say a value: long enough for
	// a person to touch a key.
	commandTime = 60 * time.Second
	// commandCache is how long the answer of a command counts when the policy
	// does not say.
	commandCache = 5 * time.Minute
	// keyringCache is how long a value of the keyring counts: rotation is seen
	// within it, and the keyring is not asked for each request.
	keyringCache = 30 * time.Second
)

// source is where a value comes from.
type source interface {
	// fresh says whether the value that load returned last still counts.
	fresh() bool
	// load reads the value. An error says nothing of it.
	load(ctx context.Context) ([]byte, error)
}

// newSource understands "env:NAME", "file:PATH", "json:PATH#FIELD", "command:LINE", "keyring:NAME".
func newSource(text string, cache time.Duration, o *Options) (source, error) {
	kind, rest, ok := strings.Cut(text, ":")
	if !ok || rest == "" {
		return nil, errSource
	}
	switch kind {
	case "env":
		return &envSource{name: rest, lookup: o.Lookup}, nil
	case "file", "json":
		field := ""
		if kind == "json" {
			if rest, field, ok = strings.Cut(rest, "#"); !ok || field == "" {
				return nil, errSource
			}
		}
		if tail, ok := strings.CutPrefix(rest, "~/"); ok {
			rest = filepath.Join(o.Home, tail)
		}
		if !filepath.IsAbs(rest) {
			return nil, errors.New("the path of its file is not absolute")
		}
		return &fileSource{path: rest, field: field}, nil
	case "command":
		if cache == 0 {
			cache = commandCache
		}
		return &commandSource{line: rest, dir: o.Home, cache: cache}, nil
	case "keyring":
		if !ValidName(rest) {
			return nil, errName
		}
		if o.Keep == nil {
			return nil, errors.New("there is no store of secrets here")
		}
		return &keyringSource{name: rest, keep: o.Keep}, nil
	}
	return nil, errSource
}

var (
	errSource = errors.New(`its source is none of "env:NAME", "file:PATH", "json:PATH#FIELD", "command:LINE", "keyring:NAME"`)
	errName   = errors.New("a name has letters, digits, \"_\", \"-\" and \".\", and at most 64")
	errShape  = errors.New("it has too few letters and digits for a placeholder that cannot be guessed")
)

// envSource is a variable of bailey's own environment, which cannot change.
type envSource struct {
	name   string
	lookup func(string) (string, bool)
}

func (s *envSource) fresh() bool { return true }

func (s *envSource) load(context.Context) ([]byte, error) {
	v, ok := s.lookup(s.name)
	if !ok {
		return nil, fmt.Errorf("the variable %s is not set", s.name)
	}
	return []byte(v), nil
}

// maxJSON bounds a file of which one field is the value, in bytes.
const maxJSON = 1 << 20

// fileSource is a file, or a field of one, read anew when it has changed.
type fileSource struct {
	path  string
	field string // names with dots between them; "": the whole file
	was   os.FileInfo
}

func (s *fileSource) fresh() bool {
	now, err := os.Stat(s.path)
	return err == nil && s.was != nil && os.SameFile(now, s.was) && now.ModTime().Equal(s.was.ModTime()) && now.Size() == s.was.Size()
}

func (s *fileSource) load(context.Context) ([]byte, error) {
	// Opening a fifo would wait for a writer.
	if info, err := os.Stat(s.path); err != nil {
		return nil, fmt.Errorf("read its file: %w", err)
	} else if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("read its file: %w", &fs.PathError{Op: "read", Path: s.path, Err: errors.New("not a regular file")})
	}
	f, err := os.Open(s.path)
	if err != nil {
		return nil, fmt.Errorf("read its file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read its file: %w", err)
	}
	limit := int64(maxValue + 2)
	if s.field != "" {
		limit = maxJSON
	}
	b, err := io.ReadAll(io.LimitReader(f, limit))
	if err != nil {
		return nil, fmt.Errorf("read its file: %w", err)
	}
	if s.field != "" {
		whole := b
		b, err = field(whole, s.field)
		clear(whole)
		if err != nil {
			return nil, fmt.Errorf("read its file: %w", err)
		}
	}
	s.was = info
	return b, nil
}

// field is the text at a field of a JSON document. No error quotes the document.
func field(doc []byte, name string) ([]byte, error) {
	var v any
	if json.Unmarshal(doc, &v) != nil {
		return nil, errors.New("it is not JSON")
	}
	for part := range strings.SplitSeq(name, ".") {
		m, _ := v.(map[string]any)
		v = m[part]
	}
	text, ok := v.(string)
	if !ok {
		return nil, errors.New("it has no text at " + name)
	}
	return []byte(text), nil
}

// commandSource is what a command of the host prints. It runs outside the box,
// with the person's rights: only a policy that a person trusts may name one.
type commandSource struct {
	line, dir string
	cache     time.Duration
	at        time.Time
}

func (s *commandSource) fresh() bool { return !s.at.IsZero() && time.Since(s.at) < s.cache }

func (s *commandSource) load(ctx context.Context) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, commandTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", s.line)
	cmd.Dir = s.dir
	out := &bounded{max: maxValue + 2}
	cmd.Stdout = out
	// What it says on stderr may hold the value, so nobody sees it. A process
	// that it leaves behind with our pipe does not keep us.
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	if err != nil {
		clear(out.b)
		return nil, fmt.Errorf("run its command: %w", err)
	}
	s.at = time.Now()
	return out.b, nil
}

// bounded takes max bytes and drops the rest.
type bounded struct {
	b   []byte
	max int
}

func (w *bounded) Write(p []byte) (int, error) {
	if room := w.max - len(w.b); room > 0 {
		w.b = append(w.b, p[:min(room, len(p))]...)
	}
	return len(p), nil
}

// keyringSource is a value that bailey secret set has stored.
type keyringSource struct {
	name string
	keep *Keep
	at   time.Time
}

func (s *keyringSource) fresh() bool { return !s.at.IsZero() && time.Since(s.at) < keyringCache }

func (s *keyringSource) load(ctx context.Context) ([]byte, error) {
	v, err := s.keep.Get(ctx, s.name)
	if err != nil {
		return nil, err
	}
	s.at = time.Now()
	return v.Reveal(), nil
}

// trim leaves out one line break at the end, as commands and editors put there.
func trim(b []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimSuffix(b, []byte("\n")), []byte("\r"))
}
