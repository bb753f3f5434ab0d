// Package gate is the only way out of a box to the network. It accepts on
// listeners that were made inside the box's network namespace, finds the name
// that a connection is for, decides by name and port, resolves the name on the
// host, checks every address, dials a checked one, and relays.
//
// It runs in the supervisor, outside the box, and every byte that it reads comes
// from code that nobody trusts: each table, buffer and queue has a limit (limit.go)
// and a stated behaviour beyond it.
package gate
