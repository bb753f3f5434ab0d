package policy

import (
	"encoding/json"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// Preset is what one file says about an agent: keys of the policy, which become a
// layer above the profiles and below the person's own files, and keys below
// [agent], which only presets have.
type Preset struct{ doc *document }

// DecodePreset reads a preset. Whether a key's value makes sense below [agent] is for
// its reader to say. The error is an Errors.
func DecodePreset(layer Layer, file string, content []byte) (*Preset, error) {
	doc, errs := decode(new(unstable.Parser), layer, file, content, inPreset)
	if len(errs) > 0 {
		return nil, Errors(errs)
	}
	return &Preset{doc}, nil
}

// File is the preset's name in sources.
func (p *Preset) File() string { return p.doc.file }

// Agent returns the values of a key below [agent], as in "keep".
func (p *Preset) Agent(name string) []Value[string] {
	var out []Value[string]
	for i := range p.doc.entries {
		if e := &p.doc.entries[i]; e.key.name == "agent."+name {
			out = append(out, value(e, e.text))
		}
	}
	return out
}

// Secrets returns the secrets by name.
func (p *Preset) Secrets() map[string]Value[Secret] {
	out := map[string]Value[Secret]{}
	for i := range p.doc.entries {
		e := &p.doc.entries[i]
		if e.key.kind != kindSecrets {
			continue
		}
		var s Secret
		if err := json.Unmarshal([]byte(e.aux), &s); err != nil {
			panic("policy: read back a secret: " + err.Error()) // text made it
		}
		out[e.text] = value(e, s)
	}
	return out
}

// Without returns the preset without one of its secrets.
func (p *Preset) Without(secret string) *Preset {
	return p.edit(func(e *entry) bool { return e.key.kind != kindSecrets || e.text != secret })
}

// Host returns the preset with one more host, that every secret in it that goes to
// the host was may go to too.
func (p *Preset) Host(rule, host, was string, from Source) *Preset {
	out := p.sends(host, was)
	out.doc.entries = append(out.doc.entries, entry{key: lookup("network.allow"), text: canonicalRule(rule), from: from})
	return out
}

// Loopback is Host for a port of the host's loopback, which has another name inside:
// the variable says so there.
func (p *Preset) Loopback(port, was, variable, value string, from Source) *Preset {
	out := p.sends(HostInside, was)
	out.doc.entries = append(out.doc.entries,
		entry{key: lookup("network.localhost"), text: port, from: from},
		entry{key: lookup("env.set"), text: variable, aux: value, from: from})
	return out
}

// sends returns the preset with secrets that go to host too, where they went to was.
func (p *Preset) sends(host, was string) *Preset {
	out := p.edit(func(*entry) bool { return true })
	for i := range out.doc.entries {
		e := &out.doc.entries[i]
		if e.key.kind != kindSecrets {
			continue
		}
		s := out.Secrets()[e.text].V
		for _, h := range s.Hosts {
			if h == was {
				s.Hosts = appendNew(s.Hosts, host)
				e.aux = s.text()
				break
			}
		}
	}
	return out
}

func (p *Preset) edit(keep func(*entry) bool) *Preset {
	doc := *p.doc
	doc.entries = nil
	for i := range p.doc.entries {
		if e := &p.doc.entries[i]; keep(e) {
			doc.entries = append(doc.entries, *e)
		}
	}
	return &Preset{&doc}
}

// presets puts what is known of an agent above the profiles.
func (m *merger) presets() {
	for _, p := range m.in.Presets {
		doc := *p.doc
		doc.entries = nil
		for i := range p.doc.entries {
			if e := &p.doc.entries[i]; e.key.place == anywhere && e.key.kind != kindProfiles {
				doc.entries = append(doc.entries, *e)
			}
		}
		base := ""
		if at := strings.LastIndexByte(doc.file, '/'); at > 0 {
			base = doc.file[:at]
		}
		where := places{home: m.in.Home, base: base, private: m.in.private()}
		m.errs = append(m.errs, resolve(&doc, &where)...)
		m.apply(&doc)
	}
}
