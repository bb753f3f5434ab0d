//go:build linux

package main

import (
	"strings"
	"testing"
)

// TestSecretOnTerminal: values and passphrases are asked for on the terminal, and
// not shown.
func TestSecretOnTerminal(t *testing.T) {
	const value, pass = "ghp_1zr7Q0nT9sVbKx3LmW8yHd2CfGjPa5eRuIo4", "correct horse battery"
	s := onTerminal(t, `unset DBUS_SESSION_BUS_ADDRESS XDG_RUNTIME_DIR; bailey secret set T; bailey secret ls; echo "$(head -c 8 /dev/zero | tr '\0' x)yyyy" | bailey secret set U; bailey secret ls; bailey secret set V`)
	s.expect("value of T (not shown): ")
	s.typed(value + "\n")
	s.expect("a passphrase for the encrypted file: ")
	s.typed(pass + "\n")
	s.expect("once more: ")
	s.typed(pass + "\n")
	s.expect("T is kept in the encrypted file")
	s.expect("T  file")
	// A value from a pipe, and a wrong passphrase on the terminal.
	s.expect("passphrase of the encrypted secrets: ")
	s.typed("another passphrase\n")
	s.expect("the passphrase is another one")
	s.expect("T  file")
	s.expect("value of V (not shown): ")
	s.typed(value + "\n")
	s.expect("passphrase of the encrypted secrets: ")
	s.typed(pass + "\n")
	s.expect("V is kept")
	if err := s.ended(); err != nil {
		t.Error(err)
	}
	if all := s.shown(); strings.Contains(all, "ghp_") || strings.Contains(all, "horse") {
		t.Errorf("the terminal shows %q", all)
	}
}
