//go:build linux

package linux

import (
	"archive/tar"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// makeTar writes an archive of n small files in directories of 50.
func makeTar(t testing.TB, n int) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "a.tar")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := tar.NewWriter(f)
	body := make([]byte, 700)
	for i := range n {
		name := fmt.Sprintf("pkg/d%d/lib/f%d.js", i/50, i)
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(body))}); err != nil {
			t.Fatal(err)
		}
		w.Write(body)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return file
}

// BenchmarkBrokerUntar unpacks 10,000 files with a broker and without.
func BenchmarkBrokerUntar(b *testing.B) {
	file := makeTar(b, 10000)
	clear := func(dir string) {
		b.StopTimer()
		os.RemoveAll(filepath.Join(dir, "pkg"))
		b.StartTimer()
	}
	b.Run("outside", func(b *testing.B) {
		dir := b.TempDir()
		for b.Loop() {
			cmd := exec.Command("tar", "xf", file)
			cmd.Dir = dir
			if err := cmd.Run(); err != nil {
				b.Fatal(err)
			}
			clear(dir)
		}
	})
	for _, umask := range []bool{false, true} {
		b.Run(fmt.Sprintf("inside/umask=%v", umask), func(b *testing.B) {
			box := newBrokerBox(b)
			box.umask = umask
			for b.Loop() {
				if out, err := box.run("tar", "xf", file); err != nil {
					b.Fatal(err, out)
				}
				clear(box.dir)
			}
		})
	}
}

// BenchmarkBrokerCall is the time of one call, from inside.
func BenchmarkBrokerCall(b *testing.B) {
	for _, c := range []struct{ name, call string }{
		{"create", `os.close(os.open("sub/f%d" % i, os.O_CREAT|os.O_EXCL|os.O_WRONLY))`},
		{"open-write", `os.close(os.open("sub/f", os.O_WRONLY))`},
		{"open-absolute", `os.close(os.open(base + "/sub/f", os.O_WRONLY))`},
		{"mkdir-eexist", "try:\n   os.mkdir('sub')\n  except FileExistsError: pass"},
		{"unlink-enoent", "try:\n   os.unlink('nope')\n  except FileNotFoundError: pass"},
	} {
		script := "import os, time\nbase=os.getcwd()\nos.makedirs('sub',exist_ok=True)\nopen('sub/f','w').close()\n" +
			"t=time.perf_counter()\nfor i in range(5000):\n  " + c.call + "\nprint((time.perf_counter()-t)/5000*1e6)"
		b.Run(c.name, func(b *testing.B) {
			var in, out float64
			for range 3 {
				box := newBrokerBox(b)
				box.umask = true
				got, err := box.run("python3", "-c", script)
				if err != nil {
					b.Fatal(err, got)
				}
				var x float64
				fmt.Sscan(got, &x)
				if in == 0 || x < in {
					in = x
				}
				os.RemoveAll(box.dir + "/sub")
				fmt.Sscan(host(b, box.dir, "python3", "-c", script), &x)
				if out == 0 || x < out {
					out = x
				}
			}
			b.ReportMetric(in, "us/inside")
			b.ReportMetric(out, "us/outside")
			b.ReportMetric(in-out, "us/added")
			b.ReportMetric(0, "ns/op")
		})
	}
	_ = time.Now
}
