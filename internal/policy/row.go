package policy

import (
	"sort"
	"strconv"
)

// row is one effective value, with its key. The printed policy and the hash are
// made of rows, so that no key can be in one and not in the other.
type row struct {
	key  *key
	text string
	from Source
}

// rows lists every value in force, in the order of the table of keys.
func (p *Policy) rows() []row {
	list := make([]row, 0, 512) // what the default profile alone needs
	add := func(k *key, text string, from Source, set bool) {
		if set {
			list = append(list, row{k, text, from})
		}
	}
	for at := range keys {
		k := &keys[at]
		if texts := p.texts(k); texts != nil {
			for i := range *texts {
				add(k, (*texts)[i].V, (*texts)[i].From, true)
			}
			continue
		}
		if rules := p.rules(k); rules != nil {
			for i := range *rules {
				add(k, (*rules)[i].V.show(), (*rules)[i].From, true)
			}
			continue
		}
		if n := p.number(k); n != nil {
			e := entry{key: k, num: n.V}
			add(k, e.show(), n.From, n.Set)
			continue
		}
		switch k.name {
		case "extends":
			for _, v := range p.Profiles {
				add(k, v.V, v.From, true)
			}
		case "mode":
			add(k, string(p.Mode.V), p.Mode.From, p.Mode.Set)
		case "approval":
			add(k, string(p.Approval.V), p.Approval.From, p.Approval.Set)
		case "min-tier":
			add(k, string(p.MinTier.V), p.MinTier.From, p.MinTier.Set)
		case "files.missing":
			add(k, p.Files.Missing.V, p.Files.Missing.From, p.Files.Missing.Set)
		case "files.nested-git":
			add(k, p.Files.NestedGit.V, p.Files.NestedGit.From, p.Files.NestedGit.Set)
		case "files.strict":
			add(k, strconv.FormatBool(p.Files.Strict.V), p.Files.Strict.From, p.Files.Strict.Set)
		case "network.default":
			add(k, p.Network.Default.V, p.Network.Default.From, p.Network.Default.Set)
		case "network.resolver":
			add(k, p.Network.Resolver.V, p.Network.Resolver.From, p.Network.Resolver.Set)
		case "network.upstream":
			add(k, p.Network.Upstream.V, p.Network.Upstream.From, p.Network.Upstream.Set)
		case "network.hosts":
			for _, name := range sorted(p.Network.Hosts) {
				v := p.Network.Hosts[name]
				add(k, name+"="+v.V, v.From, true)
			}
		case "secrets":
			for _, name := range sorted(p.Secrets) {
				v := p.Secrets[name]
				add(k, name+" "+v.V.text(), v.From, true)
			}
		case "exceptions":
			for _, name := range sorted(p.Exceptions) {
				v := p.Exceptions[name]
				add(k, name+" "+v.V.text(), v.From, true)
			}
		case "process.debug":
			add(k, strconv.FormatBool(p.Process.Debug.V), p.Process.Debug.From, p.Process.Debug.Set)
		case "exec.supervise":
			add(k, p.Exec.Supervise.V, p.Exec.Supervise.From, p.Exec.Supervise.Set)
		case "permissions.delegate":
			add(k, p.Permissions.Delegate.V, p.Permissions.Delegate.From, p.Permissions.Delegate.Set)
		case "permissions.grants":
			add(k, p.Permissions.Grants.V, p.Permissions.Grants.From, p.Permissions.Grants.Set)
		case "files.caches":
			for _, v := range p.Files.Caches {
				text := v.V.Path
				if v.V.Env != "" {
					text += " (or $" + v.V.Env + ")"
				}
				add(k, text, v.From, true)
			}
		case "env.set":
			for _, name := range sorted(p.Env.Set) {
				v := p.Env.Set[name]
				add(k, name+"="+v.V, v.From, true)
			}
		}
	}
	return list
}

// sorted are the names of a table in order.
func sorted[T any](table map[string]T) []string {
	names := make([]string, 0, len(table))
	for name := range table {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}
