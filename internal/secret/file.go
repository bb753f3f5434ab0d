package secret

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"golang.org/x/crypto/scrypt"
)

const (
	sealedName = "secrets.sealed"
	keyName    = "secrets.key"

	// The work of one guess at the passphrase: 64 MiB and some 0.2 s.
	scryptN = 1 << 16
	scryptR = 8
	scryptP = 1
	// maxScryptN bounds what a file can make us do: 1 GiB.
	maxScryptN = 1 << 20
)

// sealed is the encrypted file: one AES-256-GCM box over all values. Its key
// comes from a passphrase by scrypt, or from a file.
type sealed struct {
	Version int    `json:"version"`
	Key     string `json:"key"` // "scrypt" or "file"
	N       int    `json:"n,omitempty"`
	Salt    []byte `json:"salt,omitempty"`
	Nonce   []byte `json:"nonce"`
	Box     []byte `json:"box"`
}

// cachedFile keeps the key that opened the encrypted file, so that a person is
// asked once.
type cachedFile struct {
	mu   sync.Mutex
	key  Value
	salt []byte // what the key was made with
	kind string
}

// header is what the box is bound to.
func (s *sealed) header() []byte {
	return fmt.Appendf(nil, "bailey secrets %d %s %d %x", s.Version, s.Key, s.N, s.Salt)
}

func (k *Keep) getFile(name string) (Value, error) {
	k.file.mu.Lock()
	defer k.file.mu.Unlock()
	values, _, err := k.open()
	if err != nil {
		return Value{}, err
	}
	v, ok := values[name]
	for other, b := range values {
		if other != name {
			clear(b)
		}
	}
	if !ok {
		return Value{}, &Error{Name: name, Problem: "the encrypted file does not hold it", Hint: "bailey secret set " + name}
	}
	return NewValue(v), nil
}

func (k *Keep) setFile(name string, v Value) error {
	return k.edit(func(values map[string][]byte) { values[name] = slices.Clone(v.Reveal()) })
}

func (k *Keep) removeFile(name string) error {
	return k.edit(func(values map[string][]byte) { delete(values, name) })
}

// edit changes the encrypted file. The caller holds the lock of the directory.
func (k *Keep) edit(change func(map[string][]byte)) error {
	k.file.mu.Lock()
	defer k.file.mu.Unlock()
	values, s, err := k.open()
	if errors.Is(err, fs.ErrNotExist) {
		values, s, err = map[string][]byte{}, &sealed{Version: 1}, k.newKey()
		if err == nil {
			s.Key, s.Salt = k.file.kind, k.file.salt
			if s.Key == "scrypt" {
				s.N = scryptN
			}
		}
	}
	if err != nil {
		return err
	}
	defer func() {
		for _, b := range values {
			clear(b)
		}
	}()
	change(values)
	plain, err := json.Marshal(values)
	if err != nil {
		return err
	}
	defer clear(plain)
	aead, err := newAEAD(k.file.key)
	if err != nil {
		return err
	}
	s.Nonce = make([]byte, aead.NonceSize())
	rand.Read(s.Nonce)
	s.Box = aead.Seal(nil, s.Nonce, plain, s.header())
	raw, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return replace(filepath.Join(k.Dir, sealedName), append(raw, '\n'))
}

// open reads the encrypted file. The caller holds k.file.mu, and wipes what it
// does not pass on.
func (k *Keep) open() (map[string][]byte, *sealed, error) {
	path := filepath.Join(k.Dir, sealedName)
	raw, err := readPlain(path)
	if err != nil {
		return nil, nil, fmt.Errorf("read encrypted secrets: %w", err)
	}
	bad := func(problem, hint string) (map[string][]byte, *sealed, error) {
		return nil, nil, &Error{Name: "store", Problem: "the encrypted file " + problem, Hint: hint}
	}
	s := &sealed{}
	if strict(raw, s) != nil || s.Version != 1 || len(s.Nonce) != 12 ||
		s.Key != "file" && (s.Key != "scrypt" || len(s.Salt) != 16 || s.N < scryptN || s.N > maxScryptN || s.N&(s.N-1) != 0) {
		return bad("cannot be understood", "remove "+path+" and set your secrets again")
	}
	if err := k.unlockKey(s); err != nil {
		return nil, nil, err
	}
	aead, err := newAEAD(k.file.key)
	if err != nil {
		return nil, nil, err
	}
	plain, err := aead.Open(nil, s.Nonce, s.Box, s.header())
	if err != nil {
		k.file.key.Wipe()
		k.file.key = Value{}
		if s.Key == "scrypt" {
			return bad("does not open: the passphrase is another one, or the file was changed", "try again")
		}
		return bad("does not open: its key is another one, or the file was changed", "remove "+path+" and set your secrets again")
	}
	defer clear(plain)
	values := map[string][]byte{}
	if json.Unmarshal(plain, &values) != nil {
		return bad("holds something else", "remove "+path+" and set your secrets again")
	}
	return values, s, nil
}

// unlockKey makes the key for s known.
func (k *Keep) unlockKey(s *sealed) error {
	if k.file.key.Len() > 0 && k.file.kind == s.Key && slices.Equal(k.file.salt, s.Salt) {
		return nil
	}
	k.file.kind, k.file.salt = s.Key, s.Salt
	if s.Key == "file" {
		key, err := readPlain(filepath.Join(k.Dir, keyName))
		if err == nil && len(key) != 32 {
			err = errors.New("it is damaged")
		}
		if err != nil {
			return &Error{Name: "store", Problem: "the key of the encrypted file cannot be read", Hint: "without it the values are lost: remove " + filepath.Join(k.Dir, sealedName) + " and set your secrets again", Err: err}
		}
		k.file.key = NewValue(key)
		return nil
	}
	pass, err := k.ask(false)
	if err != nil {
		return err
	}
	defer pass.Wipe()
	return k.derive(pass, s.Salt, s.N)
}

// newKey makes the key of a new file.
func (k *Keep) newKey() error {
	if k.KeyFile {
		key := make([]byte, 32)
		rand.Read(key)
		// Never over a key that another file may need.
		f, err := os.OpenFile(filepath.Join(k.Dir, keyName), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err == nil {
			_, err = f.Write(key)
			err = errors.Join(err, f.Sync(), f.Close())
		}
		if err != nil {
			return fmt.Errorf("make key of encrypted secrets: %w", err)
		}
		k.file.kind, k.file.salt, k.file.key = "file", nil, NewValue(key)
		return nil
	}
	pass, err := k.ask(true)
	if err != nil {
		return err
	}
	defer pass.Wipe()
	salt := make([]byte, 16)
	rand.Read(salt)
	k.file.kind, k.file.salt = "scrypt", salt
	return k.derive(pass, salt, scryptN)
}

func (k *Keep) ask(again bool) (Value, error) {
	if k.Ask == nil {
		return Value{}, &Error{Name: "store", Problem: "there is no keyring here, and no terminal to ask for the passphrase of the encrypted file on", Hint: "run this in a terminal, or set the first secret with --key-file"}
	}
	return k.Ask(again)
}

func (k *Keep) derive(pass Value, salt []byte, n int) error {
	key, err := scrypt.Key(pass.Reveal(), salt, n, scryptR, scryptP, 32)
	if err != nil {
		return fmt.Errorf("derive key: %w", err)
	}
	k.file.key = NewValue(key)
	return nil
}

func newAEAD(key Value) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key.Reveal())
	if err != nil {
		return nil, fmt.Errorf("open encrypted secrets: %w", err)
	}
	return cipher.NewGCM(block)
}
