//go:build linux || darwin

package secret

import "golang.org/x/sys/unix"

// hideTyping stops a terminal from showing what is typed, until show is called.
func hideTyping(fd int) (show func(), err error) {
	was, err := unix.IoctlGetTermios(fd, getTermios)
	if err != nil {
		return nil, err
	}
	hidden := *was
	hidden.Lflag &^= unix.ECHO
	if err := unix.IoctlSetTermios(fd, setTermios, &hidden); err != nil {
		return nil, err
	}
	return func() { unix.IoctlSetTermios(fd, setTermios, was) }, nil
}
