//go:build linux

package linux

import (
	"encoding/binary"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Set by init_$GOARCH.s: where the text of pid 1 begins and ends.
var initCodeAddr, initCodeEndAddr uintptr

//lint:ignore U1000 in init_$GOARCH.s, which takes its address
func initCode()

//lint:ignore U1000 in init_$GOARCH.s, which takes its address
func initCodeEnd()

// initBase is where pid 1's single segment is mapped. Any page-aligned address
// that is neither 0 nor taken by the stack does.
const initBase = 0x400000

// initProgram returns an ELF executable whose text is initCode.
func initProgram() ([]byte, error) {
	size := initCodeEndAddr - initCodeAddr
	if initCodeEndAddr <= initCodeAddr || size > 4096 {
		return nil, fmt.Errorf("locate the text of pid 1: %d bytes", int(size))
	}
	code := unsafe.Slice((*byte)(*(*unsafe.Pointer)(unsafe.Pointer(&initCodeAddr))), size)
	const header = 64 + 56
	b := make([]byte, header, header+len(code))
	le := binary.LittleEndian
	copy(b, "\x7fELF\x02\x01\x01") // 64-bit, little endian, version 1
	le.PutUint16(b[16:], 2)        // ET_EXEC
	le.PutUint16(b[18:], elfMachine)
	le.PutUint32(b[20:], 1)
	le.PutUint64(b[24:], initBase+header) // entry
	le.PutUint64(b[32:], 64)              // program headers
	le.PutUint16(b[52:], 64)
	le.PutUint16(b[54:], 56)
	le.PutUint16(b[56:], 1)
	ph := b[64:]
	le.PutUint32(ph[0:], 1)         // PT_LOAD
	le.PutUint32(ph[4:], 4|1)       // read, execute
	le.PutUint64(ph[16:], initBase) // vaddr
	le.PutUint64(ph[24:], initBase)
	le.PutUint64(ph[32:], uint64(header+len(code)))
	le.PutUint64(ph[40:], uint64(header+len(code)))
	le.PutUint64(ph[48:], 4096)
	return append(b, code...), nil
}

// initFile returns pid 1 as a sealed memory file: nobody can change it, and no
// path leads to it.
func initFile(f fault) (*os.File, error) {
	if err := f.own.at("create the file of pid 1"); err != nil {
		return nil, err
	}
	prog, err := initProgram()
	if err != nil {
		return nil, err
	}
	const mfdExec = 0x10 // since Linux 6.3; older kernels answer EINVAL and need no flag
	fd, err := unix.MemfdCreate("bailey", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING|mfdExec)
	if err == unix.EINVAL {
		fd, err = unix.MemfdCreate("bailey", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	}
	if err != nil {
		return nil, fmt.Errorf("create the file of pid 1: %w", err)
	}
	if _, err := unix.Write(fd, prog); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("write the file of pid 1: %w", err)
	}
	seals := unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("seal the file of pid 1: %w", err)
	}
	return os.NewFile(uintptr(fd), "bailey-init"), nil
}
