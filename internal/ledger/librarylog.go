package ledger

import (
	"log/slog"

	"k8s.io/klog/v2"
)

// LibraryLog sends what the tile library writes on its own (klog, to standard
// error otherwise) to log. It changes the whole process and is for main.
func LibraryLog(log *slog.Logger) { klog.SetSlogLogger(log) }
