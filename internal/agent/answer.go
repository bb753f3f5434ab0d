package agent

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/bailey-run/bailey/internal/plan"
	"github.com/bailey-run/bailey/internal/policy"
)

// answer is a question about a key that an agent asks once and keeps by the key's
// last letters. A placeholder is another one in each box, so it would ask each time.
type answer struct {
	name   string // of the file, below HOME
	secret string
	last   int    // letters
	field  string // of the list that the placeholder belongs into
}

// answers reads what the person has said about the keys that there are: a key that
// was refused stays refused. One of which nothing is known is used, as it was put into
// the environment for that, unless there is a login that it would take the place of.
func (u *Use) answers(p *policy.Preset, f *plan.Facts) error {
	for _, v := range p.Agent("answer") {
		l := parseLine(v)
		if err := l.file("answer", "secret", "last", "yes", "no", "of"); err != nil {
			return err
		}
		a, yes, no, of := answer{name: l.name}, "", "", l.name
		for _, w := range l.words {
			switch w.key {
			case "secret":
				a.secret = w.value
			case "last":
				a.last, _ = strconv.Atoi(w.value)
			case "yes":
				yes = w.value
			case "no":
				no = w.value
			case "of":
				of = w.value
			}
		}
		if _, ok := u.kept(l.name); !ok || a.secret == "" || a.last < 1 || yes == "" || no == "" {
			return l.bad("answer", "the line needs a file in a kept directory, and secret, last, yes and no", `as in ".example/state.json secret=NAME last=20 yes=keys.approved no=keys.rejected of=.example.json"`)
		}
		source, ok := p.Secrets()[a.secret]
		name, env := strings.CutPrefix(source.V.Source, "env:")
		value := variable(f.Env, name)
		if !ok || !env || value == "" {
			continue
		}
		said := document{}
		if text, err := u.read(of); err == nil {
			if doc, err := parse(text); err == nil {
				said = doc
			}
		}
		switch tail := last(value, a.last); {
		case said.holds(no, tail):
			a.field = no
		case said.holds(yes, tail) || len(u.Auth) == 0:
			a.field = yes
		default:
			continue
		}
		u.asked = append(u.asked, a)
	}
	return nil
}

// Answer writes the answers down for the placeholders of one box.
func (u *Use) Answer(session string, placeholder func(secret string) string) error {
	for _, a := range u.asked {
		p := placeholder(a.secret)
		if p == "" {
			continue
		}
		if err := u.put(a, session, last(p, a.last)); err != nil {
			return fmt.Errorf("put ~/%s into the agent's directory: %w", a.name, err)
		}
	}
	return nil
}

func (u *Use) put(a answer, session, tail string) error {
	k, _ := u.kept(a.name)
	root, err := u.open(k.Source)
	if err != nil {
		return err
	}
	defer root.Close()
	name := strings.TrimPrefix(a.name, k.Name+"/")
	doc, err := parse(readIn(root, name))
	if err != nil {
		doc = document{}
	}
	doc.set(a.field, []any{tail}) // those of earlier boxes mean nothing any more
	return u.write(root, name, session, doc.text())
}

// holds reports whether a list has a text.
func (d document) holds(field, text string) bool {
	v, _ := d.get(field)
	list, _ := v.([]any)
	return slices.Contains(list, any(text))
}

// last are the last letters of a text.
func last(text string, n int) string { return text[max(len(text)-n, 0):] }
