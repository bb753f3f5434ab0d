//go:build !linux

package attempt

// StartArg, in front of a program and its arguments, asks for Start.
const StartArg = "start"

// start cannot try anything: there is no box here.
func start([]string) Answer { return Answer{Skip: "this is not Linux"} }

// Start fails: there is no box here.
func Start([]string) int { return 1 }
