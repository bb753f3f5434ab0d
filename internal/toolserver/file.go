package toolserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/bailey-run/bailey"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

const (
	// fileTimeout is how long reading or writing one file may take: a named pipe
	// with nobody at its other end never begins.
	fileTimeout = 30 * time.Second
	// maxWrite is the largest file that write takes, in bytes.
	maxWrite = 8 << 20
	// maxRead is how much of a file is looked at, in bytes, to find the lines that
	// were asked for.
	maxRead = 256 << 20
	// defaultLines is how many lines read returns when it is not told.
	defaultLines = 2000
)

// readArgs are the arguments of the tool read.
type readArgs struct {
	Path   string `json:"path" jsonschema:"the file; a relative path starts in the working directory"`
	Offset int    `json:"offset,omitempty" jsonschema:"the first line to return, counted from 1"`
	Limit  int    `json:"limit,omitempty" jsonschema:"how many lines to return; 2000 when not given"`
}

// writeArgs are the arguments of the tool write.
type writeArgs struct {
	Path    string `json:"path" jsonschema:"the file; a relative path starts in the working directory"`
	Content string `json:"content" jsonschema:"what the file will hold"`
}

func badPath(name string) string {
	switch {
	case name == "":
		return "the path is empty"
	case strings.IndexByte(name, 0) >= 0:
		return "a NUL byte can be in no path"
	}
	return ""
}

// read runs cat inside the box: links are followed, and refused, as for every
// other program there.
func (s *Server) read(ctx context.Context, req *mcp.CallToolRequest, in readArgs) *mcp.CallToolResult {
	if problem := badPath(in.Path); problem != "" {
		return refusal(problem)
	}
	if in.Offset < 0 || in.Limit < 0 {
		return refusal("offset and limit count lines from 1")
	}
	dir := s.start(ctx, req, "")
	file := s.at(dir, in.Path)
	call := bailey.Call("Read", map[string]string{"file_path": file})
	done, no := s.decide(ctx, req, question{tool: "read", rules: "Read", call: call, dir: dir, text: file, what: "read this file"})
	if no != nil {
		return no
	}
	defer done()
	lines := &window{first: max(in.Offset, 1), count: in.Limit}
	if lines.count == 0 {
		lines.count = defaultLines
	}
	var said output
	after := s.refused()
	limit, cancel := context.WithTimeout(ctx, fileTimeout)
	defer cancel()
	var cmd *bailey.Cmd
	err := s.run(limit, func(b *bailey.Box, ctx context.Context) *bailey.Cmd {
		cmd = b.Command(ctx, "cat", "--", file)
		cmd.Stdout, cmd.Stderr = lines, &said
		return cmd
	})
	if (err != nil || limit.Err() != nil) && !lines.done {
		return s.failed(ctx, limit, cmd, err, said.text(), after, file, false)
	}
	text, note := lines.text()
	res := &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: text}}}
	if note != "" { // apart, so that it is not taken for the file's
		res.Content = append(res.Content, &mcp.TextContent{Text: note})
	}
	return res
}

// write runs cat inside the box, with the content as its standard input.
func (s *Server) write(ctx context.Context, req *mcp.CallToolRequest, in writeArgs) *mcp.CallToolResult {
	if problem := badPath(in.Path); problem != "" {
		return refusal(problem)
	}
	if len(in.Content) > maxWrite {
		return refusal(fmt.Sprintf("the content has %d bytes, and at most %d are written at once", len(in.Content), maxWrite))
	}
	dir := s.start(ctx, req, "")
	file := s.at(dir, in.Path)
	call := bailey.Call("Write", map[string]string{"file_path": file})
	done, no := s.decide(ctx, req, question{tool: "write", rules: "Write", call: call, dir: dir, text: file, what: "write this file"})
	if no != nil {
		return no
	}
	defer done()
	var said output
	after := s.refused()
	limit, cancel := context.WithTimeout(ctx, fileTimeout)
	defer cancel()
	var cmd *bailey.Cmd
	err := s.run(limit, func(b *bailey.Box, ctx context.Context) *bailey.Cmd {
		// The paths are arguments, never text of the script.
		cmd = b.Command(ctx, "sh", "-c", `[ -d "$2" ] || mkdir -p -- "$2" && exec cat > "$1"`, "sh", file, filepath.Dir(file))
		cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(in.Content), &said, &said
		return cmd
	})
	if err != nil || limit.Err() != nil {
		return s.failed(ctx, limit, cmd, err, said.text(), after, file, true)
	}
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: fmt.Sprintf("wrote %d bytes to %s", len(in.Content), plain(file))}}}
}

// tellTime is how long a refusal may take from the program that it is about to us.
const tellTime = 300 * time.Millisecond

// failed is the result of reading or writing that did not work.
func (s *Server) failed(ctx, limit context.Context, cmd *bailey.Cmd, err error, said string, before seen, file string, write bool) *mcp.CallToolResult {
	code, note := ending(ctx, limit, cmd, err, int(fileTimeout/time.Second))
	text := strings.TrimSpace(said)
	if note != "" && code != 128+int(syscall.SIGPIPE) {
		text = strings.TrimSpace(text + "\n" + note)
	}
	denials := s.refusedSince(before)
	why := ""
	if len(denials) == 0 {
		why = s.why(file, write)
	}
	if why != "" { // a wall refused it, and may be about to say so
		for end := time.Now().Add(tellTime); len(denials) == 0 && time.Now().Before(end); time.Sleep(tellTime / 100) {
			denials = s.refusedSince(before)
		}
	}
	if len(denials) == 0 {
		text += why
	}
	if text += "\n" + denialText(denials); strings.TrimSpace(text) == "" {
		text = fmt.Sprintf("exit code %d", code)
	}
	res := refusal(strings.TrimSpace(text))
	res.Meta = mcp.Meta{"bailey/exit_code": code}
	if len(denials) > 0 {
		res.Meta["bailey/denials"] = denials
	}
	return res
}

// why explains a path that the walls refuse; "" for one that they do not.
func (s *Server) why(file string, write bool) string {
	e := s.plan.Explain(file)
	if s.plan.Tier() == bailey.TierNone || write && e.Write || !write && e.Read && !e.Own {
		return ""
	}
	text := "\nin the box: " + plain(e.Why)
	if e.Allow != "" {
		text += "\nhint: " + plain(e.Allow)
	}
	return text
}

// window keeps some lines of what is written to it.
type window struct {
	first, count int
	kept         bytes.Buffer
	line         int // lines that have ended so far
	total        int
	done         bool // all that was asked for is there
	cut          bool // and it was more than a result holds
}

var errEnough = errors.New("enough was read")

func (w *window) Write(b []byte) (int, error) {
	n := len(b)
	w.total += n
	for len(b) > 0 && !w.done {
		end := bytes.IndexByte(b, '\n') + 1
		piece := b
		if end > 0 {
			piece = b[:end]
		}
		b = b[len(piece):]
		if w.line+1 >= w.first {
			room := maxShown - w.kept.Len()
			if len(piece) > room {
				piece, w.cut, w.done = piece[:room], true, true
			}
			w.kept.Write(piece)
		}
		if end > 0 {
			w.line++
			w.done = w.done || w.line >= w.first+w.count-1
		}
	}
	if w.done || w.total > maxRead {
		return 0, errEnough
	}
	return n, nil
}

// text is what was kept, as UTF-8, and what is to be said about it.
func (w *window) text() (text, note string) {
	text = w.kept.String()
	if strings.IndexByte(text, 0) >= 0 {
		return "", fmt.Sprintf("a binary file; %d bytes were looked at", w.total)
	}
	switch {
	case w.cut:
		note = fmt.Sprintf("cut after %d bytes, in line %d; go on from there with offset, or with a command", maxShown, w.line+1)
	case w.done:
		note = fmt.Sprintf("line %d is the last that was asked for", w.line)
	case text == "" && w.total > 0:
		note = fmt.Sprintf("the file ends at line %d", w.line)
	case text == "":
		note = "the file is empty"
	}
	return valid(text), note
}
