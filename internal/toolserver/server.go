// Package toolserver serves the tools shell, read and write over the Model Context
// Protocol. Everything they do is done by a program inside an open box, so the
// walls hold for each of them alike; the rules of the policy are asked first.
package toolserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/bailey-run/bailey"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

const (
	// maxRunning is how many commands of one client run at the same time; further
	// calls wait. The box's own limit of processes holds below it.
	maxRunning = 64
	// maxLine is the longest message, in bytes: the largest file that write takes,
	// with every byte escaped. A longer one ends the connection.
	maxLine = 6*maxWrite + 1<<20
	// rootsTimeout is how long a client may take to name its roots. Beyond it the
	// calls start where the box does.
	rootsTimeout = 5 * time.Second
)

// Server is the tools over one box.
type Server struct {
	plan   *bailey.Plan
	policy *bailey.Policy
	shell  string // bash or sh, as the box has it
	home   string // what ~ stands for inside
	slots  chan struct{}
	asking asking

	rooted chan struct{} // closed when it is known where calls start

	mu     sync.Mutex // guards what follows
	box    *bailey.Box
	closed bool
	dir    string // where calls start
}

// New opens the box. It is closed by Close, and when ctx is done.
func New(ctx context.Context, config bailey.Config) (*Server, error) {
	s := &Server{slots: make(chan struct{}, maxRunning), rooted: make(chan struct{}), shell: "sh"}
	config.Ask = s
	box, err := bailey.Open(ctx, config)
	if err != nil {
		return nil, err
	}
	s.box, s.plan = box, box.Plan()
	s.policy, s.dir = s.plan.Policy(), s.plan.Dir()
	for _, kv := range box.Environ() {
		if home, ok := strings.CutPrefix(kv, "HOME="); ok {
			s.home = home
		}
	}
	if s.inside(ctx, "bash", "-c", ":") == nil {
		s.shell = "bash"
	}
	return s, nil
}

// inside runs a short program in the box, for its exit code alone.
func (s *Server) inside(ctx context.Context, name string, arg ...string) error {
	ctx, cancel := context.WithTimeout(ctx, fileTimeout)
	defer cancel()
	return s.box.Command(ctx, name, arg...).Run()
}

// Close ends everything in the box.
func (s *Server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return s.box.Close()
}

// Serve speaks the protocol until in ends or ctx is done. Commands that still run
// then are killed.
func (s *Server) Serve(ctx context.Context, in io.ReadCloser, out io.WriteCloser) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	options := &mcp.ServerOptions{
		Instructions:       s.instructions(),
		Capabilities:       &mcp.ServerCapabilities{},
		InitializedHandler: s.initialized,
		Logger:             slog.New(slog.DiscardHandler), // what a client sent may hold anything
	}
	server := mcp.NewServer(&mcp.Implementation{Name: "bailey", Title: "bailey: tools inside walls", Version: bailey.Version()}, options)
	s.addTools(ctx, server)
	err := server.Run(ctx, &mcp.IOTransport{Reader: &lastWord{ReadCloser: in, end: cancel}, Writer: out, MaxLineLength: maxLine})
	if errors.Is(err, context.Canceled) || errors.Is(err, io.EOF) {
		return nil // the client has gone, or a signal came
	}
	return err
}

// lastWord calls end when there is nothing more to read: nobody waits for an
// answer any more, and no command outlives the client.
type lastWord struct {
	io.ReadCloser
	end func()
}

func (r *lastWord) Read(b []byte) (int, error) {
	n, err := r.ReadCloser.Read(b)
	if err != nil {
		r.end()
	}
	return n, err
}

func (s *Server) addTools(ctx context.Context, server *mcp.Server) {
	no, yes := false, true
	add(ctx, s, server, &mcp.Tool{
		Name: "shell", Title: "Run a command",
		Description: "Runs a shell command inside the box and returns its output and exit code. Files, network and environment are limited by walls; what they refuse is listed below the output with what would allow it.",
		Annotations: &mcp.ToolAnnotations{DestructiveHint: &yes, OpenWorldHint: &yes},
	}, s.runShell)
	add(ctx, s, server, &mcp.Tool{
		Name: "read", Title: "Read a file",
		Description: "Reads a text file inside the box.",
		Annotations: &mcp.ToolAnnotations{ReadOnlyHint: true, OpenWorldHint: &no},
	}, s.read)
	add(ctx, s, server, &mcp.Tool{
		Name: "write", Title: "Write a file",
		Description: "Writes a file inside the box, replacing what it held, and makes the directories above it.",
		Annotations: &mcp.ToolAnnotations{DestructiveHint: &yes, IdempotentHint: true, OpenWorldHint: &no},
	}, s.write)
}

// add puts a tool onto the server. A call also ends when the connection does, and
// a fault of ours is the answer to that call alone.
func add[In any](serving context.Context, s *Server, server *mcp.Server, tool *mcp.Tool, handle func(context.Context, *mcp.CallToolRequest, In) *mcp.CallToolResult) {
	mcp.AddTool(server, tool, func(ctx context.Context, req *mcp.CallToolRequest, in In) (res *mcp.CallToolResult, _ any, _ error) {
		defer func() {
			if problem := recover(); problem != nil {
				res = refusal(fmt.Sprintf("a fault of bailey, and nothing is known of what it did: %v", problem))
			}
		}()
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(serving, cancel)()
		select {
		case s.slots <- struct{}{}:
			defer func() { <-s.slots }()
		case <-ctx.Done():
			return refusal("cancelled before it began"), nil, nil
		}
		return handle(ctx, req, in), nil, nil
	})
}

// refusal is the result of a call that did nothing.
func refusal(text string) *mcp.CallToolResult {
	return &mcp.CallToolResult{IsError: true, Content: []mcp.Content{&mcp.TextContent{Text: text}}}
}

// open is the box, a new one when a limit has ended the last.
func (s *Server) open(ctx context.Context, ended *bailey.Box) (*bailey.Box, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.box != ended {
		return s.box, nil // another call has opened it
	}
	if s.closed {
		return nil, bailey.ErrClosed
	}
	// The context of a call must not end the box that other calls use. The plan
	// stays the one that the client was told of.
	box, err := s.plan.Open(context.WithoutCancel(ctx))
	if err != nil {
		return nil, err
	}
	s.box.Close()
	s.box = box
	return box, nil
}

func (s *Server) current() *bailey.Box {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.box
}

// instructions tell a model what the box is.
func (s *Server) instructions() string {
	p := s.plan
	var b strings.Builder
	if p.Tier() == bailey.TierNone {
		b.WriteString("The tools run without walls, with all the rights of the user.\n")
	} else {
		b.WriteString("The tools run inside a box whose walls the operating system holds. What the walls refuse stays refused by any other way; say so to the user, with the hint that comes with it.\n")
	}
	fmt.Fprintf(&b, "Working directory: %s\n", p.Dir())
	if w := p.Writable(); len(w) > 0 {
		fmt.Fprintf(&b, "Writable: %s, and the box's own /tmp and home, which are gone when the session ends.\n", strings.Join(w, ", "))
	} else {
		b.WriteString("Nothing of the host is writable.\n")
	}
	if hosts := p.Network(); hosts != nil {
		fmt.Fprintf(&b, "Network: %s\n", strings.Join(hosts[:min(len(hosts), 20)], ", "))
	} else if p.Tier() != bailey.TierNone {
		b.WriteString("Network: none but the box's own loopback.\n")
	}
	return b.String()
}

// initialized asks a client that has roots for them. They choose where calls
// start and nothing else: a client, or who speaks through it, must not be able to
// move the walls.
func (s *Server) initialized(ctx context.Context, req *mcp.InitializedRequest) {
	params := req.Session.InitializeParams()
	if canAsk(params) && params.ProtocolVersion < sessionless {
		s.asking.mu.Lock()
		s.asking.client = req.Session
		s.asking.mu.Unlock()
	}
	//lint:ignore SA1019 clients of the protocols before 2026-07-28 still have roots
	if params == nil || params.Capabilities == nil || params.Capabilities.RootsV2 == nil {
		close(s.rooted)
		return
	}
	go func() {
		defer close(s.rooted)
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rootsTimeout)
		defer cancel()
		//lint:ignore SA1019 clients of the protocols before 2026-07-28 still have roots
		roots, err := req.Session.ListRoots(ctx, nil)
		if err != nil {
			return
		}
		for _, root := range roots.Roots {
			if dir := s.root(root.URI); dir != "" {
				s.mu.Lock()
				s.dir = dir
				s.mu.Unlock()
				return
			}
		}
	}()
}

// root is the directory of a root that lies in the workspace; "" for any other.
func (s *Server) root(uri string) string {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "file" || u.Host != "" && u.Host != "localhost" || !filepath.IsAbs(u.Path) {
		return ""
	}
	dir, err := filepath.EvalSymlinks(u.Path)
	if err != nil {
		return ""
	}
	if st, err := os.Stat(dir); err != nil || !st.IsDir() {
		return ""
	}
	if rel, err := filepath.Rel(s.plan.Workspace(), dir); err != nil || !filepath.IsLocal(rel) {
		return ""
	}
	return dir
}

// start is the directory that a call with the given cwd starts in.
func (s *Server) start(ctx context.Context, req *mcp.CallToolRequest, cwd string) string {
	//lint:ignore SA1019 clients of the protocols before 2026-07-28 still have roots
	if p := req.Session.InitializeParams(); p != nil && p.Capabilities != nil && p.Capabilities.RootsV2 != nil && p.ProtocolVersion < sessionless {
		select {
		case <-s.rooted:
		case <-ctx.Done():
		case <-time.After(rootsTimeout):
		}
	}
	s.mu.Lock()
	dir := s.dir
	s.mu.Unlock()
	return s.at(dir, cwd)
}

// sessionless is the first version of the protocol without a handshake, in which
// a server asks for no roots.
const sessionless = "2026-07-28"

// at makes a path of a call absolute, as the program inside would read it.
func (s *Server) at(dir, name string) string {
	switch {
	case name == "":
		return dir
	case name == "~" || strings.HasPrefix(name, "~/"):
		return filepath.Join(s.home, name[1:])
	case filepath.IsAbs(name):
		return name
	}
	// No cleaning: what .. behind a symbolic link means, the kernel inside says.
	return dir + "/" + name
}
