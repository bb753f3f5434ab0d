package secret

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
)

// maxTyped bounds what is read from a person or a pipe, in bytes.
const maxTyped = maxValue + 2

// AskTerminal asks for the passphrase of the encrypted file on the terminal,
// whatever the standard streams are. It is a value for Keep.Ask.
func AskTerminal(again bool) (Value, error) {
	if !again {
		return ReadTerminal("bailey: passphrase of the encrypted secrets: ")
	}
	first, err := ReadTerminal("bailey: there is no keyring here; a passphrase for the encrypted file: ")
	if e := (*Error)(nil); errors.As(err, &e) {
		e.Problem, e.Hint = "there is no keyring here, and "+e.Problem, "run this in a terminal, or see what --key-file does: bailey help secret set"
	}
	if err != nil {
		return Value{}, err
	}
	second, err := ReadTerminal("bailey: once more: ")
	if err != nil {
		return Value{}, err
	}
	defer second.Wipe()
	switch {
	case string(first.Reveal()) != string(second.Reveal()):
		return Value{}, &Error{Name: "store", Problem: "the two passphrases differ", Hint: "try again"}
	case first.Len() < minPassphrase:
		return Value{}, &Error{Name: "store", Problem: fmt.Sprintf("the passphrase has fewer than %d characters", minPassphrase), Hint: "four random words are better than one strange one"}
	}
	return first, nil
}

// minPassphrase is the shortest passphrase, in bytes. Whoever has a copy of the
// file may try some five a second on each of his cores.
const minPassphrase = 10

// ReadTerminal reads a line on the terminal, without showing it.
func ReadTerminal(prompt string) (Value, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return Value{}, &Error{Name: "store", Problem: "there is no terminal to ask on", Hint: "run this in a terminal, or give the value on standard input"}
	}
	defer tty.Close()
	// Not shown from before the prompt on: term.ReadPassword alone would show what a
	// quick person types before it has begun.
	show, err := hideTyping(int(tty.Fd()))
	if err != nil {
		return Value{}, fmt.Errorf("ask on the terminal: %w", err)
	}
	defer show()
	if _, err := tty.WriteString(prompt); err != nil {
		return Value{}, fmt.Errorf("ask on the terminal: %w", err)
	}
	b, err := term.ReadPassword(int(tty.Fd()))
	tty.WriteString("\n")
	if err != nil {
		return Value{}, fmt.Errorf("read the terminal: %w", err)
	}
	if len(b) > maxTyped {
		clear(b)
		return Value{}, errors.New("read the terminal: the line is too long")
	}
	return NewValue(b), nil
}

// ReadInput reads a value from a stream such as standard input: all of it,
// without one line break at the end.
func ReadInput(r io.Reader) (Value, error) {
	b := make([]byte, maxTyped+1)
	n, err := io.ReadFull(r, b)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		clear(b)
		return Value{}, fmt.Errorf("read the value: %w", err)
	}
	return NewValue(trim(b[:n])), nil
}
