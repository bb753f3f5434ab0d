package bailey

import "github.com/bailey-run/bailey/internal/linux"

func (b *Box) denied(d linux.Denial) {}
