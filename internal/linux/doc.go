// Package linux runs plans on Linux. It is the only package of bailey that makes
// raw system calls for the walls: it compiles a plan into a flat list of prepared
// system calls (a program), forks, and lets the child run that list without the
// Go runtime until it becomes the command.
package linux
