package policy

import "path"

// resolve makes every path of a document absolute.
func resolve(doc *document, where *places) []*Error {
	var errs []*Error
	var extra []entry // what {a,b} alternatives add
	for i := range doc.entries {
		e := &doc.entries[i]
		written := *e
		var problem, hint string
		switch e.key.kind {
		case kindPaths, kindCaches:
			problem, hint = where.resolve(e)
			if problem == "" && (e.key.name == "files.write" || e.key.kind == kindCaches) {
				problem, hint = where.root(e)
			}
		case kindGlobs:
			var list []string
			list, problem, hint = where.pattern(e.text)
			for j, text := range list {
				if j == 0 {
					e.text = text
					continue
				}
				more := written
				more.text = text
				extra = append(extra, more)
			}
		case kindRules:
			e.aux = where.base
		case kindProgram:
			e.text, _, problem, hint = where.anchor(e.text, plain)
		case kindEtc:
			if !validGlob(e.text) {
				problem = "\"" + e.text + "\" is not a valid pattern"
			}
			e.text = path.Clean(e.text)
		}
		if problem != "" && len(errs) < maxErrors {
			errs = append(errs, &Error{File: e.from.File, Line: e.from.Line, Column: e.from.Column, Key: e.key.name, Problem: problem, Hint: hint})
		}
	}
	doc.entries = append(doc.entries, extra...)
	return errs
}
