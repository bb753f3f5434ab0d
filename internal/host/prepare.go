package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"syscall"

	"github.com/bailey-run/bailey/internal/plan"
)

// maxLayers is how many boxes of one project keep what they write to a cache at
// the same time. More than that write to memory instead, so that a burst of boxes
// does not leave a copy of the build cache each.
const maxLayers = 8

// Ready is a plan whose directories on the host exist, and are this box's alone
// until Close.
type Ready struct {
	Plan *plan.Plan

	home *home
	lock *os.File
}

// Prepare makes the directories of bailey's own that a plan needs, private to
// the account of the box. Nothing else on the host is touched, and no symbolic
// link is followed out of the account's home.
func Prepare(pl *plan.Plan, f *plan.Facts) (*Ready, error) {
	r := &Ready{Plan: pl}
	if len(pl.Make) == 0 && pl.Private == nil {
		return r, nil
	}
	var err error
	if r.home, err = openHome(f); err != nil {
		return nil, fmt.Errorf("prepare caches: %w", err)
	}
	if err := r.prepare(pl); err != nil {
		r.Close()
		return nil, fmt.Errorf("prepare caches: %w", err)
	}
	return r, nil
}

func (r *Ready) prepare(pl *plan.Plan) error {
	if err := r.home.mkdir(pl.CacheDir); err != nil {
		return err
	}
	if needsSlot(pl) {
		slot, err := r.take(pl)
		if err != nil {
			return err
		}
		r.Plan = inSlot(pl, slot)
	}
	for _, d := range r.Plan.Make {
		err := r.home.mkdir(d)
		if errors.Is(err, errNotDir) {
			// An earlier box put something else in the place of a cache.
			if err = r.home.remove(d); err == nil {
				err = r.home.mkdir(d)
			}
		}
		if err != nil {
			return err
		}
	}
	if p := pl.Private; p != nil {
		// The backend makes one for each run in it.
		return r.home.mkdir(p.Dir)
	}
	return nil
}

// needsSlot says that two boxes at once cannot share the plan as it is.
func needsSlot(pl *plan.Plan) bool {
	for i := range pl.Tree {
		if pl.Tree[i].Upper != "" {
			return true
		}
	}
	return false
}

// take locks the first free slot; -1 when all that keep something are taken.
func (r *Ready) take(pl *plan.Plan) (int, error) {
	for slot := range maxLayers {
		f, err := r.home.create(path.Join(pl.CacheDir, "lock."+strconv.Itoa(slot)))
		if err != nil {
			return 0, err
		}
		switch err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); {
		case err == nil:
			r.lock = f
			return slot, nil
		case !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR):
			f.Close()
			return 0, fmt.Errorf("lock %s: %w", plan.Show(f.Name()), err)
		}
		f.Close()
	}
	return -1, nil
}

func inSlot(pl *plan.Plan, slot int) *plan.Plan {
	switch {
	case slot == 0:
		return pl
	case slot < 0:
		return pl.WithLayers("")
	}
	return pl.WithLayers("layer." + strconv.Itoa(slot))
}

// Close gives the directories back.
func (r *Ready) Close() error {
	var errs []error
	if r.lock != nil {
		errs = append(errs, r.lock.Close())
		r.lock = nil
	}
	if r.home != nil {
		errs = append(errs, r.home.close())
		r.home = nil
	}
	return errors.Join(errs...)
}

// home makes things as the account of the box. When root makes them for someone
// else, every step goes through an os.Root on that one's home, which no symbolic
// link leads out of.
type home struct {
	root     *os.Root // nil: for ourselves
	dir      string
	uid, gid int
}

func openHome(f *plan.Facts) (*home, error) {
	if f.Account.UID == f.UID {
		return &home{uid: f.UID}, nil
	}
	root, err := os.OpenRoot(f.Account.Home)
	if err != nil {
		return nil, err
	}
	return &home{root: root, dir: f.Account.Home, uid: f.Account.UID, gid: f.Account.GID}, nil
}

func (h *home) close() error {
	if h.root == nil {
		return nil
	}
	return h.root.Close()
}

// rel is a path below the home, for root.
func (h *home) rel(p string) (string, error) {
	if !within(p, h.dir) {
		return "", fmt.Errorf("%s is not in the home directory %s", plan.Show(p), plan.Show(h.dir))
	}
	return strings.TrimPrefix(strings.TrimPrefix(p, h.dir), "/"), nil
}

// mkdir makes a directory and its parents, and checks that it is one and whose.
func (h *home) mkdir(p string) error {
	if h.root == nil {
		err := os.Mkdir(p, 0o700)
		if errors.Is(err, fs.ErrNotExist) {
			err = os.MkdirAll(p, 0o700)
		}
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		return h.check(p, os.Lstat)
	}
	rel, err := h.rel(p)
	if err != nil {
		return err
	}
	for i := 1; i <= len(rel); i++ {
		if i < len(rel) && rel[i] != '/' {
			continue
		}
		part := rel[:i]
		err := h.root.Mkdir(part, 0o700)
		if err == nil {
			err = h.give(h.root, part)
		}
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return h.check(rel, h.root.Lstat)
}

// give hands a new directory over. It goes by descriptor: the name may already
// be a hard link to something else that root owns.
func (h *home) give(root *os.Root, rel string) error {
	d, err := root.OpenFile(rel, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Chown(h.uid, h.gid)
}

func (h *home) check(p string, lstat func(string) (fs.FileInfo, error)) error {
	info, err := lstat(p)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s: %w", plan.Show(p), errNotDir)
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || int(st.Uid) != h.uid {
		return fmt.Errorf("%s does not belong to user %d", plan.Show(p), h.uid)
	}
	return nil
}

// remove takes away something that is not a directory.
func (h *home) remove(p string) error {
	if h.root == nil {
		return os.Remove(p)
	}
	rel, err := h.rel(p)
	if err != nil {
		return err
	}
	return h.root.Remove(rel)
}

const createFlags = os.O_RDWR | os.O_CREATE | syscall.O_NOFOLLOW | syscall.O_NONBLOCK | syscall.O_CLOEXEC

func (h *home) create(p string) (*os.File, error) {
	if h.root == nil {
		return os.OpenFile(p, createFlags, 0o600)
	}
	rel, err := h.rel(p)
	if err != nil {
		return nil, err
	}
	f, err := h.root.OpenFile(rel, createFlags|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return h.root.OpenFile(rel, createFlags&^os.O_CREATE, 0)
	}
	if err != nil {
		return nil, err
	}
	if err := f.Chown(h.uid, h.gid); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
