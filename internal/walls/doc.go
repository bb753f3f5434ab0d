// Package walls holds no code, only tests: each tries to get over one wall of a
// box, with the built program, and fails when that works. Wherever it is safe the
// same attempt is made outside a box first and must work there, so that no test
// passes because its attempt was no good. Everything attacked was planted by the
// test: files, processes, sockets, shared memory.
package walls
