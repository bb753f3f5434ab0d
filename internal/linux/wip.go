//go:build linux

package linux

import "os"

func (b *Box) serve(f *os.File) error { f.Close(); return nil }

type broker struct{}

func (b *broker) Close() {}

type Denial struct{}
