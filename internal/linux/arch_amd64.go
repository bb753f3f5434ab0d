//go:build linux

package linux

const elfMachine = 62 // EM_X86_64
