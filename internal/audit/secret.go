package audit

import "strings"

// Secrets returns the values in env ("NAME=value") whose names secret says must
// not be written. Values shorter than 6 bytes are left out.
func Secrets(env []string, secret func(name string) bool) []string {
	var values []string
	for _, kv := range env {
		name, value, ok := strings.Cut(kv, "=")
		if ok && len(value) >= minSecret && secret(name) {
			values = append(values, value)
		}
	}
	return values
}
