package agent

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"net/netip"
	"net/url"
	"os"
	"path"
	"slices"
	"sort"
	"strings"
	"syscall"

	"github.com/bailey-run/bailey/internal/plan"
	"github.com/bailey-run/bailey/internal/policy"
)

// Use is an agent in one project: what its preset comes to here.
type Use struct {
	Name        string
	Description string
	Presets     []*policy.Preset // without secrets that are not there
	Kept        []plan.Kept
	Args        []string
	Notes       []string // what is to be said
	Keys        []string // names of secrets that were found
	Auth        []Auth
	Files       []File // that are put into the kept directories at each start

	asked   []answer
	home    string // the account's, on the host
	foreign bool
	uid     int
	gid     int
}

// Auth is a file with credentials. The box sees it with placeholders.
type Auth struct {
	Name   string // below HOME
	doc    document
	tokens map[string]string // the secret at each field
	From   policy.Source
}

// File is one file that the agent finds.
type File struct {
	Name string // below HOME
	Copy string // below the person's home; "" for none
	Once bool   // only when it is not there yet

	fields []string
	set    []word
	From   policy.Source
}

// maxFile bounds a file of the person or of a box that is read, in bytes.
const maxFile = 1 << 20

// New works out what an agent's presets mean for the project and the person.
func New(name string, layers []*policy.Preset, f *plan.Facts) (*Use, error) {
	u := &Use{Name: name, home: f.Account.Home, foreign: f.UID != f.Account.UID, uid: f.Account.UID, gid: f.Account.GID}
	if u.home == "" {
		return nil, errors.New("keep the agent's directories: there is no home directory")
	}
	base := f.StateDir
	if u.foreign {
		base = path.Join(u.home, ".local/state/bailey")
	}
	sum := sha256.Sum256([]byte(f.Workspace.Root))
	base = path.Join(base, "agents", name, hex.EncodeToString(sum[:16]))
	for _, p := range layers {
		if err := u.add(p, base); err != nil {
			return nil, err
		}
	}
	for _, p := range layers {
		if err := u.auth(p); err != nil {
			return nil, err
		}
	}
	for _, p := range layers {
		if err := u.answers(p, f); err != nil {
			return nil, err
		}
	}
	for _, p := range layers {
		for _, q := range layers {
			p = u.moved(p, q, f.Env)
		}
		u.Presets = append(u.Presets, u.secrets(p, f.Env))
	}
	sort.Strings(u.Keys)
	return u, nil
}

// add takes over what one preset says below [agent].
func (u *Use) add(p *policy.Preset, base string) error {
	for _, v := range p.Agent("description") {
		u.Description = v.V
	}
	for _, v := range p.Agent("keep") {
		l := parseLine(v)
		if err := l.file("keep", "env"); err != nil {
			return err
		}
		k := plan.Kept{Name: l.name, Source: path.Join(base, l.name), From: v.From}
		if env := l.list("env"); len(env) == 1 {
			k.Env = env[0]
		}
		for _, other := range u.Kept {
			if overlap(other.Name, k.Name) {
				return l.bad("keep", l.name+" and "+other.Name+" lie in each other", "keep one of them")
			}
		}
		u.Kept = append(u.Kept, k)
	}
	for _, v := range p.Agent("copy") {
		l := parseLine(v)
		if err := l.file("copy", "as", "fields", "once"); err != nil {
			return err
		}
		file := File{Name: l.name, Copy: l.name, Once: l.has("once"), fields: l.list("fields"), From: v.From}
		if as := l.list("as"); len(as) == 1 {
			file.Name = as[0]
		}
		if err := l.below("copy", file.Name); err != nil {
			return err
		}
		if _, ok := u.kept(file.Name); !ok {
			return l.bad("copy", file.Name+" lies in no directory that is kept", "add its directory to agent.keep")
		}
		u.Files = append(u.Files, file)
	}
	for _, v := range p.Agent("set") {
		l := parseLine(v)
		if err := l.file("set", "*"); err != nil {
			return err
		}
		if _, ok := u.kept(l.name); !ok {
			return l.bad("set", l.name+" lies in no directory that is kept", "add its directory to agent.keep")
		}
		u.file(l.name, v.From).set = append(u.file(l.name, v.From).set, l.words...)
	}
	for _, v := range p.Agent("args") {
		u.Args = append(u.Args, v.V)
	}
	for _, v := range p.Agent("note") {
		u.Notes = append(u.Notes, v.V)
	}
	return nil
}

// file is the file of a name, a new one when nothing is copied there.
func (u *Use) file(name string, from policy.Source) *File {
	for i := range u.Files {
		if u.Files[i].Name == name {
			return &u.Files[i]
		}
	}
	u.Files = append(u.Files, File{Name: name, From: from})
	return &u.Files[len(u.Files)-1]
}

// kept is the kept directory that holds a name below HOME, and the rest of it.
func (u *Use) kept(name string) (plan.Kept, bool) {
	for _, k := range u.Kept {
		if strings.HasPrefix(name, k.Name+"/") {
			return k, true
		}
	}
	return plan.Kept{}, false
}

func overlap(a, b string) bool {
	return a == b || strings.HasPrefix(a, b+"/") || strings.HasPrefix(b, a+"/")
}

// auth reads the files with credentials that there are.
func (u *Use) auth(p *policy.Preset) error {
	for _, v := range p.Agent("auth") {
		l := parseLine(v)
		if err := l.file("auth", "*"); err != nil {
			return err
		}
		if _, ok := u.kept(l.name); !ok {
			return l.bad("auth", l.name+" lies in no directory that is kept", "add its directory to agent.keep")
		}
		text, err := u.read(l.name)
		if err != nil || u.foreign {
			continue // nobody is logged in; and root's programs do not use another's login
		}
		all, err := parse(text)
		if err != nil {
			u.Notes = append(u.Notes, "~/"+l.name+" is passed over: "+err.Error())
			continue
		}
		a := Auth{Name: l.name, doc: all.pick(l.list("fields")), tokens: map[string]string{}, From: v.From}
		for name, s := range p.Secrets() {
			field, is := strings.CutPrefix(s.V.Source, "json:~/"+l.name+"#")
			if v, ok := all.get(field); is && ok {
				if token, ok := v.(string); ok && token != "" {
					a.tokens[field] = name
				}
			}
		}
		if len(a.tokens) == 0 {
			continue
		}
		for _, f := range l.list("unsigned") {
			if v, ok := all.get(f); ok {
				if token, ok := v.(string); ok {
					a.doc.set(f, unsigned(token))
				}
			}
		}
		for _, w := range l.words {
			if w.key == "fields" || w.key == "unsigned" {
				continue
			}
			// What belongs to a login that is not there must not appear.
			if _, ok := all.get(w.key); ok {
				a.doc.set(w.key, jsonValue(w.value))
			}
		}
		u.Auth = append(u.Auth, a)
	}
	return nil
}

// Text is the file as the box sees it. placeholder returns what stands for a secret.
func (a *Auth) Text(placeholder func(secret string) string) string {
	doc, err := parse(a.doc.text()) // a copy
	if err != nil {
		doc = document{}
	}
	for field, secret := range a.tokens {
		if p := placeholder(secret); p != "" {
			doc.set(field, p)
		}
	}
	return string(doc.text())
}

// moved adds to p the hosts that the person has moved models to, as says says.
func (u *Use) moved(p, says *policy.Preset, env []string) *policy.Preset {
	for _, v := range says.Agent("base-url") {
		l := parseLine(v)
		if l.name == "" || len(l.words) != 1 {
			continue
		}
		address, err := url.Parse(variable(env, l.name))
		if err != nil || address.Hostname() == "" {
			continue
		}
		from := policy.Source{Layer: v.From.Layer, File: "$" + l.name}
		if port := loopback(address); port != "" {
			address.Host = policy.HostInside + ":" + port
			p = p.Loopback(port, l.words[0].key, l.name, address.String(), from)
			if note := "the model is at port " + port + " of this machine ($" + l.name + "), inside " + address.Host; !slices.Contains(u.Notes, note) {
				u.Notes = append(u.Notes, note)
			}
			continue
		}
		host, rule := address.Hostname(), address.Hostname()
		if strings.Contains(host, ":") {
			rule = "[" + host + "]"
		}
		if port := address.Port(); port != "" {
			rule += ":" + port
		}
		p = p.Host(rule, host, l.words[0].key, from)
	}
	return p
}

// loopback is the port of an address on this machine, "" for any other.
func loopback(address *url.URL) string {
	host := address.Hostname()
	if ip, err := netip.ParseAddr(host); err == nil && !ip.IsLoopback() || err != nil && host != "localhost" && host != policy.HostInside {
		return ""
	}
	port := address.Port()
	if port == "" {
		port = "80"
		if address.Scheme == "https" {
			port = "443"
		}
	}
	return port
}

// secrets leaves out the secrets of which there is no value, and lets the others'
// hosts be reached.
func (u *Use) secrets(p *policy.Preset, env []string) *policy.Preset {
	all := p.Secrets()
	names := make([]string, 0, len(all))
	for name := range all {
		names = append(names, name)
	}
	sort.Strings(names)
	taken := map[string]bool{}
	for _, name := range names {
		s := all[name].V
		there := true
		switch kind, rest, _ := strings.Cut(s.Source, ":"); kind {
		case "env":
			there = variable(env, rest) != ""
		case "json":
			there = false
			for _, a := range u.Auth {
				for _, token := range a.tokens {
					there = there || token == name
				}
			}
		}
		if !there || s.Env != "" && taken[s.Env] {
			p = p.Without(name)
			continue
		}
		taken[s.Env] = s.Env != ""
		u.Keys = append(u.Keys, name)
		for _, h := range s.Hosts {
			if h != policy.HostInside { // its ports are granted one by one
				p = p.Host(h, h, "", all[name].From)
			}
		}
	}
	return p
}

// variable is the last of a name, as package os/exec takes it.
func variable(env []string, name string) string {
	for i := len(env) - 1; i >= 0; i-- {
		if k, v, ok := strings.Cut(env[i], "="); ok && k == name {
			return v
		}
	}
	return ""
}

// read reads a small file of the person. Root, who works for somebody else, follows
// no link out of that one's home.
func (u *Use) read(name string) ([]byte, error) {
	const flags = os.O_RDONLY | syscall.O_NONBLOCK | syscall.O_NOCTTY
	var f *os.File
	var err error
	if u.foreign {
		root, err := os.OpenRoot(u.home)
		if err != nil {
			return nil, err
		}
		defer root.Close()
		if f, err = root.OpenFile(name, flags, 0); err != nil {
			return nil, err
		}
	} else if f, err = os.OpenFile(path.Join(u.home, name), flags, 0); err != nil {
		return nil, err
	}
	defer f.Close()
	return readSmall(f)
}

func readSmall(f *os.File) ([]byte, error) {
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, errors.New("it is not a regular file")
	case info.Size() > maxFile:
		return nil, errors.New("it is too large")
	}
	return io.ReadAll(io.LimitReader(f, maxFile))
}

// missing says that there is no such file.
func missing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}
