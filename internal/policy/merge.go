package policy

// merger puts layers on top of each other, lowest first.
type merger struct {
	in      *LoadInput
	set     *profileSet
	errs    []*Error
	entries [len(keys)][]*entry       // lists: every element; scalars: the one in force
	known   [len(keys)]map[string]int // where each element of a long list is
	layers  []LayerFile
}

func newMerger(in *LoadInput) *merger {
	source := in.profile
	if source == nil {
		source = builtin
	}
	return &merger{in: in, set: &profileSet{source: source}}
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
		for _, p := range m.in.Presets {
			m.extend(p.doc)
		}
	}
	m.errs = append(m.errs, m.set.errs...)
	for _, doc := range m.set.order {
		m.layers = append(m.layers, LayerFile{Layer: LayerBuiltin, File: doc.file})
		m.profile(doc)
	}
	m.presets()
}

// profile puts a profile at the bottom. Its home directory is that of whoever runs
// it; without one, what would lie there is left out.
func (m *merger) profile(doc *document) {
	where := places{home: m.in.Home}
	for i := range doc.entries {
		e := &doc.entries[i]
		if e.text != "" && e.text[0] == '~' {
			if m.in.Home == "" {
				continue
			}
			moved := *e
			moved.text, _, _, _ = where.anchor(e.text, plain)
			e = &moved
		}
		if len(m.entries[e.key.index()]) == 0 || doc.file != "profile:"+baseProfile {
			m.put(e)
			continue
		}
		// The first profile repeats nothing, which a test holds.
		m.entries[e.key.index()] = append(m.entries[e.key.index()], e)
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
		"review "+quoteOdd(doc.file)+", then run: bailey trust")
}

func (m *merger) fail(e *entry, problem, hint string) {
	m.errs = append(m.errs, &Error{File: e.from.File, Line: e.from.Line, Column: e.from.Column, Key: e.key.name, Problem: problem, Hint: hint})
}

// loosens reports whether an entry gives more than the layers below do.
func (m *merger) loosens(e *entry) bool {
	if e.key.kind == kindProgram {
		return true // it is run outside the box, and may allow
	}
	if e.key.kind.list() {
		if e.key.tightens {
			return false
		}
		i := m.find(e)
		return i < 0 || m.entries[e.key.index()][i].aux != e.aux
	}
	now := m.entries[e.key.index()]
	if e.key.grants {
		return len(now) == 0 || now[0].text != e.text
	}
	if len(now) == 0 {
		return false // a limit that is not set is no limit
	}
	return e.key.rank(e) > e.key.rank(now[0])
}

// put adds an element to its list, or replaces a scalar. An element that is there
// already keeps its first source; a variable takes the newest value.
func (m *merger) put(e *entry) {
	at := e.key.index()
	if !e.key.kind.list() {
		m.entries[at] = append(m.entries[at][:0], e)
		return
	}
	switch i := m.find(e); {
	case i >= 0 && (e.key.kind == kindVars || e.key.kind == kindPins || e.key.kind.named()):
		m.entries[at][i] = e
	case i < 0, e.key.kind == kindRules && m.entries[at][i].aux != e.aux:
		// The same rule in two directories may mean two things.
		if m.known[at] != nil {
			m.known[at][e.text] = len(m.entries[at])
		}
		m.entries[at] = append(m.entries[at], e)
	}
}

// shortList is the length up to which looking at every element of a list is
// quicker than keeping a map of it.
const shortList = 256

// find returns where an element is in its list, -1 when it is not.
func (m *merger) find(e *entry) int {
	at := e.key.index()
	list := m.entries[at]
	if len(list) <= shortList {
		for i, other := range list {
			if other.text == e.text {
				return i
			}
		}
		return -1
	}
	if m.known[at] == nil {
		m.known[at] = make(map[string]int, 2*len(list))
		for i, other := range list {
			m.known[at][other.text] = i
		}
	}
	if i, ok := m.known[at][e.text]; ok {
		return i
	}
	return -1
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
		if ceiling.key.kind == kindProgram {
			m.put(ceiling) // who answers is no matter of more or less: the owner says
			continue
		}
		switch {
		case len(now) == 0, now[0].from.Layer == LayerBuiltin && ceiling.key.rank(now[0]) > ceiling.key.rank(ceiling):
			m.put(ceiling)
		case ceiling.key.grants && now[0].text != ceiling.text:
			m.fail(now[0], "the owner of this machine set this at "+ceiling.from.String(), "remove it")
		case ceiling.key.rank(now[0]) > ceiling.key.rank(ceiling):
			m.fail(now[0], now[0].show()+" is looser than "+ceiling.show()+", which the owner of this machine set as the most at "+ceiling.from.String(),
				"use "+ceiling.show()+" or stricter")
		}
	}
}

// lock refuses every use of the locked key in the other layers.
func (m *merger) lock(lock *entry, docs []*document) {
	for _, p := range m.in.Presets {
		docs = append(docs[:len(docs):len(docs)], p.doc)
	}
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
