package policy

import "github.com/pelletier/go-toml/v2/unstable"

// merger puts layers on top of each other, lowest first.
type merger struct {
	in       *LoadInput
	set      *profileSet
	errs     []*Error
	entries  [len(keys)][]*entry // lists: every element; scalars: the one in force
	known    map[member]bool     // the elements of the lists
	layers   []LayerFile
	variable map[string]int // env.set: where a variable is in its list
}

// member is one element of one list.
type member struct {
	key  *key
	text string
}

func newMerger(parser *unstable.Parser, in *LoadInput) *merger {
	source := in.profile
	if source == nil {
		source = builtin
	}
	return &merger{
		in:       in,
		set:      &profileSet{parser: parser, source: source, home: in.Home, decoded: make(map[string]*document, 8)},
		known:    make(map[member]bool, 384),
		variable: map[string]int{},
	}
}

// index is the place of a key in the table.
func (k *key) index() int {
	for i := range keys {
		if k == &keys[i] {
			return i
		}
	}
	panic("policy: a key that is not in the table: " + k.name)
}

// profiles applies the lowest layer: the default profile, the ones the project's
// files switch on, and the ones that are named, in the order of the layers.
func (m *merger) profiles(docs []*document) {
	m.set.use(baseProfile, Source{Layer: LayerBuiltin, File: "profile:" + baseProfile})
	m.set.detect(m.in.Names)
	for _, projects := range [...]bool{false, true} {
		// The project's files come last, because what they may name without
		// being trusted is what is switched on anyway.
		for _, doc := range docs {
			if fromProject(doc) == projects {
				m.extend(doc)
			}
		}
	}
	m.errs = append(m.errs, m.set.errs...)
	for _, doc := range m.set.order {
		m.layers = append(m.layers, LayerFile{Layer: LayerBuiltin, File: doc.file})
		for i := range doc.entries {
			m.put(&doc.entries[i])
		}
	}
}

func fromProject(doc *document) bool {
	return doc.layer == LayerProject || doc.layer == LayerLocal
}

// extend applies the profiles that one layer names.
func (m *merger) extend(doc *document) {
	for i := range doc.entries {
		e := &doc.entries[i]
		if e.key.kind != kindProfiles || m.set.active(e.text) {
			continue
		}
		if fromProject(doc) && !m.trusted(doc) {
			m.distrust(doc, e)
			continue
		}
		m.set.use(e.text, e.from)
	}
}

// trusted asks, once a document, whether a person has approved its content.
func (m *merger) trusted(doc *document) bool {
	if doc.trust == "" {
		doc.trust = TrustMissing
		if m.in.Trusted != nil && m.in.Trusted(doc.file, doc.content) {
			doc.trust = TrustGiven
		}
	}
	return doc.trust == TrustGiven
}

// apply puts one layer on top. A project file that nobody has trusted may only
// tighten; anything else in it is an error, never passed over.
func (m *merger) apply(doc *document) {
	for i := range doc.entries {
		e := &doc.entries[i]
		if e.key.kind == kindProfiles {
			continue
		}
		if fromProject(doc) && m.loosens(e) && !m.trusted(doc) {
			m.distrust(doc, e)
			continue
		}
		m.put(e)
	}
	m.note(doc)
}

// note records that a document took part.
func (m *merger) note(doc *document) {
	if doc.layer == LayerFlag && len(doc.entries) == 0 {
		return
	}
	layer := LayerFile{Layer: doc.layer, File: doc.file, Trust: doc.trust}
	if fromProject(doc) && doc.trust == "" {
		layer.Trust = TrustNotNeeded
	}
	m.layers = append(m.layers, layer)
}

func (m *merger) distrust(doc *document, e *entry) {
	m.fail(e, "this would loosen the policy, and nobody has trusted this content of the file",
		"review "+doc.file+", then run: bailey trust")
}

func (m *merger) fail(e *entry, problem, hint string) {
	m.errs = append(m.errs, &Error{File: e.from.File, Line: e.from.Line, Column: e.from.Column, Key: e.key.name, Problem: problem, Hint: hint})
}

// loosens reports whether an entry gives more than the layers below do.
func (m *merger) loosens(e *entry) bool {
	if e.key.kind.list() {
		return !e.key.tightens && !m.known[member{e.key, e.text}]
	}
	now := m.entries[e.key.index()]
	if len(now) == 0 {
		return false // a limit that is not set is no limit
	}
	return e.key.rank(e) > e.key.rank(now[0])
}

// put adds an element to its list, or replaces a scalar.
func (m *merger) put(e *entry) {
	at := e.key.index()
	switch {
	case !e.key.kind.list():
		m.entries[at] = append(m.entries[at][:0], e)
	case e.key.kind == kindVars:
		if i, ok := m.variable[e.text]; ok {
			m.entries[at][i] = e
			return
		}
		m.variable[e.text] = len(m.entries[at])
		m.entries[at] = append(m.entries[at], e)
	default:
		if id := (member{e.key, e.text}); !m.known[id] {
			m.known[id] = true
			m.entries[at] = append(m.entries[at], e)
		}
	}
}

// managed puts the machine owner's layer on top: its lists add to the others, its
// scalars are ceilings, its locks forbid keys to everybody else.
func (m *merger) managed(docs []*document) {
	var ceilings [len(keys)]*entry
	for _, doc := range docs {
		if doc.layer != LayerManaged {
			continue
		}
		m.note(doc)
		for i := range doc.entries {
			e := &doc.entries[i]
			switch at := e.key.index(); {
			case e.key.kind == kindKeys:
				m.lock(e, docs)
			case e.key.kind == kindProfiles:
			case e.key.kind.list():
				m.put(e)
			case ceilings[at] == nil || e.key.rank(e) < e.key.rank(ceilings[at]):
				ceilings[at] = e
			}
		}
	}
	for at, ceiling := range ceilings {
		if ceiling == nil {
			continue
		}
		now := m.entries[at]
		switch {
		case len(now) == 0, now[0].from.Layer == LayerBuiltin && ceiling.key.rank(now[0]) > ceiling.key.rank(ceiling):
			m.put(ceiling)
		case ceiling.key.rank(now[0]) > ceiling.key.rank(ceiling):
			m.fail(now[0], now[0].show()+" is looser than "+ceiling.show()+", which the owner of this machine set as the most at "+ceiling.from.String(),
				"use "+ceiling.show()+" or stricter")
		}
	}
}

// lock refuses every use of the locked key in the other layers.
func (m *merger) lock(lock *entry, docs []*document) {
	for _, doc := range docs {
		if doc.layer == LayerManaged {
			continue
		}
		for i := range doc.entries {
			if e := &doc.entries[i]; e.key.name == lock.text {
				m.fail(e, "the owner of this machine locked the key at "+lock.from.String(), "remove it, or ask the owner")
			}
		}
	}
}
