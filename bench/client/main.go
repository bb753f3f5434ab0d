// Command client is what the benchmarks of the network run inside and outside. It
// prints the nanoseconds that its work took.
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "client: error: usage: client down|up|short|parallel URL COUNT")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, "client: error:", err)
		os.Exit(1)
	}
}

func run(mode, url, count string) error {
	n, err := strconv.ParseInt(count, 10, 64)
	if err != nil {
		return err
	}
	once := &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}}
	start := time.Now()
	switch mode {
	case "down":
		r, err := once.Get(url + "/down?" + count)
		if err != nil {
			return err
		}
		got, err := io.Copy(io.Discard, r.Body)
		if err != nil || got != n {
			return fmt.Errorf("%d bytes of %d came: %w", got, n, err)
		}
	case "up":
		r, err := once.Post(url+"/up", "application/octet-stream", io.LimitReader(zeros{}, n))
		if err != nil {
			return err
		}
		b, _ := io.ReadAll(r.Body)
		if strings.TrimSpace(string(b)) != count {
			return fmt.Errorf("the server got %s", b)
		}
	case "short": // one after the other
		for range n {
			if err := get(once, url+"/"); err != nil {
				return err
			}
		}
	case "parallel": // the server answers when it has seen all
		var wait sync.WaitGroup
		errs := make(chan error, n)
		for range n {
			wait.Add(1)
			go func() {
				defer wait.Done()
				errs <- get(once, url+"/together?"+count)
			}()
		}
		wait.Wait()
		for range n {
			if err := <-errs; err != nil {
				return err
			}
		}
	default:
		return fmt.Errorf("unknown mode %q", mode)
	}
	fmt.Println(time.Since(start).Nanoseconds())
	return nil
}

func get(c *http.Client, url string) error {
	r, err := c.Get(url)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, r.Body)
	r.Body.Close()
	return err
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }
