// Package inspect looks inside HTTP for the hosts whose rules ask for it. It
// ends the program's TLS with a certificate of the session's own authority,
// reads each request with net/http, decides it by method and path, puts secrets
// in their places, and sends one canonical request over a TLS connection that it
// verified. Bodies stream both ways through buffers of a fixed size.
//
// Everything that it reads from a program comes from code that nobody trusts, and
// what it reads from a server is not trusted either: limit.go lists what bounds
// both.
package inspect
