package writer

// Joined reports whether a broadcast writes for w.
func (w *Writer) Joined() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.broadcast != nil
}
