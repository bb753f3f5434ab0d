//go:build !linux

package main

import (
	"runtime"

	"github.com/bailey-run/bailey"
)

func (a *app) prove(*proveOptions, []string) error {
	return &bailey.UnsupportedError{Feature: "bailey prove", Need: "Linux", Have: runtime.GOOS}
}

func hidden(*app, []string) (int, bool) { return 0, false }
