package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/bailey-run/bailey"
	"github.com/bailey-run/bailey/internal/expect"
	"github.com/bailey-run/bailey/internal/layers"
	"github.com/bailey-run/bailey/internal/policy"
)

// testOptions are the flags of bailey test.
type testOptions struct {
	config bailey.Config
	cases  []string
	real   bool
	strict bool
	junit  string
}

func testVerb(a *app) *verb {
	o := &testOptions{}
	return &verb{
		name: "test", args: "[flags] [FILE…]", words: "file", mixed: true,
		short: "check the policy against what the team expects of it",
		long: `Reads cases, one a line, from bailey.test in the project's root, or from each
FILE, and says which of them the policy does not meet:

  deny  read ~/.ssh/id_ed25519     # keys stay out
  allow write ./build/x
  deny  exec git push
  deny  connect example.org:443
  deny  env AWS_SECRET_ACCESS_KEY

The policy decides, and nothing is tried; with --real each case is also tried in a
box, and an answer that differs from the policy's is a failure of its own. What
is behind # is the case's reason. docs/test.md has the rest.

The exit code is 0 when all is as expected, 1 when a case failed, and 125 when the
cases could not be read or tried. No case at all is 125. Cases that show nothing are
counted apart, and fail with --strict only.`,
		flags: append(policyFlags(&o.config),
			&flag{name: "case", value: "CASE", help: "test CASE, as in 'deny read ~/x', in place of the usual file", many: true, set: list(&o.cases)},
			&flag{name: "real", help: "also try each case in a box; nothing is left behind or changed", set: toggle(&o.real)},
			&flag{name: "strict", help: "a case that shows nothing, as about a file that is not there, fails", set: toggle(&o.strict)},
			&flag{name: "junit", value: "FILE", help: "write the results to FILE as JUnit XML", kind: "file", set: text(&o.junit)},
			a.jsonFlag("the results as JSON"),
			&flag{name: "verbose", short: "v", help: "print the cases that passed too", set: toggle(&a.verbose)}),
		run: func(words []string) error { return a.test(o, words) },
	}
}

func (a *app) test(o *testOptions, files []string) error {
	p, err := bailey.Prepare(o.config)
	if err != nil {
		return err
	}
	cases, err := readCases(p, files, o.cases)
	if err != nil {
		return err
	}
	t := newTrial(p, cases, o.strict)
	if o.real {
		if err := t.try(o.config); err != nil {
			return err
		}
	}
	t.judge()
	if o.junit != "" {
		if err := t.writeJUnit(o.junit); err != nil {
			return err
		}
	}
	if a.json {
		err = a.printJSON(t)
	} else {
		_, err = a.out.WriteString(t.text(a.verbose))
	}
	if err == nil && t.Failed > 0 {
		return exitCode(1)
	}
	return err
}

// testCase is a case and the place its paths count from.
type testCase struct {
	expect.Case
	dir string
}

// readCases reads all cases, or says all that is wrong with them.
func readCases(p *bailey.Plan, files, single []string) ([]testCase, error) {
	var cases []testCase
	var errs policy.Errors
	add := func(dir string, list []expect.Case, err error) error {
		var problems policy.Errors
		if errors.As(err, &problems) {
			errs = append(errs, problems...)
			return nil
		}
		for _, c := range list {
			cases = append(cases, testCase{c, dir})
		}
		return err
	}
	for _, text := range single {
		c, err := expect.ParseCase("--case", text)
		if err := add(p.Dir(), []expect.Case{c}, err); err != nil {
			return nil, err
		}
	}
	if len(files) == 0 && len(single) == 0 {
		files = []string{filepath.Join(p.Workspace(), expect.FileName)}
	}
	for _, name := range files {
		content, err := layers.Read(name)
		switch {
		case err == nil && leadsOut(name, p.Workspace()):
			// What is wrong with a file is printed, and in a repository from elsewhere
			// a link could make it any file of yours.
			return nil, &usageError{quote(shortName(name)) + " is a symbolic link that leads out of the project", "put the cases into the project, or name the file itself"}
		case errors.Is(err, fs.ErrNotExist):
			return nil, &usageError{"there is no file " + quote(shortName(name)), "write what you expect into it, one a line, as in: deny read ~/.ssh/id_ed25519"}
		case err != nil:
			return nil, &usageError{"read cases from " + quote(shortName(name)) + ": " + reasonOf(err), "name a file with one case a line"}
		}
		// As the box sees it: no symbolic link in the way.
		dir, err := filepath.Abs(filepath.Dir(name))
		if err == nil {
			dir, err = filepath.EvalSymlinks(dir)
		}
		if err != nil {
			return nil, fmt.Errorf("read cases: %w", err)
		}
		list, err := expect.Parse(shortName(name), content)
		if err := add(dir, list, err); err != nil {
			return nil, err
		}
	}
	if len(errs) > 0 {
		return nil, errs
	}
	return cases, nil
}

// leadsOut says whether a file in a directory below root is really elsewhere.
func leadsOut(name, root string) bool {
	dir, err := filepath.EvalSymlinks(filepath.Dir(name))
	if err == nil {
		dir, err = filepath.Abs(dir)
	}
	real, realErr := filepath.EvalSymlinks(name)
	if realErr == nil {
		real, realErr = filepath.Abs(real)
	}
	return err != nil || realErr != nil || below(dir, root) && !below(real, root)
}

// below reports whether a clean path is a directory or in it.
func below(name, dir string) bool {
	return name == dir || strings.HasPrefix(name, strings.TrimSuffix(dir, "/")+"/")
}

// shortName is how a file is called in messages: relative where that is shorter.
func shortName(name string) string {
	wd, err := os.Getwd()
	if err != nil || !filepath.IsAbs(name) {
		return name
	}
	if rel, err := filepath.Rel(wd, name); err == nil && len(rel) < len(name) {
		return rel
	}
	return name
}

// reasonOf is an error without the name that the message has already.
func reasonOf(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return err.Error()
}
