package main

import (
	"runtime"

	"github.com/bailey-run/bailey"
)

func versionVerb(a *app) *verb {
	return &verb{
		name: "version", args: "[--json]", short: "print the version",
		long:  "Prints the version of bailey, of Go, and the platform.",
		flags: []*flag{a.jsonFlag("the version as JSON")},
		run: func(words []string) error {
			if len(words) > 0 {
				return &usageError{"bailey version takes no arguments", "bailey help version"}
			}
			if a.json {
				return a.printJSON(map[string]string{"version": bailey.Version(), "go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH})
			}
			_, err := a.out.WriteString("bailey " + bailey.Version() + " (" + runtime.Version() + ", " + runtime.GOOS + "/" + runtime.GOARCH + ")\n")
			return err
		},
	}
}
