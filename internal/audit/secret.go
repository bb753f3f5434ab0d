package audit

import "strings"

// secretWords are the parts of a variable's name that say its value is a secret.
// Parts are what underscores separate, so MONKEY and KEYBOARD are none.
const secretWords = " KEY TOKEN SECRET SECRETS PASS PASSWD PASSWORD PASSPHRASE CREDENTIAL CREDENTIALS AUTH PAT DSN COOKIE PRIVATE "

// IsSecretName reports whether a variable's name says that its value is secret.
func IsSecretName(name string) bool {
	parts := strings.Split(strings.ToUpper(name), "_")
	for _, part := range parts {
		if part == "" {
			continue
		}
		if strings.Contains(secretWords, " "+part+" ") {
			return true
		}
		if part == "PWD" && len(parts) > 1 { // DB_PWD; PWD alone is the working directory
			return true
		}
		for _, end := range []string{"TOKEN", "SECRET", "PASSWORD", "PASSWD", "APIKEY"} {
			if strings.HasSuffix(part, end) { // GITHUBTOKEN
				return true
			}
		}
	}
	return false
}

// Secrets returns the values in env ("NAME=value") whose names say they are
// secret, or for which denied says that the policy keeps them out of the box.
func Secrets(env []string, denied func(name string) bool) []string {
	var values []string
	for _, kv := range env {
		name, value, ok := strings.Cut(kv, "=")
		if ok && len(value) >= minSecret && (IsSecretName(name) || denied != nil && denied(name)) {
			values = append(values, value)
		}
	}
	return values
}
