package agent

import (
	"bytes"
	"errors"
	"slices"

	"github.com/pelletier/go-toml/v2/unstable"
)

// onlyTOML returns the top-level lines of a TOML file whose keys are named. Tables
// are left out: they hold what runs programs and what is secret.
func onlyTOML(text []byte, fields []string) ([]byte, error) {
	var parser unstable.Parser
	parser.Reset(text)
	var out bytes.Buffer
	for parser.NextExpression() {
		node := parser.Expression()
		if node.Kind == unstable.Table || node.Kind == unstable.ArrayTable {
			break
		}
		if node.Kind != unstable.KeyValue {
			continue
		}
		key := node.Key()
		if !key.Next() || !key.IsLast() || !slices.Contains(fields, string(key.Node().Data)) {
			continue
		}
		name, v := string(key.Node().Data), node.Value()
		switch v.Kind {
		case unstable.String, unstable.Bool, unstable.Integer:
			out.WriteString(name + " = ")
			if v.Raw.Length > 0 {
				out.Write(parser.Raw(v.Raw))
			} else {
				out.Write(v.Data)
			}
			out.WriteByte('\n')
		}
	}
	if parser.Error() != nil {
		return nil, errors.New("it is not TOML")
	}
	return out.Bytes(), nil
}
