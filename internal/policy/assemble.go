package policy

import (
	"encoding/json"
	"strconv"
)

// policy gives the merged entries their typed form.
func (m *merger) policy() *Policy {
	p := &Policy{
		Profiles: m.set.applied,
		Layers:   m.layers,
		Home:     m.in.Home, Workspace: m.in.Workspace,
	}
	p.Env.Set = map[string]Value[string]{}
	p.Network.Hosts = map[string]Value[string]{}
	p.Secrets = map[string]Value[Secret]{}
	p.Exceptions = map[string]Value[Exception]{}
	for at := range keys {
		k, list := &keys[at], m.entries[at]
		if texts := p.texts(k); texts != nil {
			*texts = make([]Value[string], len(list))
			for i := range list {
				(*texts)[i] = value(list[i], list[i].text)
			}
			continue
		}
		if rules := p.rules(k); rules != nil {
			*rules = make([]Value[Rule], len(list))
			for i := range list {
				(*rules)[i] = value(list[i], list[i].typedRule())
			}
			continue
		}
		switch k.kind {
		case kindCaches:
			p.Files.Caches = make([]Value[Cache], len(list))
			for i := range list {
				p.Files.Caches[i] = value(list[i], Cache{Path: list[i].text, Env: list[i].aux})
			}
			continue
		case kindVars:
			for i := range list {
				p.Env.Set[list[i].text] = value(list[i], list[i].aux)
			}
			continue
		case kindPins:
			for i := range list {
				p.Network.Hosts[list[i].text] = value(list[i], list[i].aux)
			}
			continue
		case kindSecrets:
			for i := range list {
				var s Secret
				if err := json.Unmarshal([]byte(list[i].aux), &s); err != nil {
					panic("policy: read back a secret: " + err.Error()) // text made it
				}
				p.Secrets[list[i].text] = value(list[i], s)
			}
			continue
		}
		if k.kind == kindExceptions {
			for i := range list {
				var x Exception
				if err := json.Unmarshal([]byte(list[i].aux), &x); err != nil {
					panic("policy: read back an exception: " + err.Error()) // text made it
				}
				p.Exceptions[list[i].text] = value(list[i], x)
			}
			continue
		}
		if len(list) == 0 {
			continue
		}
		e := list[0]
		if number := p.number(k); number != nil {
			*number = value(e, e.num)
			continue
		}
		switch k.name {
		case "mode":
			p.Mode = value(e, Mode(e.text))
		case "approval":
			p.Approval = value(e, Approval(e.text))
		case "min-tier":
			p.MinTier = value(e, Tier(e.text))
		case "files.missing":
			p.Files.Missing = value(e, e.text)
		case "files.nested-git":
			p.Files.NestedGit = value(e, e.text)
		case "files.strict":
			p.Files.Strict = value(e, e.num != 0)
		case "network.default":
			p.Network.Default = value(e, e.text)
		case "network.resolver":
			p.Network.Resolver = value(e, e.text)
		case "network.upstream":
			p.Network.Upstream = value(e, e.text)
		case "process.debug":
			p.Process.Debug = value(e, e.num != 0)
		case "exec.supervise":
			p.Exec.Supervise = value(e, e.text)
		case "permissions.delegate":
			p.Permissions.Delegate = value(e, e.text)
		case "permissions.grants":
			p.Permissions.Grants = value(e, e.text)
		}
	}
	return p
}

func value[T any](e *entry, v T) Value[T] {
	return Value[T]{V: v, Set: true, From: e.from}
}

// texts is where a list of strings is kept; nil for other keys.
func (p *Policy) texts(k *key) *[]Value[string] {
	switch k.name {
	case "accept":
		return &p.Accept
	case "files.read":
		return &p.Files.Read
	case "files.write":
		return &p.Files.Write
	case "files.deny":
		return &p.Files.Deny
	case "files.protect":
		return &p.Files.Protect
	case "files.etc":
		return &p.Files.Etc
	case "files.system":
		return &p.Files.System
	case "env.allow":
		return &p.Env.Allow
	case "env.deny":
		return &p.Env.Deny
	case "network.allow":
		return &p.Network.Allow
	case "network.deny":
		return &p.Network.Deny
	case "network.localhost":
		return &p.Network.Localhost
	case "network.publish":
		return &p.Network.Publish
	}
	return nil
}

// number is where a limit is kept; nil for other keys.
func (p *Policy) number(k *key) *Value[int64] {
	switch k.name {
	case "limits.memory":
		return &p.Limits.Memory
	case "limits.pids":
		return &p.Limits.Pids
	case "limits.cpu":
		return &p.Limits.CPU
	case "limits.file-size":
		return &p.Limits.FileSize
	case "limits.open-files":
		return &p.Limits.OpenFiles
	case "limits.scratch":
		return &p.Limits.Scratch
	case "limits.timeout":
		return &p.Limits.Timeout
	case "limits.output":
		return &p.Limits.Output
	case "limits.output-rate":
		return &p.Limits.OutputRate
	}
	return nil
}

// show prints a scalar the way a person writes it.
func (e *entry) show() string {
	switch e.key.kind {
	case kindSize:
		return formatSize(e.num)
	case kindTime:
		return formatTime(e.num)
	case kindCount:
		if e.num == 0 {
			return noLimit
		}
		return strconv.FormatInt(e.num, 10)
	case kindBool:
		return strconv.FormatBool(e.num != 0)
	}
	return e.text
}
