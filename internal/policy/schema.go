package policy

import (
	"bytes"
	"encoding/json"
)

// schemaID is the address editors know the schema by.
const schemaID = "https://bailey.run/schema/policy.json"

// object is a JSON object of the schema.
type object = map[string]any

// Schema returns the JSON Schema (2020-12) of a policy file, made from the table
// of keys that the decoder uses. It covers the shape of a file. What depends on
// the machine or on other layers (paths that leave the project, trust, ceilings)
// only Load can say. A number written as 4.0 is an integer to JSON and not to
// TOML.
func Schema() []byte {
	top := object{}
	sections := map[string]object{}
	for at := range keys {
		k := &keys[at]
		if k.place != anywhere {
			continue
		}
		s := k.schema()
		s["description"] = k.doc
		if k.kind.list() && !k.tightens {
			s["description"] = k.doc + " In a project file this needs trust."
		}
		section := k.section()
		if section == "" {
			top[k.name] = s
			continue
		}
		if sections[section] == nil {
			sections[section] = object{}
			top[section] = object{
				"type": "object", "description": sectionDoc(section),
				"additionalProperties": false, "properties": sections[section],
			}
		}
		sections[section][k.name[len(section)+1:]] = s
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(object{
		"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": schemaID,
		"title": "bailey policy", "type": "object",
		"additionalProperties": false, "properties": top,
	}); err != nil {
		// Maps of strings, numbers and lists always encode.
		panic("policy: encode schema: " + err.Error())
	}
	return out.Bytes()
}

// schema describes the value of one key.
func (k *key) schema() object {
	text := func(pattern string) object { return object{"type": "string", "pattern": pattern} }
	file := func(pattern string) object {
		s := text(pattern)
		s["maxLength"] = maxPath
		return s
	}
	list := func(items object) object { return object{"type": "array", "items": items} }
	number := func(pattern string) object {
		return object{"anyOf": []object{
			{"type": "integer", "minimum": 1, "maximum": k.most()},
			text(pattern),
		}}
	}
	switch k.kind {
	case kindEnum:
		return object{"enum": k.words}
	case kindBool:
		return object{"type": "boolean"}
	case kindSize:
		return number(sizePattern)
	case kindCount:
		return number("^" + noLimit + "$")
	case kindTime:
		return number(timePattern)
	case kindWalls:
		return list(object{"enum": Acceptable()})
	case kindProfiles:
		return list(object{"enum": Profiles()})
	case kindPaths:
		return list(file(pathPattern))
	case kindGlobs:
		return list(file(globPattern))
	case kindEtc:
		s := file(etcPattern)
		s["not"] = object{"pattern": upPattern}
		return list(s)
	case kindNames:
		return list(text(namePattern))
	case kindCaches:
		return list(object{"anyOf": []object{
			file(pathPattern),
			{
				"type": "object", "additionalProperties": false, "required": []string{"path"},
				"properties": object{"path": file(pathPattern), "env": text(varPattern)},
			},
		}})
	case kindAllow, kindRefuse:
		return list(object{"anyOf": []object{text(netRulePattern), k.ruleSchema()}})
	case kindPorts:
		return list(object{"anyOf": []object{{"type": "integer", "minimum": 1, "maximum": 65535}, text(portPattern)}})
	case kindPins:
		return object{"type": "object", "additionalProperties": object{"anyOf": []object{text(textPattern), list(text(textPattern))}}}
	case kindSecrets:
		fields := object{}
		for _, f := range secretFields() {
			fields[f] = text(textPattern)
		}
		host := text(`^[^\s#:]+$`)
		fields["body"] = object{"enum": []string{"block", "pass"}}
		fields["hosts"] = object{"anyOf": []object{host, {"type": "array", "minItems": 1, "items": host}}}
		return object{"type": "object", "propertyNames": object{"pattern": `^[A-Za-z0-9_-]{1,64}$`},
			"additionalProperties": object{"type": "object", "additionalProperties": false, "required": []string{"source", "hosts"}, "properties": fields}}
	case kindExceptions:
		line := text(`^[^\x00-\x1f\x7f]+$`)
		return object{"type": "object", "propertyNames": object{"pattern": `^[A-Za-z0-9_-]{1,64}$`},
			"additionalProperties": object{"type": "object", "additionalProperties": false, "required": []string{"command", "reason"},
				"properties": object{"command": line, "reason": line, "expires": text(`^[0-9]{4}-[0-9]{2}-[0-9]{2}$`)}}}
	case kindProgram:
		return file(programPattern)
	case kindRules:
		rule := text(rulePattern)
		rule["maxLength"] = maxRule
		return list(object{"anyOf": []object{
			rule,
			{
				"type": "object", "additionalProperties": false, "required": []string{"rule"},
				"properties": object{"rule": rule, "reason": text(textPattern), "match": list(text(textPattern)), "not-match": list(text(textPattern))},
			},
		}})
	case kindVars:
		return object{
			"type": "object", "additionalProperties": text(textPattern),
			"propertyNames": object{"pattern": varPattern},
		}
	}
	return text(textPattern)
}

// ruleSchema describes a network rule written as a table.
func (k *key) ruleSchema() object {
	text := func(pattern string) object { return object{"type": "string", "pattern": pattern} }
	many := func(item object) object {
		return object{"anyOf": []object{item, {"type": "array", "minItems": 1, "items": item}}}
	}
	fields := object{
		"host":     text(`^[^\s#]+$`),
		"ports":    many(object{"anyOf": []object{{"type": "integer", "minimum": 1, "maximum": 65535}, text(`^[0-9,-]+$`)}}),
		"protocol": object{"enum": []string{protocolWeb, protocolTCP, protocolUDP}},
		"inspect":  object{"type": "boolean"},
		"methods":  many(text(`^[A-Z-]{1,32}$`)),
		"paths":    many(text(`^/[^\s#?]*$`)),
		"preset":   object{"enum": []string{"read-only", "full"}},
		"reason":   text(`^[^#\x00-\x1f]*$`),
	}
	if k.kind == kindAllow {
		fields["private"], fields["broad"] = object{"type": "boolean"}, object{"type": "boolean"}
		fields["max-upload"], fields["max-download"] = text(sizePattern), text(sizePattern)
	}
	return object{"type": "object", "additionalProperties": false, "required": []string{"host"}, "properties": fields}
}
