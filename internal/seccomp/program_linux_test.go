package seccomp

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestPrograms runs what people run, under the filter but without a broker.
func TestPrograms(t *testing.T) {
	for _, tt := range []struct {
		name    string
		profile Profile
		file    string // written with content
		content string
		script  string
		want    string // empty: what it prints without a filter
	}{
		{name: "sh", script: "echo $((6*7)) | cat", want: "42"},
		{name: "gcc", file: "hello.c", content: cProgram, script: "gcc -O1 -pipe hello.c -o hello && ./hello", want: "hello"},
		{name: "go", file: "main.go", content: goProgram, script: "go run main.go",
			want: "listened dialled resolved interfaces: address family not supported by protocol"},
		{name: "go", profile: Profile{Interfaces: true}, file: "main.go", content: goProgram, script: "go run main.go"},
		{name: "python3", file: "x.py", content: pythonProgram, script: "python3 x.py", want: "subprocess thread socket resolve"},
		{name: "node", file: "x.js", content: nodeProgram, script: "node x.js", want: "spawned threw listened worker"},
		{name: "node", profile: Profile{Interfaces: true}, file: "x.js", content: nodeProgram, script: "node x.js"},
		{name: "java", file: "Main.java", content: javaProgram, script: "java Main.java", want: "listened interfaces"},
		{name: "git", script: "git init -q r && cd r && git -c user.name=a -c user.email=b commit -q --allow-empty -m x && git log --format=%s", want: "x"},
		{name: "setarch", script: "setarch -R uname -s", want: "Linux"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, err := exec.LookPath(tt.name); err != nil {
				t.Skip(err)
			}
			run := func(name string, args ...string) (string, error) {
				cmd := exec.CommandContext(t.Context(), name, args...)
				if name == "filtered" {
					cmd = helperCommand(t, helper{Do: "exec", Profile: tt.profile, Args: args})
				}
				cmd.Dir = t.TempDir()
				cmd.Env = append(cmd.Environ(), "GOFLAGS=", "GOWORK=off", "GOTOOLCHAIN=local", "GOPROXY=off")
				if tt.file != "" {
					if err := os.WriteFile(filepath.Join(cmd.Dir, tt.file), []byte(tt.content), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				out, err := cmd.CombinedOutput()
				return strings.TrimSpace(string(out)), err
			}
			free, err := run("sh", "-c", tt.script)
			if err != nil {
				t.Skipf("fails without a filter too: %v\n%s", err, free)
			}
			want := tt.want
			if want == "" {
				want = free
			}
			if out, err := run("filtered", "sh", "-c", tt.script); err != nil || out != want {
				t.Fatalf("%v\n%s\nwant %s", err, out, want)
			}
		})
	}
}

const cProgram = `#include <stdio.h>
int main(void) { puts("hello"); return 0; }
`

const goProgram = `package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
)

func main() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Print("listened ")
	if _, err := net.Dial("tcp", l.Addr().String()); err != nil {
		panic(err)
	}
	fmt.Print("dialled ")
	if _, err := net.DefaultResolver.LookupHost(context.Background(), "localhost"); err != nil {
		panic(err)
	}
	fmt.Print("resolved ")
	fmt.Print("interfaces: ")
	ifs, err := net.Interfaces()
	var errno syscall.Errno
	if errors.As(err, &errno) {
		fmt.Println(errno)
		return
	}
	fmt.Println(ifs[0].Name)
}
`

const pythonProgram = `
import socket, subprocess, threading
print(subprocess.run(["echo", "subprocess"], capture_output=True, text=True).stdout.strip(), end=" ")
t = threading.Thread(target=lambda: print("thread", end=" ")); t.start(); t.join()
s = socket.create_server(("127.0.0.1", 0)); c = socket.create_connection(s.getsockname()); print("socket", end=" ")
socket.getaddrinfo("localhost", 80, flags=socket.AI_ADDRCONFIG); print("resolve")
`

const nodeProgram = `
const os = require("os"), cp = require("child_process"), net = require("net"), wt = require("worker_threads");
const say = [cp.execFileSync("echo", ["spawned"]).toString().trim()];
try { say.push(Object.keys(os.networkInterfaces())[0]); } catch (e) { say.push("threw"); }
const s = net.createServer(c => c.end()).listen(0, "127.0.0.1", () => net.connect(s.address().port, "localhost").on("close", () => {
	say.push("listened"); s.close();
	new wt.Worker("require('worker_threads').parentPort.postMessage('worker')", {eval: true}).on("message", m => { say.push(m); console.log(say.join(" ")); });
}));
`

const javaProgram = `
import java.net.*;
public class Main {
	public static void main(String[] a) throws Exception {
		try (ServerSocket s = new ServerSocket(0, 1, InetAddress.getLoopbackAddress()); Socket c = new Socket(s.getInetAddress(), s.getLocalPort())) {
			System.out.print("listened ");
		}
		NetworkInterface.getNetworkInterfaces();
		System.out.println("interfaces");
	}
}
`
