// Package walls holds no code, only tests: each tries to get over one wall of a
// box, with the built program, and fails when that works. Wherever it is safe the
// same attempt is made outside a box first and must work there, so that no test
// passes because its attempt was no good. Everything attacked was planted by the
// test: files, processes, sockets, shared memory.
//
// Most attempts are probes: internal/probe has them, and its tests make them in
// each tier and without walls. Here is what a proof on somebody's machine does not
// want to take the time for, or cannot do: every protected name by every call,
// denied patterns, long races, many boxes, limits, policies that are wrong.
package walls
