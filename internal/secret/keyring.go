package secret

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/zalando/go-keyring"
)

// ringService is under what name the keyring shows our values.
const ringService = "bailey"

// ringTime is how long the keyring may take: a person may have to unlock it.
const ringTime = 2 * time.Minute

// errNoKeyring says that this machine, or this session, has no keyring.
var errNoKeyring = errors.New("there is no keyring here")

// ring is a keyring.
type ring interface {
	set(ctx context.Context, name string, v Value) error
	get(ctx context.Context, name string) (Value, error)
	remove(ctx context.Context, name string) error
}

// systemRing is the operating system's: the Secret Service over the session bus
// on Linux, the login keychain on macOS.
type systemRing struct{}

func (systemRing) set(ctx context.Context, name string, v Value) error {
	return ringCall(ctx, func() error { return keyring.Set(ringService, name, string(v.Reveal())) })
}

func (systemRing) get(ctx context.Context, name string) (Value, error) {
	got := make(chan string, 1)
	err := ringCall(ctx, func() error {
		text, err := keyring.Get(ringService, name)
		got <- text
		return err
	})
	if err != nil {
		return Value{}, &Error{Name: name, Problem: "the keyring does not give it", Hint: "unlock the keyring, or bailey secret set " + name, Err: err}
	}
	return NewValue([]byte(<-got)), nil
}

func (systemRing) remove(ctx context.Context, name string) error {
	return ringCall(ctx, func() error { return keyring.Delete(ringService, name) })
}

// ringCall runs f when there is a keyring, and leaves it alone when it takes too
// long. Its errors tell what the bus said, never a value.
func ringCall(ctx context.Context, f func() error) error {
	if !ringThere() {
		return errNoKeyring
	}
	ctx, cancel := context.WithTimeout(ctx, ringTime)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		var bus dbus.Error
		switch {
		case errors.Is(err, keyring.ErrNotFound):
			return fs.ErrNotExist
		case errors.Is(err, keyring.ErrUnsupportedPlatform):
			return errNoKeyring
		case errors.As(err, &bus) && (bus.Name == "org.freedesktop.DBus.Error.ServiceUnknown" || bus.Name == "org.freedesktop.DBus.Error.NameHasNoOwner"):
			return errNoKeyring // a bus without a keyring on it
		}
		return ringError(err)
	case <-ctx.Done():
		return ringError(ctx.Err())
	}
}

// ringError is what a keyring that is there said, and what to do about it.
func ringError(err error) error {
	if err == nil {
		return nil
	}
	return &Error{Name: "store", Problem: "the keyring does not answer as it should", Hint: "unlock it, or keep the value in the encrypted file: bailey secret set --file NAME", Err: err}
}

// ringThere says whether there is a session bus. Without one the library would
// start its own, for nobody to keep.
func ringThere() bool {
	if runtime.GOOS != "linux" {
		return true
	}
	if os.Getenv("DBUS_SESSION_BUS_ADDRESS") != "" {
		return true
	}
	dir := os.Getenv("XDG_RUNTIME_DIR")
	if dir == "" {
		return false
	}
	_, err := os.Stat(filepath.Join(dir, "bus"))
	return err == nil
}
