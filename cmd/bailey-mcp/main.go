// Command bailey-mcp is the server behind bailey mcp: a program of its own,
// because the protocol's library would slow every start of bailey. By itself it
// serves a box for the current directory, as the policy files say.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"syscall"

	"github.com/bailey-run/bailey/internal/toolserver"
)

const exitFailed = 125 // as of bailey

func main() { os.Exit(Main(os.Args[1:])) }

// Main runs the server and returns the exit code. The argument, if any, is what
// bailey mcp made of its flags.
func Main(args []string) int {
	log.SetOutput(io.Discard) // net/http prints what servers send
	if err := serve(args); err != nil {
		fmt.Fprintf(os.Stderr, "bailey: error: %v\nbailey: hint: bailey mcp takes flags, and starts this program\n", err)
		return exitFailed
	}
	return 0
}

func serve(args []string) error {
	order, err := toolserver.ReadOrder(args)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	s, err := toolserver.New(ctx, order.Config)
	if err != nil {
		return err
	}
	defer s.Close()
	return s.Serve(ctx, os.Stdin, os.Stdout)
}
